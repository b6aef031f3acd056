"""Simulations with the current committee, and their frames."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ase import Atoms

from aenet_py.formats.read import read
from aenet_py.inputs.learn import LearnInput
from aenet_py.potentials.potential import Potential
from aenet_py.simulation.dynamics import FINISHED
from aenet_py.structure import Structure
from aenet_py.survival.results import Stability
from aenet_py.survival.stability import stability

NVE = 0.0  # ps, no simulation for the drift of the energy


@dataclass(frozen=True)
class Exploration:
    """Simulations, and the frames in which nothing was broken.

    Parameters
    ----------
    found
        What became of the simulations.
    frames
        The frames, named after their simulations, with their steps as ``info``.
    """

    found: Stability
    frames: tuple[Structure, ...]

    @property
    def n_ended(self) -> int:
        """Simulations that reached the requested time."""
        return sum(each.n_finished for each in self.found.conditions)

    @property
    def n_runs(self) -> int:
        return sum(len(each.runs) for each in self.found.conditions)

    @property
    def times(self) -> list[float]:
        """Until when each simulation was stable, ps."""
        return [run.time for each in self.found.conditions for run in each.runs]


def explore(
    wanted: LearnInput, members: Sequence[Potential], start: Sequence[Atoms], folder: str, generation: int,
    n_processes: int, stop: Callable[[], bool], advance: Callable[[float], object],
) -> Exploration:  # fmt: skip
    """Simulate the initial structures, or take up where an earlier call was interrupted.

    Parameters
    ----------
    wanted
        Temperatures, length and number of the simulations.
    members
        The committee.
    start
        The initial structures.
    folder
        For the simulations.
    generation
        Its number, which sets the seeds.
    n_processes
        Simulations at a time.
    stop
        Asked often whether to stop.
    advance
        Called with the number of simulations, also fractions, done since the last call.

    Returns
    -------
    Exploration

    Raises
    ------
    AenetError
        As `stability`.
    """
    settings = wanted.explore
    found = stability(
        list(members), list(start), temperatures=settings.temperatures, seeds=settings.seeds,
        first_seed=settings.seeds * (1000 * wanted.seed + generation), time=settings.time, timestep=settings.timestep,
        every=settings.every, nve=NVE, output=folder, n_processes=n_processes, stop=stop, advance=advance,
    )  # fmt: skip
    frames = []
    for condition in found.conditions:
        for outcome in condition.runs:
            path = os.path.join(folder, "runs", f"{outcome.run.name}.extxyz")
            some = read(path) if os.path.getsize(path) else []
            last = None if outcome.reason == FINISHED else round(1e3 * outcome.time / settings.timestep)
            frames += [each for each in some if last is None or int(each.info["step"]) < last]
    return Exploration(found, tuple(frames))
