"""How much the energy and the forces of each structure count (inputs/weights.py)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from aenet_py.errors import InputError
from aenet_py.inputs import weights as inputs
from aenet_py.inputs.train import TrainInput
from aenet_py.structure import Structure

BOLTZMANN = 8.617333262e-5  # eV/K


def of(deck: TrainInput, structures: Sequence[Structure]) -> np.ndarray | None:
    """Weights of energies and of forces, (n, 2); None if all count the same.

    A structure without a key counts once; the weights of keys, of a table and of a temperature are multiplied.

    Parameters
    ----------
    deck : TrainInput
        The input.
    structures : sequence of Structure
        The structures.

    Returns
    -------
    ndarray or None

    Raises
    ------
    InputError
        For a weight that is no number of at least 0, a value that the table lacks, and keys that no structure has.
    """
    given = deck.weights
    if given is None:
        return None
    found = np.ones((len(structures), 2))
    for column, key in enumerate((given.energy, given.forces)):
        if key and not any(key in structure.info for structure in structures):
            raise InputError(deck.path, f"found WEIGHTS with {key}, which no structure has", given.line)
        for number, structure in enumerate(structures) if key else ():
            text = structure.info.get(key, "1")
            try:
                found[number, column] = inputs.PARSE(text)
            except ValueError:
                message = f"found {key}={text}; expected a weight, at least 0"
                raise InputError(structure.path, message) from None
    if given.table is not None:
        table = inputs.read_table(given.table)
        for number, structure in enumerate(structures):
            value = structure.info.get(given.key)
            if value not in table:
                named = "no value" if value is None else repr(value)
                message = f"found {named} for {given.key} of {structure.path}; expected one of {', '.join(table)}"
                raise InputError(given.table.path, message)
            found[number] *= table[value]
    if given.temperature < math.inf:
        found *= _boltzmann(structures, given.temperature)[:, np.newaxis]
    if given.bootstrap is not None:
        drawn = np.random.default_rng(given.bootstrap).integers(len(structures), size=len(structures))
        found *= np.bincount(drawn, minlength=len(structures))[:, np.newaxis]
    return found


def _boltzmann(structures: Sequence[Structure], temperature: float) -> np.ndarray:
    """Boltzmann factors (n,) of the energies per atom above the lowest one of the same composition."""
    energies = np.array([structure.energy or structure.cohesive_energy or 0.0 for structure in structures])
    per_atom = energies / [structure.n_atoms for structure in structures]
    compositions = [_composition(structure) for structure in structures]
    lowest: dict[tuple, float] = {}
    for composition, energy in zip(compositions, per_atom.tolist(), strict=True):
        lowest[composition] = min(energy, lowest.get(composition, math.inf))
    above = per_atom - [lowest[composition] for composition in compositions]
    return np.exp(-above / (BOLTZMANN * temperature))


def _composition(structure: Structure) -> tuple:
    """Species and their numbers of atoms, divided by what these have in common."""
    counts = np.bincount(structure.species, minlength=len(structure.symbols))
    pairs = zip(structure.symbols, (counts // np.gcd.reduce(counts)).tolist(), strict=True)
    return tuple(sorted(pairs))
