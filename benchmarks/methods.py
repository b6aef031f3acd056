"""Compare the methods of aenet_pytorch.py: CPU time until the test error falls below given values.

    python benchmarks/methods.py [--example ../shared/tio2] [--water ../shared/xtb] [--seconds 40]

Energies of the TiO2 example, networks 10:tanh 10:tanh, and energies and forces of a cluster with one water molecule,
networks 15:tanh 15:tanh, alpha 0.3.  All methods begin with the same networks and test set.  AdamW runs with each of
five learning rates, constant and along a cosine, and the best of them is shown for each value.  The error is that of
train.error, (1 - alpha) E + alpha F; the time is that of the epochs, of all threads, including the tests.
"""

from __future__ import annotations

import argparse
import contextlib
import lzma
import re
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measure import ROOT, launcher, measure, unpack

from aenet_py.training import flow, options
from aenet_py.training.events import EpochErrors, Events
from aenet_py.training.ranks import ALONE

RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
METHODS = ("lbfgs", "lm", "ekf")
MANY = 10**6  # epochs
ELEMENTS = ("Cu", "Au", "O", "H")
SETUP = """DESCR
  {symbol}
END DESCR
ATOM {symbol}
ENV 4
Cu
Au
O
H
RMIN 0.35
BASIS type=Chebyshev
radial_Rc = 8.0 radial_N = 15 angular_Rc = 5.0 angular_N = 5
"""
DECK = """OUTPUT set.train
TYPES
4
Cu -100
Au -100
O  -100
H  -10
SETUPS
{setups}
FORCES
FORCESPERCENT 100
FORCESSEED 1
FILES
1
one-water.extxyz
"""


@dataclass(frozen=True)
class Case:
    """A training set and the errors to be reached, meV/atom for energies alone."""

    title: str
    training_set: Path
    networks: dict[str, list[tuple[int, str]]]
    settings: dict[str, Any]
    batch: int  # of AdamW
    targets: tuple[float, ...]


def tio2(example: Path, folder: Path) -> Case:
    """The energies of the example."""
    unpack(example, folder)
    deck = re.sub(r"(?mi)^(FORCES\w*|OUTPUT)\b.*\n", "", (example / "generate.in").read_text())
    (folder / "generate.in").write_text("OUTPUT set.train\n" + deck)
    measure([*launcher("generate.x"), "generate.in"], folder)
    networks = {symbol: [(10, "tanh")] * 2 for symbol in ("Ti", "O")}
    return Case("TiO2, energies", folder / "set.train", networks, {"test_percent": 10}, 32, (20.0, 12.0, 9.0, 8.0))


def water(data: Path, folder: Path) -> Case:
    """Energies and forces of the cluster with one water molecule."""
    (folder / "one-water.extxyz").write_bytes(lzma.decompress((data / "one-water.extxyz.xz").read_bytes()))
    for symbol in ELEMENTS:
        (folder / f"{symbol}.stp").write_text(SETUP.format(symbol=symbol))
    setups = "\n".join(f"{symbol} {symbol}.stp" for symbol in ELEMENTS)
    (folder / "generate.in").write_text(DECK.format(setups=setups))
    measure([*launcher("generate.x"), "generate.in"], folder)
    networks = {symbol: [(15, "tanh")] * 2 for symbol in ELEMENTS}
    settings = {"test_percent": 15, "forces_weight": 0.3}
    return Case(
        "one water, energies and forces", folder / "set.train", networks, settings, 16, (40.0, 30.0, 25.0, 22.5)
    )


class Clock(Events):
    """CPU time of the epochs until each error is reached, and the smallest error so far, meV/atom."""

    def __init__(self, targets: Sequence[float], seconds: float):
        """targets : errors, meV/atom; seconds : after which the training stops."""
        self.targets, self.seconds = targets, seconds
        self.reached = [float("inf")] * len(targets)
        self.least, self.began, self.n_epochs = float("inf"), 0.0, 0

    def prepared(self, *_: object) -> None:
        self.began = time.process_time()

    def epoch(self, epoch: int, errors: EpochErrors) -> bool:
        used = time.process_time() - self.began
        assert errors.line is not None
        self.n_epochs, self.least = epoch + 1, min(self.least, 1e3 * errors.line[1])
        for place, target in enumerate(self.targets):
            if self.least <= target:
                self.reached[place] = min(self.reached[place], used)
        return used > self.seconds or self.least <= min(self.targets)


def timed(case: Case, seconds: float, settings: dict[str, Any]) -> Clock:
    """Train with these settings in an empty folder."""
    given = {"iterations": MANY, **case.settings, **settings}
    clock = Clock(case.targets, seconds)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        flow.run(options.deck_of("train()", str(case.training_set), case.networks, given), ALONE, clock)
    return clock


def row(name: str, clocks: Sequence[Clock]) -> str:
    """The best of some trainings."""
    least = [min(times) for times in zip(*(clock.reached for clock in clocks), strict=True)]
    shown = ["-" if seconds == float("inf") else f"{seconds:.3g}" for seconds in least]
    return f"| {name} | {' | '.join(shown)} | {min(clock.least for clock in clocks):.2f} |"


def report(case: Case, seconds: float) -> None:
    """A table of this case."""
    titles = [f"{target:g} meV/atom" for target in case.targets]
    print(f"\n{case.title}: CPU seconds to each test error\n")
    print(f"| method | {' | '.join(titles)} | smallest in {seconds:g} s |")
    print(f"| --- |{' --- |' * (len(titles) + 1)}", flush=True)
    timed(case, 0.0, {})  # compiles the kernels
    fixed = [timed(case, seconds, {"lr": rate, "batch_size": case.batch}) for rate in RATES]
    print(row("AdamW, constant rate", fixed), flush=True)
    n_epochs = max(clock.n_epochs for clock in fixed)
    moving = {"schedule": "cosine", "iterations": n_epochs, "batch_size": case.batch}
    print(row("AdamW, cosine", [timed(case, seconds, {"lr": rate, **moving}) for rate in RATES]), flush=True)
    for method in METHODS:
        print(row(method, [timed(case, seconds, {"method": method})]), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--example", type=Path, default=ROOT.parent / "shared" / "tio2")
    parser.add_argument("--water", type=Path, default=ROOT.parent / "shared" / "xtb")
    parser.add_argument("--seconds", type=float, default=40.0, help="of each training")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        for case in (tio2(given.example, Path(first)), water(given.water, Path(second))):
            report(case, given.seconds)


if __name__ == "__main__":
    main()
