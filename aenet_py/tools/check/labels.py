"""Labels that are missing, and atoms that are too close or too far from all others."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from aenet_py.errors import InputError
from aenet_py.formats import extxyz, frames
from aenet_py.formats import structures as structure_files
from aenet_py.formats.labels import ANY, Labels
from aenet_py.formats.text import foreign
from aenet_py.structure import Structure
from aenet_py.tools.check.findings import Finding
from aenet_py.tools.check.surroundings import CUTOFF, Surroundings

LEAST_DISTANCE = 0.5  # of the sum of the covalent radii


def check_names(name: str, labels: Labels) -> None:
    """Look whether a frame has energy or forces under names that are not read.

    Parameters
    ----------
    name : str
        Of a structure; nothing is looked at unless it is a frame of extended XYZ.
    labels : Labels
        Names to read.

    Raises
    ------
    InputError
        If it has; it tells these names, and how to choose one.
    """
    path, index = structure_files.frame_of(foreign(name))
    if index is not None and frames.is_frames(path) and os.path.exists(path):
        for item in structure_files.items(structure_files.sources([foreign(name)])):
            assert item.raw is not None
            extxyz.parse(item.raw, True, labels)


def missing(structures: Sequence[Structure], labels: Labels = ANY) -> list[Finding]:
    """Structures without energy, and those without forces if others have them.

    Parameters
    ----------
    structures : sequence of Structure
        Structures.
    labels : Labels
        Names of energies and forces that were read.

    Returns
    -------
    list of Finding
        One for each structure, or a single one if none has an energy.
    """
    no_energy = [energy_of(each) is None for each in structures]
    no_forces = [each.forces is None for each in structures]
    if all(no_energy):
        message = "no structure has an energy"
        try:
            check_names(structures[0].path, labels)
        except InputError as error:
            message = f"{message}: {error}"
        return [Finding("missing", tuple(range(len(structures))), message)]
    multiple = [each.n_atoms > 1 for each in structures]
    some_forces = any(more and not without for more, without in zip(multiple, no_forces, strict=True))
    found = []
    for number, (energy, forces) in enumerate(zip(no_energy, no_forces, strict=True)):
        what = [name for name, lacks in (("energy", energy), ("forces", forces and some_forces)) if lacks]
        if what:
            found.append(Finding("missing", (number,), f"no {' and no '.join(what)}"))
    return found


def energy_of(structure: Structure) -> float | None:
    """Total or cohesive energy, eV, whichever the file has."""
    return structure.cohesive_energy if structure.energy is None else structure.energy


def close(given: Sequence[Surroundings], types: Sequence[str], radii: np.ndarray) -> list[Finding]:
    """Structures with atoms closer than half the sum of their covalent radii.

    Parameters
    ----------
    given : sequence of Surroundings
        Of the structures.
    types : sequence of str
        Species.
    radii : array, shape (n_types,)
        Their covalent radii, Å.

    Returns
    -------
    list of Finding
        One for each structure.
    """
    sums = radii[:, np.newaxis] + radii
    found = []
    for number, each in enumerate(given):
        one, other = divmod(int(np.argmin(each.shortest / sums)), len(types))
        if each.shortest[one, other] < LEAST_DISTANCE * sums[one, other]:
            message = f"{types[one]} and {types[other]} are {each.shortest[one, other]:.2f} Angstrom apart"
            found.append(Finding("close", (number,), message))
    return found


def isolated(given: Sequence[Surroundings], structures: Sequence[Structure]) -> list[Finding]:
    """Structures of several atoms, one of which has no neighbours.

    Parameters
    ----------
    given : sequence of Surroundings
        Of the structures.
    structures : sequence of Structure
        The structures.

    Returns
    -------
    list of Finding
        One for each structure.
    """
    found = []
    for number, (around, structure) in enumerate(zip(given, structures, strict=True)):
        alone = np.flatnonzero(np.isinf(around.nearest))
        if structure.n_atoms > 1 and len(alone):
            first = structure.names()[alone[0]]
            message = f"atom {alone[0] + 1} ({first}) has no neighbours within {CUTOFF:g} Angstrom"
            found.append(Finding("isolated", (number,), message))
    return found
