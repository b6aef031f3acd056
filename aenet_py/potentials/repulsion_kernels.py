"""Kernels of the screened repulsion of nuclei (`repulsion`)."""

import math

from aenet_py.descriptors.constants import COINCIDENT
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
from aenet_py.runtime.accelerate import jit
from aenet_py.runtime.signatures import f8, i4, i8, out, rows


@jit
def energy_and_slope(distance, pair):
    """Energy of two atoms closer than the outer radius, and its derivative by their distance."""
    x, screened, slope = distance * pair[SCREENING], 0.0, 0.0
    for k in range(len(AMOUNTS)):
        term = AMOUNTS[k] * math.exp(-DECAYS[k] * x)
        screened += term
        slope += DECAYS[k] * term
    bare = pair[STRENGTH] / distance
    energy = bare * screened + pair[SHIFT]
    derivative = -bare * (screened / distance + pair[SCREENING] * slope)
    beyond = distance - pair[INNER]
    if beyond > 0.0:
        energy += beyond * beyond * beyond * (pair[CUBIC] / 3.0 + pair[QUARTIC] / 4.0 * beyond)
        derivative += beyond * beyond * (pair[CUBIC] + pair[QUARTIC] * beyond)
    return energy, derivative


@jit
def half(vector, distance, pair, own, other, forces, virial):
    """Half of a pair's energy, whose derivatives are added to the forces in rows own and other, and to virial."""
    energy, derivative = energy_and_slope(distance, pair)
    for x in range(3):
        force = 0.5 * derivative * vector[x] / distance
        forces[own, x] += force
        forces[other, x] -= force
        for y in range(3):
            virial[y, x] += vector[y] * force
    return 0.5 * energy


def add(
    types: i8[:], first: i8[:], index: i4[:], vectors: rows(f8[:, :]), table: f8[:, :, N_REPULSION],
    energies: out(f8[:]), forces: out(f8[:, 3]), virial: out(f8[3, 3]),
):  # fmt: skip
    """Add half of each neighbour's repulsion to the energy of every centre, and its derivatives to forces and virial.

    types (n_atoms); first (n_centers + 1), index, vectors: neighbours as in `Environments`; table (n_types, n_types).
    Adds to energies (n_centers), forces (n_atoms) and virial.
    """
    for atom in range(len(first) - 1):
        for k in range(first[atom], first[atom + 1]):
            other, distance = index[k], vectors[3, k]
            pair = table[types[atom], types[other]]
            if distance >= pair[OUTER] or distance < COINCIDENT:  # of which features tell
                continue
            vector = (vectors[0, k], vectors[1, k], vectors[2, k])
            energies[atom] += half(vector, distance, pair, atom, other, forces, virial)
    return 0


def list_close(
    positions: f8[:, 3], types: i8[:], limits: f8[:, :], centers: i8[:], ends: i8[:], members: i8[:], atoms: i8[:],
    offsets: f8[:, 3], first: i8[:], partners: i4[:], pairs: out(i8[:, 2]), shifts: out(f8[:, 3]),
):  # fmt: skip
    """Pairs of the patches that are close; returns how many there are, of which as many as fit are written.

    positions, types (n_atoms); limits (n_types, n_types): squares of the distances that count as close, Å²; centers to
    partners: as in `Patches`.  Writes pairs: centre and neighbour, and shifts: from the neighbour's atom to its image,
    as the centre sees it, Å.
    """
    n, n_kinds = 0, (len(first) - 1) // max(len(centers), 1)
    for patch in range(len(ends) - 1):
        begin = members[patch]
        for c in range(ends[patch], ends[patch + 1]):
            atom, own = centers[c], begin + c - ends[patch]
            for k in range(first[c * n_kinds], first[(c + 1) * n_kinds]):
                member = begin + partners[k]
                other, square = atoms[member], 0.0
                for x in range(3):
                    there = positions[other, x] + offsets[member, x]
                    square += (there - positions[atom, x] - offsets[own, x]) ** 2
                if square >= limits[types[atom], types[other]]:
                    continue
                if n < len(pairs):
                    pairs[n, 0], pairs[n, 1] = atom, other
                    for x in range(3):
                        shifts[n, x] = offsets[member, x] - offsets[own, x]
                n += 1
    return n


def add_listed(
    positions: f8[:, 3], types: i8[:], owners: i8[:], pairs: i8[:, 2], shifts: f8[:, 3], table: f8[:, :, N_REPULSION],
    energies: out(f8[:]), forces: out(f8[:, 3]), virial: out(f8[3, 3]),
):  # fmt: skip
    """As `add`, of pairs and shifts of `list_close`; owners (n_atoms): row of forces that each atom belongs to."""
    for k in range(len(pairs)):
        atom, other = pairs[k, 0], pairs[k, 1]
        x = positions[other, 0] + shifts[k, 0] - positions[atom, 0]
        y = positions[other, 1] + shifts[k, 1] - positions[atom, 1]
        z = positions[other, 2] + shifts[k, 2] - positions[atom, 2]
        pair, distance = table[types[atom], types[other]], math.sqrt(x * x + y * y + z * z)
        if distance >= pair[OUTER] or distance < COINCIDENT:
            continue
        energies[atom] += half((x, y, z), distance, pair, owners[atom], owners[other], forces, virial)
    return 0
