"""aenet-py scan: train with many settings and compare."""

from __future__ import annotations

import argparse
import signal

from aenet_py.cli import common

HELP = "train with many settings and compare the errors"
DESCRIPTION = """Train on the same structures with many settings (descriptor, cutoffs, optimizer, learning rate, weight
decay, weight of the forces, network) and compare the errors. Each run has its own folder; running the command again
performs missing runs only."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", help="input file with the keywords to vary, and the names of train.in and generate.in")
    parser.set_defaults(left="completed runs remain; run the command again for the rest")


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
        common.warn(
            f"{deck.path}: JOBS {deck.jobs} exceeds the {processors()} processors; {processors()} run at a time"
        )
    with common.stopping() as stop, common.progress(len(runs), "runs") as advance:
        done = stages.perform(deck, runs, lambda: stop() is not None, advance)
    means = results.means(done)
    ranked = results.ranked(means, deck.sort)
    # Without a grid, the settings of the decks come first.
    reference = ranked[0] if ranked and deck.mode == "grid" else None
    written = figures.draw(deck, means, runs[0].settings if reference is None else reference.settings)
    print(report.report(deck, len(runs), done, ranked, written), end="")
    unequal = results.unequal_split(done)
    if unequal is not None:
        names = " and ".join(result.run.folder for result in unequal)
        common.warn(f"{names} have the same seed but different test structures; their errors cannot be compared")
    name = stop()
    if name is not None:
        common.note(f"Stopped by {name}; completed runs remain in {deck.folder}. Run the command again for the rest.")
        return 128 + signal.Signals[name]
    return common.FAILURE if any(result.outcome.error is not None for result in done) else 0
