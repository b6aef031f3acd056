"""Calculations that run elsewhere, such as on a cluster: a folder with input files for each, and their results.

QUEUE/00001/structure.extxyz      the structure
QUEUE/00001/job.json              what it is: key, name, calculator
QUEUE/00001/...                   input files, if the calculator has any
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from aenet_py.errors import AenetError, in_a_line
from aenet_py.labelling import journal
from aenet_py.labelling.calculators import CalculatorSpec, Given, calculators_of
from aenet_py.labelling.compute import Failure, Label
from aenet_py.labelling.label import Labelled, labelled
from aenet_py.labelling.results import result_in
from aenet_py.labelling.structures import One, Unlabelled, text, unlabelled
from aenet_py.runtime.output import PendingFolder

STRUCTURE, JOB = "structure.extxyz", "job.json"
DIGITS = 5


@dataclass(frozen=True)
class Queued:
    """A queue of calculations.

    Parameters
    ----------
    folders
        Of the calculations that were added.
    n_before
        How many of the others are in the queue already.
    n_labelled
        How many have labels.
    has_inputs
        Whether the calculator wrote input files.
    """

    folders: list[str]
    n_before: int
    n_labelled: int
    has_inputs: bool


def enqueue(
    structures: One | Iterable[One],
    calculator: Any,
    *,
    folder: str | os.PathLike[str],
    queue: str | os.PathLike[str],
    advance: Callable[[float], object] = lambda n: None,  # noqa: ARG005
) -> Queued:
    """Write a folder for each structure without a label, as ``aenet-py label --queue`` does.

    Parameters
    ----------
    structures : path, ase.Atoms, Structure, or iterable of these
        As for `label`.
    calculator : str, path, CalculatorSpec, calculator of ASE, or function
        As for `label`; ``"external"`` writes no input files.
    folder : path
        Of the labels, as for `label`.
    queue : path
        Where to write, created if necessary.  Calculations that are there already are not written again.
    advance : callable
        Called with the number of structures done since the last call.

    Returns
    -------
    Queued

    Raises
    ------
    AenetError
        For invalid input, folders with another calculator, or input files that cannot be written.
    """
    calculators, given = calculators_of(calculator), unlabelled(structures)
    place = os.fspath(queue)
    with journal.opened(os.fspath(folder), calculators.text) as known:
        wanted = {journal.key_of(each.atoms): each for each in given}
        there = _jobs(place, calculators.text)
        labels = known.labels
        n_labelled = sum(key in labels for key in wanted)
        last = max((int(name) for name in there.values()), default=0)
        new = {key: each for key, each in wanted.items() if key not in labels and key not in there}
        _make(place)
        folders = []
        for number, (key, each) in enumerate(new.items(), last + 1):
            folders.append(os.path.join(place, f"{number:0{DIGITS}d}"))
            _write(folders[-1], key, each, calculators)
            advance(1)
    return Queued(folders, len(wanted) - n_labelled - len(new), n_labelled, _has_inputs(calculators))


def collect(
    structures: One | Iterable[One],
    calculator: Any,
    *,
    folder: str | os.PathLike[str],
    queue: str | os.PathLike[str],
    result: str | None = None,
    advance: Callable[[float], object] = lambda n: None,  # noqa: ARG005
) -> Labelled:
    """Read what has been computed in a queue, as ``aenet-py label --collect`` does.

    Parameters
    ----------
    structures : path, ase.Atoms, Structure, or iterable of these
        As for `enqueue`.
    calculator : str, path, CalculatorSpec, calculator of ASE, or function
        As for `enqueue`.
    folder : path
        Of the labels, which are added.
    queue : path
        The queue.
    result : str, optional
        Name of the file with the result in each folder.  By default ``labelled.extxyz`` or the usual output of VASP,
        Quantum ESPRESSO, FHI-aims or GPAW.
    advance : callable
        Called with the number of structures done since the last call.

    Returns
    -------
    Labelled
        What is missing or wrong is a failure, with the file, and looked for again by the next call.

    Raises
    ------
    AenetError
        For invalid input, or folders with another calculator.
    """
    calculators, given = calculators_of(calculator), unlabelled(structures)
    place = os.fspath(queue)
    if not os.path.isdir(place):
        raise AenetError(f"{place}: no such folder; expected a queue")
    with journal.opened(os.fspath(folder), calculators.text) as known:
        there = _jobs(place, calculators.text)
        keys = [journal.key_of(each.atoms) for each in given]
        found: dict[str, Label | Failure] = dict(known.labels)
        n_new = 0
        for key, each in zip(keys, given, strict=True):
            if key not in found:
                found[key] = _collected(place, there.get(key), each, result)
                if isinstance(found[key], Label):
                    known.add(key, found[key])
                    n_new += 1
            advance(1)
    return labelled(given, [found[key] for key in keys], n_new)


def _collected(place: str, name: str | None, given: Unlabelled, result: str | None) -> Label | Failure:
    if name is None:
        return Failure("not in this queue", place)
    return result_in(os.path.join(place, name), given.structure, result)


def _has_inputs(calculators: CalculatorSpec | Given) -> bool:
    return isinstance(calculators, CalculatorSpec) and calculators.is_file_based


def _make(place: str) -> None:
    try:
        os.makedirs(place, exist_ok=True)
    except OSError as error:
        raise AenetError(f"{place}: the folder for the queue cannot be created: {error.strerror}") from None


def _jobs(place: str, calculator: str) -> dict[str, str]:
    """Names of the folders in a queue by key; AenetError if one belongs to another calculator."""
    found: dict[str, str] = {}
    for name in sorted(os.listdir(place)) if os.path.isdir(place) else ():
        path = os.path.join(place, name, JOB)
        if not (name.isdecimal() and os.path.isfile(path)):
            continue
        try:
            with open(path, encoding="utf-8") as file:
                stored = json.load(file)
            key, before = stored["key"], stored["calculator"]
        except OSError as error:
            raise AenetError(f"{path}: cannot be read: {error.strerror}") from None
        except (ValueError, KeyError, TypeError):
            raise AenetError(f"{path}: not a job of this queue; remove its folder") from None
        if before != calculator:
            raise AenetError(f"{path}: this job is of {before}, not of {calculator}; choose another folder")
        found[key] = name
    return found


def _write(place: str, key: str, given: Unlabelled, calculators: CalculatorSpec | Given) -> None:
    """A folder that appears when complete."""
    stored = {"key": key, "structure": given.structure.path, "calculator": calculators.text}
    with PendingFolder(place) as pending:
        try:
            with open(os.path.join(pending.path, STRUCTURE), "wb") as file:
                file.write(text(given))
            with open(os.path.join(pending.path, JOB), "w", encoding="utf-8") as job:
                job.write(json.dumps(stored, indent=2) + "\n")
        except OSError as error:
            raise AenetError(f"{place}: cannot be written: {error.strerror}") from None
        if _has_inputs(calculators):
            assert isinstance(calculators, CalculatorSpec)
            _write_inputs(pending.path, given, calculators)
        pending.complete()


def _write_inputs(place: str, given: Unlabelled, spec: CalculatorSpec) -> None:
    """Input files of a calculator of ASE."""
    calculator = spec.for_inputs().new()
    properties: Sequence[str] = ("energy", "forces")
    atoms = given.atoms.copy()
    try:
        calculator.directory = type(calculator.directory)(place)
        if hasattr(calculator, "write_inputfiles"):
            calculator.write_inputfiles(atoms, properties)
        else:
            calculator.write_input(atoms, properties, None)
    except Exception as error:  # of other programs, such as missing pseudopotentials
        name = given.structure.path
        raise AenetError(f"calculator {spec.name}: cannot write input files of {name}: {in_a_line(error)}") from None
