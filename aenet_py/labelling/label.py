"""Energies and forces of structures from any calculator of ASE, in one call.

structures ─key─> not yet in the journal ─processes─> Label or Failure ─journal─> Labelled
"""

from __future__ import annotations

import collections
import contextlib
import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ase import Atoms

from aenet_py.errors import AenetError, StoppedError
from aenet_py.labelling import journal, processes
from aenet_py.labelling.calculators import EXTERNAL, CalculatorSpec, calculators_of
from aenet_py.labelling.compute import Failure, Label
from aenet_py.labelling.structures import One, Unlabelled, labelled_atoms, unlabelled


@dataclass(frozen=True)
class Labelled:
    """Structures with their labels.

    Parameters
    ----------
    structures
        As given.
    labels
        Of each structure; a `Failure` where there is none.
    atoms
        Each structure as ase.Atoms without constraints, whose calculator holds energy, forces and, if it is periodic in
        three directions, stress; None where there is no label.
    n_computed
        How many labels, or failures, are new; the others were there.
    """

    structures: list[Unlabelled]
    labels: list[Label | Failure]
    atoms: list[Atoms | None]
    n_computed: int

    @property
    def failures(self) -> list[tuple[int, str]]:
        """Indices of the structures without a label, with the reasons."""
        return [(index, str(each)) for index, each in enumerate(self.labels) if isinstance(each, Failure)]


def label(
    structures: One | Iterable[One],
    calculator: Any,
    *,
    folder: str | os.PathLike[str],
    n_processes: int = 1,
    threads: int = 1,
    timeout: float | None = None,
    retry: bool = False,
    keep: bool = False,
    stop: Callable[[], bool] = lambda: False,
    advance: Callable[[float], object] = lambda n: None,  # noqa: ARG005
) -> Labelled:
    """Compute energies and forces with any calculator of ASE, as ``aenet-py label`` does.

    Parameters
    ----------
    structures : path, ase.Atoms, Structure, or iterable of these
        Structures to label, all of each file.  They are not changed.
    calculator : str, path, CalculatorSpec, calculator of ASE, or function
        ``"NAME"`` or ``"NAME:OPTION=VALUE,..."`` (``"tblite:method=GFN1-xTB"``), a ``.toml`` file, a calculator of ASE,
        of which each structure gets a copy, or a function without arguments that makes one.
    folder : path
        Where labels are stored as soon as they are computed, created if necessary.  Those that it holds already are not
        computed again.
    n_processes : int
        How many structures are computed at a time.
    threads : int
        Threads of each process.
    timeout : float, s, optional
        Longest time of a calculation, whose process is killed then.
    retry : bool
        Whether to compute structures again that failed in an earlier call.
    keep : bool
        Whether to keep the files that calculators write; those of failures are always kept.
    stop : callable
        Asked often whether to stop; calculations that were begun are completed.
    advance : callable
        Called with the number of structures done since the last call.

    Returns
    -------
    Labelled
        Labels in the order of the structures, and failures.

    Raises
    ------
    AenetError
        For invalid input, or a folder with labels of another calculator; `StoppedError` if stopped.

    Examples
    --------
    >>> from ase.build import bulk
    >>> copper = [bulk("Cu", a=a) for a in (3.5, 3.6, 3.7)]
    >>> found = label(copper, "emt", folder="copper.labels")
    >>> [round(atoms.get_potential_energy(), 3) for atoms in found.atoms]
    [0.023, -0.007, 0.03]
    >>> label([*copper, bulk("W")], "emt", folder="copper.labels").failures
    [(3, 'NotImplementedError: No EMT-potential for W')]
    """
    settings = _settings(n_processes, threads, timeout, keep)
    calculators, given = calculators_of(calculator), unlabelled(structures)
    if isinstance(calculators, CalculatorSpec) and calculators.name == EXTERNAL:
        raise AenetError("external labels are computed elsewhere; write a queue and collect its results")
    keys = [journal.key_of(each.atoms) for each in given]
    with journal.opened(os.fspath(folder), calculators.text) as known:
        wanted = {key: each.atoms for key, each in zip(keys, given, strict=True)}
        waiting = [
            processes.Task(key, atoms)
            for key, atoms in wanted.items()
            if key not in known.found or (retry and isinstance(known.found[key], Failure))
        ]
        left = {task.key for task in waiting}
        advance(sum(key not in left for key in keys))
        n_same = collections.Counter(keys)

        def ended(task: processes.Task, result: Label | Failure) -> None:
            known.add(task.key, result)
            left.remove(task.key)
            advance(n_same[task.key])

        place = os.path.join(os.fspath(folder), journal.WORK)
        processes.compute(calculators, waiting, place, settings, stop, ended)
        with contextlib.suppress(OSError):  # of no failures
            os.rmdir(place)
        if left:
            n_done = sum(key not in left for key in keys)
            raise StoppedError(f"stopped after {n_done} of {len(keys)} structures")
        labels = [known.found[key] for key in keys]
    return labelled(given, labels, len(waiting))


def labelled(given: list[Unlabelled], labels: list[Label | Failure], n_computed: int) -> Labelled:
    """Structures with their labels; n_computed : how many are new."""
    atoms = [
        None if isinstance(each, Failure) else labelled_atoms(one, each)
        for one, each in zip(given, labels, strict=True)
    ]
    return Labelled(given, labels, atoms, n_computed)


def _settings(n_processes: int, threads: int, timeout: float | None, keep: bool) -> processes.Settings:
    for name, value in (("n_processes", n_processes), ("threads", threads)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise AenetError(f"{name} must be at least 1, not {value!r}")
    if timeout is not None and not (timeout > 0 and math.isfinite(timeout)):
        raise AenetError(f"timeout must be a number of seconds above 0, not {timeout!r}")
    return processes.Settings(n_processes, threads, timeout, keep)
