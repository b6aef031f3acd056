"""Errors of all structures, and by species, config type and size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from aenet_py.analysis.runs import ENERGY, FORCE, STRESS, Quality, quality
from aenet_py.evaluation.evaluated import PARTS, Evaluated
from aenet_py.structure import Structure

QUANTITIES = (ENERGY, FORCE, STRESS)
ALL = "all"
GROUPINGS = (ALL, "species", "config_type", "size")
MOST_SIZES = 8  # distinct numbers of atoms, above which ranges of them are formed
N_RANGES = 6
VOIGT = ((0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1))

Key = tuple[str, str, str]  # quantity, part, group
Values = dict[Key, tuple[np.ndarray, np.ndarray]]


def values(structures: Sequence[Evaluated], by: str = ALL) -> Values:
    """References and predictions (n,) by quantity, part and group, where both are known.

    Energies are per atom and without those of the free atoms, eV/atom; forces are components, eV/Å, but for those that
    are not known (`Structure.unknown_forces`); stresses the six components, eV/Å³.

    Parameters
    ----------
    structures
        What was evaluated.
    by
        How to form groups: "all" (one), "species" of the atom (forces only), "config_type" as extended XYZ has it, or
        "size", the number of atoms.

    Returns
    -------
    dict
        In the order of quantities, parts and groups.
    """
    label = _sizes(structures) if by == "size" else None
    collected: dict[Key, list[tuple[np.ndarray, np.ndarray]]] = {}
    for each in structures:
        for quantity, group, pair in _pairs(each, by, label):
            collected.setdefault((quantity, each.part, group), []).append(pair)
    order = sorted(collected, key=lambda key: (QUANTITIES.index(key[0]), PARTS.index(key[1]), _rank(key[2])))
    return {
        key: (np.concatenate([a for a, _ in collected[key]]), np.concatenate([b for _, b in collected[key]]))
        for key in order
    }


def errors(structures: Sequence[Evaluated], by: str = ALL) -> dict[Key, Quality]:
    """Errors by quantity, part and group; the arguments, units and order of `values`."""
    return {key: quality(*pair) for key, pair in values(structures, by).items()}


def _pairs(
    each: Evaluated, by: str, label: Callable[[int], str] | None
) -> Iterator[tuple[str, str, tuple[np.ndarray, np.ndarray]]]:
    """Quantity, group, and references and predictions of a structure."""
    structure = each.structure
    forces, known = structure.forces, structure.known_forces
    if by == "species":
        for place, symbol in enumerate(structure.symbols):
            own = known & (structure.species == place)[:, np.newaxis]
            if forces is not None and own.any():
                yield FORCE, symbol, (forces[own], each.forces[own])
        return
    group = _group(structure, by, label)
    if group is None:
        return
    if each.energies is not None:
        reference, predicted = each.energies
        yield ENERGY, group, (np.array([reference]), np.array([predicted]))
    if forces is not None and known.any():
        yield FORCE, group, (forces[known], each.forces[known])
    if structure.stress is not None and each.stress is not None:
        yield STRESS, group, (structure.stress[VOIGT], each.stress[VOIGT])


def _group(structure: Structure, by: str, label: Callable[[int], str] | None) -> str | None:
    """The group of a whole structure; None if it belongs to none."""
    if by == "config_type":
        return structure.info.get("config_type")
    return ALL if label is None else label(structure.n_atoms)


def _sizes(structures: Sequence[Evaluated]) -> Callable[[int], str]:
    """Names of groups by number of atoms: each number or, if there are many, ranges with similar shares."""
    counts = np.sort([each.structure.n_atoms for each in structures])
    distinct = np.unique(counts)
    if len(distinct) <= MOST_SIZES:
        return str
    starts = np.unique(counts[np.arange(N_RANGES) * len(counts) // N_RANGES])

    def label(n_atoms: int) -> str:
        place = int(np.searchsorted(starts, n_atoms, side="right")) - 1
        last = counts[-1] if place == len(starts) - 1 else distinct[distinct < starts[place + 1]][-1]
        return f"{starts[place]}" if last == starts[place] else f"{starts[place]}-{last}"

    return label


def _rank(group: str) -> tuple[int, str]:
    """Order of groups: by number of atoms, or by name."""
    first = group.partition("-")[0]
    return (int(first), "") if first.isdecimal() else (0, group)
