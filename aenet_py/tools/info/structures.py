"""Files of structures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from aenet_py.formats import databases, extxyz, frames, xsf
from aenet_py.formats.source import Advance
from aenet_py.structure import Structure

_COUNTED = ("structures", "periodic", "with_energy", "with_forces")


@dataclass
class _Tally:
    """Counts of structures and atoms, and ranges of sizes and energies."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTED, 0))
    species: dict[str, int] = field(default_factory=dict)
    atoms: list[float] = field(default_factory=lambda: [math.inf, -math.inf])
    energies: list[float] = field(default_factory=lambda: [math.inf, -math.inf])

    def add(self, frame: Structure) -> None:
        names = frame.names()
        for name in frame.symbols:
            self.species[name] = self.species.get(name, 0) + names.count(name)
        present = (1, any(frame.pbc), frame.energy is not None, frame.forces is not None)
        for name, counted in zip(_COUNTED, present, strict=True):
            self.counts[name] += counted
        _widen(self.atoms, frame.n_atoms)
        if frame.energy is not None:
            _widen(self.energies, frame.energy / frame.n_atoms)


def _widen(ends: list[float], value: float) -> None:
    ends[:] = min(ends[0], value), max(ends[1], value)


def _described(structures: Iterable[Structure], energy: str = "total_energy_per_atom") -> dict[str, Any]:
    """Summary of structures; energy : name of their energies in it."""
    tally = _Tally()
    for frame in structures:
        tally.add(frame)
    described: dict[str, Any] = {**tally.counts, "species": tally.species}
    if tally.counts["structures"]:
        described["atoms_per_structure"] = {"min": int(tally.atoms[0]), "max": int(tally.atoms[1])}
    if tally.counts["with_energy"]:
        described[energy] = {"min": tally.energies[0], "max": tally.energies[1]}
    return described


def xsf_file(path: str, _: Advance) -> dict[str, Any]:
    structure = xsf.read_frame(path)
    if structure.cohesive_energy is None:
        return _described([structure])
    return _described([replace(structure, energy=structure.cohesive_energy)], "cohesive_energy_per_atom")


def frames_file(path: str, advance: Advance) -> dict[str, Any]:
    def parsed() -> Iterator[Structure]:
        for raw in frames.read(path, advance):
            yield extxyz.parse(raw)

    return _described(parsed())


def database(path: str, advance: Advance) -> dict[str, Any]:
    return _described(databases.read(path, reference=False, advance=advance))
