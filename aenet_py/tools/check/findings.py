"""What a check may find, and the names of the kinds."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = {  # in the order of the report
    "unreadable": "cannot be read",
    "missing": "without energy or forces",
    "close": "atoms too close",
    "isolated": "isolated atoms",
    "duplicate": "duplicates",
    "near-duplicate": "near-duplicates",
    "contradiction": "same structure, different labels",
    "level": "other unit or level of theory",
    "outlier": "energies out of line",
    "force-sign": "forces with the wrong sign",
    "force-unit": "forces in another unit",
    "net-force": "forces that do not sum to zero",
}


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with structures.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    structures : tuple of int
        0-based indices of the structures, in the order in which they were read; empty for one that cannot be read.
    message : str
        What was found, in one sentence without the names of the structures.
    """

    kind: str
    structures: tuple[int, ...]
    message: str
