"""aenet-py compare: trainings side by side, with paired t-tests."""

from __future__ import annotations

import argparse
import itertools
import os
from collections.abc import Sequence

from aenet_py.cli import common
from aenet_py.cli.summaries.closing import written
from aenet_py.errors import AenetError
from aenet_py.formats import tables
from aenet_py.runtime.output import make_folder

HELP = "compare trainings: errors and paired t-tests"
DESCRIPTION = """Errors of two or more trainings (folders with energies.* and forces.*) side by side, and paired
t-tests: of the absolute errors of common test structures of two RUNs and, between groups, of the errors of their
runs."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="*", metavar="RUN", help="folder of a training")
    parser.add_argument(
        "--group", action="append", default=[], metavar="NAME=RUN,RUN,...",
        help="runs that belong together, such as different seeds; groups are paired run by run in this order",
    )  # fmt: skip
    parser.add_argument(
        "-o", "--output", required=True, metavar="OUT", help="folder for the results, created if necessary"
    )
    parser.add_argument(
        "--format", choices=("png", "svg", "pdf"), default="png", help="format of the figure (default: png)"
    )


def run(options: argparse.Namespace) -> None:
    common.need("matplotlib")
    from aenet_py.analysis import figures, paired, runs
    from aenet_py.cli.summaries import report

    groups = _groups(options.group)
    paired.check_groups(groups)
    folders = list(dict.fromkeys([*options.runs, *(folder for members in groups.values() for folder in members)]))
    if len(folders) < 2:
        raise AenetError("give at least two different runs to compare")
    with common.progress(runs.N_TABLES * len(folders), "tables") as advance:
        trainings = {folder: runs.read(folder, advance) for folder in folders}
    for folder, each in trainings.items():
        if not each.energies and not each.forces:
            raise AenetError(f"{folder}: no energies.* or forces.* in this folder; set SAVE_ENERGIES in train.in")
    group_of = {folder: name for name, members in groups.items() for folder in members}
    errors = {folder: runs.qualities(each) for folder, each in trainings.items()}
    members = {name: [trainings[folder] for folder in listed] for name, listed in groups.items()}
    tests = paired.by_run(members) + paired.by_structure([trainings[folder] for folder in dict.fromkeys(options.runs)])
    drawn = paired.figure(list(trainings.values()), members)
    make_folder(options.output)
    rows = [
        {"run": folder, "group": group_of.get(folder, ""), **runs.row(*key, quality)}
        for folder, qualities in errors.items()
        for key, quality in qualities.items()
    ]
    names = ("errors.csv", "tests.csv", f"compare.{options.format}")
    error_table, test_table, figure = (os.path.join(options.output, name) for name in names)
    tables.write(error_table, ("run", "group", *runs.COLUMNS), rows)
    tables.write(test_table, paired.COLUMNS, [paired.row(test) for test in tests])
    figures.save(drawn, figure)
    print(report.trained(errors) + "\n" + report.tests(tests) + written([error_table, test_table, figure]), end="")


def _groups(given: Sequence[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for item in given:
        name, _, listed = item.partition("=")
        members = [folder for folder in listed.split(",") if folder]
        if not name or not members:
            raise AenetError(f"--group {item}: give NAME=RUN,RUN,...")
        if name in groups:
            raise AenetError(f"two groups have the name {name}; choose different names")
        groups[name] = members
    seen: set[str] = set()
    for folder in itertools.chain.from_iterable(groups.values()):
        if folder in seen:
            raise AenetError(f"{folder} appears twice in the groups; give each run once")
        seen.add(folder)
    return groups
