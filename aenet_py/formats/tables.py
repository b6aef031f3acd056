"""Tables of results in CSV files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from aenet_py.runtime.output import PendingFile

AHEAD = 1 << 16  # characters collected before writing


class PendingTable(PendingFile):
    """A table that is written row by row and appears when complete."""

    def __init__(self, path: str, columns: Sequence[str]):
        super().__init__(path)
        self._text = io.StringIO()
        self._rows = csv.DictWriter(self._text, columns, lineterminator="\n")
        self._rows.writeheader()

    def add(self, row: Mapping[str, object]) -> None:
        self._rows.writerow(row)
        if self._text.tell() > AHEAD:
            self._flush()

    def complete(self, replace: bool) -> None:
        self._flush()
        super().complete(replace)

    def _flush(self) -> None:
        self.write(self._text.getvalue().encode())
        self._text.seek(0)
        self._text.truncate()


def write(path: str, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write a table, which appears when complete and replaces an older file.

    columns : names with units; rows : values by column, of which missing ones stay empty.  All digits of real numbers
    are kept.
    """
    with PendingTable(path, columns) as table:
        for row in rows:
            table.add(row)
        table.complete(replace=True)
