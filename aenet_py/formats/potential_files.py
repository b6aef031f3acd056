"""The files of a set of potentials: named for each species, or recognised in a folder by the species they are for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from aenet_py.errors import AenetError, InputError
from aenet_py.formats import potential

WHAT = "a folder of potentials or the file of each species, such as {'Ti': 'Ti.nn', 'O': 'O.nn'}"
_ENDING = re.compile(r"\.nn(\.(transfered\.)?ascii)?$")

Given = str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]]


def files_of(given: Given) -> dict[str, str]:
    """The potential file of each species.

    given : these files, a folder with a potential for each species, or the file of a single species.  AenetError for
    anything else, a folder without potentials, or different potentials for a species in it.
    """
    if isinstance(given, Mapping):
        return {_text(symbol): _text(path) for symbol, path in given.items()}
    path = _text(given)
    return _in_folder(path) if os.path.isdir(path) else {_symbol(potential.read(path)): path}


def sets_of(given: Given | Iterable[Given]) -> list[Given]:
    """One set of potentials or several as a list, for committees; AenetError for anything else."""
    if isinstance(given, str | os.PathLike | Mapping):
        return [given]
    if not isinstance(given, Iterable):
        raise AenetError(f"found {type(given).__name__} for potentials; expected {WHAT}, or a list of these")
    return list(given)


def _text(given: Any) -> str:
    text = os.fspath(given) if isinstance(given, str | os.PathLike) else None
    if not isinstance(text, str):
        raise AenetError(f"found {type(given).__name__} for potentials; expected {WHAT}")
    return text


def _symbol(file: potential.PotentialFile) -> str:
    return file.setup.atom_type.strip()


def _numbers(file: potential.PotentialFile) -> bytes:
    """All but the comments, of which nnASCII2bin.x keeps only a part."""
    setup, training = replace(file.setup, description=""), replace(file.training, path="")
    return potential.to_binary(replace(file, setup=setup, training=training))


def _in_folder(folder: str) -> dict[str, str]:
    """Binary files come first; a text file beside one must hold the same potential."""
    try:
        names = sorted(filter(_ENDING.search, os.listdir(folder)), key=lambda name: (not name.endswith(".nn"), name))
    except OSError as error:
        raise AenetError(f"{folder}: cannot be read: {error.strerror}; expected {WHAT}") from None
    if not names:
        raise AenetError(f"{folder}: no potentials (.nn or .nn.ascii) in this folder; expected {WHAT}")
    found: dict[str, str] = {}
    first: dict[str, bytes] = {}
    for path in (os.path.join(folder, name) for name in names):
        file = potential.read(path)
        symbol, content = _symbol(file), _numbers(file)
        if first.setdefault(symbol, content) != content:
            both = f"this potential for {symbol} differs from that of {os.path.basename(found[symbol])}"
            raise InputError(path, f"{both}; name the file of each species instead of the folder")
        found.setdefault(symbol, path)
    return found
