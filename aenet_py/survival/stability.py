"""How stable simulations with a potential are, in one call.

structures x temperatures x seeds ─runs─> outcomes ─> survival curves, distances, pressure, drift; dimers
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms

from aenet_py.analysis import distances
from aenet_py.errors import AenetError, StoppedError
from aenet_py.interfaces.source import Source, source_of
from aenet_py.simulation import dynamics, start
from aenet_py.simulation.dynamics import Settings
from aenet_py.simulation.simulate import number_of_steps
from aenet_py.simulation.stability import Limits
from aenet_py.structure import Structure
from aenet_py.survival import dimers, folders, processes, runs
from aenet_py.survival.kaplan_meier import survival
from aenet_py.survival.results import Condition, Reference, Stability
from aenet_py.survival.runs import Outcome, Run

if TYPE_CHECKING:
    from aenet_py.potentials.members import Potentials

NVE_EVERY = 10  # steps between energies, from which the drift is fitted
Given = str | os.PathLike[str] | Structure | Atoms


def stability(
    potential: Potentials | Any,
    structures: Given | Iterable[Given],
    *,
    temperatures: Iterable[float] = (300.0, 500.0),
    seeds: int = 10,
    first_seed: int = 0,
    time: float = 10.0,
    timestep: float = 0.5,
    taut: float = 100.0,
    nve: float = 1.0,
    every: int = 100,
    reference: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] = (),
    output: str | os.PathLike[str] | None = None,
    n_processes: int = 1,
    min_distance: float | None = None,
    max_temperature: float | None = None,
    max_excess: float = 1.0,
    max_share: float = 1.0,
    max_spread: float | None = None,
    allow_fragments: bool = False,
    legacy_angular: bool | None = None,
    stop: Callable[[], bool] = lambda: False,
    advance: Callable[[float], object] = lambda n: None,  # noqa: ARG005
) -> Stability:
    """Simulate structures many times and see how long this goes well, as ``aenet-py stability`` does.

    Parameters
    ----------
    potential : path, mapping, Potential, list of these, or calculator
        A folder with a potential per species, a mapping from species to file, a `Potential`, a list of these for a
        committee, or any calculator of ASE.
    structures : path, ase.Atoms, Structure, or iterable of these
        Initial structures, one each, which are not changed.  Of a file with several, the last one is used, or that
        selected by ``PATH@NUMBER``.
    temperatures : iterable of float, K
        Of the thermostat and of the initial velocities.
    seeds : int
        Number of runs of each structure at each temperature.
    first_seed : int
        Their seeds are this number and those that follow.
    time : float, ps
        Length of the runs.
    timestep : float, fs
        Time step.
    taut : float, fs
        Time constant of the thermostat, stochastic velocity rescaling.
    nve : float, ps
        Length of an additional run at constant energy, which gives the drift; 0 for none.
    every : int
        Steps between frames.
    reference : path or iterable of paths
        A trajectory to compare distances with, in any format that `read` takes, for each structure; or one, if all
        structures have its atoms.
    output : path, optional
        Folder for the runs, created if necessary.  Those that it holds already, of an earlier call with the same
        settings, are not repeated, and one that was interrupted is resumed.
    n_processes : int
        How many runs are performed at a time.
    min_distance : float, Å
        As for `simulate`.
    max_temperature : float, K
        As for `simulate`.
    max_excess : float
        As for `simulate`.
    max_share : float
        As for `simulate`, but off (1) by default, because ranges of features belong to a training set.
    max_spread : float, eV/Å, optional
        As for `simulate`.  Runs that this stops are no failures, and censored in the survival curve.
    allow_fragments : bool
        As for `simulate`.
    legacy_angular : bool, optional
        As for `Potential.load`.
    stop : callable
        Asked often whether to stop.
    advance : callable
        Called with the number of runs, also fractions, done since the last call.

    Returns
    -------
    Stability
        Survival curves, distances, pressure and drift by structure and temperature; energies of dimers.

    Raises
    ------
    AenetError
        For invalid input, or a folder that belongs to a study with other settings; `StoppedError` if stopped.

    Examples
    --------
    >>> folder = "fixtures/golden/cluster-cuau-h2o"
    >>> found = stability(f"{folder}/train-forces-adamw/expected", f"{folder}/xsf/s001.xsf",
    ...                   temperatures=[300], seeds=3, time=0.02, nve=0)
    >>> (condition,) = found.conditions
    >>> [run.reason for run in condition.runs]
    ['time', 'time', 'time']
    >>> curve = condition.survival
    >>> print(f"{curve.probability[-1]:.2f}, at least {curve.low[-1]:.2f}")
    1.00, at least 0.29
    >>> sum(dimer.attractive is None for dimer in found.dimers), len(found.dimers)
    (0, 10)
    """
    kelvin = [float(each) for each in temperatures]
    _check(kelvin, seeds, n_processes)
    steps, nve_steps = number_of_steps(time, None, timestep), number_of_steps(nve, None, timestep)
    if not steps:
        raise AenetError("the runs need a time above 0 ps")
    limits = Limits(
        min_distance=min_distance,
        max_temperature=max_temperature,
        max_excess=max_excess,
        max_share=max_share,
        max_spread=max_spread,
        fragments=allow_fragments,
    )
    source, named = source_of(potential, legacy_angular), _structures(structures)

    def settings(temperature: float, seed: int, ensemble: str = "nvt") -> Settings:
        return Settings(
            steps=steps if ensemble == "nvt" else nve_steps,
            temperature=temperature,
            ensemble=ensemble,
            timestep=float(timestep),
            taut=float(taut),
            seed=seed,
            every=every if ensemble == "nvt" else min(every, NVE_EVERY),
        )

    drawn = range(first_seed, first_seed + seeds)
    planned = {
        (k, temperature): [Run(k, settings(temperature, seed), limits) for seed in drawn]
        + ([Run(k, settings(temperature, 0, "nve"), limits)] if nve_steps else [])
        for k in range(len(named))
        for temperature in kelvin
    }
    references = _references(reference, named)
    curves = dimers.dimers(_species(named), source.new)
    everything = [run for some in planned.values() for run in some]
    outcomes = _performed(source, named, everything, output, n_processes, stop, advance)
    conditions = [
        _condition(*named[k], temperature, [outcomes[run.name] for run in some], references[k])
        for (k, temperature), some in planned.items()
    ]
    return Stability(tuple(conditions), tuple(curves), 1e-3 * steps * timestep, float(timestep))


def _check(temperatures: Sequence[float], seeds: int, n_processes: int) -> None:
    if not temperatures:
        raise AenetError("no temperatures given; at least one is required")
    if len(set(temperatures)) < len(temperatures):
        raise AenetError(f"temperatures must differ, not {' '.join(f'{each:g}' for each in temperatures)}")
    for name, value in (("seeds", seeds), ("n_processes", n_processes)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise AenetError(f"{name} must be at least 1, not {value!r}")


def _structures(given: Given | Iterable[Given]) -> list[tuple[str, Atoms]]:
    """Names and atoms of structures, given as one or as several."""
    some: Any = given
    named = []
    for each in [some] if isinstance(some, str | os.PathLike | Structure | Atoms) else some:
        atoms = start.atoms_of(each)
        named.append((os.fspath(each) if isinstance(each, str | os.PathLike) else atoms.get_chemical_formula(), atoms))
    if not named:
        raise AenetError("no structures given; at least one is required")
    return named


def _species(named: Sequence[tuple[str, Atoms]]) -> list[str]:
    """All species in the order in which they occur."""
    return list(dict.fromkeys(symbol for _, atoms in named for symbol in atoms.symbols))


def _references(
    given: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], named: Sequence[tuple[str, Atoms]]
) -> list[Reference | None]:
    """The reference of each structure."""
    paths = [os.fspath(each) for each in ([given] if isinstance(given, str | os.PathLike) else given)]
    if not paths:
        return [None] * len(named)
    if len(paths) not in (1, len(named)):
        raise AenetError(f"give one reference, or one for each of the {len(named)} structures, not {len(paths)}")
    found: list[Reference | None] = []
    for (_, atoms), path in zip(named, paths if len(paths) > 1 else paths * len(named), strict=True):
        whole, first, second = runs.reference(path, atoms)
        found.append(Reference(path, whole, distances.overlap(first, second)))
    return found


def _performed(
    source: Source, named: Sequence[tuple[str, Atoms]], planned: Sequence[Run], output: str | os.PathLike[str] | None,
    n_processes: int, stop: Callable[[], bool], advance: Callable[[float], object],
) -> Mapping[str, Outcome]:  # fmt: skip
    """The outcomes of all runs by name, in a folder or a temporary one."""
    structures = [atoms for _, atoms in named]
    with contextlib.ExitStack() as stack:
        if output is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="stability-"))
        else:
            folder = stack.enter_context(folders.opened(os.fspath(output), _mark(source, structures, planned)))
        found = {run.name: runs.load(run, folder) for run in planned}
        waiting = [run for run in planned if found[run.name] is None]
        advance(len(planned) - len(waiting))
        work = processes.Work(source, structures, folder)
        found.update({each.run.name: each for each in processes.perform(work, waiting, n_processes, stop, advance)})
    ended = {name: outcome for name, outcome in found.items() if outcome is not None}
    if len(ended) < len(planned):
        raise StoppedError(f"stopped after {len(ended)} of {len(planned)} runs")
    return ended


def _mark(source: Source, structures: Sequence[Atoms], planned: Sequence[Run]) -> dict[str, Any]:
    """What must be the same when a study goes on: all that a run depends on but its seed and temperature."""
    mark: dict[str, Any] = {"calculator": source.name, "structures": [], "potentials": None}
    ensembles = {run.settings.ensemble: run.settings for run in planned}
    mark["time"] = 1e-3 * ensembles["nvt"].steps * ensembles["nvt"].timestep
    mark["every"] = ensembles["nvt"].every
    mark |= {f"limits.{name}": value for name, value in vars(planned[0].limits).items()}
    for atoms in structures:
        atoms = atoms.copy()
        atoms.calc = source.new()
        found = dynamics.marks(atoms, planned[0].settings)
        mark["structures"].append([found.pop("structure"), *found.pop("constraints")])
        mark |= {name: value for name, value in found.items() if name not in ("seed", "temperature", "ensemble")}
    return mark


def _condition(
    name: str, atoms: Atoms, temperature: float, outcomes: Sequence[Outcome], reference: Reference | None
) -> Condition:
    nvt = tuple(each for each in outcomes if each.run.settings.ensemble == "nvt")
    nve = next((each for each in outcomes if each.run.settings.ensemble == "nve"), None)
    parts = [each.distribution for each in nvt if each.distribution is not None]
    return Condition(
        name=name,
        atoms=atoms,
        temperature=temperature,
        runs=nvt,
        nve=nve,
        survival=survival(np.array([each.time for each in nvt]), np.array([each.failed for each in nvt])),
        seen=distances.joined([each.seen for each in nvt]),
        distribution=distances.joined(parts) if parts else None,
        reference=reference,
    )
