"""Arguments of `generate` that other functions share: structures of any kind, set-ups and atomic energies."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

from aenet_py.errors import AenetError
from aenet_py.formats.frames import frame_name
from aenet_py.inputs.generate import FIT, ISOLATED, AtomicEnergy
from aenet_py.structure import Structure, as_structure


def path(given: Any, name: str) -> str:
    """A path as a string; name : of the argument in errors."""
    found = os.fspath(given) if isinstance(given, str | os.PathLike) else None
    if not isinstance(found, str):
        raise AenetError(f"{name} must be a path, not {given!r}")
    return found


def atomic_energies(setups: Any, given: Any) -> tuple[AtomicEnergy, ...]:
    """The energy of each species in setups, eV, or how to find it.

    given : of each species, or one of the words for all.  AenetError unless setups is a mapping, and every species has
    an energy.
    """
    if isinstance(given, str) and given in (FIT, ISOLATED) and isinstance(setups, Mapping):
        given = dict.fromkeys(setups, given)
    for name, mapping, what in (("setups", setups, ".stp files"), ("atomic_energies", given, "energies (eV)")):
        if not isinstance(mapping, Mapping):
            raise AenetError(f"{name} must be a mapping from species to {what}, not {type(mapping).__name__}")
    wrong = {s: e for s, e in given.items() if not _is_energy(e)}
    if wrong:
        raise AenetError(f"atomic_energies must be finite numbers (eV), {FIT!r} or {ISOLATED!r}, not {wrong!r}")
    if not setups:
        raise AenetError("setups is empty; give the .stp file of each species")
    missing = [symbol for symbol in setups if symbol not in given]
    if missing:
        raise AenetError(f"atomic_energies lacks {' and '.join(missing)}; give the energy of every species in setups")
    return tuple(given[symbol] for symbol in setups)


def _is_energy(given: Any) -> bool:
    return given in (FIT, ISOLATED) if isinstance(given, str) else isinstance(given, Real) and math.isfinite(given)


def is_structure(given: Any) -> bool:
    """Whether this is a single structure, of this package or of ASE."""
    return isinstance(given, Structure) or hasattr(given, "get_chemical_symbols")


def structures(given: Any) -> list[str | Structure]:
    """Paths and structures in the given order; those of ASE are converted and called ``structures#index``.

    AenetError for anything else, and for structures without energy or forces.
    """
    if isinstance(given, str | os.PathLike) or is_structure(given):
        given = [given]
    if not isinstance(given, Iterable):
        raise AenetError(f"structures must be paths or structures, not {type(given).__name__}")
    listed = list(given)
    if not listed:
        raise AenetError("structures is empty; give at least one")
    found: list[str | Structure] = []
    for number, each in enumerate(listed):
        if isinstance(each, str | os.PathLike):
            found.append(path(each, "structures"))
            continue
        structure = as_structure(each, frame_name("structures", number), reference=True)
        structure.check_reference()
        found.append(structure)
    return found
