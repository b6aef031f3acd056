"""Potentials as an ASE calculator, named and called like that of ænet's own interface."""

from __future__ import annotations

import dataclasses
import os
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes
from ase.data import chemical_symbols

from aenet_py.errors import AenetError, AenetWarning
from aenet_py.formats import uncertainty as uncertainty_format
from aenet_py.formats.uncertainty import Uncertainty
from aenet_py.neighbors import patches, verlet
from aenet_py.neighbors.search import Environments
from aenet_py.potentials import patchwise, uncertainty
from aenet_py.potentials.committee import Committee, alone, committees
from aenet_py.potentials.members import Potentials, members
from aenet_py.potentials.patchwise import Forces, forces_of
from aenet_py.potentials.potential import Potential, Prediction
from aenet_py.runtime.arrays import same
from aenet_py.runtime.workers import number_of_threads

SKIN = 0.6  # Å
PRECISIONS = DOUBLE, SINGLE = ("double", "single")
VOIGT = ([0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1])  # xx, yy, zz, yz, xz, xy


class ANNCalculator(Calculator):
    """ASE calculator for ænet potentials: energy, forces and stress of any structure.

    >>> from ase import Atoms
    >>> from aenet_py.interfaces.ase import ANNCalculator
    >>> atoms = Atoms("CuAu", [[0, 0, 0], [0, 0, 2.6]])
    >>> atoms.calc = ANNCalculator("fixtures/golden/cluster-cuau-h2o/train-forces-adamw/expected")
    >>> atoms.get_forces().shape
    (2, 3)

    ====================== ======== ====================================================================
    option                 default  meaning
    ====================== ======== ====================================================================
    ``potentials``                  a folder, ``{"Cu": "Cu.nn", "Au": "Au.nn"}``, a `Potential`, or a list
    ``skin``               0.6 Å    how far beyond the cutoff neighbours are listed
    ``legacy_angular``     detected whether the potentials were trained by ænet before 2.0.4
    ``threads``            all      threads, at most one per processor; the results do not depend on it
    ``uncertainty``        found    file of ``aenet-py calibrate``
    ``precision``          double   of most numbers; with single, forces differ by some 10⁻⁶ eV/Å
    ====================== ======== ====================================================================

    ====================== ======== ====================================================================
    entry of ``results``   unit     meaning
    ====================== ======== ====================================================================
    ``energy``             eV       total energy, including the energies of the free atoms
    ``energies``           eV       atomic energies, (n_atoms,)
    ``forces``             eV/Å     (n_atoms, 3)
    ``stress``             eV/Å³    (6,) in Voigt order; only with three cell vectors
    ``outside``                     number of features of each atom outside the training range, (n_atoms,)
    ``excess``                      how far they lie outside at most, in widths of that range, (n_atoms,)
    ``energy_std``         eV       committees: standard deviation over the members; computed when asked for
    ``forces_std``         eV/Å     committees: the same for the forces, (n_atoms, 3); computed when asked for
    ``uncertainty``        eV/Å     expected error of the force on each atom, (n_atoms,); computed when asked for
    ====================== ======== ====================================================================

    Parameters
    ----------
    potentials : path, mapping, Potential, or list of these
        A folder with a potential per species, a mapping from species to file, or a `Potential`.  A list of these is a
        committee, whose mean is returned.
    skin : float, Å
        Neighbours are listed up to the cutoff plus skin, and searched again when an atom has moved half of it.
    legacy_angular : bool, optional
        As for `Potential.load`.
    threads : int, optional
        Number of threads; by default one per processor that the process may use.
    uncertainty : path or Uncertainty, optional
        What ``aenet-py calibrate`` or `calibrate` found for these potentials; by default the file ``uncertainty.json``
        in their folder, if there is one.  Of a committee, its factors scale ``energy_std`` and ``forces_std``.
    precision : {"double", "single"}
        Of features, networks and the forces of pairs; positions, energies and sums of forces are in double precision.
    **options
        Options of ASE's `Calculator`.

    Raises
    ------
    AenetError
        For potentials that do not belong together, or whose energy depends on the order of neighbours (an angular
        cutoff above the radial one with several species).  A calculation raises it for unknown species, coinciding
        atoms and invalid cells.

    Warns
    -----
    AenetWarning
        The first time that features lie outside the range of the training set.

    Notes
    -----
    The attribute `members` holds the potentials.  Threads of a program may share a calculator, which serves them one at
    a time; `results` and `predictions` are those of the last calculation of any thread.
    """

    implemented_properties = ["energy", "free_energy", "energies", "forces", "stress"]  # noqa: RUF012 (as ASE has it)

    def __init__(
        self, potentials: Potentials, skin: float = SKIN, legacy_angular: bool | None = None,
        threads: int | None = None, uncertainty: str | os.PathLike[str] | Uncertainty | None = None,
        precision: str = "double", **options: Any
    ) -> None:  # fmt: skip
        super().__init__(**options)
        self._lock = threading.RLock()
        self.members = members(potentials, legacy_angular)
        self.precision = self._checked(precision)
        self._committees = committees(self.members)
        if not (isinstance(skin, int | float | np.number) and 0 <= skin < np.inf):
            raise AenetError(f"skin must be a distance of at least 0 Angstrom, not {skin}")
        self.skin = skin
        self.threads = number_of_threads(threads)
        self._calibration = uncertainty_format.beside(potentials) if uncertainty is None else uncertainty
        self._is_checked = False  # whether the calibration belongs to the members
        self._known = _Known()
        self._warned = False
        self._volume: float | None = None  # Å³, of a structure with three cell vectors

    def _checked(self, precision: str) -> str:
        if precision not in PRECISIONS:
            raise AenetError(f"precision must be {' or '.join(PRECISIONS)}, not {precision!r}")
        if precision == SINGLE and not all(patchwise.applies(member) for member in self.members):
            raise AenetError("single precision requires Chebyshev features; these potentials have others")
        return precision

    def __getstate__(self) -> dict[str, Any]:
        known = dataclasses.replace(self._known, ready=[])  # which holds machine code
        return {name: value for name, value in {**vars(self), "_known": known}.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.RLock())

    def calculate_properties(self, atoms: Atoms, properties: Sequence[str]) -> Any:
        """As `get_property`, for several properties."""
        with self._lock:
            return super().calculate_properties(atoms, properties)

    def check_state(self, atoms: Atoms, tol: float = 0.0) -> list[str]:  # noqa: ARG002 - of ASE; every bit counts
        """What has changed since the last calculation, of all that energy and forces depend on."""
        known = self.atoms
        if known is None:
            return list(all_changes)
        before, now = known.arrays, atoms.arrays
        changes = [name for name in ("positions", "numbers") if not same(before[name], now[name])]
        if not same(known.cell.array, atoms.cell.array):
            changes.append("cell")
        if not same(known.pbc, atoms.pbc):
            changes.append("pbc")
        return changes

    @property
    def has_uncertainty(self) -> bool:
        """Whether ``results["uncertainty"]`` is available: for committees, and for potentials that were calibrated."""
        return len(self.members) > 1 or self._calibration is not None

    @property
    def calibration(self) -> Uncertainty | None:
        """What was calibrated for these potentials; InputError if the file belongs to others."""
        with self._lock:
            if not self._is_checked:
                self._calibration, self._is_checked = uncertainty.loaded(self._calibration, self.members), True
            found = self._calibration
            assert found is None or isinstance(found, Uncertainty)
            return found

    @property
    def searched_at(self) -> np.ndarray | None:
        """Positions (n_atoms, 3), Å, at the last neighbour search, which fixes the order of all sums until the next."""
        return None if self._known.pairs is None else self._known.pairs.search.positions

    @property
    def neighbors(self) -> tuple[float, Environments]:
        """Largest cutoff of the members, Å, and the neighbours within it at the last calculation."""
        pairs, atoms = self._known.pairs, self.atoms
        if pairs is None or atoms is None:
            raise AenetError("nothing was calculated yet")
        if isinstance(pairs, patches.Patches):
            return pairs.search.reach, patches.environments(pairs, atoms)
        return pairs.search.reach, verlet.environments(pairs, atoms, any(m.needs_positions for m in self.members))

    @property
    def predictions(self) -> list[Prediction]:
        """What each member predicts for the structure of the last calculation, with its features."""
        with self._lock:
            _, environments = self.neighbors
            return [
                member.evaluate(types[self._known.kinds], environments)
                for member, types in zip(self.members, self._known.types, strict=True)
            ]

    def search(self, atoms: Atoms) -> None:
        """Search the neighbours of atoms anew."""
        known, reach = self._known, max(member.model.r_max for member in self.members)
        known.pairs, known.ready = None, []  # in case of an error
        known.identify(self.members, atoms.numbers)
        if all(patchwise.applies(member) for member in self.members):
            known.pairs = patches.patches(atoms, known.kinds, reach, self.skin, threads=self.threads)
        else:
            known.pairs = verlet.pairs(atoms, reach, self.skin)

    def get_property(self, name: str, atoms: Atoms | None = None, allow_calculation: bool = True) -> Any:
        """As in ASE; no other thread calculates between the calculation and the reading of its result."""
        if name not in self.implemented_properties:
            raise PropertyNotImplementedError(f"{name} property not implemented")
        with self._lock:
            if atoms is not None:
                self._remember(atoms)
            if name not in self.results and allow_calculation:
                self._calculate()
            result = self.results.get(name)
            if result is None and allow_calculation:
                raise PropertyNotImplementedError(f"{name} not present in this calculation")
            return result.copy() if isinstance(result, np.ndarray) else result

    def calculate(
        self, atoms: Atoms | None = None, properties: Sequence[str] = ("energy",),  # noqa: ARG002 - of ASE
        system_changes: Sequence[str] = tuple(all_changes),  # noqa: ARG002
    ) -> None:  # fmt: skip
        """Fill `results`; called by ASE."""
        with self._lock:
            if atoms is not None:
                self._remember(atoms)
            self._calculate()

    def _remember(self, atoms: Atoms) -> None:
        """Keep a copy of a structure, and forget the results if it is another one."""
        changes = self.check_state(atoms)
        if changes == ["positions"] and self.atoms is not None:
            self.atoms.arrays["positions"][:] = atoms.arrays["positions"]
        elif changes:
            self.atoms = atoms.copy()
            self._volume = atoms.get_volume() if atoms.cell.rank == 3 else None
        if changes:
            self.results = {}

    def _calculate(self) -> None:
        structure: Atoms | None = self.atoms
        if structure is None or not len(structure):
            raise AenetError("cannot evaluate an empty structure")
        if not self._known.hold(structure):
            self.search(structure)
        found = self._predict(structure)
        energy = float(found.atomic_energies.sum())
        self.results = Results(self, found.totals)
        self.results.update(energy=energy, free_energy=energy, energies=found.atomic_energies, forces=found.forces)
        self.results.update(outside=found.outside, excess=found.excess)
        if self._volume is not None:
            self.results["stress"] = (0.5 * (found.virial + found.virial.T) / self._volume)[VOIGT]
        if not self._warned and found.outside.any():
            self._warned = True
            message = f"{np.count_nonzero(found.outside)} of {len(structure)} atoms have features outside the range"
            warnings.warn(f"{message} of the training set; see results['outside']", AenetWarning, stacklevel=3)

    def _predict(self, structure: Atoms) -> Forces:
        """The mean of all members, with known pairs that hold."""
        known = self._known
        if not isinstance(known.pairs, patches.Patches):
            return patchwise.mean(self._one_by_one(structure))
        if not known.ready:
            known.ready = [self._ready(each, known.pairs, known.types[each.places[0]]) for each in self._committees]
        return patchwise.mean([patchwise.evaluate(ready, structure.positions) for ready in known.ready])

    def _ready(self, committee: Committee, pairs: patches.Patches, types: np.ndarray) -> patchwise.Ready:
        return patchwise.ready(committee, pairs, types, self.threads, single=self.precision == SINGLE)

    def _one_by_one(self, structure: Atoms) -> list[Forces]:
        """What each member predicts, with known pairs that hold."""
        known = self._known
        if isinstance(known.pairs, patches.Patches):
            return [
                patchwise.evaluate(self._ready(alone(member), known.pairs, types), structure.positions)
                for member, types in zip(self.members, known.types, strict=True)
            ]
        assert known.pairs is not None
        environments = verlet.environments(known.pairs, structure, any(m.needs_positions for m in self.members))
        return [
            forces_of(member, types[known.kinds], environments)
            for member, types in zip(self.members, known.types, strict=True)
        ]

    def forces_std(self, results: Results) -> np.ndarray:
        """Standard deviation of the forces over the members, (n_atoms, 3) eV/Å, for the last results."""
        with self._lock:
            if results is not self.results or self.atoms is None:
                raise AenetError("forces_std belongs to the last calculation; ask for it before the next one")
            forces = np.array([each.forces for each in self._one_by_one(self.atoms)])
            return uncertainty.deviation(forces, self.calibration)

    def uncertainty(self, results: Results, environments: Environments | None = None) -> np.ndarray:
        """Expected force error of each atom, (n_atoms,) eV/Å, for the last results.

        environments : the neighbours of the last calculation, if they are known.
        """
        if len(self.members) > 1:
            return uncertainty.spread(results["forces_std"])
        with self._lock:
            if results is not self.results or self.atoms is None:
                raise AenetError("uncertainty belongs to the last calculation; ask for it before the next one")
            found = self.calibration
            if found is None:
                raise AenetError("the uncertainty of this potential is not calibrated; run aenet-py calibrate")
            around = self.neighbors[1] if environments is None else environments
            types = self._known.types[0][self._known.kinds]
            features = self.members[0].features(types, around, self.threads)
            return uncertainty.estimate(self.members[0], found, types, features)


class Results(dict[str, Any]):
    """Results of a calculation; uncertainties are computed when somebody asks for them.

    totals : energy of each member, (n_members,) eV.
    """

    def __init__(self, calculator: ANNCalculator, totals: np.ndarray):
        super().__init__()
        self._calculator, self._totals = calculator, totals

    def __missing__(self, name: str) -> Any:
        calculator = self._calculator
        if name == "energy_std" and len(calculator.members) > 1:
            self[name] = uncertainty.energy_factor(calculator.calibration) * float(self._totals.std())
        elif name == "forces_std" and len(calculator.members) > 1:
            self[name] = calculator.forces_std(self)
        elif name == "uncertainty" and calculator.has_uncertainty:
            self[name] = calculator.uncertainty(self)
        else:
            raise KeyError(name)
        return self[name]


@dataclass
class _Known:
    """What a calculator knows about a structure until it changes.

    numbers, kinds (n_atoms,) : atomic numbers, and their places among the distinct ones; types (n_kinds,) : these as
    species of each member; pairs : of the atoms; ready : the members, for these, since they were used.
    """

    numbers: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    kinds: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    types: list[np.ndarray] = field(default_factory=list)
    pairs: patches.Patches | verlet.Pairs | None = None
    ready: list[patchwise.Ready] = field(default_factory=list)

    def identify(self, members: Sequence[Potential], numbers: np.ndarray) -> None:
        """Find the species of each member."""
        distinct, kinds = np.unique(numbers, return_inverse=True)
        self.types = [member.types_of([chemical_symbols[number] for number in distinct]) for member in members]
        self.numbers, self.kinds = numbers.copy(), kinds.astype(np.int64)

    def hold(self, structure: Atoms) -> bool:
        """Whether all this is still true."""
        if self.pairs is None or not same(structure.numbers, self.numbers):
            return False
        return self.pairs.search.holds(structure)
