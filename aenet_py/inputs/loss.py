"""STRESS and HUBER in train.in: what the loss is made of, beside the squares of energies and forces."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from aenet_py.errors import InputError
from aenet_py.inputs import ranges
from aenet_py.inputs.keywords import TrainKeyword
from aenet_py.inputs.structures import StructureInput

FORMS = {"stress": ("beta",), "huber": ("energy", "forces")}  # settings of each keyword
MODES = ("recompute", "auto")  # of memory, in which stress can be trained on


@dataclass(frozen=True)
class LossInput:
    """What the loss is made of.

    Parameters
    ----------
    stress : float
        Weight of the stress error, 0 without STRESS.
    huber_energy, huber_forces : float
        Errors per atom (eV) and of force components (eV/Å) beyond which the loss grows in proportion to them.
    line : int or None
        Line of STRESS, if known.
    """

    stress: float = 0.0
    huber_energy: float = math.inf
    huber_forces: float = math.inf
    line: int | None = field(default=None, repr=False, compare=False)


def read(
    path: str, entries: Mapping[str, TrainKeyword], given: StructureInput | None, method: str, memory_mode: str,
    alpha: float | None,
) -> LossInput:  # fmt: skip
    """What a deck says; InputError with the line of whatever is invalid or contradictory."""
    stress, huber = (_settings(path, entries[name], name) if name in entries else {} for name in FORMS)
    for keyword in FORMS:
        if keyword in entries and method in ("lm", "ekf"):
            message = f"found {keyword.upper()} with method={method}; expected it with another method"
            raise InputError(path, message, entries[keyword].number)
    line = entries["stress"].number if stress else None
    if stress:
        if given is None:
            raise InputError(path, "found STRESS with a training set; expected TYPES, SETUPS and structures", line)
        if alpha is None:
            raise InputError(path, "found STRESS without FORCES; expected both", line)
        if alpha + stress["beta"] > 1:
            message = f"found alpha={alpha:g} and beta={stress['beta']:g}; expected at most 1 as their sum"
            raise InputError(path, message, line)
        if memory_mode not in MODES:
            message = f"found STRESS with MEMORY_MODE {memory_mode}; expected recompute or auto"
            raise InputError(path, message, line)
    if "forces" in huber and alpha is None:
        raise InputError(path, "found HUBER forces= without FORCES; expected both", entries["huber"].number)
    return LossInput(stress.get("beta", 0.0), huber.get("energy", math.inf), huber.get("forces", math.inf), line)


def _settings(path: str, entry: TrainKeyword, name: str) -> dict[str, float]:
    """The settings of a keyword by name."""
    expected = " and ".join(f"{setting}=number" for setting in FORMS[name])
    found: dict[str, float] = {}
    for word in entry.words:
        setting, _, text = word.partition("=")
        try:
            if setting.lower() not in FORMS[name] or setting.lower() in found:
                raise ValueError
            found[setting.lower()] = ranges.POSITIVE[0](text)
        except ValueError:
            message = f"found {word!r} after {name.upper()}; expected {expected}, above 0"
            raise InputError(path, message, entry.number) from None
    if not found:
        raise InputError(path, f"found nothing after {name.upper()}; expected {expected}", entry.number)
    return found


def lines(loss: LossInput) -> list[str]:
    """The lines from which `read` takes this."""
    found = [f"STRESS beta={loss.stress}"] if loss.stress else []
    limits = (("energy", loss.huber_energy), ("forces", loss.huber_forces))
    huber = [f"{name}={limit}" for name, limit in limits if limit < math.inf]
    return found + ([" ".join(["HUBER", *huber])] if huber else [])
