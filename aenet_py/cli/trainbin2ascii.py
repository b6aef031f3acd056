"""trainbin2ASCII.x: training sets from binary to text and back."""

from __future__ import annotations

import os
import sys

from aenet_py.cli import common, conversion
from aenet_py.tools import ascii_forms

DESCRIPTION = """Turn a binary training set (.train) into text (.train.ascii), or with --to-binary the text back into
the same binary file."""


def main(argv: list[str] | None = None) -> int:
    return conversion.main("trainbin2ASCII.x", DESCRIPTION, "text", _convert, argv)


def _convert(target: conversion.Target, path: str, output: str) -> None:
    function = ascii_forms.trainset_to_text if target == "text" else ascii_forms.trainset_to_binary
    with common.progress(os.path.getsize(path) if os.path.exists(path) else 0, "B") as advance:
        n_missing = function(path, output, advance)
    if n_missing:
        common.warn(f"{path}: {n_missing} structures fewer than announced, as generate.x leaves those it skips counted")


if __name__ == "__main__":
    sys.exit(main())
