"""aenet-py evaluate: how good a potential is for structures whose energies and forces are known."""

from __future__ import annotations

import argparse
import os

from aenet_py.cli import common
from aenet_py.cli.summaries.closing import written
from aenet_py.errors import AenetError
from aenet_py.runtime.output import make_folder

HELP = "errors of a potential for structures with known energies and forces"
DESCRIPTION = """Compare a potential with the energies and forces of structures: errors of all, by species, by config
type and by size, and the worst structures. The exit status is 2 if an error exceeds its limit."""
EXCEEDED = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("potential", metavar="POTENTIAL", help="folder with a potential per species, or EL=FILE,EL=FILE,...")
    add("structures", nargs="+", metavar="STRUCTURES", help="files with structures, or folders with such files")
    add("--member", action="append", default=[], metavar="POTENTIAL", help="a further member of a committee")
    add("--train", nargs="+", default=[], metavar="FILE", help="structures of the training set, kept apart")
    add("-o", "--output", metavar="OUT", help="folder for tables, figures and structures, created if necessary")
    add("--format", choices=("png", "svg", "pdf"), default="png", help="format of the figures (default: png)")
    common.add_uncertainty(parser)
    common.add_labels(parser)
    common.add_legacy_angular(parser)
    common.add_threads(parser)
    limits = parser.add_argument_group("limits, beyond which the exit status is 2")
    at_least_0 = common.number("a number of at least 0")
    for name, unit in (("energy", "meV/atom"), ("force", "meV/Angstrom"), ("stress", "meV/Angstrom^3")):
        limits.add_argument(
            f"--max-{name}-rmse", type=at_least_0, metavar="X", help=f"largest RMSE of STRUCTURES in {unit}"
        )


def run(options: argparse.Namespace) -> int:
    if options.output is not None:
        common.need("matplotlib")
    from aenet_py.analysis.figures import save_all
    from aenet_py.analysis.parity import LABELS
    from aenet_py.analysis.runs import ENERGY, FORCE, STRESS
    from aenet_py.cli.summaries import evaluate as report
    from aenet_py.evaluation import groups
    from aenet_py.evaluation.evaluate import evaluate
    from aenet_py.evaluation.evaluated import TEST

    potentials = [common.potential(text) for text in (options.potential, *options.member)]
    training = options.potential if os.path.isdir(options.potential) and not options.train else None
    with common.progress(0, "structures") as advance:
        found = evaluate(
            potentials, options.structures, options.train, training=training, legacy_angular=options.legacy_angular,
            energy_key=options.energy, forces_key=options.forces, uncertainty=options.uncertainty,
            threads=options.threads, advance=advance,
        )  # fmt: skip
    errors = {by: found.errors(by) for by in groups.GROUPINGS}
    limits = {
        ENERGY: options.max_energy_rmse, FORCE: options.max_force_rmse, STRESS: options.max_stress_rmse,
    }  # fmt: skip
    for quantity, limit in limits.items():
        if limit is not None and (quantity, TEST, groups.ALL) not in errors[groups.ALL]:
            raise AenetError(f"there is a limit for the {LABELS[quantity][0]}, but no structure has a reference for it")
    paths: list[str] = []
    if options.output is not None:
        from aenet_py.evaluation import figures, files

        make_folder(options.output)
        paths = files.write(found, errors, options.output)
        drawn = {
            "parity": figures.parity_plots(found.structures), "distributions": figures.distributions(found.structures),
        }  # fmt: skip
        paths += save_all(
            {name: figure for name, figure in drawn.items() if figure is not None}, options.output, options.format
        )
    print(report.report(found, errors), end="")
    if paths:
        print(written(paths), end="")
    exceeded = report.exceeded(errors[groups.ALL], limits)
    for line in exceeded:
        print(line)
    return EXCEEDED if exceeded else 0
