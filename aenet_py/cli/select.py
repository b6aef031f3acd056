"""aenet-py select: subsets of a large set of structures."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Iterator

from aenet_py.cli import common
from aenet_py.cli.summaries import structures as report
from aenet_py.elements import NUMBER
from aenet_py.formats.labels import Labels
from aenet_py.runtime.output import PendingFile
from aenet_py.selection import criteria, select, shards
from aenet_py.selection.survey import survey

HELP = "choose structures from large sets"
DESCRIPTION = """Choose structures from files of extended XYZ, such as those of OC20: by their elements, without
anomalous systems, at random so that energies are distributed as in the whole. Writes them as they are, a table, a
report and figures."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", nargs="+", help="files .extxyz or .xyz (also .xz, .gz), or folders of such")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="a new file .extxyz (also .xz, .gz)")
    elements = parser.add_argument_group("elements, as in Cu,Au")
    elements.add_argument("--any", type=_elements, metavar="LIST", default=frozenset(), help="one of these is in it")
    elements.add_argument("--all", type=_elements, metavar="LIST", default=frozenset(), help="all of these are in it")
    elements.add_argument("--only", type=_elements, metavar="LIST", default=frozenset(), help="no others are in it")
    parser.add_argument("--exclude-anomalies", metavar="FILE", help="leave out systems whose anomaly in FILE is not 0")
    parser.add_argument("--n", type=_positive, metavar="N", help="how many to draw (default: all that fit)")
    parser.add_argument("--seed", type=int, metavar="S", help="seed of the draw (default: a random one, reported)")
    parser.add_argument(
        "--strata", type=_positive, metavar="K", default=100,
        help="parts of equal size along energy per atom, from each of which its share is drawn (default: 100)",
    )  # fmt: skip
    common.add_labels(parser)
    parser.add_argument("--skip-bad", action="store_true", help=report.SKIP_HELP)
    parser.add_argument("--no-figures", action="store_true", help="draw no figures")


def _elements(text: str) -> frozenset[str]:
    found = [word.strip() for word in text.split(",")]
    for word in found:
        if word not in NUMBER:
            raise argparse.ArgumentTypeError(f"found {word!r}; expected symbols of elements with commas between")
    return frozenset(found)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}; expected a number, at least 1")
    return int(text)


def run(options: argparse.Namespace) -> None:
    if not options.no_figures:
        common.need("matplotlib")
    to = select.names(options.output)
    given = shards.find(options.source)
    anomalous = criteria.read_anomalies(options.exclude_anomalies) if options.exclude_anomalies else None
    wanted = criteria.Criteria(options.any, options.all, options.only, anomalous)
    seed = int.from_bytes(os.urandom(4), "little") if options.seed is None else options.seed
    bad = report.Skipped()
    labels = Labels(options.energy, options.forces)
    with common.progress(0, " structures read") as advance:
        found = survey(given, wanted, bad.add if options.skip_bad else None, advance, labels)
    chosen = select.choose(found, options.n, options.strata, seed)
    if options.n is not None and options.n > len(chosen):
        common.warn(f"only {len(chosen):,} structures fit; expected --n {options.n} of them")
    drawn = report.drawn(len(chosen) if len(chosen) < found.fits.sum() else None, options.strata, seed)

    @contextlib.contextmanager
    def publish(subset: select.Subset) -> Iterator[None]:
        text = report.selected(options.output, found, subset, drawn, bad)
        with PendingFile(to.report) as file, common.uninterrupted():
            file.write(text.encode())
            yield
            file.complete(replace=False)
            if not options.no_figures:
                select.draw(found, subset, to)
        print(text, end="")

    with common.progress(len(chosen), " structures written") as advance:
        select.write(given, found, chosen, to, advance, publish, labels)
