"""aenet-py stability: how long simulations with a potential stay physical."""

from __future__ import annotations

import argparse
import os
import signal

from aenet_py.cli import common
from aenet_py.errors import StoppedError

HELP = "how long simulations with a potential stay physical"
DESCRIPTION = """Simulate structures with many seeds at several temperatures and report how many runs become unphysical,
and when; energy drift, distances compared with a reference trajectory, pressure, and the energies of dimers. The exit
status is 2 if fewer runs survive than --min-survival asks for, or if this is unknown."""
BELOW = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("potential", metavar="POTENTIAL", help="folder with a potential per species, or EL=FILE,EL=FILE,...")
    add(
        "structures", nargs="+", metavar="STRUCTURE",
        help="initial structures: XSF or any file that ASE reads; FILE@NUMBER or FILE#NUMBER selects one of several",
    )  # fmt: skip
    add("--member", action="append", default=[], metavar="POTENTIAL", help="a further member of a committee")
    add("--temperature", type=float, nargs="+", default=[300.0, 500.0], metavar="K", help="default: 300 500")
    add("--seeds", type=int, default=10, metavar="N", help="runs of a structure at a temperature (default: 10)")
    add("--time", type=float, default=10.0, metavar="PS", help="length of a run in ps (default: 10)")
    add("--timestep", type=float, default=0.5, metavar="FS", help="time step in fs (default: 0.5)")
    add("--taut", type=float, default=100.0, metavar="FS", help="time constant of the thermostat (default: 100)")
    add(
        "--nve", type=float, default=1.0, metavar="PS",
        help="length of a run at constant energy, for the drift; 0 for none (default: 1)",
    )  # fmt: skip
    add("--every", type=int, default=100, metavar="N", help="write a frame every N steps (default: 100)")
    add(
        "--reference", nargs="+", default=[], metavar="FILE",
        help="trajectory to compare distances with, in any format: one for all structures, or one for each",
    )  # fmt: skip
    add("--processes", type=int, metavar="N", help="runs at a time (default: one per processor)")
    add("-o", "--output", default="stability", metavar="OUT", help="folder for all results (default: stability)")
    add("--format", choices=("png", "svg", "pdf"), default="png", help="format of the figure (default: png)")
    common.add_legacy_angular(parser)
    share = common.number("a share from 0 to 1", most=1.0)
    add("--min-survival", type=share, metavar="X", help="exit status 2 if a smaller share of the runs survives")
    common.add_limits(parser, max_share=1.0)
    parser.set_defaults(left="completed runs remain; repeat the command for the rest")


def run(options: argparse.Namespace) -> int:
    common.need("ase", "ase.md.bussi", "matplotlib")
    from aenet_py.analysis import figures
    from aenet_py.cli.summaries import stability as report
    from aenet_py.cli.summaries.closing import written
    from aenet_py.runtime.output import PendingFile
    from aenet_py.runtime.workers import processors
    from aenet_py.survival import files
    from aenet_py.survival.figures import figure
    from aenet_py.survival.stability import stability

    total = len(options.structures) * len(options.temperature) * (options.seeds + (options.nve > 0))
    with common.stopping() as stop, common.progress(total, "runs") as advance:
        try:
            found = stability(
                [common.potential(text) for text in (options.potential, *options.member)],
                options.structures,
                temperatures=options.temperature,
                seeds=options.seeds,
                time=options.time,
                timestep=options.timestep,
                taut=options.taut,
                nve=options.nve,
                every=options.every,
                reference=options.reference,
                output=options.output,
                n_processes=processors() if options.processes is None else options.processes,
                **common.limits(options),
                legacy_angular=options.legacy_angular,
                stop=lambda: stop() is not None,
                advance=advance,
            )
        except StoppedError as error:
            common.note(f"{str(error).capitalize()}; repeat the command for the rest.")
            return 128 + signal.Signals[stop() or "SIGINT"]
    text = report.report(found)
    paths = [os.path.join(options.output, "stability.txt"), *files.write(found, options.output)]
    with PendingFile(paths[0]) as file:
        file.write(text.encode())
        file.complete(replace=True)
    paths += figures.save_all({"stability": figure(found)}, options.output, options.format)
    print(text + written(paths), end="")
    missed = [] if options.min_survival is None else report.below(found, options.min_survival)
    for line in missed:
        print(line)
    return BELOW if missed else 0
