"""nnASCII2bin.x: convert potentials from text to binary and back."""

from __future__ import annotations

import sys

from aenet_py.cli import converters
from aenet_py.tools import ascii_forms

DESCRIPTION = """Convert a potential from text (.nn.ascii) to binary (.nn) for predict.x, LAMMPS, TINKER and ASE, or
from binary to text."""


def main(argv: list[str] | None = None) -> int:
    return converters.main("nnASCII2bin.x", DESCRIPTION, "binary", _convert, argv)


def _convert(target: converters.Target, path: str, output: str) -> None:
    function = ascii_forms.potential_to_binary if target == "binary" else ascii_forms.potential_to_text
    function(path, output)


if __name__ == "__main__":
    sys.exit(main())
