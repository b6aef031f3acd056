"""aenet-py check: what is in a set of structures, and what is wrong with it."""

from __future__ import annotations

import argparse
import json
import os
import warnings

from aenet_py.cli import common
from aenet_py.errors import AenetError
from aenet_py.runtime.output import PendingFile

HELP = "find faults in structures, energies and forces"
DESCRIPTION = """Check structures before training: species, sizes, distances, energies and forces. Flags duplicates,
atoms that are too close or isolated, missing labels, energies of another unit or level of theory or out of line, and
forces with the wrong sign, in another unit or with a sum that is not zero. The exit status is 0 if nothing was flagged,
2 if something was."""
FLAGGED = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    about = "files with structures, folders of these, frames FILE#INDEX, or input files with FILES"
    add("data", nargs="+", metavar="DATA", help=about)
    add("-o", "--output", metavar="OUT", help="new file for the structures that are not flagged, such as clean.extxyz")
    add("--figure", metavar="FILE", help="draw energies, forces and distances (.png, .svg or .pdf)")
    add("--json", metavar="FILE", help="write what was found as JSON")
    add("--all", action="store_true", help="list all findings, not only the first ones of each kind")
    add("--format", metavar="NAME", help="read all files with ASE in this format, for example vasp-out")
    common.add_labels(parser)
    common.add_threads(parser)


def run(options: argparse.Namespace) -> int:
    if options.figure is not None:
        common.need("matplotlib")
    from aenet_py.cli.summaries import check as report
    from aenet_py.cli.summaries.closing import written
    from aenet_py.tools.check import check
    from aenet_py.tools.convert import lost

    for path in (options.figure, options.json):
        folder = os.path.dirname(path or "")
        if folder and not os.path.isdir(folder):
            raise AenetError(f"{path}: cannot be written: there is no folder {folder}")
    with common.warnings_in_a_line(Warning):
        warnings.simplefilter("ignore", FutureWarning)  # those of ASE are meant for programmers
        checked = check(
            options.data, options.output, energy_key=options.energy, forces_key=options.forces,
            format_name=options.format, threads=options.threads, progress=common.progress,
        )  # fmt: skip
    paths = [] if checked.output is None else [checked.output]
    rows = zip(checked.names, checked.unknown_forces.tolist(), checked.flagged.tolist(), strict=True)
    warning = lost(checked.output or "", [(name, n) for name, n, flagged in rows if not flagged])
    if checked.output is not None and warning is not None:
        common.warn(warning)
    if options.json is not None:
        with PendingFile(options.json) as file:
            file.write((json.dumps(checked.as_dict(), indent=2) + "\n").encode())
            file.complete(replace=True)
        paths.append(options.json)
    if options.figure is not None:
        from aenet_py.analysis import figures
        from aenet_py.tools.check.figures import figure

        figures.save(figure(checked), options.figure)
        paths.append(options.figure)
    print(report.report(checked, options.all) + (written(paths) if paths else ""), end="")
    return FLAGGED if checked.findings else 0
