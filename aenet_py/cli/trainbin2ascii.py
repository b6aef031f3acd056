"""trainbin2ASCII.x: convert training sets from binary to text and back."""

from __future__ import annotations

import os
import sys

from aenet_py.cli import common, converters
from aenet_py.tools import ascii_forms

DESCRIPTION = """Convert a training set from binary (.train) to text (.train.ascii), or the text back to the same
binary file."""


def main(argv: list[str] | None = None) -> int:
    return converters.main("trainbin2ASCII.x", DESCRIPTION, "text", _convert, argv)


def _convert(target: converters.Target, path: str, output: str) -> None:
    function = ascii_forms.trainset_to_text if target == "text" else ascii_forms.trainset_to_binary
    with common.progress(os.path.getsize(path) if os.path.exists(path) else 0, "B") as advance:
        n_missing = function(path, output, advance)
    if n_missing:
        common.warn_of_missing(path, n_missing)


if __name__ == "__main__":
    sys.exit(main())
