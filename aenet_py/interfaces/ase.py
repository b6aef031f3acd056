"""Potentials as a calculator of ASE, with the name and the call of ænet's own interface."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from aenet_py.errors import AenetError, AenetWarning
from aenet_py.formats import potential_files
from aenet_py.neighbors import verlet
from aenet_py.potentials.potential import Potential, Prediction

SKIN = 0.6  # Å


class ANNCalculator(Calculator):
    """Energy, energies (of the atoms), forces and stress of any structure, in ASE's units (eV, Å).

    Parameters
    ----------
    potentials : file of each species, ``{"Ti": "Ti.nn", "O": "O.nn"}``, a folder with one for each, or several of these
        for a committee, whose mean is returned; `results` then also has ``energy_std`` (eV) and ``forces_std``
        ((n_atoms, 3), eV/Å), the standard deviations of its members.
    skin : Å, how far beyond the cutoff neighbours are listed; they are searched again once an atom moved half of it.
    legacy_angular : as of `Potential.load`.

    After a calculation `results["outside"]` ((n_atoms,) int) counts the features of each atom that leave the range of
    the training set; the first time one does, a warning says so.  `predictions` is what each member says.  AenetError
    for potentials that do not belong together, an unknown species, coinciding atoms, or potentials whose energy depends
    on the order of neighbours (an angular cutoff above the radial one with several species).

    Threads may share a calculator, which serves them one after the other.  `results` and `predictions` are those of the
    last calculation of any thread.
    """

    implemented_properties = ["energy", "free_energy", "energies", "forces", "stress"]  # noqa: RUF012 (as ASE has it)

    def __init__(
        self, potentials: potential_files.Given | Iterable[potential_files.Given], skin: float = SKIN,
        legacy_angular: bool | None = None, **options: Any,
    ):  # fmt: skip
        super().__init__(**options)
        self._lock = threading.RLock()
        members = potential_files.sets_of(potentials)
        if not members:
            raise AenetError("found no potentials; expected at least one for each species")
        self.members = [Potential.load(paths, legacy_angular) for paths in members]
        for member in self.members:
            member.check_order()
            if set(member.types) != set(self.members[0].types):
                found = " and ".join(" ".join(each.types) for each in (self.members[0], member))
                raise AenetError(
                    f"found potentials for {found} in a list, which is a committee; expected the same species"
                )
        if not (isinstance(skin, int | float | np.number) and 0 <= skin < np.inf):
            raise AenetError(f"found skin={skin}; expected a distance in Angstrom, at least 0")
        self.skin = skin
        self.predictions: list[Prediction] = []
        self._pairs: verlet.Pairs | None = None
        self._warned = False

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.RLock())

    def get_property(self, name: str, atoms: Atoms | None = None, allow_calculation: bool = True) -> Any:
        """As ASE has it; no other thread calculates between the calculation and the reading of its result."""
        with self._lock:
            return super().get_property(name, atoms, allow_calculation)

    def calculate_properties(self, atoms: Atoms, properties: Sequence[str]) -> Any:
        """As `get_property`, for several."""
        with self._lock:
            return super().calculate_properties(atoms, properties)

    @property
    def searched_at(self) -> np.ndarray | None:
        """Positions (n_atoms, 3), Å, of the last search of neighbours, whose order all sums have until the next one."""
        return None if self._pairs is None else self._pairs.positions

    def search(self, atoms: Atoms) -> verlet.Pairs:
        """Search the neighbours of atoms, whatever was found before."""
        reach = max(member.model.r_max for member in self.members)
        self._pairs = verlet.pairs(atoms, reach, self.skin)
        return self._pairs

    def calculate(
        self, atoms: Atoms | None = None, properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:  # fmt: skip
        """Fill `results`; ASE calls this."""
        with self._lock:
            self._calculate(atoms, properties, system_changes)

    def _calculate(self, atoms: Atoms | None, properties: Sequence[str], system_changes: Sequence[str]) -> None:
        if not len(atoms or self.atoms or ()):
            raise AenetError("found no atoms to calculate; expected some")
        super().calculate(atoms, properties, system_changes)
        structure: Atoms = self.atoms  # type: ignore[assignment]
        pairs = self._pairs
        if pairs is None or not pairs.hold(structure):
            pairs = self.search(structure)
        found = verlet.environments(pairs, structure, any(m.needs_positions for m in self.members))
        symbols = structure.get_chemical_symbols()
        predictions = [member.evaluate(member.types_of(symbols), found) for member in self.members]
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
