"""Molecular dynamics that stops at the requested time or when the trajectory becomes unphysical.

atoms, Settings ─run─> steps ─every n─> a frame (NAME.extxyz), a row (NAME.csv), now and then a state (NAME.restart)
                          └─stability─> reason to stop
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.md.bussi import Bussi
from ase.md.verlet import VelocityVerlet

from aenet_py.descriptors.common import CoincidenceError
from aenet_py.errors import AenetError
from aenet_py.interfaces.ase import ANNCalculator
from aenet_py.potentials.members import checksum
from aenet_py.runtime.arrays import digest
from aenet_py.simulation import stability
from aenet_py.simulation.files import Files, SimulationState
from aenet_py.simulation.stability import UNCERTAIN, Limits

LIMITS = Limits()
CHECK_EVERY = 10  # steps
SAVE_EVERY = 10.0  # s
FINISHED, INTERRUPTED = "time", "interrupted"
RESUMABLE = (FINISHED, INTERRUPTED, UNCERTAIN)
COLUMNS = (
    "step", "time_ps", "potential_energy_eV", "kinetic_energy_eV", "total_energy_eV", "conserved_energy_eV",
    "temperature_K", "largest_force_eV_per_A", "shortest_distance_A", "atoms_outside", "features_outside",
    "largest_excess_widths",
)  # fmt: skip
UNCERTAINTY_COLUMNS = ("largest_uncertainty_eV_per_A",)
COMMITTEE_COLUMNS = ("energy_std_eV", "largest_force_std_eV_per_A")


@dataclass(frozen=True)
class Settings:
    """What to simulate.

    Parameters
    ----------
    steps
        Number of steps.
    temperature
        Of the initial velocities and of the thermostat, K.
    ensemble
        ``"nvt"``: stochastic velocity rescaling (G. Bussi, D. Donadio and M. Parrinello, J. Chem. Phys. 126, 014101
        (2007)); ``"nve"``: velocity Verlet.
    timestep
        fs.
    taut
        Time constant of the thermostat, fs.
    seed
        Of velocities and thermostat.
    every
        Steps between frames, and between rows of the log.
    keep_velocities
        Start from the velocities of the atoms instead of drawing them.

    Raises
    ------
    AenetError
        For values out of range.
    """

    steps: int
    temperature: float = 300.0
    ensemble: str = "nvt"
    timestep: float = 0.5
    taut: float = 100.0
    seed: int = 0
    every: int = 10
    keep_velocities: bool = False

    def __post_init__(self) -> None:
        if self.ensemble not in ("nvt", "nve"):
            raise AenetError(f"unknown ensemble {self.ensemble!r}; choose nvt or nve")
        for name, least in (("steps", 0), ("every", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise AenetError(f"{name} must be at least {least}, not {getattr(self, name)}")
        for name in ("timestep", "taut", "temperature"):
            value = getattr(self, name)
            zero_allowed = name == "temperature" and self.ensemble == "nve"
            if not (0 < value < np.inf or (zero_allowed and value == 0)):
                raise AenetError(f"{name} must be a finite number above 0, not {value:g}")


@dataclass(frozen=True)
class SimulationResult:
    """Outcome of a simulation.

    Parameters
    ----------
    atoms : ase.Atoms
        The final structure, with velocities and calculator.
    settings : Settings
        What was simulated.
    step : int
        Last step; the simulation was stable until then.
    time : float, ps
        The same as a time.
    reason : str
        Why it stopped: ``"time"`` (requested time reached), ``"interrupted"``, ``"energy"``, ``"temperature"``,
        ``"close contact"``, ``"extrapolation"``, ``"uncertainty"`` or ``"fragment"``.
    message : str
        The reason in a sentence.
    log : dict of arrays, shape (n_rows,)
        Columns of the log (docs/simulate.md), of this call only; NaN for missing values.
    """

    atoms: Atoms
    settings: Settings
    step: int
    time: float
    reason: str
    message: str
    log: dict[str, np.ndarray]

    @property
    def stable(self) -> bool:
        """Whether nothing unphysical stopped the simulation; a limit of the uncertainty stops it on request."""
        return self.reason in RESUMABLE


def run(
    atoms: Atoms, settings: Settings, limits: Limits = LIMITS, output: str | None = None, restart: bool = False,
    stop: Callable[[], bool] = lambda: False, advance: Callable[[int], object] = lambda n: None,  # noqa: ARG005
) -> SimulationResult:  # fmt: skip
    """Simulate atoms that have a calculator, and move them.

    The centre-of-mass velocity and, for isolated structures, the rotation are removed at the start and are not counted
    as degrees of freedom, unless atoms are fixed (ASE constraints).

    Parameters
    ----------
    atoms
        Structure with a calculator: `ANNCalculator` or any other of ASE.
    settings
        What to simulate.
    limits
        What stops the simulation early.
    output
        NAME of the files (docs/simulate.md), which must not exist; None writes none.
    restart
        Resume from NAME.restart.  The atoms must be those of the start; the result is the same, bit for bit, as without
        an interruption.
    stop
        Asked after every step whether to stop.
    advance
        Called with the number of steps done since the last call.

    Returns
    -------
    SimulationResult
        Final structure, reason for stopping, and log.

    Raises
    ------
    AenetError
        For invalid input, or files of another simulation.
    """
    if atoms.calc is None:
        raise AenetError("the atoms have no calculator; set atoms.calc")
    if not len(atoms):
        raise AenetError("cannot simulate an empty structure")
    freedom = degrees_of_freedom(atoms)
    if freedom < 1:
        raise AenetError("the structure has no degrees of freedom, nothing can move; add atoms or fix fewer")
    has_uncertainty = isinstance(atoms.calc, ANNCalculator) and atoms.calc.has_uncertainty
    if limits.max_spread is not None and not has_uncertainty:
        raise AenetError("max_spread requires a committee, or a potential that aenet-py calibrate has calibrated")
    if not restart:
        with contextlib.suppress(CoincidenceError):  # the loop reports it
            atoms.get_forces()  # no file appears if the potentials do not suit the structure
    generator = np.random.Generator(np.random.PCG64(settings.seed))
    mark = marks(atoms, settings)
    with contextlib.ExitStack() as stack:
        files = None
        if output is not None:
            members = len(atoms.calc.members) if isinstance(atoms.calc, ANNCalculator) else 1
            single = UNCERTAINTY_COLUMNS if has_uncertainty else ()
            columns = COLUMNS + (COMMITTEE_COLUMNS if members > 1 else single)
            files = stack.enter_context(Files(output, columns, restart, mark))
        state = None if files is None else files.state
        if state is None:
            _start(atoms, settings, generator)
        else:
            _resume(atoms, state, generator)
        engine = _engine(atoms, settings, generator, freedom)
        return _Simulation(atoms, settings, limits, engine, generator, freedom, files, state).run(stop, advance)


def degrees_of_freedom(atoms: Atoms) -> int:
    """Number of degrees of freedom that count for the temperature."""
    n = len(atoms)
    if atoms.constraints:
        return int(atoms.get_number_of_degrees_of_freedom())
    if atoms.pbc.any():
        return 3 * n - 3
    return {1: 0, 2: 1}.get(n, 3 * n - 6)


def _start(atoms: Atoms, settings: Settings, generator: np.random.Generator) -> None:
    if not settings.keep_velocities:
        widths = np.sqrt(units.kB * settings.temperature * atoms.get_masses())
        atoms.set_momenta(widths[:, None] * generator.standard_normal((len(atoms), 3)))
    if not atoms.constraints:
        _remove_drift(atoms)
    if settings.ensemble == "nvt" and atoms.get_kinetic_energy() < 1e-9 * len(atoms):
        raise AenetError("a thermostat cannot heat atoms at rest; do not keep their velocities, or set some")


def _remove_drift(atoms: Atoms) -> None:
    """Remove the centre-of-mass velocity and, for an isolated structure, the rotation."""
    masses, velocities = atoms.get_masses(), atoms.get_velocities()
    velocities -= masses @ velocities / masses.sum()
    atoms.set_velocities(velocities)
    if not atoms.pbc.any():
        offsets = atoms.positions - atoms.get_center_of_mass()
        squares = np.eye(3) * (offsets**2).sum(axis=1)[:, None, None] - offsets[:, :, None] * offsets[:, None, :]
        inertia = (masses[:, None, None] * squares).sum(axis=0)
        # The pseudo-inverse, because atoms on a line do not rotate about it.
        rotation = np.linalg.pinv(inertia, rcond=1e-10) @ atoms.get_angular_momentum()
        atoms.set_velocities(velocities - np.cross(rotation, offsets))


def _resume(atoms: Atoms, state: SimulationState, generator: np.random.Generator) -> None:
    if state.searched_at is not None:
        atoms.positions[:] = state.searched_at
        atoms.calc.search(atoms)
        atoms.calc.reset()
    atoms.positions[:] = state.positions
    atoms.set_momenta(state.momenta, apply_constraint=False)
    generator.bit_generator.state = state.random


def _engine(atoms: Atoms, settings: Settings, generator: np.random.Generator, freedom: int) -> VelocityVerlet:
    timestep = settings.timestep * units.fs
    if settings.ensemble == "nve":
        return VelocityVerlet(atoms, timestep)
    engine = Bussi(atoms, timestep, settings.temperature, settings.taut * units.fs, rng=generator)
    # ASE also counts the centre-of-mass motion and the rotation, which are zero.
    engine.ndof, engine.target_kinetic_energy = freedom, 0.5 * freedom * units.kB * settings.temperature
    return engine


def marks(atoms: Atoms, settings: Settings) -> dict[str, Any]:
    """What must be the same when a simulation resumes: settings, and digests of structure and potentials."""
    mark: dict[str, Any] = {k: v for k, v in dataclasses.asdict(settings).items() if k != "steps"}
    arrays = [atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc, atoms.get_masses()]
    mark["constraints"] = [repr(constraint) for constraint in atoms.constraints]
    mark["structure"] = digest([*arrays, atoms.get_momenta()] if settings.keep_velocities else arrays)[:16]
    if isinstance(atoms.calc, ANNCalculator):
        mark["skin"], mark["precision"] = atoms.calc.skin, atoms.calc.precision
        mark["legacy_angular"] = [member.legacy_angular for member in atoms.calc.members]
        mark["potentials"] = checksum(atoms.calc.members)
        calibration = atoms.calc.calibration
        mark["uncertainty"] = None if calibration is None else calibration.checksum
        if any(member.repulsion is not None for member in atoms.calc.members):
            mark["repulsion"] = [member.repulsion and member.repulsion.words for member in atoms.calc.members]
    return mark


class _Simulation:
    """The loop over the steps and what it needs."""

    def __init__(
        self, atoms: Atoms, settings: Settings, limits: Limits, engine: VelocityVerlet,
        generator: np.random.Generator, freedom: int, files: Files | None, state: SimulationState | None,
    ):  # fmt: skip
        self.atoms, self.settings, self.limits, self.engine, self.generator = atoms, settings, limits, engine, generator
        self.freedom, self.files, self.is_checked = freedom, files, state is not None and state.is_checked
        self.lengths: list[int] | None = None  # of the files before the last row
        self.step, self.fragments = (0, None) if state is None else (state.step, state.fragments)
        self.thermostat = engine if isinstance(engine, Bussi) else None
        if state is not None and self.thermostat is not None:
            self.thermostat.transferred_energy = state.transferred
        hottest = stability.hottest(settings.temperature, freedom)
        self.hottest = hottest if limits.max_temperature is None else limits.max_temperature
        self.rows: list[dict[str, float]] = []
        self.forces: np.ndarray | None = None  # of the present step, if ASE need not change them for constraints

    def run(self, stop: Callable[[], bool], advance: Callable[[int], object]) -> SimulationResult:
        advance(self.step)
        saved = -np.inf  # the first state is saved at once, whatever may end the process
        already_checked = self.is_checked
        while True:
            violation = None if already_checked else self._check()
            already_checked = False
            if violation is not None:
                reason, message = violation
                break
            if self.step >= self.settings.steps:
                reason, message = FINISHED, "requested time reached"
                break
            if stop():
                reason, message = INTERRUPTED, "stopped on request"
                break
            if self.files is not None and time.monotonic() - saved > SAVE_EVERY:
                self.files.save(self._state(""))
                saved = time.monotonic()
            self.step += 1
            try:
                self.engine.step(self.forces)
            except CoincidenceError as error:
                reason, message = "close contact", str(error).partition(";")[0]
                break
            advance(1)
        if self.files is not None:
            if reason == UNCERTAIN:  # which another limit may allow
                self.files.save(self._state("", is_checked=False), self.lengths)
            else:
                self.files.save(self._state("" if reason in RESUMABLE else message))
        names = self.rows[0] if self.rows else COLUMNS
        log = {name: np.array([row[name] for row in self.rows]) for name in names}
        return SimulationResult(self.atoms, self.settings, self.step, self._time, reason, message, log)

    @property
    def _time(self) -> float:
        """ps"""
        return self.step * self.settings.timestep / 1000.0

    def _check(self) -> tuple[str, str] | None:
        """Check and log the present step, where due; what is wrong with it, as from `stability.violation`."""
        atoms, log = self.atoms, self.step % self.settings.every == 0
        try:
            energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        except CoincidenceError as error:
            return "close contact", str(error).partition(";")[0]
        self.forces = None if atoms.constraints else forces
        if not (np.isfinite(energy) and np.isfinite(forces).all()):
            return "energy", "the energy or a force is not finite"
        if not log and self.step % CHECK_EVERY:
            return None
        cutoff, environments = stability.neighbors(atoms)
        near, beyond = stability.contacts(atoms, environments), stability.farthest(atoms)
        uncertain = stability.uncertainty(atoms, environments) if log or self.limits.max_spread is not None else None
        if self.fragments is None:
            self.fragments = near.n_fragments
        temperature = 2.0 * atoms.get_kinetic_energy() / (self.freedom * units.kB)
        violation = stability.violation(
            self.limits, atoms, temperature, self.hottest, near, self.fragments, cutoff, beyond, uncertain
        )
        if log or violation is not None:
            self._record(energy, forces, temperature, near.shortest, beyond, stability.uncertainty(atoms))
        return violation

    def _record(
        self, energy: float, forces: np.ndarray, temperature: float, shortest: float, beyond: np.ndarray | None,
        uncertain: np.ndarray | None,
    ) -> None:  # fmt: skip
        kinetic, results = self.atoms.get_kinetic_energy(), self.atoms.calc.results
        transferred = 0.0 if self.thermostat is None else self.thermostat.transferred_energy
        outside = results["outside"] if beyond is not None else None
        values = (
            self.step, self._time, energy, kinetic, energy + kinetic, energy + kinetic - transferred, temperature,
            _longest(forces), shortest, np.nan if outside is None else int(np.count_nonzero(outside)),
            np.nan if outside is None else int(outside.sum()), np.nan if beyond is None else float(beyond.max()),
        )  # fmt: skip
        row = dict(zip(COLUMNS, map(float, values), strict=True))
        arrays: dict[str, np.ndarray] = {}
        if uncertain is not None:
            arrays["uncertainty"] = uncertain
        calculator = self.atoms.calc
        if isinstance(calculator, ANNCalculator) and len(calculator.members) > 1:
            row.update(zip(COMMITTEE_COLUMNS, (results["energy_std"], _longest(results["forces_std"])), strict=True))
            arrays["forces_std"] = results["forces_std"]
        elif uncertain is not None:
            row.update(zip(UNCERTAINTY_COLUMNS, (float(uncertain.max()),), strict=True))
        self.rows.append(row)
        if self.files is not None:
            self.lengths = self.files.lengths
            self.files.append(self.atoms, row, energy, self.atoms.get_forces(apply_constraint=False), arrays)

    def _state(self, broken: str, is_checked: bool = True) -> SimulationState:
        calculator = self.atoms.calc
        return SimulationState(
            step=self.step,
            positions=self.atoms.positions,
            momenta=self.atoms.get_momenta(),
            random=self.generator.bit_generator.state,
            transferred=0.0 if self.thermostat is None else self.thermostat.transferred_energy,
            searched_at=calculator.searched_at if isinstance(calculator, ANNCalculator) else None,
            fragments=self.fragments,
            broken=broken,
            is_checked=is_checked,
        )


def _longest(vectors: np.ndarray) -> float:
    return float(np.sqrt((vectors**2).sum(axis=1).max()))
