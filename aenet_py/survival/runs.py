"""A single run: simulate, in files that remember where it was, and measure what the files hold.

Run, Atoms, calculator ─simulation.dynamics─> NAME.extxyz, NAME.csv, NAME.restart ─measured─> NAME.json
"""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import CalculatorError

from aenet_py.analysis import distances, trajectory
from aenet_py.analysis.distances import Distribution
from aenet_py.errors import AenetError, in_a_line
from aenet_py.formats.read import read
from aenet_py.runtime.output import PendingFile
from aenet_py.simulation import dynamics, start
from aenet_py.simulation.dynamics import FINISHED, INTERRUPTED, Settings
from aenet_py.simulation.files import is_resumable
from aenet_py.simulation.stability import UNCERTAIN, Limits

SETTLING = 0.1  # share of the requested time at the start that is left out of averages
ENDINGS = ("extxyz", "csv", "restart")
FAILED = "calculation"  # a reason, beside those of `SimulationResult`


@dataclass(frozen=True)
class Run:
    """One simulation of the study.

    Parameters
    ----------
    structure
        Number of the structure, counted from 0.
    settings
        What to simulate.
    limits
        What ends it early.
    """

    structure: int
    settings: Settings
    limits: Limits

    @property
    def name(self) -> str:
        """Of its files."""
        settings = self.settings
        kind = f"nve-{settings.steps}" if settings.ensemble == "nve" else f"seed{settings.seed}"
        return f"{self.structure + 1}-{settings.temperature:.12g}K-{kind}"


@dataclass(frozen=True)
class Outcome:
    """What became of a run.

    Parameters
    ----------
    run
        What was simulated.
    time
        Until when it was stable, ps.
    reason, message
        Why it ended, as in `SimulationResult`, or ``"calculation"`` if the calculator failed.
    seen
        Distances in all frames, also the last one.
    temperature
        Mean temperature, K, after settling and before it became unphysical or uncertain; NaN without such a frame, as
        for all that follows.
    pressure
        Mean pressure, GPa; NaN also for structures that are not periodic, or if the calculator has no stress.
    drift
        Slope of the conserved energy, meV/atom/ps; of the total energy without a thermostat.
    distribution
        Distances; None without frames.
    """

    run: Run
    time: float
    reason: str
    message: str
    seen: Distribution
    temperature: float
    pressure: float
    drift: float
    distribution: Distribution | None

    @property
    def finished(self) -> bool:
        """Whether it reached the requested time."""
        return self.reason == FINISHED

    @property
    def uncertain(self) -> bool:
        """Whether it was stopped where the uncertainty exceeded its limit, which is not unphysical."""
        return self.reason == UNCERTAIN

    @property
    def failed(self) -> bool:
        """Whether it became unphysical."""
        return not (self.finished or self.uncertain)


def perform(
    run: Run, atoms: Atoms, calculator: Any, folder: str, stop: Callable[[], bool], advance: Callable[[int], object]
) -> Outcome | None:
    """Simulate, or resume, and store what was measured as NAME.json.

    Parameters
    ----------
    run
        What to simulate.
    atoms
        The initial structure, which is not changed.
    calculator
        Of energies and forces.
    folder
        For the files.
    stop
        Asked after every step.
    advance
        Called with the number of steps done since the last call.

    Returns
    -------
    Outcome or None
        None if stopped on request.

    Raises
    ------
    AenetError
        What the simulation raises.
    """
    path = os.path.join(folder, run.name)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*features outside")
        try:
            ended = _simulated(run, atoms, calculator, path, stop, advance)
        except CalculatorError as error:  # of other calculators that do not converge
            ended = _last_time(path), FAILED, f"the calculator failed: {in_a_line(error)}"
        time, reason, message = ended
        if reason == INTERRUPTED:
            return None
        outcome = measured(run, time, reason, message, path, atoms.copy(), calculator)
    save(outcome, folder)
    return outcome


def _simulated(
    run: Run, atoms: Atoms, calculator: Any, path: str, stop: Callable[[], bool], advance: Callable[[int], object]
) -> tuple[float, str, str]:
    """Time, ps, reason and message at the end of a run, which is resumed if there is a state that allows it."""
    restart = is_resumable(path)
    for file in () if restart else filter(os.path.exists, (f"{path}.{ending}" for ending in ENDINGS)):
        _remove(file)
    result = dynamics.run(_with(atoms, calculator), run.settings, run.limits, path, restart, stop, advance)
    return result.time, result.reason, result.message


def _remove(file: str) -> None:
    try:
        os.unlink(file)
    except OSError as error:
        raise AenetError(f"{file}: cannot be replaced: {error.strerror}") from None


def _last_time(path: str) -> float:
    """Of the log, ps."""
    with open(f"{path}.csv", newline="", encoding="utf-8") as file:
        return max((float(row["time_ps"]) for row in csv.DictReader(file)), default=0.0)


def _with(atoms: Atoms, calculator: Any) -> Atoms:
    moved = atoms.copy()
    if hasattr(calculator, "reset"):
        calculator.reset()
    moved.calc = calculator
    return moved


def measured(run: Run, time: float, reason: str, message: str, path: str, atoms: Atoms, calculator: Any) -> Outcome:
    """Distances in the frames of a run that has ended, and averages over those after settling.

    path : of its files without their endings; atoms : the initial structure.
    """
    last = math.inf if reason == FINISHED else round(1000.0 * time / run.settings.timestep)

    def among(step: float) -> bool:
        return SETTLING * run.settings.steps <= step < last

    empty = not os.path.getsize(f"{path}.extxyz")  # if the first structure is not one that can be simulated
    frames = [atoms] if empty else list(trajectory.frames(f"{path}.extxyz"))
    settled = [frame for frame in frames if among(frame.info.get("step", 0))]
    pressures = [_pressure(frame, calculator) for frame in settled]
    with open(f"{path}.csv", newline="", encoding="utf-8") as file:
        log = [row for row in csv.DictReader(file) if among(float(row["step"]))]
    moments, temperatures, energies = (
        np.array([float(row[name]) for row in log]) for name in ("time_ps", "temperature_K", "conserved_energy_eV")
    )
    slope = float(np.polyfit(moments, energies, 1)[0]) if len(log) > 2 else math.nan
    return Outcome(
        run=run,
        time=time,
        reason=reason,
        message=message,
        seen=distances.distribution(frames, peaks=False),
        temperature=float(temperatures.mean()) if log else math.nan,
        pressure=float(np.mean(pressures)) if pressures else math.nan,
        drift=1000.0 * slope / len(frames[0]),
        distribution=distances.distribution(settled, peaks=False) if settled else None,
    )


def _pressure(atoms: Atoms, calculator: Any) -> float:
    """Of a frame, with its kinetic part, GPa; NaN if there is none."""
    if not atoms.pbc.all() or "stress" not in getattr(calculator, "implemented_properties", ()):
        return math.nan
    atoms.calc = calculator
    return float(-atoms.get_stress(voigt=True, include_ideal_gas=True)[:3].mean() / units.GPa)


def save(outcome: Outcome, folder: str) -> None:
    """Write NAME.json, which appears when complete."""
    stored = {name: value for name, value in dataclasses.asdict(outcome).items() if name != "run"}
    path = os.path.join(folder, f"{outcome.run.name}.json")
    with PendingFile(path) as file:
        file.write((json.dumps(stored, default=np.ndarray.tolist) + "\n").encode())
        file.complete(replace=True)


def load(run: Run, folder: str) -> Outcome | None:
    """The outcome of a run that ended before; None if there is none. AenetError if its file is invalid."""
    path = os.path.join(folder, f"{run.name}.json")
    try:
        with open(path, encoding="utf-8") as file:
            stored = json.load(file)
        for name in ("seen", "distribution"):
            stored[name] = _distribution(stored[name])
        return Outcome(run=run, **stored)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise AenetError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise AenetError(f"{path}: not the outcome of a run; remove it to repeat the run") from None


def _distribution(stored: dict[str, Any] | None) -> Distribution | None:
    if stored is None:
        return None
    arrays = {name: np.array(stored[name]) for name in ("r", "values", "peaks", "shortest")}
    return Distribution(**{**stored, **arrays, "pairs": tuple(map(tuple, stored["pairs"]))})


def reference(path: str, like: Atoms) -> tuple[Distribution, Distribution, Distribution]:
    """Read a trajectory to compare with.

    Parameters
    ----------
    path
        Of a file of structures, as for `read`.
    like
        The structure, whose order of species is used.

    Returns
    -------
    tuple of Distribution
        Distances in all frames, in the first half of them, and in the second.

    Raises
    ------
    AenetError
        If it cannot be read, has a single frame, or has other atoms than the structure.
    """
    symbols = list(dict.fromkeys(like.symbols))
    frames = []
    for atoms in map(start.atoms_of, read(path)):
        if sorted(atoms.symbols) != sorted(like.symbols) or (atoms.pbc != like.pbc).any():
            found, wanted = (f"{each.get_chemical_formula()} with pbc {each.pbc}" for each in (atoms, like))
            raise AenetError(f"{path}: the reference is of {found}, the structure is {wanted}")
        frames.append(atoms[np.argsort([symbols.index(symbol) for symbol in atoms.symbols], kind="stable")])
    if len(frames) < 2:
        raise AenetError(f"{path}: a reference needs at least two frames")
    half = len(frames) // 2
    halves = [distances.distribution(part, peaks=False) for part in (frames[:half], frames[half:])]
    return distances.joined(halves), halves[0], halves[1]
