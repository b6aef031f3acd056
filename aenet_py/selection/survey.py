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
    """All valid frames, in the order of their files.

    Parameters
    ----------
    numbers
        A few numbers of each.
    starts
        (n_shards + 1,) where the frames of each shard begin.
    index
        (n,) 0-based index of each frame in its file.
    matches
        (n,) whether it may be selected.
    other_elements, anomalous
        Number of frames that may not, by reason.
    unknown
        Number of frames whose system is missing in the list of anomalies.
    elements
        Number of frames that contain each element.
    """

    numbers: Numbers
    starts: np.ndarray
    index: np.ndarray
    matches: np.ndarray
    other_elements: int
    anomalous: int
    unknown: int
    elements: Counter[str]


def survey(
    shards: Sequence[Shard], criteria: Criteria, skip: Skip | None, advance: Callable[[int], object],
    labels: Labels = ANY,
) -> Survey:  # fmt: skip
    """Read all frames; 25 bytes are kept of each.

    Parameters
    ----------
    shards
        Files of frames.
    criteria
        Which frames may be selected.
    skip
        As in `frames.good`.
    advance
        Called with the number of bytes read.
    labels
        Which energies and forces to use.

    Returns
    -------
    Survey
        Energy, largest force and number of atoms of each frame, and whether it matches.
    """
    tally, index, matches = SurveyTally(), array("i"), array("b")
    reasons: Counter[str] = Counter()
    starts = [0]
    for shard in shards:
        for item in read(shard, skip, labels, advance):
            tally.add(item)
            index.append(item.raw.index)
            reason = _why_not(item, criteria, reasons)
            reasons[reason] += 1
            matches.append(not reason)
        starts.append(len(index))
    return Survey(
        numbers=tally.numbers(),
        starts=np.array(starts),
        index=np.array(index),
        matches=np.array(matches, dtype=bool),
        other_elements=reasons["elements"],
        anomalous=reasons["anomaly"],
        unknown=reasons["unknown"],
        elements=tally.elements,
    )


def _why_not(item: Labelled, criteria: Criteria, reasons: Counter[str]) -> str:
    """Why a frame may not be selected; "" if it may."""
    if not criteria.elements_match(set(item.frame.symbols)):
        return "elements"
    anomaly = criteria.anomaly(item)
    reasons["unknown"] += anomaly is None
    return "anomaly" if anomaly else ""


@dataclass(frozen=True)
class SurveyTally:
    """Collects a few numbers of frames, and the number of frames that contain each element."""

    energies: array[float] = field(default_factory=lambda: array("d"))
    forces: array[float] = field(default_factory=lambda: array("d"))
    sizes: array[int] = field(default_factory=lambda: array("i"))
    elements: Counter[str] = field(default_factory=Counter)

    def add(self, item: Labelled) -> None:
        """Take in a frame with energy and forces."""
        energy, forces = item.frame.energy, item.frame.forces
        assert energy is not None
        assert forces is not None
        self.energies.append(energy / item.frame.n_atoms)
        self.forces.append(float(np.sqrt(np.einsum("ij,ij->i", forces, forces).max())))
        self.sizes.append(item.frame.n_atoms)
        self.elements.update(item.frame.symbols)

    def numbers(self) -> Numbers:
        """Those of the frames so far."""
        return Numbers(np.array(self.energies), np.array(self.forces), np.array(self.sizes))
