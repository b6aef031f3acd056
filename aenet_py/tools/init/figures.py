"""What choices depend on: sizes, distances and labels of a set of structures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aenet_py.descriptors.common import CoincidenceError
from aenet_py.errors import InputError
from aenet_py.neighbors import search
from aenet_py.pipelines.atomic_energies import is_free, least_squares
from aenet_py.structure import Structure
from aenet_py.tools.check.checked import Checked
from aenet_py.tools.check.labels import energy_of
from aenet_py.tools.check.surroundings import R_MIN

MOST_SAMPLED = 50  # structures whose neighbours are counted
RADII = (4.0, 5.0, 6.5, 8.0)  # Å


@dataclass(frozen=True)
class Figures:
    """Of a set of structures.

    Parameters
    ----------
    atoms : mapping of str to int
        Number of atoms of each species.
    n_structures : int
        Number of structures.
    has_forces : bool
        Whether forces are known.
    cohesive : bool
        Whether all energies are cohesive ones, without those of free atoms.
    free : frozenset of str
        Species of which the set has a free atom with its total energy.
    shortest : float
        Shortest distance of two atoms, Å; infinite if no atom has a neighbour.
    extent : float
        Largest distance of two atoms of a structure, Å; infinite if any is periodic.
    spread : float
        Range of the energies per atom that compositions do not explain, eV.
    neighbors : mapping of float to float
        Average number of neighbours within each of `RADII`, Å.
    groups : mapping of str to tuple of int
        For each key that all structures have, number of its values, and of structures with the most frequent one.
    """

    atoms: Mapping[str, int]
    n_structures: int
    has_forces: bool
    cohesive: bool
    free: frozenset[str]
    shortest: float
    extent: float
    spread: float
    neighbors: Mapping[float, float]
    groups: Mapping[str, tuple[int, int]]

    @property
    def n_atoms(self) -> int:
        """Number of atoms of all structures."""
        return sum(self.atoms.values())


def figures(structures: Sequence[Structure], checked: Checked, has_forces: bool) -> Figures:
    """The figures of a set.

    Parameters
    ----------
    structures : sequence of Structure
        Those that are used.
    checked : Checked
        What was found in these structures, and maybe others.
    has_forces : bool
        Whether forces are used.

    Returns
    -------
    Figures
    """
    atoms = Counter(name for each in structures for name in each.names())
    return Figures(
        atoms={symbol: atoms[symbol] for symbol in sorted(atoms)},
        n_structures=len(structures),
        has_forces=has_forces,
        cohesive=all(each.energy is None for each in structures),
        free=frozenset(s.symbols[s.species[0]] for s in structures if s.energy is not None and is_free(s)),
        shortest=min((each.length for each in checked.distances.values()), default=np.inf),
        extent=max(map(_extent, structures)),
        spread=_spread(structures, sorted(atoms)),
        neighbors=_neighbors(structures),
        groups=_groups(structures),
    )


def _extent(structure: Structure) -> float:
    """Diagonal of the box around an isolated structure, Å, which no distance exceeds; infinite for a periodic one."""
    return np.inf if any(structure.pbc) else float(np.linalg.norm(np.ptp(structure.positions, axis=0)))


def _spread(structures: Sequence[Structure], species: Sequence[str]) -> float:
    """As in `Figures`."""
    counts = [Counter(each.names()) for each in structures]
    fractions = np.array([[each[symbol] for symbol in species] for each in counts], dtype=np.float64)
    n_atoms = fractions.sum(axis=1)
    fractions /= n_atoms[:, np.newaxis]
    energies = np.array([energy_of(each) for each in structures], dtype=np.float64) / n_atoms
    return float(np.ptp(energies - fractions @ least_squares(fractions, energies)))


def _neighbors(structures: Sequence[Structure]) -> dict[float, float]:
    """As in `Figures`, of some of the structures."""
    sample = [structures[i] for i in np.linspace(0, len(structures) - 1, MOST_SAMPLED).astype(int)]
    counts, n_atoms = np.zeros(len(RADII)), 0
    for each in sample:
        try:
            distances = search.environments([each], R_MIN, max(RADII)).view(0).distance
        except (InputError, CoincidenceError):  # too many neighbours, as in a tiny cell
            continue
        counts += [np.count_nonzero(distances <= radius) for radius in RADII]
        n_atoms += each.n_atoms
    return dict(zip(RADII, (counts / max(n_atoms, 1)).tolist(), strict=True))


def _groups(structures: Sequence[Structure]) -> dict[str, tuple[int, int]]:
    """As in `Figures`."""
    shared = set.intersection(*(set(each.info) for each in structures))
    counted = {key: Counter(each.info[key] for each in structures) for key in sorted(shared)}
    return {key: (len(values), max(values.values())) for key, values in counted.items()}
