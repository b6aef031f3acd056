"""The screened repulsion of nuclei at short distances (REPULSION), which no training set can teach.

J. F. Ziegler, J. P. Biersack and U. Littmark, The Stopping and Range of Ions in Matter (1985), switched off between an
inner and an outer radius as by LAMMPS' ``pair_style zbl``, whose numbers these are.  It is left out of the energies and
forces that networks learn, and added to what they predict.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aenet_py.descriptors.model import Model, species_of
from aenet_py.elements import covalent_radius
from aenet_py.errors import AenetError
from aenet_py.inputs import repulsion as inputs
from aenet_py.inputs.repulsion import Repulsion
from aenet_py.neighbors.search import Environments, environments
from aenet_py.potentials.constants import (
    AMOUNTS,
    CUBIC,
    DECAYS,
    INNER,
    N_REPULSION,
    OUTER,
    QUARTIC,
    SCREENING,
    SHIFT,
    STRENGTH,
)
from aenet_py.runtime.accelerate import Kernel
from aenet_py.structure import Structure

if TYPE_CHECKING:
    from aenet_py.neighbors.patches import Patches  # which needs ASE

_add = Kernel("aenet_py.potentials.repulsion_kernels:add")
_list_close = Kernel("aenet_py.potentials.repulsion_kernels:list_close")
_add_listed = Kernel("aenet_py.potentials.repulsion_kernels:add_listed")
COULOMB = 14.399645  # eV Å, e²/(4 pi eps0) as in LAMMPS' metal units
LENGTH, POWER = 0.46850, 0.23  # Å: the screening length a is LENGTH / (Z^POWER + Z'^POWER)
FARTHEST = 1.2  # sums of covalent radii: outer radius of pairs that no structure has closer together
SWITCHED = 0.7  # inner by outer radius
ROUNDING = 1.0e-6  # Å, of distances


def table(wanted: Repulsion, types: Sequence[str]) -> np.ndarray:
    """What the kernels need for each pair of species, (n_types, n_types, N_REPULSION); zeros without repulsion."""
    found = np.zeros((len(types), len(types), N_REPULSION))
    for i, j in itertools.product(range(len(types)), repeat=2):
        radii = wanted.of(types[i], types[j])
        numbers = inputs.atomic_number(types[i]), inputs.atomic_number(types[j])
        if radii is None or None in numbers:
            continue
        found[i, j] = _pair(*radii, *map(float, filter(None, numbers)))
    return found


def _pair(inner: float, outer: float, one: float, other: float) -> np.ndarray:
    """A row of the table, for nuclei with these charges."""
    inverse, strength = (one**POWER + other**POWER) / LENGTH, COULOMB * one * other
    rates = inverse * np.array(DECAYS)
    terms = np.array(AMOUNTS) * np.exp(-rates * outer)
    phi, slope, curvature = terms.sum(), -(rates * terms).sum(), (rates * rates * terms).sum()
    value = strength / outer * phi
    first = strength / outer * (slope - phi / outer)
    second = strength / outer * (curvature - 2.0 * slope / outer + 2.0 * phi / outer**2)
    width = outer - inner
    row = np.empty(N_REPULSION)
    row[[INNER, OUTER, SCREENING, STRENGTH]] = inner, outer, inverse, strength
    row[SHIFT] = -value + 0.5 * width * first - width * width / 12.0 * second
    row[CUBIC] = (-3.0 * first + width * second) / width**2
    row[QUARTIC] = (2.0 * first - width * second) / width**3
    return row


def add(
    values: np.ndarray, types: np.ndarray, around: Environments, energies: np.ndarray, forces: np.ndarray,
    virial: np.ndarray,
) -> None:  # fmt: skip
    """Add the repulsion of one structure to its energies, forces and virial.

    Parameters
    ----------
    values : array, shape (n_types, n_types, N_REPULSION)
        As from `table`.
    types : array of int64, shape (n_atoms,)
        Species.
    around : Environments
        Of the structure or of its first atoms, each of which has half of the energy of its pairs.
    energies : array, shape (n_centers,)
        eV.
    forces : array, shape (n_atoms, 3)
        eV/Å.
    virial : array, shape (3, 3)
        eV, derivative of the energy by the strain.
    """
    _add(types=types, **around.neighbors, table=values, energies=energies, forces=forces, virial=virial)


@dataclass(frozen=True)
class Close:
    """Pairs that may come within the outer radii until the neighbours are searched again.

    values : as from `table`; pairs (n, 2), shifts (n, 3) : as the kernel lists them; types (n_atoms,) : species;
    owners (n_atoms,) : row of the forces that each atom belongs to.
    """

    values: np.ndarray
    pairs: np.ndarray
    shifts: np.ndarray
    types: np.ndarray
    owners: np.ndarray

    def add(self, positions: np.ndarray, energies: np.ndarray, forces: np.ndarray, virial: np.ndarray) -> None:
        """As the function `add`, with the atoms at positions, (n_atoms, 3) Å."""
        _add_listed(
            positions=positions, types=self.types, owners=self.owners, pairs=self.pairs, shifts=self.shifts,
            table=self.values, energies=energies, forces=forces, virial=virial,
        )  # fmt: skip


def close(values: np.ndarray, types: np.ndarray, known: Patches, owners: np.ndarray | None) -> Close:
    """The close pairs of patches; types, owners : as in `Close`, without owners each atom has its own forces."""
    outer = values[:, :, OUTER]
    limits = np.where(outer > 0.0, outer + known.search.skin, 0.0) ** 2
    size = 8 * len(known.centers) + 64
    while True:
        pairs, shifts = np.empty((size, 2), dtype=np.int64), np.empty((size, 3))
        n = _list_close(
            positions=np.ascontiguousarray(known.search.positions), types=types, limits=limits, centers=known.centers,
            ends=known.ends, members=known.members, atoms=known.atoms, offsets=known.offsets, first=known.first,
            partners=known.partners, pairs=pairs, shifts=shifts,
        )  # fmt: skip
        if n <= size:
            break
        size = n
    rows = np.arange(len(types)) if owners is None else owners
    return Close(values, pairs[:n].copy(), shifts[:n].copy(), types, rows)


def left_out(model: Model, structures: Sequence[Structure]) -> list[Structure]:
    """Structures without the repulsion that the set-ups of a model define, in energy, forces and stress.

    Parameters
    ----------
    model : Model
        Set-ups of the species.
    structures : sequence of Structure
        Those with more species than the model are left as they are, as they are not in the training set.

    Returns
    -------
    list of Structure
        The same objects where there is nothing to leave out.

    Raises
    ------
    AenetError
        As from `inputs.repulsion.of_setups`.
    InputError
        If the search for neighbours fails.
    """
    wanted = inputs.of_setups(model.setups)
    if wanted is None:
        return list(structures)
    values = table(wanted, model.types)
    n = len(model.types)
    return [_without(values, model, each) if len(each.symbols) <= n else each for each in structures]


def _without(values: np.ndarray, model: Model, structure: Structure) -> Structure:
    types = species_of(model, structure)
    around = environments([structure], model.r_min, float(values[:, :, OUTER].max()))
    n = structure.n_atoms
    energies, forces, virial = np.zeros(n), np.zeros((n, 3)), np.zeros((3, 3))
    add(values, types, around, energies, forces, virial)
    energy = float(energies.sum())
    if energy == 0.0:
        return structure
    stress, unknown = structure.stress, structure.unknown_forces
    if unknown is not None:
        forces[unknown] = 0.0  # so that they stay unknown
    if stress is not None and structure.cell is not None:
        stress = stress - 0.5 * (virial + virial.T) / abs(np.linalg.det(structure.cell))
    return dataclasses.replace(
        structure,
        energy=None if structure.energy is None else structure.energy - energy,
        cohesive_energy=None if structure.cohesive_energy is None else structure.cohesive_energy - energy,
        forces=None if structure.forces is None else structure.forces - forces,
        stress=stress,
    )  # fmt: skip


def with_repulsion(model: Model, wanted: Repulsion) -> Model:
    """The model whose set-ups carry a repulsion; AenetError if it reaches beyond a cutoff, or as `inputs.described`."""
    inputs.check_species(wanted, model.types)
    for setup in model.setups:
        symbol = setup.atom_type.strip()
        for other in model.types:
            radii = wanted.of(symbol, other)
            if radii is not None and radii[1] > setup.r_max:
                reach = f"the repulsion between {symbol} and {other} reaches to {radii[1]:g} Angstrom"
                raise AenetError(f"{reach}, farther than the cutoff of {symbol}, {setup.r_max:g} Angstrom")
    setups = [dataclasses.replace(setup, description=inputs.described(setup, wanted)) for setup in model.setups]
    return dataclasses.replace(model, setups=tuple(setups))


def farthest(types: Sequence[str]) -> np.ndarray:
    """The largest outer radius that `of_distances` chooses for each pair of species, (n_types, n_types) Å."""
    radii = np.array([covalent_radius(symbol) for symbol in types])
    return FARTHEST * (radii[:, np.newaxis] + radii)


def of_distances(model: Model, shortest: np.ndarray) -> Repulsion:
    """The repulsion that begins where structures end: with the shortest distance of each pair of species.

    Parameters
    ----------
    model : Model
        The species.
    shortest : array, shape (n_types, n_types)
        Shortest distances, Å, as from `shortest_distances`.

    Returns
    -------
    Repulsion
        With radii rounded down to 0.01 Å, so that no structure is changed.
    """
    pairs: dict[tuple[str, str], tuple[float, float]] = {}
    outer = np.floor(100.0 * np.minimum(shortest - ROUNDING, farthest(model.types))) / 100.0
    for i, j in itertools.combinations_with_replacement(range(len(model.types)), 2):
        if outer[i, j] > 0.0:
            one, other = sorted((model.types[i], model.types[j]))
            pairs[one, other] = round(SWITCHED * float(outer[i, j]), 3), round(float(outer[i, j]), 2)
    return Repulsion(None, pairs)


def shortest_distances(model: Model, structures: Iterable[Structure]) -> np.ndarray:
    """The shortest distance of each pair of species in structures, (n_types, n_types) Å; infinite beyond `farthest`."""
    limits = farthest(model.types)
    found = np.full(limits.shape, np.inf)
    for structure in structures:
        types = species_of(model, structure)
        around = environments([structure], model.r_min, float(limits.max()))
        centers = np.repeat(types, around.counts)
        np.minimum.at(found, (centers, types[around.index]), around.distance)
    return np.minimum(found, found.T)


def lines_for_lammps(wanted: Repulsion, types: Sequence[str]) -> list[str]:
    """Input of LAMMPS that adds the repulsion to ``pair_style aenet``, for atom types in the order of types."""
    ranges: dict[tuple[float, float], list[tuple[int, int]]] = {}
    for i, j in itertools.combinations_with_replacement(range(len(types)), 2):
        radii = wanted.of(types[i], types[j])
        if radii is not None:
            ranges.setdefault(radii, []).append((i, j))
    styles = " ".join(f"zbl {inner:g} {outer:g}" for inner, outer in ranges)
    lines = [f"pair_style hybrid/overlay aenet {styles}"]
    for number, pairs in enumerate(ranges.values(), 1):
        style = "zbl" if len(ranges) == 1 else f"zbl {number}"
        for i, j in pairs:
            charges = " ".join(f"{inputs.atomic_number(types[place])}" for place in (i, j))
            lines.append(f"pair_coeff {i + 1} {j + 1} {style} {charges}")
    return lines
