"""aenet-py md: molecular dynamics with trained potentials that stops when it becomes unphysical."""

from __future__ import annotations

import argparse
import signal
import sys

from aenet_py.cli import common

HELP = "molecular dynamics that stops when it becomes unphysical"
DESCRIPTION = """Simulate a structure with trained potentials, at constant temperature or energy. The exit status is 0
if the requested time was reached, 2 if the simulation stopped because it became unphysical, and 3 if forces became less
certain than --max-spread allows."""
UNPHYSICAL, TOO_UNCERTAIN = 2, 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "structure",
        help="initial structure: XSF or any file that ASE reads; FILE@NUMBER or FILE#NUMBER selects one of several",
    )
    add("--format", metavar="NAME", help="ASE's name of the format of STRUCTURE, if ASE does not detect it")
    common.add_potentials(parser)
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--time", type=float, metavar="PS", help="length of the simulation in ps")
    length.add_argument("--steps", type=int, metavar="N", help="length of the simulation in steps")
    add("--ensemble", choices=("nvt", "nve"), default="nvt", help="constant temperature (default) or energy")
    add(
        "--temperature",
        type=float,
        default=300.0,
        metavar="K",
        help="of initial velocities and thermostat (default: 300)",
    )
    add("--timestep", type=float, default=0.5, metavar="FS", help="time step in fs (default: 0.5)")
    add("--taut", type=float, default=100.0, metavar="FS", help="time constant of the thermostat (default: 100)")
    add("--seed", type=int, default=0, help="for velocities and thermostat (default: 0)")
    add("--keep-velocities", action="store_true", help="start from the velocities in STRUCTURE")
    add("--every", type=int, default=10, metavar="N", help="write a frame every N steps (default: 10)")
    add("--output", default="md", metavar="NAME", help="writes NAME.extxyz, NAME.csv, NAME.restart (default: md)")
    add("--restart", action="store_true", help="resume from NAME.restart")
    common.add_legacy_angular(parser)
    common.add_threads(parser)
    add("--precision", choices=("double", "single"), help="of most numbers (default: double); single is faster")
    common.add_uncertainty(parser)
    common.add_limits(parser, max_share=0.1)
    parser.set_defaults(left="saved files remain; repeat the command with --restart to resume")


def run(options: argparse.Namespace) -> int:
    common.need("ase", "ase.md.bussi")
    from aenet_py.cli.summaries import md as report
    from aenet_py.simulation.simulate import number_of_steps, simulate
    from aenet_py.simulation.stability import UNCERTAIN

    steps = number_of_steps(options.time, options.steps, options.timestep)
    with common.stopping() as stop, common.progress(steps, "steps") as advance:
        result = simulate(
            options.structure,
            common.members(options.potential),
            steps=steps,
            ensemble=options.ensemble,
            temperature=options.temperature,
            timestep=options.timestep,
            taut=options.taut,
            seed=options.seed,
            keep_velocities=options.keep_velocities,
            every=options.every,
            output=options.output,
            restart=options.restart,
            **common.limits(options),
            legacy_angular=options.legacy_angular,
            threads=options.threads,
            precision=options.precision,
            uncertainty=options.uncertainty,
            format_name=options.format,
            stop=lambda: stop() is not None,
            advance=advance,
        )
        asked = stop()
    print(report.report(options.structure, result, options.output), end="")
    if result.reason == "interrupted":
        print("Repeat the command with --restart to resume.", file=sys.stderr)
        return 128 + signal.Signals[asked or "SIGINT"]
    if result.reason == UNCERTAIN:
        print("Repeat the command with --restart and a larger --max-spread, or none, to resume.", file=sys.stderr)
        return TOO_UNCERTAIN
    return 0 if result.stable else UNPHYSICAL
