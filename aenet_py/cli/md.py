"""aenet-py md: molecular dynamics with a trained potential, which stops when it makes no sense any more."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import warnings
from collections.abc import Sequence

from aenet_py.cli import common
from aenet_py.errors import AenetError

HELP = "molecular dynamics that stops when it becomes unphysical"
DESCRIPTION = """Simulate a structure with trained potentials, at constant temperature or energy. Exit status 0 if the
simulation came to its end, 2 if it stopped because it became unphysical."""
UNPHYSICAL = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("structure", help="an XSF file, or any other that ASE reads; FILE@NUMBER for one of several structures")
    add("--format", metavar="NAME", help="format of STRUCTURE by its name in ASE, if ASE detects a wrong one")
    add(
        "--potential", action="append", required=True, metavar="EL=FILE",
        help="potential of a species, or a folder with those of all species; a second one of the same species belongs "
        "to the second member of a committee",
    )  # fmt: skip
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--time", type=float, metavar="PS", help="how long to simulate")
    length.add_argument("--steps", type=int, metavar="N", help="how many steps to simulate")
    add("--ensemble", choices=("nvt", "nve"), default="nvt", help="constant temperature (default) or energy")
    add("--temperature", type=float, default=300.0, metavar="K", help="of velocities and thermostat (default: 300)")
    add("--timestep", type=float, default=0.5, metavar="FS", help="default: 0.5")
    add("--taut", type=float, default=100.0, metavar="FS", help="time constant of the thermostat (default: 100)")
    add("--seed", type=int, default=0, help="of velocities and thermostat (default: 0)")
    add("--keep-velocities", action="store_true", help="begin with the velocities of STRUCTURE")
    add("--every", type=int, default=10, metavar="N", help="steps from one frame to the next (default: 10)")
    add("--output", default="md", metavar="NAME", help="NAME.extxyz, NAME.csv, NAME.restart (default: md)")
    add("--restart", action="store_true", help="go on from NAME.restart")
    add(
        "--legacy-angular", action=argparse.BooleanOptionalAction,
        help="the potentials were trained by aenet before 2.0.4, or not (default: as their features say)",
    )  # fmt: skip
    limits = parser.add_argument_group("when to stop")
    limits.add_argument(
        "--min-distance", type=float, metavar="A",
        help="least distance of two atoms in Angstrom (default: 0.5 of the sum of their covalent radii)",
    )  # fmt: skip
    limits.add_argument(
        "--max-temperature", type=float, metavar="K",
        help="default: 5 times --temperature, or 1500, or more where there are few atoms",
    )  # fmt: skip
    limits.add_argument(
        "--max-excess", type=float, default=1.0, metavar="X",
        help="how far a feature may leave its range in the training set, in widths of the range (default: 1)",
    )  # fmt: skip
    limits.add_argument(
        "--max-share", type=float, default=0.1, metavar="X", help="of the atoms that may exceed this (default: 0.1)"
    )
    limits.add_argument("--allow-fragments", action="store_true", help="atoms may leave beyond the cutoff")
    parser.set_defaults(left="what was saved before stays, and the same command with --restart goes on from there")


def run(options: argparse.Namespace) -> int:
    common.need("ase", "ase.md.bussi")
    from aenet_py.cli.summaries import md as report
    from aenet_py.interfaces.ase import ANNCalculator
    from aenet_py.simulation import dynamics, start
    from aenet_py.simulation.stability import Limits

    steps = options.steps
    if steps is None:
        if not (0 <= options.time < float("inf") and options.timestep > 0):
            raise AenetError(f"found --time {options.time:g}; expected a time of at least 0 ps, and a step above 0 fs")
        steps = round(1000.0 * options.time / options.timestep)
        if steps == 0 and options.time > 0:
            raise AenetError(f"--time {options.time:g} ps is less than half a --timestep of {options.timestep:g} fs")
    settings = dynamics.Settings(
        steps, options.temperature, options.ensemble, options.timestep, options.taut, options.seed, options.every,
        options.keep_velocities,
    )  # fmt: skip
    limits = Limits(
        min_distance=options.min_distance, max_temperature=options.max_temperature, max_excess=options.max_excess,
        max_share=options.max_share, fragments=options.allow_fragments,
    )  # fmt: skip
    atoms = start.read(options.structure, options.format)
    atoms.calc = ANNCalculator(members(options.potential), legacy_angular=options.legacy_angular)
    with common.stopping() as stop, common.progress(steps, " steps") as advance, warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*features outside")  # the log has them
        found = dynamics.run(
            atoms, settings, limits, options.output, options.restart, lambda: stop() is not None, advance
        )
        asked = stop()
    print(report.report(options.structure, atoms, settings, found, options.output), end="")
    if found.reason == dynamics.INTERRUPTED:
        print("The same command with --restart goes on from there.", file=sys.stderr)
        return 128 + signal.Signals[asked or "SIGINT"]
    return 0 if found.stable else UNPHYSICAL


def members(given: Sequence[str]) -> list[str | dict[str, str]]:
    """The potentials of each member of a committee, from folders and EL=FILE."""
    found: list[dict[str, str]] = []
    for item in given:
        if os.path.isdir(item):
            continue
        symbol, equals, path = item.partition("=")
        if not (symbol and equals and path):
            raise AenetError(f"found --potential {item}; expected EL=FILE, the species and its potential, or a folder")
        member = next((paths for paths in found if symbol not in paths), None)
        if member is None:
            member = {}
            found.append(member)
        member[symbol] = path
    for member in found[1:]:
        missing = [symbol for symbol in found[0] if symbol not in member]
        if missing:
            raise AenetError(f"found fewer potentials of {' and '.join(missing)} than of others; expected as many")
    return [*found, *filter(os.path.isdir, given)]
