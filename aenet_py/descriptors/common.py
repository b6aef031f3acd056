"""What all descriptors share."""

from __future__ import annotations

import numpy as np

from aenet_py.errors import AenetError


class CoincidenceError(AenetError):
    """Two atoms at the same place; structure, atom : which, from 0."""

    def __init__(self, starts: np.ndarray, number: int):
        """starts : where each structure's atoms begin; number : of the atom among all."""
        self.structure = int(np.searchsorted(starts, number, side="right")) - 1
        self.atom = number - int(starts[self.structure])
        super().__init__(f"atom {self.atom + 1} coincides with another atom; move them apart")
