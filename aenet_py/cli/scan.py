"""aenet-py scan: train with many settings, and compare."""

from __future__ import annotations

import argparse
import signal

from aenet_py.cli import common

HELP = "train with many settings and compare the errors"
DESCRIPTION = """Train on the same structures with many settings (descriptor, cutoffs, optimiser, learning rate, weight
decay, weight of the forces, network) and compare the errors. Each run has a folder of its own; a second call does
what is missing."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", help="input file: what to vary, around which train.in and generate.in")
    parser.set_defaults(left="what is done stays, and the same command does the rest")


def run(options: argparse.Namespace) -> int:
    common.need("matplotlib")
    from aenet_py.cli.summaries import scan as report
    from aenet_py.inputs import scan as inputs
    from aenet_py.runtime.workers import processors
    from aenet_py.scan import figures, results, stages
    from aenet_py.scan.plan import plan

    deck = inputs.read(options.input)
    runs = plan(deck, common.warn)
    if deck.jobs > processors():
        common.warn(f"{deck.path}: found JOBS {deck.jobs}, more than the processors; {processors()} at once")
    with common.stopping() as stop, common.progress(len(runs), " runs") as advance:
        found = stages.perform(deck, runs, lambda: stop() is not None, advance)
    ranked = results.ranked(results.means(found), deck.sort)
    reference = ranked[0] if ranked and deck.mode == "grid" else None  # else the decks' own settings, which come first
    written = figures.draw(deck, results.means(found), runs[0].settings if reference is None else reference.settings)
    print(report.report(deck, len(runs), found, ranked, written), end="")
    unequal = results.unequal_split(found)
    if unequal is not None:
        names = " and ".join(result.run.folder for result in unequal)
        common.warn(f"{names} have one seed, but not the same test structures; their errors cannot be compared")
    name = stop()
    if name is not None:
        common.note(f"Stopped by {name}; what is done stays in {deck.folder}, and the same command does the rest.")
        return 128 + signal.Signals[name]
    return common.FAILURE if any(result.outcome.error is not None for result in found) else 0
