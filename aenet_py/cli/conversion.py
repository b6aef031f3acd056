"""What the two converters share: their options, which may stand anywhere among the two file names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from aenet_py import __version__
from aenet_py.cli import common

Target = Literal["text", "binary"]


def main(
    prog: str, description: str, default: Target, convert: Callable[[Target, str, str], None], argv: list[str] | None
) -> int:
    """Run a converter; default : what it converts to when no option says it."""
    parser = common.Parser(prog=prog, description=description)
    parser.add_argument("--to-ascii", action="store_const", dest="target", const="text", default=default)
    parser.add_argument("--to-binary", action="store_const", dest="target", const="binary")
    parser.add_argument("input", help="file to read")
    parser.add_argument("output", help="file to write; one of this name is replaced")
    parser.add_argument("--version", action="version", version=f"aenet_py {__version__}")
    options = parser.parse_intermixed_args(argv)
    return common.run(lambda: convert(options.target, options.input, options.output))
