"""Recognises input files of train.x, and tells what to write for aenet_pytorch.py."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from aenet_py.errors import InputError
from aenet_py.inputs import second_order
from aenet_py.inputs.keywords import Line

IGNORED = ("timing", "debug", "sampling", "verbosity")  # keywords without effect in the PyTorch trainer
_METHODS = ("bfgs", "ekf", "lm", "online_sd", "online_gd", "sd", "gd")
_ACTIVATION = re.compile(r"\d+:(twist|mtanh)", re.IGNORECASE)
_DEFAULT_RATE = "0.001"  # of Adam, in train.x as in torch


def check(path: str, lines: Sequence[Line]) -> None:
    """Raise InputError, with the replacements, if this is a deck of train.x."""
    replaced: dict[str, str] = {}
    first: Line | None = None
    for line, before in zip(lines, [None, *lines], strict=False):
        replacement = _method(line, before) or _weight_decay(line) or _activation(line)
        if replacement is not None:
            replaced[replacement[0]] = replacement[1]
            first = first or line
    if first is not None:
        advice = ", ".join(f"{ours} for {theirs}" for theirs, ours in replaced.items())
        message = "this deck is for train.x, which runs it as it is; for aenet_pytorch.py"
        raise InputError(path, f"{message}, write {advice}", first.number)


def without_ignored(path: str, lines: Sequence[Line], warn: Callable[[str], None]) -> list[Line]:
    """The lines without ignored keywords, each of which is a warning."""
    kept = []
    for line in lines:
        keyword = line.text.split()[0]
        if keyword.lower() in IGNORED:
            warn(f"{path}:{line.number}: {keyword} is a keyword of other programs of aenet; it has no effect here")
        else:
            kept.append(line)
    return kept


def _method(line: Line, before: Line | None) -> tuple[str, str] | None:
    """A method of train.x, on the line of METHOD or the next one, and its replacement."""
    words = line.text.lower().split()
    if words[0] == "method":
        words = words[1:]
    elif before is None or before.text.lower().split()[0] != "method":
        return None
    name = words[0].removeprefix("method=") if words else ""
    if words and words[0] != name and name in second_order.METHODS:
        return None
    if name in _METHODS:
        return name, f"method=adamw lr={_DEFAULT_RATE}"
    settings = dict(word.partition("=")[::2] for word in words)
    if name == "adam" and "adam" in words and "lr" not in settings:
        return name, f"method=adam lr={settings.get('mu') or _DEFAULT_RATE}"
    return None


def _weight_decay(line: Line) -> tuple[str, str] | None:
    for word in line.text.lower().split()[:2]:
        if word.startswith("l2="):
            return word, f"REGULARIZATION {word.removeprefix('l2=')}"
    return None


def _activation(line: Line) -> tuple[str, str] | None:
    match = _ACTIVATION.search(line.text)
    return None if match is None else (match[1].lower(), "tanh")
