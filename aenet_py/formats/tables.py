"""Tables of results as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from aenet_py.runtime.output import PendingFile

AHEAD = 1 << 16  # characters collected before they are written


class PendingTable(PendingFile):
    """A table that is written row by row and appears under its name when complete."""

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
    """Write rows under these columns, which name their units; the file appears when complete, an older one is replaced.

    Real numbers keep all their digits; a column that a row lacks stays empty.
    """
    with PendingTable(path, columns) as table:
        for row in rows:
            table.add(row)
        table.complete(replace=True)
