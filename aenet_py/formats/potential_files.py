"""Files of a set of potentials: given for each species, or found in a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from aenet_py.errors import AenetError, InputError
from aenet_py.formats import committee, potential

WHAT = "a folder of potentials or the file of each species, such as {'Ti': 'Ti.nn', 'O': 'O.nn'}"
_ENDING = re.compile(r"\.nn(\.(transfered\.)?ascii)?$")

Given = str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]]


def files_of(given: Given) -> dict[str, str]:
    """The potential file of each species.

    Parameters
    ----------
    given : mapping of str to path, or path
        File of each species, a folder with a potential for each species, or the file of a single species.

    Returns
    -------
    dict of str to str
        File of each species.

    Raises
    ------
    AenetError
        For anything else, a folder without potentials, or one with different potentials for the same species.
    """
    if isinstance(given, Mapping):
        return {_text(symbol): _text(path) for symbol, path in given.items()}
    path = _text(given)
    if committee.read(path) is not None:
        raise AenetError(
            f"{path}: the folder of a committee, where one potential per species is needed; name its files"
        )
    return _in_folder(path) if os.path.isdir(path) else {_symbol(potential.read(path)): path}


def sets_of(given: Given | Iterable[Given]) -> list[Given]:
    """A list of one or several sets of potentials, for committees; AenetError for anything else.

    The folder of a committee stands for its members.
    """
    if isinstance(given, str | os.PathLike | Mapping):
        return _members(given)
    if not isinstance(given, Iterable):
        raise AenetError(f"potentials must be {WHAT}, or a list of these, not {type(given).__name__}")
    return [each for some in given for each in _members(some)]


def _members(given: Any) -> list[Any]:
    """The sets of potentials in a committee's folder, by species; anything else as it is."""
    folder = os.fspath(given) if isinstance(given, str | os.PathLike) else None
    members = None if not isinstance(folder, str) else committee.read(folder)
    if members is None or folder is None:
        return [given]
    names = sorted(filter(_ENDING.search, os.listdir(folder)), key=lambda name: (not name.endswith(".nn"), name))
    found: list[dict[str, str]] = []
    for number in range(1, members + 1):
        own = [os.path.join(folder, name) for name in names if committee.member_of(name) == number]
        files = _by_species(own)
        if not files:
            raise AenetError(f"{folder}: no potentials of member {number}; this committee has {members} members")
        if found and set(files) != set(found[0]):
            missing = " ".join(sorted(set(found[0]) ^ set(files)))
            raise AenetError(f"{folder}: members 1 and {number} of this committee differ in their species: {missing}")
        found.append(files)
    return found


def _text(given: Any) -> str:
    text = os.fspath(given) if isinstance(given, str | os.PathLike) else None
    if not isinstance(text, str):
        raise AenetError(f"potentials must be {WHAT}, not {type(given).__name__}")
    return text


def _symbol(file: potential.PotentialFile) -> str:
    return file.setup.atom_type.strip()


def numbers_of(file: potential.PotentialFile) -> bytes:
    """Everything but comments, of which nnASCII2bin.x keeps only a part."""
    setup, training = replace(file.setup, description=""), replace(file.training, path="")
    return potential.to_binary(replace(file, setup=setup, training=training))


def _in_folder(folder: str) -> dict[str, str]:
    """Potential of each species in a folder.  Binary files are preferred; text must contain the same potential."""
    try:
        names = sorted(filter(_ENDING.search, os.listdir(folder)), key=lambda name: (not name.endswith(".nn"), name))
    except OSError as error:
        raise AenetError(f"{folder}: cannot be read: {error.strerror}; expected {WHAT}") from None
    if not names:
        raise AenetError(f"{folder}: no potentials (.nn or .nn.ascii) in this folder; expected {WHAT}")
    return _by_species([os.path.join(folder, name) for name in names])


def _by_species(paths: Iterable[str]) -> dict[str, str]:
    """The first file of each species; InputError if another one has a different potential."""
    files: dict[str, str] = {}
    first: dict[str, bytes] = {}
    for path in paths:
        file = potential.read(path)
        symbol, content = _symbol(file), numbers_of(file)
        if first.setdefault(symbol, content) != content:
            both = f"this potential for {symbol} differs from that of {os.path.basename(files[symbol])}"
            raise InputError(path, f"{both}; name the file of each species instead of the folder")
        files.setdefault(symbol, path)
    return files
