"""trnset2ASCII.x: convert training sets to ænet's own text, and back."""

from __future__ import annotations

import os
import sys

from aenet_py import __version__
from aenet_py.cli import common
from aenet_py.formats.text import foreign
from aenet_py.tools import trnset2ascii

DESCRIPTION = """Convert a training set (.train) to text in the layout of aenet's own trnset2ASCII.x, or the text back.
The set is normalised before, and stored as INPUT.scaled (if that file exists, it is used), unless --raw is given."""


def main(argv: list[str] | None = None) -> int:
    parser = common.Parser(prog="trnset2ASCII.x", description=DESCRIPTION)
    parser.add_argument("--raw", action="store_true", help="do not normalise the training set")
    parser.add_argument("--to-binary", action="store_true", help="convert text to a training set without set-ups")
    parser.add_argument("input", help="file to read")
    parser.add_argument("output", help="file to write; a text is replaced, a binary file must not exist")
    parser.add_argument("--version", action="version", version=f"aenet_py {__version__}")
    given = sys.argv[1:] if argv is None else argv
    options = parser.parse_intermixed_args(
        [word for word in given if word]
    )  # ænet's Python package has "" in place of --raw
    return common.run(lambda: _convert(options.input, options.output, options.to_binary, options.raw))


def _convert(path: str, output: str, to_binary: bool, raw: bool) -> None:
    with common.progress(os.path.getsize(path) if os.path.exists(path) else 0, "B") as advance:
        if to_binary:
            trnset2ascii.to_binary(path, output, _say, advance)
            return
        n_missing = trnset2ascii.to_text(path, output, raw, _say, common.warn, advance)
    if n_missing:  # not on standard error, where aenet-python takes any output for a failure
        common.warn_of_missing(path, n_missing, lambda message: _say(foreign(f" Warning: {message}\n")))


def _say(text: str) -> None:
    sys.stdout.buffer.write(text.encode("latin-1"))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
