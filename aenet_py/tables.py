"""Tables of results as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from aenet_py.formats.output import PendingFile


def write(path: str, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write rows under these columns, which name their units; the file appears when complete, an older one is replaced.

    Real numbers keep all their digits; a column that a row lacks stays empty.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with PendingFile(path) as file:
        file.write(text.getvalue().encode())
        file.complete(replace=True)
