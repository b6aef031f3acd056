"""Data before they are used: what is in a set of structures, and what is wrong with it.

given ──read──> structures ──describe──> surroundings ──┬─> distances, duplicates
                                                        └─> linear fit ──> energies, forces
and once more:  given ──read──> those without findings ──> output
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from aenet_py.elements import covalent_radius
from aenet_py.errors import AenetError, InputError
from aenet_py.formats.labels import Labels
from aenet_py.formats.source import unwatched
from aenet_py.runtime.output import already_exists
from aenet_py.runtime.workers import number_of_threads
from aenet_py.structure import Structure, as_structure
from aenet_py.tools import convert
from aenet_py.tools.check import duplicates, energies, forces, labels, linear, reading, trajectories
from aenet_py.tools.check.checked import Checked, Distance
from aenet_py.tools.check.findings import KINDS, Finding
from aenet_py.tools.check.patterns import Pattern
from aenet_py.tools.check.surroundings import LEAST_FORCE, Surroundings, basis, describe

if TYPE_CHECKING:
    from ase import Atoms

Progress = Callable[[int, str], contextlib.AbstractContextManager[Callable[[int], object]]]
_DIRECTIONS = ("none", "one direction", "two directions", "three directions")


@contextlib.contextmanager
def silent(total: int, unit: str) -> Iterator[Callable[[int], object]]:  # noqa: ARG001
    yield unwatched


def check(
    data: str | os.PathLike[str] | Structure | Atoms | Iterable[str | os.PathLike[str] | Structure | Atoms],
    output: str | os.PathLike[str] | None = None,
    *,
    energy_key: str | None = None,
    forces_key: str | None = None,
    format_name: str | None = None,
    threads: int | None = None,
    progress: Progress = silent,
) -> Checked:
    """Check structures before training, as ``aenet-py check`` does.

    Parameters
    ----------
    data : path, ase.Atoms, structure of this package, or iterable of these
        Files of any format that `read` takes, folders, frames ``file#index``, and input files with FILES; kinds may be
        mixed.
    output : path, optional
        New file for the structures in which nothing was found, as of ``aenet-py convert``.
    energy_key : str, optional
        Key of the energy in extended XYZ files that have several.
    forces_key : str, optional
        Column of the forces in extended XYZ files that have several.
    format_name : str, optional
        ASE's name of the format in which all files are read.
    threads : int, optional
        Number of threads, by default one per processor.
    progress : callable
        Called with the total and its unit for each step; returns a context manager of a function that is called with
        the increments.

    Returns
    -------
    Checked
        What is in the data, and what is wrong with them.

    Raises
    ------
    AenetError
        If a file does not exist, no structure can be read, or `output` exists.

    Examples
    --------
    >>> checked = check("structures")
    >>> checked.species, len(checked.findings)
    ({'Si': (8, 42)}, 0)
    """
    listed = reading.entries(given_data(data), format_name)
    target = None if output is None else os.fspath(output)
    if target is not None and os.path.isfile(target):
        raise already_exists(target)
    n_threads, wanted = number_of_threads(threads), Labels(energy_key, forces_key)
    bad: list[InputError] = []
    with progress(reading.n_bytes(listed), "B") as advance:
        structures = [each for each, _ in reading.read(listed, format_name, bad.append, wanted, advance)]
    if not structures:
        raise bad[0] if bad else AenetError("there are no structures to check")
    with progress(len(structures), "structures") as advance:
        checked = _checked(structures, bad, wanted, n_threads, advance)
    if target is None:
        return checked
    return _written(checked, target, reading.read(listed, format_name, lambda _: None, wanted, unwatched))


def given_data(data: object) -> list[str | Structure]:
    """Paths as strings, and structures."""
    if isinstance(data, str | os.PathLike | Structure) or hasattr(data, "get_chemical_symbols"):
        data = [data]
    if not isinstance(data, Iterable):
        raise AenetError(f"structures must be paths or structures, not {type(data).__name__}")
    return [
        os.fspath(each)
        if isinstance(each, str | os.PathLike)
        else as_structure(each, f"structures#{number}", reference=True)
        for number, each in enumerate(data)
    ]


def _checked(
    given: Sequence[Structure],
    bad: Sequence[InputError],
    wanted: Labels,
    threads: int,
    advance: Callable[[int], object],
) -> Checked:
    """What is in the structures and wrong with them.

    bad : errors of those that could not be read; wanted : names of labels that were read.
    """
    types = sorted({symbol for each in given for symbol in each.symbols})
    radii = np.array([covalent_radius(symbol) for symbol in types])
    findings = [Finding("unreadable", (), str(error)) for error in bad]
    structures: list[Structure] = []
    around: list[Surroundings] = []
    of_basis, moves, stride = basis(types), linear.n_directions(len(given)), linear.sample_stride(len(given))
    for structure, found in zip(given, describe(given, types, radii, threads, moves, stride), strict=True):
        advance(1)
        if isinstance(found, Surroundings):
            structures.append(structure)
            around.append(found)
        else:
            findings.append(Finding("close", (), str(found)))
    if not structures:
        raise AenetError(findings[-1].message)
    names = [each.path for each in structures]
    sources, origins = ([name(each) for each in structures] for name in (reading.source, reading.kind))
    n_atoms = np.array([each.n_atoms for each in structures])
    values = np.array([np.nan if (e := labels.energy_of(each)) is None else e for each in structures]) / n_atoms
    largest = np.array([np.nan if s.forces is None else np.linalg.norm(s.forces, axis=1).max() for s in structures])
    excluded, with_forces, squares = np.zeros(len(structures), dtype=bool), largest > LEAST_FORCE, of_basis.squares
    fit = linear.fit(around, values, with_forces, excluded, squares)
    shifted: list[Finding] = []
    cleared: list[Finding] = []

    def refit(more: np.ndarray) -> linear.Fit | None:
        return linear.fit(around, values, with_forces, excluded | more, squares)

    while fit and (part := energies.group(fit, values, n_atoms, (sources, origins), excluded, cleared, refit)):
        members = list(part.structures)
        excluded[members] = True  # the others are judged without them
        without = linear.fit(around, values, with_forces, excluded, squares)
        if without is None or energies.sure(without, part):
            shifted.append(part)
            fit = without
        else:
            cleared.append(part)
            excluded[members] = False
    findings += labels.missing(structures, wanted)
    findings += labels.close(around, types, radii) + labels.isolated(around, structures)
    findings += duplicates.find(around, values, names)
    seen: list[Pattern | None] = [None] * len(structures)
    if fit is not None:
        wrong = forces.groups(fit, structures, of_basis, (sources, origins))
        if wrong:  # the other forces are judged without them

            def without_forces(these: Sequence[Finding]) -> linear.Fit:
                left = with_forces.copy()
                left[[number for each in these for number in each.structures]] = False
                found = linear.fit(around, values, left, excluded, squares)
                assert found is not None
                return found

            judge = without_forces(wrong)
            wrong = [each for each in wrong if forces.confirmed(judge, each, structures, of_basis)]
            fit = without_forces(wrong)
        seen = forces.compare(fit, structures, of_basis)
        findings += shifted + energies.find(fit, values, n_atoms, excluded)
        findings += wrong + forces.single(seen)
    findings += trajectories.find(structures, origins) + forces.contacts(structures, around, radii)
    findings += forces.net(structures)
    return Checked(
        names=tuple(names),
        species=_species(structures),
        n_atoms=n_atoms,
        periodicity=_periodicity(structures),
        volumes=_volumes(structures),
        distances=_distances(types, around, names),
        energies=values,
        largest_force=largest,
        unknown_forces=np.array([each.n_unknown_forces for each in structures]),
        fit=fit,
        force=np.array([np.nan if each is None else each.given for each in seen]),
        predicted_force=np.array([np.nan if each is None else each.cosine * each.expected for each in seen]),
        findings=_in_order(findings),
    )


def _species(structures: Sequence[Structure]) -> dict[str, tuple[int, int]]:
    """For each species, number of structures with it, and of its atoms."""
    with_it, atoms = Counter[str](), Counter[str]()
    for each in structures:
        counted = Counter(each.names())
        with_it.update(counted.keys())
        atoms.update(counted)
    return {symbol: (with_it[symbol], atoms[symbol]) for symbol in sorted(atoms)}


def _periodicity(structures: Sequence[Structure]) -> dict[str, int]:
    """Number of structures that are periodic in so many directions, which are given in words."""
    counts = Counter(sum(each.pbc) for each in structures)
    return {_DIRECTIONS[n]: counts[n] for n in sorted(counts)}


def _volumes(structures: Sequence[Structure]) -> np.ndarray:
    """Volumes per atom of those that are periodic in three directions, Å³."""
    cells = [(each.cell, each.n_atoms) for each in structures if all(each.pbc)]
    return np.array([abs(np.linalg.det(cell)) / n_atoms for cell, n_atoms in cells if cell is not None])


def _distances(
    types: Sequence[str], given: Sequence[Surroundings], names: Sequence[str]
) -> dict[tuple[str, str], Distance]:
    """Shortest distance of each pair of species that are neighbours somewhere."""
    lengths = np.array([each.shortest for each in given])
    found = {}
    for a, b in itertools.combinations_with_replacement(range(len(types)), 2):
        number = int(np.argmin(lengths[:, a, b]))
        if np.isfinite(lengths[number, a, b]):
            found[types[a], types[b]] = Distance(float(lengths[number, a, b]), names[number])
    return found


def _in_order(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Sorted by kind and first structure; of several findings of a kind about a structure, the first one."""
    known: dict[str, set[int]] = {}
    kept = []
    for each in findings:
        seen = known.setdefault(each.kind, set())
        if not each.structures or not seen.issuperset(each.structures):
            kept.append(each)
            seen.update(each.structures)
    order = list(KINDS)
    return tuple(sorted(kept, key=lambda each: (order.index(each.kind), each.structures[:1])))


def _written(checked: Checked, target: str, again: Iterable[tuple[Structure, bytes | None]]) -> Checked:
    """Write the structures without findings.

    again : all structures once more, of which some may not have been checked.  AenetError if one has disappeared, or
    none is left.
    """
    flagged, position = checked.flagged, 0
    if flagged.all():
        raise AenetError(f"{target}: not written, because something was found in every structure")
    with convert.writer(target) as add:
        for structure, content in again:
            if position == len(flagged) or structure.path != checked.names[position]:
                continue
            if not flagged[position]:
                add(structure, content)
            position += 1
        if position < len(flagged):
            raise InputError(
                checked.names[position], "has disappeared since it was read; do not change files meanwhile"
            )
    return replace(checked, output=target, n_written=int((~flagged).sum()))
