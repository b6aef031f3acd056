"""``committee.json``, which makes a folder of potentials ``EL.1.nn``, ``EL.2.nn`` and so on a committee."""

from __future__ import annotations

import json
import os
import re

from aenet_py.errors import InputError
from aenet_py.runtime.output import PendingFile

NAME = "committee.json"
FORMAT = "aenet_py committee 1"
_ENDING = re.compile(r"(\.nn)?(\.transfered)?(\.ascii)?$")


def name_of(path: str, member: int) -> str:
    """The file of a member, counted from 1, from that of a single training: ``Cu.nn.ascii``, ``Cu.1.nn.ascii``."""
    found = _ENDING.search(path)
    assert found is not None
    return f"{path[: found.start()]}.{member}{found[0]}"


def member_of(name: str) -> int | None:
    """The member that a potential's file belongs to, counted from 1; None for other names."""
    found = re.search(r"\.([1-9]\d*)$", _ENDING.sub("", name))
    return None if found is None else int(found[1])


def write(folder: str, members: int) -> None:
    """Make a folder the one of a committee."""
    content = {"format": FORMAT, "members": members}
    with PendingFile(os.path.join(folder, NAME)) as file:
        file.write((json.dumps(content) + "\n").encode())
        file.complete(replace=True)


def read(folder: str) -> int | None:
    """The number of members of a folder; None if it has no committee.json, InputError if that is another file."""
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
    return members
