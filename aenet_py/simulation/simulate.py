"""Molecular dynamics in one call."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aenet_py.errors import AenetError

if TYPE_CHECKING:
    from ase import Atoms

    from aenet_py.formats.uncertainty import Uncertainty
    from aenet_py.potentials.members import Potentials
    from aenet_py.simulation.dynamics import SimulationResult
    from aenet_py.structure import Structure


def simulate(
    structure: Atoms | Structure | str | os.PathLike[str],
    potential: Potentials | Any,
    *,
    time: float | None = None,
    steps: int | None = None,
    ensemble: str = "nvt",
    temperature: float = 300.0,
    timestep: float = 0.5,
    taut: float = 100.0,
    seed: int = 0,
    keep_velocities: bool = False,
    every: int = 10,
    output: str | os.PathLike[str] | None = None,
    restart: bool = False,
    min_distance: float | None = None,
    max_temperature: float | None = None,
    max_excess: float = 1.0,
    max_share: float = 0.1,
    allow_fragments: bool = False,
    max_spread: float | None = None,
    uncertainty: str | os.PathLike[str] | Uncertainty | None = None,
    legacy_angular: bool | None = None,
    threads: int | None = None,
    precision: str | None = None,
    format_name: str | None = None,
    stop: Callable[[], bool] = lambda: False,
    advance: Callable[[int], object] = lambda n: None,  # noqa: ARG005
) -> SimulationResult:
    """Run molecular dynamics that stop when the trajectory becomes unphysical, as ``aenet-py md`` does.

    Parameters
    ----------
    structure : ase.Atoms, Structure or path
        Initial structure, which is not changed.  A path is an XSF file as in ænet, extended XYZ, or any other file that
        ASE reads; its last structure is used, or the one selected by ``PATH@NUMBER``, counted from 0.
    potential : path, mapping, Potential, list of these, or calculator
        A folder with a potential per species, a mapping from species to file, a `Potential`, a list of these for a
        committee, or any calculator of ASE.  With other calculators than `ANNCalculator`, features are not checked.
    time : float, ps
        Length of the simulation; give either time or steps.
    steps : int
        Number of steps.
    ensemble : {"nvt", "nve"}
        Stochastic velocity rescaling (Bussi et al. 2007), or velocity Verlet.
    temperature : float, K
        Of the initial velocities, which follow the Maxwell-Boltzmann distribution, and of the thermostat.
    timestep : float, fs
        Time step.
    taut : float, fs
        Time constant of the thermostat.
    seed : int
        Seed for velocities and thermostat.
    keep_velocities : bool
        Start from the velocities of the structure.
    every : int
        Steps between frames, and between rows of the log.
    output : path, optional
        Write NAME.extxyz, NAME.csv and NAME.restart, which must not exist; by default nothing is written.
    restart : bool
        Resume from NAME.restart.
    min_distance : float, Å
        Stop when two atoms are closer; by default 0.5 times the sum of their covalent radii.
    max_temperature : float, K
        Stop above; by default 5 times the temperature, or 1500 K, or more for few atoms.
    max_excess : float
        How far a feature may lie outside its range in the training set, in widths of that range.
    max_share : float
        Stop when a larger fraction of the atoms exceeds max_excess.
    allow_fragments : bool
        Do not stop when atoms leave beyond the cutoff.
    max_spread : float, eV/Å, optional
        Stop when the uncertainty of the force on an atom is larger; for committees and calibrated potentials.  The
        simulation can be resumed with another limit.
    uncertainty : path or Uncertainty, optional
        What `calibrate` found for the potential; as for `ANNCalculator`.
    legacy_angular : bool, optional
        Whether the potentials were trained by ænet before 2.0.4; detected by default.
    threads : int, optional
        Number of threads; by default one per processor that the process may use.  The results do not depend on it.
    precision : {"double", "single"}, optional
        As for `ANNCalculator`; double by default.
    format_name : str, optional
        ASE's name of the format of a file, if ASE does not detect it.
    stop : callable
        Asked after every step whether to stop.
    advance : callable
        Called with the number of steps done since the last call.

    Returns
    -------
    SimulationResult
        Final structure, reason for stopping, and the log as arrays.

    Raises
    ------
    AenetError
        For invalid input, files that exist (without restart) or belong to another simulation (with it).

    See Also
    --------
    aenet_py.simulation.dynamics.run : the same for atoms that have a calculator already

    References
    ----------
    G. Bussi, D. Donadio and M. Parrinello, J. Chem. Phys. 126, 014101 (2007).

    Examples
    --------
    >>> folder = "fixtures/golden/cluster-cuau-h2o"
    >>> result = simulate(f"{folder}/xsf/s001.xsf", f"{folder}/train-forces-adamw/expected", steps=20, max_excess=5)
    >>> result.time, result.reason, result.stable
    (0.01, 'time', True)
    >>> result.log["temperature_K"].shape
    (3,)
    >>> len(result.atoms)
    15
    """
    from aenet_py.simulation import dynamics, start
    from aenet_py.simulation.stability import Limits

    settings = dynamics.Settings(
        steps=number_of_steps(time, steps, timestep),
        temperature=float(temperature),
        ensemble=ensemble,
        timestep=float(timestep),
        taut=float(taut),
        seed=seed,
        every=every,
        keep_velocities=keep_velocities,
    )
    limits = Limits(
        min_distance=min_distance,
        max_temperature=max_temperature,
        max_excess=max_excess,
        max_share=max_share,
        fragments=allow_fragments,
        max_spread=max_spread,
    )
    atoms = start.atoms_of(structure, format_name)
    atoms.calc = _calculator(potential, legacy_angular, threads, uncertainty, precision)
    name = None if output is None else os.fspath(output)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*features outside")  # the log counts them
        return dynamics.run(atoms, settings, limits, name, restart, stop, advance)


def number_of_steps(time: float | None, steps: int | None, timestep: float) -> int:
    """Steps for a time (ps) in steps of timestep (fs), or the steps themselves; AenetError unless one is given."""
    if (time is None) == (steps is None):
        raise AenetError("give either a time or a number of steps")
    if steps is not None or time is None:
        return steps or 0
    if not (0 <= time < float("inf") and timestep > 0):
        raise AenetError(f"time must be at least 0 ps and timestep above 0 fs, not {time:g} and {timestep:g}")
    n = round(1000.0 * time / timestep)
    if n == 0 and time > 0:
        raise AenetError(f"a time of {time:g} ps is less than half a timestep of {timestep:g} fs")
    return n


def _calculator(
    potential: Any, legacy_angular: bool | None, threads: int | None,
    uncertainty: str | os.PathLike[str] | Uncertainty | None, precision: str | None,
) -> Any:  # fmt: skip
    from aenet_py.interfaces.ase import ANNCalculator

    if not hasattr(potential, "get_potential_energy"):
        return ANNCalculator(
            potential, legacy_angular=legacy_angular, threads=threads, uncertainty=uncertainty,
            precision=precision or "double",
        )  # fmt: skip
    options = {
        "legacy_angular": legacy_angular, "threads": threads, "uncertainty": uncertainty, "precision": precision,
    }  # fmt: skip
    for name, value in options.items():
        if value is not None:
            raise AenetError(f"{name} applies to potentials, not to a calculator")
    return potential
