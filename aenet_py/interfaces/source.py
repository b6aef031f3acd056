"""A new calculator for each run, in this process or in another one."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aenet_py.errors import AenetError, in_a_line
from aenet_py.formats import uncertainty
from aenet_py.formats.uncertainty import Uncertainty
from aenet_py.interfaces.ase import SKIN, ANNCalculator
from aenet_py.potentials.members import members
from aenet_py.potentials.potential import Potential


@dataclass(frozen=True)
class Source:
    """Potentials, or the calculator of another program.

    Parameters
    ----------
    potentials
        Members of a committee; empty for other calculators.
    skin
        Of `ANNCalculator`, Å.
    other
        A calculator that is none of ours.
    calibration
        Of the uncertainty of the potentials, or its file.
    """

    potentials: Sequence[Potential]
    skin: float = SKIN
    other: Any = None
    calibration: str | Uncertainty | None = None

    def new(self) -> Any:
        """A calculator that remembers nothing of other runs; of one thread, if it is ours."""
        if self.potentials:
            return ANNCalculator(list(self.potentials), skin=self.skin, threads=1, uncertainty=self.calibration)
        try:
            return copy.deepcopy(self.other)
        except Exception:  # calculators that hold a library or a process refuse in various ways
            return self.other

    @property
    def name(self) -> str:
        """Of the class."""
        kind = ANNCalculator if self.potentials else type(self.other)
        return f"{kind.__module__}.{kind.__qualname__}"


def packed(calculators: Any, name: str, remedy: str) -> bytes:
    """What makes calculators, for another process; AenetError, with a name and a remedy, if that is not possible."""
    try:
        return pickle.dumps(calculators)
    except Exception as error:  # as in `Source.new`
        raise AenetError(f"{name} cannot be sent to other processes ({in_a_line(error)}); {remedy}") from None


def unpacked(content: bytes, remedy: str) -> Any:
    """The inverse of `packed`."""
    try:
        return pickle.loads(content)
    except Exception as error:  # whatever a foreign calculator raises
        reason = in_a_line(error)
        raise AenetError(f"the calculator cannot be built in another process ({reason}); {remedy}") from None


def source_of(given: Any, legacy_angular: bool | None = None) -> Source:
    """Potentials, as for `members`, or a calculator of ASE."""
    if isinstance(given, ANNCalculator):
        return Source(given.members, given.skin, calibration=given.calibration)
    if hasattr(given, "get_potential_energy"):
        if legacy_angular is not None:
            raise AenetError("legacy_angular applies to potentials, not to a calculator")
        return Source((), other=given)
    return Source(members(given, legacy_angular), calibration=uncertainty.beside(given))
