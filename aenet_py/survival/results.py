"""What a study of stability found."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from aenet_py.analysis.distances import Distribution, overlap
from aenet_py.survival.dimers import Dimer
from aenet_py.survival.kaplan_meier import Survival
from aenet_py.survival.runs import Outcome


@dataclass(frozen=True)
class Reference:
    """Distances in a reference trajectory.

    Parameters
    ----------
    path
        The file.
    distribution
        Of all its frames.
    overlap
        (n_pairs,) of its two halves: what two simulations of the same can be expected to have in common.
    """

    path: str
    distribution: Distribution
    overlap: np.ndarray


@dataclass(frozen=True)
class Condition:
    """All runs of a structure at a temperature.

    Parameters
    ----------
    name
        The structure's file, or its formula.
    atoms
        The structure.
    temperature
        K.
    runs
        At constant temperature, by seed.
    nve
        The run at constant energy; None without.
    survival
        Its curve.
    seen
        Distances in all frames of all runs, also the last ones.
    distribution
        Distances averaged over the frames after settling, before the runs became unphysical or uncertain; None without
        any.
    reference
        What to compare with; None without.
    """

    name: str
    atoms: Atoms
    temperature: float
    runs: tuple[Outcome, ...]
    nve: Outcome | None
    survival: Survival
    seen: Distribution
    distribution: Distribution | None
    reference: Reference | None

    @property
    def n_finished(self) -> int:
        """Runs that reached the requested time."""
        return sum(each.finished for each in self.runs)

    @property
    def n_uncertain(self) -> int:
        """Runs that were stopped where the uncertainty exceeded its limit: censored in the survival curve."""
        return sum(each.uncertain for each in self.runs)

    @property
    def probability(self) -> float:
        """Of a run to survive the requested time; NaN if all that had not failed before became uncertain."""
        last = float(self.survival.probability[-1])
        return np.nan if last and self.n_uncertain and not self.n_finished else last

    @property
    def overlap(self) -> np.ndarray:
        """(n_pairs,) overlap of the distances with those of the reference; NaN if either is missing."""
        if self.distribution is None or self.reference is None:
            return np.full(len(self.seen.pairs), np.nan)
        return overlap(self.distribution, self.reference.distribution)

    @property
    def pressure(self) -> tuple[float, float]:
        """Mean pressure, GPa, and its standard error over the runs; NaN if unknown."""
        known = np.array([each.pressure for each in self.runs])
        known = known[~np.isnan(known)]
        error = known.std(ddof=1) / np.sqrt(len(known)) if len(known) > 1 else np.nan
        return (float(known.mean()), float(error)) if len(known) else (np.nan, np.nan)


@dataclass(frozen=True)
class Stability:
    """What `stability` returns.

    Parameters
    ----------
    conditions
        A structure at a temperature each, temperatures of the first structure first.
    dimers
        Energies of all pairs of species.
    time
        Requested length of the runs, ps.
    timestep
        fs.
    """

    conditions: tuple[Condition, ...]
    dimers: tuple[Dimer, ...]
    time: float
    timestep: float

    @property
    def by_structure(self) -> list[list[Condition]]:
        """The conditions of each structure, by temperature."""
        return [list(some) for _, some in itertools.groupby(self.conditions, lambda each: id(each.atoms))]

    @property
    def least(self) -> float:
        """The smallest probability of all conditions to survive the requested time; NaN if one is unknown."""
        return float(np.min([each.probability for each in self.conditions]))
