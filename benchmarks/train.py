"""Compare aenet_pytorch.py with the original trainer: time per epoch, remaining time, memory.

    python benchmarks/train.py --original PATH/aenet_pytorch.py [--example ../shared/tio2]

The example's deck, with energies and the forces of a quarter of the structures.  Each figure is the best of several
alternating runs.  After that, aenet_py runs with MEMORY_MODE disk and recompute, also with each structure repeated.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

from measure import ROOT, Run, launcher, measure, unpack

EPOCH_TIME = re.compile(r"Time needed for training: +([\d.]+) s")
TITLES = ("an epoch, s", "outside the epochs, s", "peak memory, MB")


def prepare(example: Path, folder: Path, epochs: int, copies: int = 1) -> None:
    """Write the training set, which has each structure `copies` times, and the deck to a folder."""
    folder.mkdir(exist_ok=True)
    unpack(example, folder)
    before, files = re.split(r"(?m)^FILES\s+\d+\n", (example / "generate.in").read_text())
    paths, chosen = files.split(), list(map(int, (example / "selected.txt").read_text().split()))
    several = [number + len(paths) * copy for copy in range(copies) for number in chosen]
    (folder / "selected.txt").write_text("\n".join(map(str, several)))
    listed = "\n".join([str(copies * len(paths)), *paths * copies])
    (folder / "generate.in").write_text(f"{before}\nFORCESLIST selected.txt\n\nFILES\n{listed}\n")
    measure([*launcher("generate.x"), "generate.in"], folder)
    measure([*launcher("trainbin2ASCII.x"), "TiO.train", "TiO.train.ascii"], folder)
    deck = re.sub(r"(?m)^ITERATIONS .*$", f"ITERATIONS {epochs}", (example / "train.in").read_text())
    (folder / "train.in").write_text(deck)
    for name, mode in (("disk", "disk"), ("recompute", "recompute\nFORCESPERCENT 25")):
        (folder / f"{name}.in").write_text(re.sub(r"(?m)^MEMORY_MODE .*$", f"MEMORY_MODE {mode}", deck))


def train(command: list[str], folder: Path, epochs: int) -> tuple[float, float, float]:
    """Seconds per epoch, seconds outside the epochs, megabytes."""
    (folder / "model.restart").unlink(missing_ok=True)
    run: Run = measure(command, folder)
    found = EPOCH_TIME.search((folder / "report").read_text())
    assert found is not None
    return float(found[1]) / epochs, run.seconds - float(found[1]), run.megabytes


def best(command: list[str], folder: Path, epochs: int, repeat: int) -> tuple[float, ...]:
    return tuple(map(min, *(train(command, folder, epochs) for _ in range(max(2, repeat)))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--original", required=True, help="aenet_pytorch.py of ænet-PyTorch")
    parser.add_argument("--example", type=Path, default=ROOT.parent / "shared" / "tio2")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--copies", type=int, default=4)
    options = parser.parse_args()
    ours = launcher("aenet_pytorch.py")
    commands = ([sys.executable, options.original, "train.in"], [*ours, "train.in"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "once")
        prepare(options.example, folder, options.epochs)
        train(commands[1], folder, options.epochs)  # compiles the kernels if necessary
        runs = [[train(command, folder, options.epochs) for command in commands] for _ in range(options.repeat)]
        theirs, mine = (tuple(map(min, *(run[i] for run in runs))) for i in (0, 1))
        print("| figure | original | ours | ratio |")
        print("| --- | --- | --- | --- |")
        for title, their, our in zip(TITLES, theirs, mine, strict=True):
            print(f"| {title} | {their:.3g} | {our:.3g} | {their / our:.1f} |", flush=True)
        several = Path(name, "several")
        prepare(options.example, several, options.epochs, options.copies)
        print("\n| ours | " + " | ".join(TITLES) + " |")
        print("| --- | --- | --- | --- |")
        for place, what in ((folder, "the example"), (several, f"every structure {options.copies} times")):
            size = (place / "TiO.train.forces").stat().st_size / 1e6
            for deck, mode in (("train.in", "in memory"), ("disk.in", "on disk"), ("recompute.in", "recomputed")):
                figures = best([*ours, deck], place, options.epochs, options.repeat)
                row = " | ".join(f"{figure:.3g}" for figure in figures)
                print(f"| {what}, {size:.0f} MB of gradients, {mode} | {row} |", flush=True)


if __name__ == "__main__":
    main()
