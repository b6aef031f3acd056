"""Molecular dynamics that watches itself: it ends when its time is over or when it makes no sense any more.

atoms, Settings ─run─> steps ─every n─> a frame (NAME.extxyz), a row (NAME.csv), now and then a state (NAME.restart)
                          └─stability─> reason to stop
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
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
from aenet_py.simulation import stability
from aenet_py.simulation.files import Files, State
from aenet_py.simulation.stability import Limits

LIMITS = Limits()
CHECK_EVERY = 10  # steps
SAVE_EVERY = 10.0  # s, between states
ENDED, INTERRUPTED = "time", "interrupted"
COLUMNS = (
    "step", "time_ps", "potential_energy_eV", "kinetic_energy_eV", "total_energy_eV", "conserved_energy_eV",
    "temperature_K", "largest_force_eV_per_A", "shortest_distance_A", "atoms_outside", "features_outside",
    "largest_excess_widths",
)  # fmt: skip
COMMITTEE_COLUMNS = ("energy_std_eV", "largest_force_std_eV_per_A")


@dataclass(frozen=True)
class Settings:
    """What to simulate.

    steps, timestep : how many, of how many fs.  temperature : K, of the first velocities and of the thermostat.
    ensemble : "nvt", stochastic velocity rescaling (G. Bussi, D. Donadio and M. Parrinello, J. Chem. Phys. 126, 014101
    (2007)) with the time constant taut, fs, or "nve", velocity Verlet.  seed : of velocities and thermostat.  every :
    steps from one frame and row to the next.  keep_velocities : begin with those the atoms have, and draw none.
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
            raise AenetError(f"found the ensemble {self.ensemble!r}; expected nvt or nve")
        for name, least in (("steps", 0), ("every", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise AenetError(f"found {name} {getattr(self, name)}; expected a number, at least {least}")
        for name in ("timestep", "taut", "temperature"):
            value = getattr(self, name)
            zero_allowed = name == "temperature" and self.ensemble == "nve"
            if not (0 < value < np.inf or (zero_allowed and value == 0)):
                raise AenetError(f"found {name} {value:g}; expected a number above 0")


@dataclass(frozen=True)
class Run:
    """How a simulation went.

    step, time : where it stands, the latter in ps; as long it was stable.  reason : why it stopped: "time" or, before
    its end, "interrupted", "energy", "temperature", "close contact", "extrapolation" or "fragment"; message : that in a
    sentence.  log : the columns of the log, (n_rows,) each, of this call alone; NaN where there is no value.
    """

    step: int
    time: float
    reason: str
    message: str
    log: dict[str, np.ndarray]

    @property
    def stable(self) -> bool:
        """Whether nothing unphysical stopped it."""
        return self.reason in (ENDED, INTERRUPTED)


def run(
    atoms: Atoms, settings: Settings, limits: Limits = LIMITS, output: str | None = None, restart: bool = False,
    stop: Callable[[], bool] = lambda: False, advance: Callable[[int], object] = lambda n: None,  # noqa: ARG005
) -> Run:  # fmt: skip
    """Simulate atoms, which move and have a calculator, `ANNCalculator` or any other of ASE.

    The velocities of the mass centre and, of isolated structures, of rotation are taken off, and do not count as
    degrees of freedom of the temperature; where atoms are held (constraints of ASE), nothing is.

    output : NAME of the files (docs/simulate.md), which must not exist; None for none.  restart : go on from
    NAME.restart; the atoms must be those of the beginning, and the result is the same, bit for bit, as without a break.
    stop : asked after every step whether to stop; advance : called with the number of steps done.  AenetError for
    input that makes no sense or files of another simulation.
    """
    if atoms.calc is None:
        raise AenetError("found no calculator of the atoms; expected one")
    if not len(atoms):
        raise AenetError("found no atoms; expected some")
    freedom = degrees_of_freedom(atoms)
    if freedom < 1:
        raise AenetError("found no degrees of freedom: nothing can move; expected more atoms")
    if not restart:
        with contextlib.suppress(CoincidenceError):  # which is looked at later
            atoms.get_forces()  # so that no file appears where the potentials do not fit
    generator = np.random.Generator(np.random.PCG64(settings.seed))
    mark = _mark(atoms, settings)
    with contextlib.ExitStack() as stack:
        files = None
        if output is not None:
            members = len(atoms.calc.members) if isinstance(atoms.calc, ANNCalculator) else 1
            columns = COLUMNS + (COMMITTEE_COLUMNS if members > 1 else ())
            files = stack.enter_context(Files(output, columns, restart, mark))
        begun = None if files is None else files.state
        if begun is None:
            _start(atoms, settings, generator)
        else:
            _resume(atoms, begun, generator)
        engine = _engine(atoms, settings, generator, freedom)
        return _Simulation(atoms, settings, limits, engine, generator, freedom, files, begun).run(stop, advance)


def degrees_of_freedom(atoms: Atoms) -> int:
    """Of the motion that counts for the temperature."""
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
        _rest(atoms)
    if settings.ensemble == "nvt" and atoms.get_kinetic_energy() < 1e-9 * len(atoms):
        raise AenetError("found atoms at rest, which a thermostat cannot heat; expected velocities")


def _rest(atoms: Atoms) -> None:
    """Take off the velocity of the mass centre and, of an isolated structure, its rotation."""
    masses, velocities = atoms.get_masses(), atoms.get_velocities()
    velocities -= masses @ velocities / masses.sum()
    atoms.set_velocities(velocities)
    if not atoms.pbc.any():
        places = atoms.positions - atoms.get_center_of_mass()
        squares = np.eye(3) * (places**2).sum(axis=1)[:, None, None] - places[:, :, None] * places[:, None, :]
        inertia = (masses[:, None, None] * squares).sum(axis=0)
        # The pseudo-inverse, as atoms on a line do not rotate about it.
        rotation = np.linalg.pinv(inertia, rcond=1e-10) @ atoms.get_angular_momentum()
        atoms.set_velocities(velocities - np.cross(rotation, places))


def _resume(atoms: Atoms, begun: State, generator: np.random.Generator) -> None:
    if begun.searched_at is not None:
        atoms.positions[:] = begun.searched_at
        atoms.calc.search(atoms)
        atoms.calc.reset()
    atoms.positions[:] = begun.positions
    atoms.set_momenta(begun.momenta, apply_constraint=False)
    generator.bit_generator.state = begun.random


def _engine(atoms: Atoms, settings: Settings, generator: np.random.Generator, freedom: int) -> VelocityVerlet:
    timestep = settings.timestep * units.fs
    if settings.ensemble == "nve":
        return VelocityVerlet(atoms, timestep)
    engine = Bussi(atoms, timestep, settings.temperature, settings.taut * units.fs, rng=generator)
    # ASE counts the motion of the mass centre and the rotation, which are at rest.
    engine.ndof, engine.target_kinetic_energy = freedom, 0.5 * freedom * units.kB * settings.temperature
    return engine


def _mark(atoms: Atoms, settings: Settings) -> dict[str, Any]:
    """What must be the same when a simulation goes on."""
    mark: dict[str, Any] = {k: v for k, v in dataclasses.asdict(settings).items() if k != "steps"}
    arrays = [atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc, atoms.get_masses()]
    mark["constraints"] = [repr(constraint) for constraint in atoms.constraints]
    mark["structure"] = _digest([*arrays, atoms.get_momenta()] if settings.keep_velocities else arrays)
    if isinstance(atoms.calc, ANNCalculator):
        mark["skin"] = atoms.calc.skin
        mark["legacy_angular"] = [member.legacy_angular for member in atoms.calc.members]
        networks = [member.networks for member in atoms.calc.members]
        mark["potentials"] = _digest([array for n in networks for array in (n.weights, n.means, n.factors, n.energy)])
    return mark


def _digest(arrays: list[np.ndarray]) -> str:
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]


class _Simulation:
    """The loop, with what it looks at."""

    def __init__(
        self, atoms: Atoms, settings: Settings, limits: Limits, engine: VelocityVerlet,
        generator: np.random.Generator, freedom: int, files: Files | None, begun: State | None,
    ):  # fmt: skip
        self.atoms, self.settings, self.limits, self.engine, self.generator = atoms, settings, limits, engine, generator
        self.freedom, self.files, self.begun = freedom, files, begun
        self.step, self.fragments = (0, None) if begun is None else (begun.step, begun.fragments)
        self.thermostat = engine if isinstance(engine, Bussi) else None
        if begun is not None and self.thermostat is not None:
            self.thermostat.transferred_energy = begun.transferred
        hottest = stability.hottest(settings.temperature, freedom)
        self.hottest = hottest if limits.max_temperature is None else limits.max_temperature
        self.rows: list[dict[str, float]] = []

    def run(self, stop: Callable[[], bool], advance: Callable[[int], object]) -> Run:
        advance(self.step)
        saved = -np.inf  # at once, so that whatever may end the process leaves a state
        at_once = self.begun is not None  # the step of a state has been looked at before
        while True:
            broken = None if at_once else self._look()
            at_once = False
            if broken is not None:
                reason, message = broken
                break
            if self.step >= self.settings.steps:
                reason, message = ENDED, "its time is over"
                break
            if stop():
                reason, message = INTERRUPTED, "it was asked to"
                break
            if self.files is not None and time.monotonic() - saved > SAVE_EVERY:
                self.files.save(self._state(""))
                saved = time.monotonic()
            self.step += 1
            try:
                self.engine.step()
            except CoincidenceError as error:
                reason, message = "close contact", str(error).partition(";")[0]
                break
            advance(1)
        if self.files is not None:
            self.files.save(self._state("" if reason in (ENDED, INTERRUPTED) else message))
        names = self.rows[0] if self.rows else COLUMNS
        log = {name: np.array([row[name] for row in self.rows]) for name in names}
        return Run(self.step, self._time, reason, message, log)

    @property
    def _time(self) -> float:
        """ps"""
        return self.step * self.settings.timestep / 1000.0

    def _look(self) -> tuple[str, str] | None:
        """Log and judge the present step, where it is the time for that; what is wrong with it."""
        atoms, log = self.atoms, self.step % self.settings.every == 0
        try:
            energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        except CoincidenceError as error:
            return "close contact", str(error).partition(";")[0]
        if not (np.isfinite(energy) and np.isfinite(forces).all()):
            return "energy", "the energy or a force is no finite number"
        if not log and self.step % CHECK_EVERY:
            return None
        cutoff, found = stability.neighbors(atoms)
        near, beyond = stability.contacts(atoms, found), stability.farthest(atoms)
        if self.fragments is None:
            self.fragments = near.n_fragments
        temperature = 2.0 * atoms.get_kinetic_energy() / (self.freedom * units.kB)
        broken = stability.verdict(self.limits, atoms, temperature, self.hottest, near, self.fragments, cutoff, beyond)
        if log or broken is not None:
            self._record(energy, forces, temperature, near.shortest, beyond)
        return broken

    def _record(
        self, energy: float, forces: np.ndarray, temperature: float, shortest: float, beyond: np.ndarray | None
    ) -> None:
        kinetic, results = self.atoms.get_kinetic_energy(), self.atoms.calc.results
        transferred = 0.0 if self.thermostat is None else self.thermostat.transferred_energy
        outside = results["outside"] if beyond is not None else None
        values = (
            self.step, self._time, energy, kinetic, energy + kinetic, energy + kinetic - transferred, temperature,
            _longest(forces), shortest, np.nan if outside is None else int(np.count_nonzero(outside)),
            np.nan if outside is None else int(outside.sum()), np.nan if beyond is None else float(beyond.max()),
        )  # fmt: skip
        row = dict(zip(COLUMNS, map(float, values), strict=True))
        if "energy_std" in results:
            row.update(zip(COMMITTEE_COLUMNS, (results["energy_std"], _longest(results["forces_std"])), strict=True))
        self.rows.append(row)
        if self.files is not None:
            self.files.append(self.atoms, row, energy, forces)

    def _state(self, broken: str) -> State:
        calculator = self.atoms.calc
        return State(
            step=self.step,
            positions=self.atoms.positions,
            momenta=self.atoms.get_momenta(),
            random=self.generator.bit_generator.state,
            transferred=0.0 if self.thermostat is None else self.thermostat.transferred_energy,
            searched_at=calculator.searched_at if isinstance(calculator, ANNCalculator) else None,
            fragments=self.fragments,
            broken=broken,
        )


def _longest(vectors: np.ndarray) -> float:
    return float(np.sqrt((vectors**2).sum(axis=1).max()))
