"""aenet-py compare: trainings side by side, with paired t-tests."""

from __future__ import annotations

import argparse
import itertools
import os
from collections.abc import Sequence

from aenet_py.cli import common
from aenet_py.cli.report import make_folder
from aenet_py.errors import AenetError
from aenet_py.formats import tables

HELP = "compare trainings: errors and paired t-tests"
DESCRIPTION = """Errors of two or more trainings (folders with energies.* and forces.*) side by side, and paired
t-tests: of the absolute errors of structures that two RUNs tested and, between groups, of their runs' errors."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="*", metavar="RUN", help="folder of a training")
    parser.add_argument(
        "--group", action="append", default=[], metavar="NAME=RUN,RUN,...",
        help="runs that belong together, say with other seeds; groups are paired run by run in this order",
    )  # fmt: skip
    parser.add_argument(
        "-o", "--output", required=True, metavar="OUT", help="folder for the files, made if there is none"
    )
    parser.add_argument("--format", choices=("png", "svg", "pdf"), default="png", help="of the figure (default: png)")


def run(options: argparse.Namespace) -> None:
    common.need("matplotlib")
    from aenet_py.analysis import figures, paired, runs
    from aenet_py.cli.summaries import report

    groups = _groups(options.group)
    paired.check_groups(groups)
    folders = list(dict.fromkeys([*options.runs, *(folder for members in groups.values() for folder in members)]))
    if len(folders) < 2:
        raise AenetError(f"found {len(folders)} runs; expected at least two different ones to compare")
    found = {folder: runs.read(folder) for folder in folders}
    for folder, each in found.items():
        if not each.energies and not each.forces:
            raise AenetError(f"{folder}: found no energies.* or forces.*; expected SAVE_ENERGIES in train.in")
    group_of = {folder: name for name, members in groups.items() for folder in members}
    errors = {folder: runs.qualities(each) for folder, each in found.items()}
    members = {name: [found[folder] for folder in folders] for name, folders in groups.items()}
    tests = paired.by_run(members) + paired.by_structure([found[folder] for folder in dict.fromkeys(options.runs)])
    drawn = paired.figure(list(found.values()), members)
    make_folder(options.output)
    rows = [
        {"run": folder, "group": group_of.get(folder, ""), **runs.row(*key, q)}
        for folder, qualities in errors.items()
        for key, q in qualities.items()
    ]
    tables.write(os.path.join(options.output, "errors.csv"), ("run", "group", *runs.COLUMNS), rows)
    tables.write(os.path.join(options.output, "tests.csv"), paired.COLUMNS, [paired.row(test) for test in tests])
    figures.save(drawn, os.path.join(options.output, f"compare.{options.format}"))
    print(report.trained(errors) + "\n" + report.tests(tests), end="")


def _groups(given: Sequence[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for item in given:
        name, _, listed = item.partition("=")
        members = [folder for folder in listed.split(",") if folder]
        if not name or not members:
            raise AenetError(f"found --group {item}; expected NAME=RUN,RUN,...")
        if name in groups:
            raise AenetError(f"found the group {name} twice; expected another name")
        groups[name] = members
    seen: set[str] = set()
    for folder in itertools.chain.from_iterable(groups.values()):
        if folder in seen:
            raise AenetError(f"found {folder} twice in the groups; expected each run once")
        seen.add(folder)
    return groups
