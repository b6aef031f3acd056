"""``committee.json``, which makes a folder of potentials ``EL.1.nn``, ``EL.2.nn`` and so on a committee."""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import dataclass
from typing import Any

from aenet_py.errors import InputError
from aenet_py.runtime.output import PendingFile

NAME = "committee.json"
FORMAT = "aenet_py committee 1"
_FACTORS, _COUNTS = ("energy_factor", "force_factor"), ("n_structures", "n_atoms")
_ENDING = re.compile(r"(\.nn)?(\.transfered)?(\.ascii)?$")


@dataclass(frozen=True)
class Calibration:
    """How the errors of a committee's mean compare with the spread of its members, in the test set of its training.

    Parameters
    ----------
    energy_factor, force_factor
        Ratio of the root mean squares of errors and standard deviations, of energies per atom and of force vectors;
        None if there was too little to tell.
    n_structures, n_atoms
        Structures with energies and atoms with forces in the test set.
    """

    energy_factor: float | None = None
    force_factor: float | None = None
    n_structures: int = 0
    n_atoms: int = 0


def name_of(path: str, member: int) -> str:
    """The file of a member, counted from 1, from that of a single training: ``Cu.nn.ascii``, ``Cu.1.nn.ascii``."""
    found = _ENDING.search(path)
    assert found is not None
    return f"{path[: found.start()]}.{member}{found[0]}"


def member_of(name: str) -> int | None:
    """The member that a potential's file belongs to, counted from 1; None for other names."""
    found = re.search(r"\.([1-9]\d*)$", _ENDING.sub("", name))
    return None if found is None else int(found[1])


def write(folder: str, members: int, calibration: Calibration | None = None) -> None:
    """Make a folder the one of a committee."""
    content = {"format": FORMAT, "members": members, **vars(calibration or Calibration())}
    with PendingFile(os.path.join(folder, NAME)) as file:
        file.write((json.dumps(content) + "\n").encode())
        file.complete(replace=True)


def read(folder: str) -> int | None:
    """The number of members of a folder; None if it has no committee.json, InputError if that is another file."""
    content = _content(folder)
    return None if content is None else content["members"]


def read_calibration(folder: str) -> Calibration | None:
    """The calibration of a folder; None if it has no committee.json, InputError if a value is invalid."""
    content = _content(folder)
    if content is None:
        return None
    given = {key: content[key] for key in (*_FACTORS, *_COUNTS) if key in content}
    for key, value in given.items():
        kinds = int | float | None if key in _FACTORS else int
        if isinstance(value, bool) or not isinstance(value, kinds) or not 0 <= (value or 0) < math.inf:
            expected = "a number or null" if key in _FACTORS else "a whole number"
            raise InputError(os.path.join(folder, NAME), f"found {value!r} as {key}; expected {expected}, at least 0")
    return Calibration(**given)


def _content(folder: str) -> dict[str, Any] | None:
    path = os.path.join(folder, NAME)
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        content = None
    members = content.get("members") if isinstance(content, dict) and content.get("format") == FORMAT else None
    if isinstance(members, bool) or not isinstance(members, int) or members < 2:
        raise InputError(path, f'not the file of a committee; expected {{"format": "{FORMAT}", "members": N}}')
    return content
