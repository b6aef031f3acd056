"""Which frames match: by their elements, and by whether their systems are anomalous."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aenet_py.errors import AenetError, InputError
from aenet_py.selection.shards import Labelled

SYSTEM_COLUMNS = ("system_id", "sid", "id", "system")
WHAT = "a table (.csv) with columns system_id and anomaly, or an object (.json) of system ids with their anomaly"


@dataclass(frozen=True)
class Criteria:
    """What a frame must fulfil.

    Parameters
    ----------
    any_of, all_of, only
        Elements of which at least one must, all must, and no others may be present; empty for no restriction.
    anomalous
        Whether each system is anomalous, by its id; None to accept all.
    """

    any_of: frozenset[str] = frozenset()
    all_of: frozenset[str] = frozenset()
    only: frozenset[str] = frozenset()
    anomalous: Mapping[str, bool] | None = None

    def elements_match(self, elements: set[str]) -> bool:
        """Whether the elements of a frame match."""
        if self.any_of and not self.any_of & elements:
            return False
        return self.all_of <= elements and (not self.only or elements <= self.only)

    def anomaly(self, item: Labelled) -> bool | None:
        """Whether the frame's system is anomalous; None if unknown.  InputError if the frame has no system id."""
        if self.anomalous is None:
            return False
        if not item.system:
            raise InputError(item.raw.name, "no system id; give a list .txt beside the file, or sid=... in the comment")
        return self.anomalous.get(item.system)


def read_anomalies(path: str) -> dict[str, bool]:
    """Whether each system is anomalous, that is, its code is not 0; AenetError for other files."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return _from_json(path, json.load(file)) if path.endswith(".json") else _from_table(path, csv.reader(file))
    except FileNotFoundError:
        raise AenetError(f"{path}: no such file; expected {WHAT}") from None
    except OSError as error:
        raise AenetError(f"{path}: cannot be read: {error.strerror}; expected {WHAT}") from None
    except (UnicodeDecodeError, json.JSONDecodeError, csv.Error, RecursionError):
        raise InputError(path, f"not text in the expected format: {WHAT}") from None


def _from_table(path: str, rows: Iterator[list[str]]) -> dict[str, bool]:
    head = [name.strip().lower() for name in next(rows, [])]
    systems = [head.index(name) for name in SYSTEM_COLUMNS if name in head]
    if not systems or "anomaly" not in head:
        raise InputError(path, f"found columns {', '.join(head) or 'none'}; expected {WHAT}", 1)
    system, anomaly = systems[0], head.index("anomaly")
    codes = {}
    for number, row in enumerate(rows, 2):
        if row:
            place = InputError(path, f"found {','.join(row)!r}; expected a system id and a code, an integer", number)
            if len(row) <= max(system, anomaly):
                raise place
            codes[row[system].strip()] = _code(row[anomaly], place)
    return codes


def _from_json(path: str, content: Any) -> dict[str, bool]:
    if not isinstance(content, dict):
        raise InputError(path, f"not an object; expected {WHAT}")
    codes = {}
    for system, value in content.items():
        code = value.get("anomaly") if isinstance(value, dict) else value
        error = InputError(path, f"the code of {system} must be an integer, not {code!r}")
        codes[system] = _code(str(code), error)
    return codes


def _code(text: str, error: InputError) -> bool:
    try:
        return int(text) != 0
    except ValueError:
        raise error from None
