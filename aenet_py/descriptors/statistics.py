"""Running statistics of the features of each species, in the order atoms come in (stp_eval)."""

from __future__ import annotations

import numpy as np

from aenet_py.descriptors.setup import FeatureStatistics
from aenet_py.errors import AenetError
from aenet_py.runtime.accelerate import Kernel

_update = Kernel("aenet_py.descriptors.statistics_kernels:update")


class NotANumberError(AenetError):
    """A feature that is not a number; atom (from 0) in the arrays given."""

    def __init__(self, atom: int):
        self.atom = atom
        super().__init__(f"a feature of atom {atom + 1} is not a number")


class RunningStatistics:
    """Minimum, maximum, average and average square of the features of each species.

    Parameters
    ----------
    sizes
        (n_types,) int64, number of features of each species.
    """

    def __init__(self, sizes: np.ndarray):
        self._sizes = sizes
        self._counts = np.zeros(len(sizes), dtype=np.int64)
        self._tables = np.zeros((4, len(sizes), int(sizes.max())))

    def add(self, types: np.ndarray, features: np.ndarray) -> None:
        """Add more atoms.

        Parameters
        ----------
        types
            (n_atoms,) int64, 0-based species.
        features
            (n_atoms, most features of a species).

        Raises
        ------
        NotANumberError
            If a feature is not a number.
        """
        low, high, mean, square = self._tables
        failed = _update(
            types=types, sizes=self._sizes, features=features, counts=self._counts, low=low, high=high, mean=mean,
            square=square,
        )  # fmt: skip
        if failed:
            raise NotANumberError(failed - 1)

    def result(self) -> list[FeatureStatistics]:
        """One entry per species."""
        return [
            FeatureStatistics(int(count), *self._tables[:, t, :size])
            for t, (count, size) in enumerate(zip(self._counts, self._sizes, strict=True))
        ]
