"""Files with the outcome: the labelled structures, and a table of failures.

An output file that an earlier call wrote is replaced; any other one is left alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os

import numpy as np

from aenet_py.errors import AenetError
from aenet_py.formats import frames, tables
from aenet_py.labelling.compute import Failure, Label
from aenet_py.labelling.journal import WORK, key_of
from aenet_py.labelling.label import Labelled
from aenet_py.labelling.processes import place_of
from aenet_py.labelling.structures import text
from aenet_py.runtime.output import PendingFile, already_exists, check_regular

OUTPUT, FAILURES = "output.json", "failures.csv"
BLOCK = 1 << 20
COLUMNS = ("index", "structure", "reason", "folder")


def check_output(output: str, folder: str) -> None:
    """AenetError if the labelled structures cannot be written.

    Parameters
    ----------
    output
        The file.
    folder
        Of the labels, which remembers what was written.

    Raises
    ------
    AenetError
        If the name is not that of extended XYZ, or if the file exists and was not written by an earlier call.
    """
    if not frames.is_frames(output):
        raise AenetError(f"{output}: expected a name of extended XYZ, such as labelled.extxyz or labelled.extxyz.xz")
    check_regular(output)
    if os.path.exists(output):
        known = _written(folder)
        path = os.path.realpath(output)
        if path not in known or known[path] not in (None, _digest(output)):
            raise already_exists(output)


def write(found: Labelled, output: str, folder: str, fmax: float = math.inf) -> tuple[int, int]:
    """Write the structures that have labels, in their order.

    Parameters
    ----------
    found
        The labels.
    output
        The file, which `check_output` accepts.
    folder
        Of the labels.
    fmax
        Leave out structures with a larger force on any atom, eV/Å.

    Returns
    -------
    tuple of two int
        How many structures were written, and how many were left out for their forces.  If none are left, there is no
        file.
    """
    n_written = n_left_out = 0
    with frames.FramesFile(output) as file:
        for given, label in zip(found.structures, found.labels, strict=True):
            if isinstance(label, Failure):
                continue
            if largest_force(label) > fmax:
                n_left_out += 1
                continue
            file.write(text(given, label))
            n_written += 1
        check_output(output, folder)
        _remember(output, folder, None)  # until it is in place
        if n_written:
            file.complete(replace=True)
        elif os.path.exists(output):  # of an earlier call
            os.unlink(output)
    if n_written:
        _remember(output, folder, _digest(output))
    return n_written, n_left_out


def write_failures(found: Labelled, folder: str) -> str | None:
    """Write the table of failures, or remove an older one if there are none; its path, or None."""
    path = os.path.join(folder, FAILURES)
    rows = []
    for index, reason in found.failures:
        given = found.structures[index]
        place = place_of(os.path.join(folder, WORK), key_of(given.atoms))
        row = {"index": index, "structure": given.structure.path, "reason": reason}
        rows.append({**row, "folder": place} if os.path.isdir(place) else row)
    if rows:
        tables.write(path, COLUMNS, rows)
        return path
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    return None


def kept(found: Labelled, folder: str) -> str | None:
    """The folder with files of failed calculations, if there is one."""
    place = os.path.join(folder, WORK)
    return place if found.failures and os.path.isdir(place) else None


def largest_force(label: Label) -> float:
    """Largest length of a force, eV/Å."""
    return float(np.linalg.norm(label.forces, axis=1).max())


def _written(folder: str) -> dict[str, str | None]:
    """Checksums of outputs that were written, by path; None for one that was just being replaced."""
    try:
        with open(os.path.join(folder, OUTPUT), encoding="utf-8") as file:
            return dict(json.load(file))
    except (OSError, ValueError, TypeError):
        return {}


def _remember(output: str, folder: str, digest: str | None) -> None:
    stored = {**_written(folder), os.path.realpath(output): digest}
    with PendingFile(os.path.join(folder, OUTPUT)) as file:
        file.write((json.dumps(stored, indent=2) + "\n").encode())
        file.complete(replace=True)


def _digest(path: str) -> str:
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            found.update(block)
    return found.hexdigest()
