"""Compare train.x with the original: CPU time per epoch of a method.

    python benchmarks/trainx.py --original PATH/train.x [--method bfgs] [--example ../shared/tio2]

The example's structures, energies only, networks 10:tanh 10:tanh.  Both programs begin with the same networks and the
same test set.  The time per epoch is the difference of a long and a short run, divided by the difference of their
epochs; the best of several alternating pairs counts.  CPU time counts all threads.
"""

from __future__ import annotations

import argparse
import re
import shutil
import tempfile
from pathlib import Path

from measure import ROOT, launcher, measure, unpack

SHORT = 2  # epochs
DECK = """TRAININGSET set.train
TESTPERCENT 10
ITERATIONS {epochs}
METHOD
{method}
NETWORKS
Ti Ti.nn 2 10:tanh 10:tanh
O  O.nn  2 10:tanh 10:tanh
"""
STATE = ("Ti.nn", "O.nn", "train.rngstate")


def prepare(example: Path, folder: Path) -> None:
    """Write the training set, its normalised form, networks and the state of the random numbers to a folder."""
    unpack(example, folder)
    deck = re.sub(r"(?mi)^(FORCES\w*|OUTPUT)\b.*\n", "", (example / "generate.in").read_text())
    (folder / "generate.in").write_text("OUTPUT set.train\n" + deck)
    measure([*launcher("generate.x"), "generate.in"], folder)
    (folder / "train.in").write_text(DECK.format(method="bfgs", epochs=0))
    measure([*launcher("train.x"), "train.in"], folder)


def seconds(command: list[str], source: Path, folder: Path, method: str, epochs: int) -> float:
    """CPU time of a run in an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in (*STATE, "set.train", "set.train.scaled"):
        shutil.copyfile(source / name, folder / name)
    (folder / "train.in").write_text(DECK.format(method=method, epochs=epochs))
    used = measure([*command, "train.in"], folder).cpu
    if (folder / "report").read_text().count(" <\n") != epochs + 1:
        raise SystemExit(f"{' '.join(command)} ended before {epochs} epochs")
    return used


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--original", required=True, help="train.x of ænet")
    parser.add_argument("--method", default="bfgs", help="method with its settings")
    parser.add_argument("--example", type=Path, default=ROOT.parent / "shared" / "tio2")
    parser.add_argument(
        "--epochs", type=int, nargs=2, default=[4, 102], help="of the long run, of the original and ours"
    )
    parser.add_argument("--repeat", type=int, default=2)
    options = parser.parse_args()
    commands = ([options.original], launcher("train.x"))
    with tempfile.TemporaryDirectory() as name:
        source, folder = Path(name, "source"), Path(name, "run")
        source.mkdir()
        prepare(options.example, source)
        best = [float("inf")] * 2
        for _ in range(options.repeat):
            for place, (command, epochs) in enumerate(zip(commands, options.epochs, strict=True)):
                short, long = (seconds(command, source, folder, options.method, n) for n in (SHORT, epochs))
                best[place] = min(best[place], (long - short) / (epochs - SHORT))
        theirs, ours = best
        print("| method | original, s per epoch | ours, s per epoch | ratio |")
        print("| --- | --- | --- | --- |")
        print(f"| {options.method} | {theirs:.3g} | {ours:.3g} | {theirs / ours:.0f} |")


if __name__ == "__main__":
    main()
