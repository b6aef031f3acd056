"""A folder that is ready for a training, from a set of structures.

given ──read──> structures ──check──> Checked ──figures──> Figures ──choose──> Choices ──write──> files
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from aenet_py.errors import AenetError, InputError, counted
from aenet_py.formats import frames, xsf
from aenet_py.formats import structures as structure_files
from aenet_py.formats.labels import ANY, Labels
from aenet_py.formats.text import foreign
from aenet_py.runtime.output import PendingFile, PendingFolder, already_exists
from aenet_py.runtime.signals import uninterrupted
from aenet_py.structure import Structure
from aenet_py.tools import convert
from aenet_py.tools.check import Progress, check, given_data, reading, silent
from aenet_py.tools.check.checked import Checked
from aenet_py.tools.check.labels import check_names, energy_of
from aenet_py.tools.init import choose, source, write
from aenet_py.tools.init.choose import Choices
from aenet_py.tools.init.figures import Figures, figures

if TYPE_CHECKING:
    from ase import Atoms

COPY = "structures.extxyz"
MOST_EXAMPLES = 10
LEAST_SPREAD = 1e-6  # eV/atom; less is rounding
STATES = ("model.restart", "model.transfered.restart")


@dataclass(frozen=True)
class Initialised:
    """Outcome of `init`.

    Parameters
    ----------
    folder : str
        The folder.
    files : tuple of str
        Names of the files in it that were written.
    checked : Checked
        What is in the structures, and what is wrong with them.
    figures : Figures
        Of the structures that are used.
    choices : Choices
        What was chosen, and why.
    n_left_out : int
        Number of structures that cannot be used: unreadable, or without energy or forces.
    """

    folder: str
    files: tuple[str, ...]
    checked: Checked
    figures: Figures
    choices: Choices
    n_left_out: int


def init(
    data: str | os.PathLike[str] | Structure | Atoms | Iterable[str | os.PathLike[str] | Structure | Atoms],
    output: str | os.PathLike[str] = "potential",
    *,
    transfer: str | os.PathLike[str] | None = None,
    energy_key: str | None = None,
    forces_key: str | None = None,
    format_name: str | None = None,
    threads: int | None = None,
    progress: Progress = silent,
) -> Initialised:
    """Write set-ups and input files for a training on structures, as ``aenet-py init`` does.

    Parameters
    ----------
    data : path, ase.Atoms, structure of this package, or iterable of these
        As for `check`.
    output : path
        Folder for the files, created if necessary.
    transfer : path, optional
        Folder of a finished training, whose potentials are to be fine-tuned.
    energy_key : str, optional
        As for `check`.
    forces_key : str, optional
        As for `check`.
    format_name : str, optional
        As for `check`.
    threads : int, optional
        As for `check`.
    progress : callable
        As for `check`.

    Returns
    -------
    Initialised
        What was found, chosen and written.

    Raises
    ------
    AenetError
        If a file does not exist, no structure has an energy, a file that would be written exists, or the source does
        not fit; nothing is written then.

    Examples
    --------
    >>> done = init("structures", "run")
    >>> done.files
    ('Si.stp', 'generate.in', 'train.in', 'predict.in', 'README.md')
    >>> done.choices.epochs, done.choices.alpha
    (1000, 0.3)
    """
    folder, labels = os.fspath(output), Labels(energy_key, forces_key)
    _check_free(folder, [COPY, "generate.in", "train.in", "predict.in", "README.md", *STATES])
    given = given_data(data)
    listed = reading.entries(given, format_name)
    bad: list[InputError] = []
    with progress(reading.n_bytes(listed), "B") as advance:
        everything = [each for each, _ in reading.read(listed, format_name, bad.append, labels, advance)]
    if not everything:
        raise bad[0] if bad else AenetError("there are no structures to train on")
    checked = check(everything, threads=threads, progress=progress)
    structures, has_forces = _usable(everything, checked, labels)
    found = figures(structures, checked, has_forces)
    if found.spread < LEAST_SPREAD:
        message = "the compositions alone explain all energies; more structures are needed, which differ otherwise"
        raise AenetError(f"{counted(len(structures), 'structure')} cannot be trained on: {message}")
    species = tuple(found.atoms)
    base = None if transfer is None else source.read(os.fspath(transfer), species)
    choices = choose.choose(found, None if base is None else base.atomic_energies)
    cohesive = [each.path for each in structures if each.energy is None]
    n_left_out = len(bad) + len(everything) - len(structures)
    as_given = format_name is None and n_left_out == 0 and all(map(_is_listed, listed)) and _have_forces(structures)
    if cohesive and not (as_given or found.cohesive):
        raise InputError(cohesive[0], "has a cohesive energy, and others have total energies; give total energies")
    seen, options = _seen(given, format_name, folder), _options(labels)
    judged = not (has_forces or n_left_out or format_name)  # by the originals, as the forces of the copy are zeros
    chosen = structures[:: max(len(structures) // MOST_EXAMPLES, 1)][:MOST_EXAMPLES]
    examples = [_relative(each.path, folder) for each in chosen]
    if not as_given:
        numbers = {each.path: number for number, each in enumerate(structures)}
        examples = [frames.frame_name(COPY, numbers[each.path]) for each in chosen]
    text = write.texts(
        species, choices,
        write.Data(
            files=tuple(foreign(_relative(str(each), folder)) for each in listed) if as_given else (COPY,),
            examples=tuple(map(foreign, examples)),
            labels=labels if as_given else ANY,
            checked=(COPY,) if seen is None else (*seen, *options, *_format(format_name)),
            evaluated=(COPY,) if seen is None or not (as_given or judged) else (*seen, *options),
            zeros=not has_forces,
        ),
        None if base is None else replace(base, path=foreign(_relative(base.path, folder))),
    )  # fmt: skip
    _write(folder, text, None if as_given else structures)
    files = (*text, *([] if as_given else [COPY]))
    return Initialised(folder, files, checked, found, choices, n_left_out)


def _check_free(folder: str, names: Sequence[str]) -> None:
    """AenetError if the folder has one of these files."""
    for path in (os.path.join(folder, name) for name in names):
        if os.path.lexists(path):
            raise already_exists(path)
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise AenetError(f"{folder}: this is not a folder; choose another name")


def _usable(everything: Sequence[Structure], checked: Checked, labels: Labels) -> tuple[list[Structure], bool]:
    """Structures that can be trained on, and whether forces are known; AenetError if there are none."""
    readable = set(checked.names)
    with_energy = [each for each in everything if each.path in readable and energy_of(each) is not None]
    has_forces = any(each.n_atoms > 1 and each.known_forces.any() for each in with_energy)
    found = [each for each in with_energy if each.forces is not None or not has_forces]
    if not found:
        check_names(everything[0].path, labels)
        raise AenetError("no structure has an energy; there is nothing to train on")
    return found, has_forces


def _have_forces(structures: Sequence[Structure]) -> bool:
    return all(each.forces is not None for each in structures)


def _is_listed(each: str | Structure) -> bool:
    """Whether FILES of an input file takes this."""
    if isinstance(each, Structure):
        return False
    path, _ = structure_files.frame_of(foreign(each))
    return structure_files.has_many(path) or xsf.is_xsf(path)


def _seen(given: Sequence[str | Structure], format_name: str | None, folder: str) -> tuple[str, ...] | None:
    """What was given, seen from the folder, with the files that input files list; None if some of it is in no file."""
    found: list[str] = []
    for each in given:
        files = [each] if isinstance(each, str) and os.path.isdir(each) else reading.entries([each], format_name)
        found += [_relative(file, folder) for file in files if isinstance(file, str)]
    return tuple(found) if all(isinstance(each, str) for each in given) else None


def _options(labels: Labels) -> list[str]:
    """Options of commands that choose these labels."""
    pairs = (("--energy", labels.energy), ("--forces", labels.forces))
    return [word for name, key in pairs if key is not None for word in (name, key)]


def _format(name: str | None) -> list[str]:
    return [] if name is None else ["--format", name]


def _relative(path: str, folder: str) -> str:
    """A file, or a frame of one, seen from the folder."""
    file, index = structure_files.frame_of(foreign(path))
    seen = os.path.relpath(os.path.realpath(file), os.path.realpath(folder))
    return seen if index is None else frames.frame_name(seen, index)


def _write(folder: str, text: dict[str, str], structures: Sequence[Structure] | None) -> None:
    """Write all files, or none; structures : for a copy, with zeros for unknown forces."""
    _check_free(folder, list(text))
    is_new = not os.path.isdir(folder)
    try:
        os.makedirs(os.path.dirname(os.path.realpath(folder)), exist_ok=True)
    except OSError as error:
        raise AenetError(f"{folder}: the folder cannot be created: {error.strerror}") from None
    with PendingFolder(folder if is_new else os.path.join(folder, "init")) as pending:
        for name, content in text.items():
            with PendingFile(os.path.join(pending.path, name)) as file:
                file.write(content.encode("latin-1"))
                file.complete(replace=False)
        if structures is not None:
            with convert.writer(os.path.join(pending.path, COPY)) as add:
                for each in structures:
                    forces = np.zeros((each.n_atoms, 3)) if each.forces is None else each.forces
                    add(replace(each, energy=energy_of(each), forces=forces), None)
        with uninterrupted():
            if is_new:
                pending.complete()
            else:
                names = [*text, *([] if structures is None else [COPY])]
                pending.complete_files({name: os.path.join(folder, name) for name in names})
