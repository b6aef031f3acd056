"""METHOD lbfgs, lm and ekf of aenet_pytorch.py, and their settings."""

from __future__ import annotations

from collections.abc import Mapping

from aenet_py.errors import InputError
from aenet_py.inputs import ranges
from aenet_py.inputs.keywords import TrainKeyword

METHODS: dict[str, dict[str, float]] = {  # settings with their defaults
    "lbfgs": {},
    "lm": {"damping": 0.1, "adjust": 10.0},
    "ekf": {"lambda": 0.99, "lambda0": 0.999, "state": 0.1, "pnoise": 0.0, "wgroup": 100.0},
}
_RANGES = {
    "damping": ranges.POSITIVE, "adjust": ranges.ABOVE_ONE, "lambda": ranges.FORGETTING, "lambda0": ranges.FRACTION,
    "state": ranges.POSITIVE, "pnoise": ranges.NON_NEGATIVE, "wgroup": ranges.WHOLE,
}  # fmt: skip


def settings(path: str, line_number: int, method: str, given: Mapping[str, str]) -> dict[str, float]:
    """The settings of a method; InputError if one is out of range."""
    numbers = {name: text for name, text in given.items() if name != "method"}
    return ranges.settings(path, line_number, numbers, METHODS[method], _RANGES)


def check(path: str, method: str, entries: Mapping[str, TrainKeyword], has_decay: bool) -> None:
    """InputError if the deck has keywords that these methods have no use for; has_decay : whether REGULARIZATION is."""
    others = ["schedule", "transfer_model", *(["regularization"] if has_decay else [])]
    for keyword in others:
        if keyword in entries:
            expected = "a method with a learning rate, such as adamw"
            message = f"found {keyword.upper()} with method={method}; expected it with {expected}"
            raise InputError(path, message, entries[keyword].line.number)
