"""aenet-py: the tools that the original programs do not have, one subcommand each."""

from __future__ import annotations

import sys

from aenet_py import __version__
from aenet_py.cli import (
    calibrate,
    check,
    common,
    compare,
    convert,
    diff,
    evaluate,
    info,
    init,
    label,
    learn,
    md,
    merge,
    report,
    scan,
    select,
    stability,
)

COMMANDS = {
    "info": info, "diff": diff, "check": check, "init": init, "convert": convert, "select": select, "label": label,
    "merge": merge, "scan": scan, "md": md, "report": report, "compare": compare, "evaluate": evaluate,
    "calibrate": calibrate, "stability": stability, "learn": learn,
}  # fmt: skip
DESCRIPTION = "Tools for structures, training sets and potentials of aenet."


def main(argv: list[str] | None = None) -> int:
    parser = common.Parser(prog="aenet-py", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"aenet_py {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        subparser = commands.add_parser(name, help=command.HELP, description=command.DESCRIPTION)
        command.add_arguments(subparser)
        subparser.set_defaults(command=command.run)
    parser.set_defaults(left=common.NOTHING)  # added to the message when a command is interrupted
    options = parser.parse_args(argv)
    return common.run(lambda: options.command(options), options.left)


if __name__ == "__main__":
    sys.exit(main())
