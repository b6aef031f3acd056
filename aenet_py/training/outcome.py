"""How a training ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aenet_py.training.initialise import PreparedTraining
    from aenet_py.training.results import EnergyTable, ForceTable

ALL_EPOCHS, PATIENCE, CALLER, SIGNAL = "all epochs", "patience", "caller", "signal"  # reasons to end


@dataclass(frozen=True)
class Outcome:
    """How a training ended.

    Attributes
    ----------
    reason : str
        ALL_EPOCHS, PATIENCE, CALLER or SIGNAL.
    signal : str or None
        Name of the signal, if this process received one.
    training : PreparedTraining
        The training with its last state.
    energies, forces : dict
        The tables that the deck requests, by "train" and "test"; empty after a signal.
    energy_error, force_error, virial_error : float or None
        RMSE of the result for the test set: of energies per atom (eV/atom), of force components (eV/Å) and, with
        STRESS, of components of virials per atom (eV/atom).
    """

    reason: str
    signal: str | None
    training: PreparedTraining
    energies: dict[str, EnergyTable]
    forces: dict[str, ForceTable]
    energy_error: float | None = None
    force_error: float | None = None
    virial_error: float | None = None
