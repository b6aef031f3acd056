"""The first pass: a few numbers of every frame."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from aenet_py.formats.frames import Skip
from aenet_py.formats.labels import ANY, Labels
from aenet_py.selection.criteria import Criteria
from aenet_py.selection.shards import Labelled, Shard, read


@dataclass(frozen=True)
class Numbers:
    """A few numbers of each of n frames: energy_per_atom (n,) eV, largest_force (n,) eV/Å, n_atoms (n,)."""

    energy_per_atom: np.ndarray
    largest_force: np.ndarray
    n_atoms: np.ndarray

    def __getitem__(self, chosen: np.ndarray) -> Numbers:
        return Numbers(self.energy_per_atom[chosen], self.largest_force[chosen], self.n_atoms[chosen])

    def __len__(self) -> int:
        return len(self.n_atoms)


@dataclass(frozen=True)
class Survey:
    """All frames that are good, in the order of their files.

    starts : (n_shards + 1,) where the frames of each shard begin; index : (n,) number of each in its file; fits : (n,)
    whether it may be chosen; other_elements, anomalous : how many may not, and why; unknown : how many are of systems
    that the list of anomalies does not have; elements : in how many frames each is.
    """

    numbers: Numbers
    starts: np.ndarray
    index: np.ndarray
    fits: np.ndarray
    other_elements: int
    anomalous: int
    unknown: int
    elements: Counter[str]


def survey(
    shards: Sequence[Shard], criteria: Criteria, skip: Skip | None, advance: Callable[[int], object],
    labels: Labels = ANY,
) -> Survey:  # fmt: skip
    """Read all frames; 25 bytes are kept of each.  advance : called with 1 for each frame; labels : which to take."""
    tally, index, fits = Tally(), array("i"), array("b")
    reasons: Counter[str] = Counter()
    starts = [0]
    for shard in shards:
        for item in read(shard, skip, labels):
            tally.add(item)
            index.append(item.raw.index)
            reason = _why_not(item, criteria, reasons)
            reasons[reason] += 1
            fits.append(not reason)
            advance(1)
        starts.append(len(index))
    return Survey(
        numbers=tally.numbers(),
        starts=np.array(starts),
        index=np.array(index),
        fits=np.array(fits, dtype=bool),
        other_elements=reasons["elements"],
        anomalous=reasons["anomaly"],
        unknown=reasons["unknown"],
        elements=tally.elements,
    )


def _why_not(item: Labelled, criteria: Criteria, reasons: Counter[str]) -> str:
    """Why a frame may not be chosen, "" if it may."""
    if not criteria.elements_fit(set(item.frame.symbols)):
        return "elements"
    anomaly = criteria.anomaly(item)
    reasons["unknown"] += anomaly is None
    return "anomaly" if anomaly else ""


@dataclass(frozen=True)
class Tally:
    """Collects a few numbers of frames, and in how many of them each element is."""

    energies: array[float] = field(default_factory=lambda: array("d"))
    forces: array[float] = field(default_factory=lambda: array("d"))
    sizes: array[int] = field(default_factory=lambda: array("i"))
    elements: Counter[str] = field(default_factory=Counter)

    def add(self, item: Labelled) -> None:
        energy, forces = item.frame.energy, item.frame.forces
        assert energy is not None
        assert forces is not None
        self.energies.append(energy / item.frame.n_atoms)
        self.forces.append(float(np.sqrt(np.einsum("ij,ij->i", forces, forces).max())))
        self.sizes.append(item.frame.n_atoms)
        self.elements.update(item.frame.symbols)

    def numbers(self) -> Numbers:
        return Numbers(np.array(self.energies), np.array(self.forces), np.array(self.sizes))
