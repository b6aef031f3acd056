"""aenet_pytorch.py against the original trainer, in one run: time of an epoch, of everything else, memory.

    python benchmarks/train.py --original PATH/aenet_pytorch.py [--example ../shared/tio2]

The example's deck for so many epochs, energies and a quarter of the structures with forces.  Every figure is the best
of several runs, which take turns.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

from measure import ROOT, Run, launcher, measure, unpack

EPOCH_TIME = re.compile(r"Time needed for training: +([\d.]+) s")


def prepare(example: Path, folder: Path, epochs: int) -> None:
    unpack(example, folder, "selected.txt")
    (folder / "generate.in").write_text((example / "generate.in").read_text() + "\nFORCESLIST selected.txt\n")
    measure([*launcher("generate.x"), "generate.in"], folder)
    measure([*launcher("trainbin2ASCII.x"), "TiO.train", "TiO.train.ascii"], folder)
    deck = re.sub(r"(?m)^ITERATIONS .*$", f"ITERATIONS {epochs}", (example / "train.in").read_text())
    (folder / "train.in").write_text(deck)


def train(command: list[str], folder: Path, epochs: int) -> tuple[float, float, float]:
    """Seconds an epoch, seconds outside the epochs, megabytes."""
    (folder / "model.restart").unlink(missing_ok=True)
    run: Run = measure(command, folder)
    found = EPOCH_TIME.search((folder / "report").read_text())
    assert found is not None
    return float(found[1]) / epochs, run.seconds - float(found[1]), run.megabytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--original", required=True, help="aenet_pytorch.py of ænet-PyTorch")
    parser.add_argument("--example", type=Path, default=ROOT.parent / "shared" / "tio2")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--repeat", type=int, default=2)
    options = parser.parse_args()
    commands = ([sys.executable, options.original, "train.in"], [*launcher("aenet_pytorch.py"), "train.in"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(options.example, folder, options.epochs)
        train(commands[1], folder, options.epochs)  # compiles the kernels where that has not been done
        runs = [[train(command, folder, options.epochs) for command in commands] for _ in range(options.repeat)]
    theirs, ours = (tuple(map(min, *(run[i] for run in runs))) for i in (0, 1))
    print("| figure | original | ours | ratio |")
    print("| --- | --- | --- | --- |")
    for title, their, our in zip(
        ("an epoch, s", "outside the epochs, s", "peak memory, MB"), theirs, ours, strict=True
    ):
        print(f"| {title} | {their:.3g} | {our:.3g} | {their / our:.1f} |")


if __name__ == "__main__":
    main()
