"""Potentials as an ASE calculator, named and called like that of ænet's own interface."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from aenet_py.errors import AenetError, AenetWarning
from aenet_py.neighbors import verlet
from aenet_py.potentials.members import Potentials, members
from aenet_py.potentials.potential import Prediction

SKIN = 0.6  # Å


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
    ====================== ======== ====================================================================

    ====================== ======== ====================================================================
    entry of ``results``   unit     meaning
    ====================== ======== ====================================================================
    ``energy``             eV       total energy, including the energies of the free atoms
    ``energies``           eV       atomic energies, (n_atoms,)
    ``forces``             eV/Å     (n_atoms, 3)
    ``stress``             eV/Å³    (6,) in Voigt order; only with three cell vectors
    ``outside``                     number of features of each atom outside the training range, (n_atoms,)
    ``energy_std``         eV       committees: standard deviation over the members
    ``forces_std``         eV/Å     committees: the same for the forces, (n_atoms, 3)
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
    The attribute `members` holds the potentials, `predictions` the last prediction of each.  Threads may share a
    calculator, which serves them one at a time; `results` and `predictions` are those of the last calculation of any
    thread.
    """

    implemented_properties = ["energy", "free_energy", "energies", "forces", "stress"]  # noqa: RUF012 (as ASE has it)

    def __init__(
        self, potentials: Potentials, skin: float = SKIN, legacy_angular: bool | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self._lock = threading.RLock()
        self.members = members(potentials, legacy_angular)
        if not (isinstance(skin, int | float | np.number) and 0 <= skin < np.inf):
            raise AenetError(f"skin must be a distance of at least 0 Angstrom, not {skin}")
        self.skin = skin
        self.predictions: list[Prediction] = []
        self._pairs: verlet.Pairs | None = None
        self._warned = False

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.RLock())

    def get_property(self, name: str, atoms: Atoms | None = None, allow_calculation: bool = True) -> Any:
        """As in ASE; no other thread calculates between the calculation and the reading of its result."""
        with self._lock:
            return super().get_property(name, atoms, allow_calculation)

    def calculate_properties(self, atoms: Atoms, properties: Sequence[str]) -> Any:
        """As `get_property`, for several properties."""
        with self._lock:
            return super().calculate_properties(atoms, properties)

    @property
    def searched_at(self) -> np.ndarray | None:
        """Positions (n_atoms, 3), Å, at the last neighbour search, which fixes the order of all sums until the next."""
        return None if self._pairs is None else self._pairs.positions

    def search(self, atoms: Atoms) -> verlet.Pairs:
        """Search the neighbours of atoms anew."""
        reach = max(member.model.r_max for member in self.members)
        self._pairs = verlet.pairs(atoms, reach, self.skin)
        return self._pairs

    def calculate(
        self, atoms: Atoms | None = None, properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:  # fmt: skip
        """Fill `results`; called by ASE."""
        with self._lock:
            self._calculate(atoms, properties, system_changes)

    def _calculate(self, atoms: Atoms | None, properties: Sequence[str], system_changes: Sequence[str]) -> None:
        if not len(atoms or self.atoms or ()):
            raise AenetError("cannot evaluate an empty structure")
        super().calculate(atoms, properties, system_changes)
        structure: Atoms = self.atoms  # type: ignore[assignment]
        pairs = self._pairs
        if pairs is None or not pairs.hold(structure):
            pairs = self.search(structure)
        environments = verlet.environments(pairs, structure, any(m.needs_positions for m in self.members))
        symbols = structure.get_chemical_symbols()
        predictions = [member.evaluate(member.types_of(symbols), environments) for member in self.members]
        self.predictions = predictions
        energies = np.array([p.atomic_energies for p in predictions])
        forces = np.array([p.forces for p in predictions])
        outside = np.max([p.outside for p in predictions], axis=0)
        energy = float(energies.mean(axis=0).sum())
        self.results = {"energy": energy, "free_energy": energy, "energies": energies.mean(axis=0)}
        self.results.update(forces=forces.mean(axis=0), outside=outside)
        if len(self.members) > 1:
            self.results.update(energy_std=float(energies.sum(axis=1).std()), forces_std=forces.std(axis=0))
        if structure.cell.rank == 3:
            virial = np.mean([p.virial for p in predictions], axis=0)
            self.results["stress"] = full_3x3_to_voigt_6_stress(0.5 * (virial + virial.T) / structure.get_volume())
        if outside.any() and not self._warned:
            self._warned = True
            n = int(np.count_nonzero(outside))
            message = f"{n} of {len(symbols)} atoms have features outside the range of the training set"
            warnings.warn(f"{message}; see results['outside']", AenetWarning, stacklevel=3)
