"""Potentials in LAMMPS' ML-IAP: the object that ``pair_style mliap unified`` loads, in a LAMMPS with Python.

LAMMPS' pairs of each of its atoms ─> environments ─> Potential ─> derivatives of the energy by the pairs' vectors
                                          forces on both atoms, virial, sums over processes: LAMMPS <──┘
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pickle
import sys
import traceback
import warnings
from typing import Any

import numpy as np

from aenet_py.descriptors.common import CoincidenceError
from aenet_py.errors import AenetError, AenetWarning
from aenet_py.neighbors.search import Environments
from aenet_py.potentials.members import Potentials, single
from aenet_py.runtime.launch import launched

UNUSED = 1  # numbers of descriptors and parameters, for which LAMMPS allocates memory that is not used


class Unified:
    """Potentials with the interface of LAMMPS' MLIAPUnified (lammps.mliap.mliap_unified_abc), without needing LAMMPS.

    Parameters
    ----------
    potentials : path, mapping or Potential
        A folder with a potential per species, a mapping from species to file, or a `Potential`.
    legacy_angular : bool, optional
        As for `Potential.load`.

    Raises
    ------
    AenetError
        For potentials that do not belong together, or whose energy depends on the order of neighbours.

    Examples
    --------
    >>> import tempfile
    >>> unified = Unified("fixtures/golden/cluster-cuau-h2o/train-forces-adamw/expected")
    >>> unified.element_types
    ['Au', 'Cu', 'H', 'O']
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     unified.pickle(f"{folder}/aenet.pkl")  # for pair_style mliap unified
    """

    def __init__(self, potentials: Potentials, legacy_angular: bool | None = None):
        self.potential = single(potentials, legacy_angular)
        self.interface: Any = None  # set by LAMMPS
        self.element_types = list(self.potential.types)
        self.ndescriptors = self.nparams = UNUSED
        self.rcutfac = 0.5 * self.potential.model.r_max  # Å, half the cutoff
        self._warned = False

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "interface": None}  # it cannot be pickled

    def pickle(self, path: str) -> None:
        """Write the file for ``pair_style mliap unified PATH``; AenetError if it cannot be written."""
        content = pickle.dumps(self)
        try:
            with open(path, "wb") as file:
                file.write(content)
        except OSError as error:
            raise AenetError(f"{path}: cannot be written: {error.strerror}") from None

    def compute_descriptors(self, data: Any) -> None:
        """Does nothing: `compute_forces` does all."""

    def compute_gradients(self, data: Any) -> None:
        """Does nothing: `compute_forces` does all."""

    def compute_forces(self, data: Any) -> None:
        """Set energies (eV) of the atoms, and forces (eV/Å) and virial of the pairs, in LAMMPS' data; called by LAMMPS.

        AenetError for types without an element, unknown neighbours and coinciding atoms.  In several processes an error
        ends all of them, as the others would wait.
        """
        try:
            self._compute(data)
        except BaseException:
            if launched():
                traceback.print_exc()
                _end()
            raise

    def _compute(self, data: Any) -> None:
        n_atoms, n_pairs = data.nlistatoms, data.npairs
        if n_atoms == 0:
            data.energy = 0.0
            return
        centers, partners = data.ielems[:n_atoms], data.jelems if n_pairs else np.empty(0, dtype=np.int32)
        types = np.concatenate([centers, partners]).astype(np.int64)
        self._check(types)
        vectors = np.zeros((7 if self.potential.needs_positions else 4, n_pairs))
        if n_pairs:
            vectors[:3] = data.rij.T
            vectors[3] = np.sqrt(np.einsum("xk,xk->k", vectors[:3], vectors[:3]))
            vectors[4:] = vectors[: len(vectors) - 4]  # each atom is the origin of its neighbours' positions
        environments = Environments(
            starts=np.array([0, n_atoms]),
            positions=np.zeros((n_atoms, 3)),
            forces=np.zeros((n_atoms, 3)),
            first=np.concatenate([[0], np.cumsum(data.numneighs[:n_atoms], dtype=np.int64)]),
            index=np.arange(n_atoms, n_atoms + n_pairs, dtype=np.int32),  # each pair is an atom of its own
            vectors=vectors,
        )
        try:
            prediction = self.potential.evaluate(types, environments)
        except CoincidenceError as error:
            number = int(data.iatoms[error.atom])
            raise AenetError(f"atom {number} of this process coincides with another; move them apart") from None
        data.eatoms = prediction.atomic_energies
        data.energy = prediction.energy
        if n_pairs:
            data.update_pair_forces(np.ascontiguousarray(-prediction.forces[n_atoms:]))
        if prediction.outside.any() and not self._warned:
            self._warned = True
            n_outside = np.count_nonzero(prediction.outside)
            message = f"{n_outside} of {n_atoms} atoms of this process have features outside the range of the"
            warnings.warn(f"{message} training set", AenetWarning, stacklevel=2)

    def _check(self, types: np.ndarray) -> None:
        if types.min() < 0:
            raise AenetError(
                "LAMMPS has atoms of a type without an element (NULL); name one for each type in pair_coeff"
            )
        present = np.flatnonzero(np.bincount(types))  # without sorting, as there are many
        self.potential.types_of([self.potential.types[t] for t in present])


def _end() -> None:
    """End all processes."""
    sys.stderr.flush()
    with contextlib.suppress(ImportError, RuntimeError):
        importlib.import_module("mpi4py.MPI").COMM_WORLD.Abort(1)
    os._exit(1)  # the launcher then ends the others
