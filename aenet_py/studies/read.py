"""The tables of a study in a folder."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aenet_py.errors import AenetError, InputError

ERRORS = ("energy_meV_per_atom", "force_meV_per_A")
TRAIN, TEST, OTHERS, SIX = (
    tuple(name.replace("_meV", f"_{part}_meV") for name in ERRORS) for part in ("train", "test", "others", "six")
)
PEAKS = ("Au_O_A", "Cu_O_A", "O_H_A")
DESCRIPTOR = ("features", "radial_cutoff_A", "radial_order", "angular_cutoff_A", "angular_order")
WORDS = {  # columns of text; all others are numbers
    "subset", "species", "study", "optimizer", "training", "target", "set", "way", "ended_by", "pair", "quantity",
    "part",
}  # fmt: skip
NEEDED: Mapping[str, tuple[str, ...]] = {  # columns that a table must have
    "subsets": ("subset", "structures"),
    "screening": ("study", *ERRORS),
    "pretraining": ("subset", *TEST),
    "curves": ("training", "epoch", *TEST),
    "direct": ("subset", "target", *ERRORS),
    "finetuning": ("set", "way", "seed", *TEST),
    "simulations": ("set", "way", "seed", "time_ps", "stable_ps", "ended_by"),
    "distances": ("set", "way", "seed", "pair", "r_A", "neighbors_per_A"),
    "temperatures": ("set", "way", "seed", "time_ps", "temperature_K"),
    "parity": ("set", "way", "quantity", "part", "reference", "predicted"),
}  # fmt: skip
OPTIONAL: Mapping[str, tuple[str, ...]] = {  # columns that it may have
    "subsets": ("species", "with_Cu", "with_Au", "with_both"),
    "screening": (*DESCRIPTOR, "optimizer", "rate", "decay", "alpha", "seed", "seconds"),
    "pretraining": ("structures", *TRAIN, "seconds"),
    "finetuning": ("structures", *TRAIN, *OTHERS, *SIX, "seconds"),
    "simulations": ("temperature_K", "temperature_std_K", *PEAKS, "ms_per_step"),
}  # fmt: skip
FILLED = {  # columns without empty values, apart from all words
    "subsets": ("structures",), "curves": ("epoch",), "finetuning": ("seed",),
    "simulations": ("time_ps", "stable_ps"), "distances": ("r_A", "neighbors_per_A"),
    "temperatures": ("time_ps", "temperature_K"),
    "parity": ("reference", "predicted"),
}  # fmt: skip
UNIQUE = {"finetuning": ("set", "way", "seed"), "simulations": ("set", "way", "seed"), "subsets": ("subset",)}
REFERENCE = "GFN1-xTB"  # way of the simulations that potentials are compared with
CHOICES = {
    ("screening", "study"): ("descriptor", "optimizer", "alpha"), ("parity", "quantity"): ("energy", "force"),
    ("parity", "part"): ("train", "test", "six"),
}  # fmt: skip


@dataclass(frozen=True)
class Rows:
    """Rows of a table: (n,) words or numbers by column, of all columns that it may have; NaN for no number."""

    columns: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, column: str) -> np.ndarray:
        return self.columns[column]

    def where(self, **values: object) -> Rows:
        """The rows with these values."""
        chosen = np.ones(len(self), dtype=bool)
        for column, value in values.items():
            chosen &= self[column] == value
        return self.at(chosen)

    def at(self, chosen: np.ndarray) -> Rows:
        """Some rows, by a mask or by indices."""
        return Rows({name: values[chosen] for name, values in self.columns.items()})

    def distinct(self, column: str) -> list:
        """Values of a column in the order of their first appearance; numbers without NaN."""
        values = self[column].tolist()
        return list(dict.fromkeys(value for value in values if value == value))

    def has(self, *columns: str) -> bool:
        """Whether there are rows, and any value in each of these columns of numbers."""
        return len(self) > 0 and all(np.isfinite(self[column]).any() for column in columns)


@dataclass(frozen=True)
class Study:
    """The tables of a study, by the names of their files; those without a file, or without rows, are empty."""

    folder: str
    tables: Mapping[str, Rows]

    def __getitem__(self, name: str) -> Rows:
        return self.tables[name]

    def sets(self) -> list[str]:
        """The training sets for fine-tuning, the smallest first where their sizes are known."""
        sizes: dict[str, float] = {}
        for name in ("finetuning", "simulations", "distances", "temperatures", "parity"):
            for each in filter(None, self[name].distinct("set")):
                rows = self[name].where(set=each)
                sizes.setdefault(each, max(rows["structures"].tolist()) if name == "finetuning" else np.nan)
        return sorted(sizes, key=lambda each: sizes[each] if np.isfinite(sizes[each]) else np.inf)


def read(folder: str) -> Study:
    """Read all tables of a study.

    Parameters
    ----------
    folder
        With any of subsets.csv, screening.csv, pretraining.csv, curves.csv, direct.csv, finetuning.csv,
        simulations.csv, distances.csv, temperatures.csv and parity.csv; their columns are NEEDED and OPTIONAL.

    Returns
    -------
    Study

    Raises
    ------
    AenetError
        If the folder or all tables are missing.
    InputError
        If a table lacks a column, or has invalid rows.
    """
    if not os.path.isdir(folder):
        raise AenetError(f"{folder}: no such folder; give the folder with the tables of a study")
    tables = {name: _table(os.path.join(folder, f"{name}.csv"), name) for name in NEEDED}
    if not any(map(len, tables.values())):
        raise AenetError(f"{folder}: no tables of a study; at least one of {', '.join(NEEDED)} (.csv) is needed")
    return Study(folder, tables)


def _table(path: str, name: str) -> Rows:
    wanted = (*NEEDED[name], *OPTIONAL.get(name, ()))
    values: dict[str, list] = {column: [] for column in wanted}
    if os.path.exists(path):
        try:
            with open(path, newline="", encoding="utf-8-sig") as file:
                _read(path, name, csv.reader(file), values)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            reason = error.strerror if isinstance(error, OSError) else "not a table of comma-separated text"
            raise AenetError(f"{path}: cannot be read: {reason}") from None
    kinds = {column: np.array(each, dtype=str if column in WORDS else float) for column, each in values.items()}
    return Rows(kinds)


def _read(path: str, name: str, reader: Any, values: dict[str, list]) -> None:
    """Append the values of all rows by column; reader : of the csv module."""
    head: Sequence[str] = next(reader, [])
    if not head:
        return
    for column in NEEDED[name]:
        if column not in head:
            raise InputError(path, f"the column {column} is missing", 1)
    if len(set(head)) < len(head):
        raise InputError(path, "two columns have the same name", 1)
    seen: dict[tuple[str, ...], int] = {}
    for row in reader:
        line = reader.line_num
        if not row:
            continue
        if len(row) != len(head):
            raise InputError(path, f"found {len(row)} values; expected {len(head)}, as in the first line", line)
        given = dict(zip(head, map(str.strip, row), strict=True))
        for column, each in values.items():
            each.append(_value(path, line, name, column, given.get(column, "")))
        key = tuple(given[column] for column in UNIQUE.get(name, ()))
        if key and all(key) and key in seen:
            raise InputError(path, f"the same {', '.join(UNIQUE[name])} as in line {seen[key]}", line)
        seen[key] = line


def _value(path: str, line: int, name: str, column: str, text: str) -> str | float:
    if column in WORDS:
        choices = CHOICES.get((name, column), ())
        if choices and text not in choices:
            raise InputError(
                path, f"{column}: found {text!r}; expected {', '.join(choices[:-1])} or {choices[-1]}", line
            )
        return text
    if not text and column not in FILLED.get(name, ()):
        return np.nan
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise InputError(path, f"{column}: found {text!r}; expected a number", line)
    return value
