"""nnASCII2bin.x: potentials from text to binary and back."""

from __future__ import annotations

import sys

from aenet_py.cli import conversion
from aenet_py.tools import ascii_forms

DESCRIPTION = """Turn a potential in text (.nn.ascii) into a binary one (.nn) for predict.x, LAMMPS, TINKER and ASE, or
with --to-ascii a binary one into text."""


def main(argv: list[str] | None = None) -> int:
    return conversion.main("nnASCII2bin.x", DESCRIPTION, "binary", _convert, argv)


def _convert(target: conversion.Target, path: str, output: str) -> None:
    function = ascii_forms.potential_to_binary if target == "binary" else ascii_forms.potential_to_text
    function(path, output)


if __name__ == "__main__":
    sys.exit(main())
