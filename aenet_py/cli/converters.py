"""Command line of the two converters, trainbin2ASCII.x and nnASCII2bin.x."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from aenet_py import __version__
from aenet_py.cli import common

Target = Literal["text", "binary"]


def main(
    prog: str, description: str, default: Target, convert: Callable[[Target, str, str], None], argv: list[str] | None
) -> int:
    """Run a converter; default : what it converts to without an option."""
    parser = common.Parser(prog=prog, description=description)
    for option, form in (("--to-ascii", "text"), ("--to-binary", "binary")):
        about = f"convert to {form}" + (" (default)" if form == default else "")
        parser.add_argument(option, action="store_const", dest="target", const=form, default=default, help=about)
    parser.add_argument("input", help="file to read")
    parser.add_argument("output", help="file to write; replaced if it exists")
    parser.add_argument("--version", action="version", version=f"aenet_py {__version__}")
    options = parser.parse_intermixed_args(argv)  # options may follow the file names
    return common.run(lambda: convert(options.target, options.input, options.output))
