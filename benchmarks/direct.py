"""Compare a training straight from structures with one through the files of generate.x: time, memory, files written.

    python benchmarks/direct.py [--example ../shared/tio2] [--structures 250] [--original GENERATE CONVERT TRAIN]

The example's structures and networks, with the forces of all structures.  The ways alternate; each figure is the best
of several runs.  The first two must give the same results; the third keeps no gradients (MEMORY_MODE recompute).  An
epoch is timed by a run with twice as many.  With --original, also the original's way: its generate.x, its
trainbin2ASCII.x and its aenet_pytorch.py.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

from measure import ROOT, Run, best, launcher, measure, unpack

RESULTS = ("train.error", "energies.train", "energies.test")


def first(generate: str, n: int) -> str:
    """A deck with the first structures of FILES only."""
    lines = generate.splitlines()
    begin = next(number for number, line in enumerate(lines) if line.strip().lower() == "files") + 1
    return "\n".join([*lines[:begin], str(n), *lines[begin + 1 : begin + 1 + n]]) + "\n"


def prepare(example: Path, folder: Path, epochs: int, n_structures: int | None) -> None:
    """Write the decks of all ways to a folder."""
    unpack(example, folder)
    generate = (example / "generate.in").read_text()
    if n_structures is not None:
        generate = first(generate, n_structures)
    sections = re.sub(r"(?im)^ *(output|forces\w*|timing|debug)\b.*\n", "", generate)
    (folder / "generate.in").write_text(f"OUTPUT set.train\nFORCES\nFORCESPERCENT 100\n{sections}")
    deck = re.sub(r"(?m)^ITERATIONS .*$", f"ITERATIONS {epochs}\nSAVE_ENERGIES", (example / "train.in").read_text())
    (folder / "train.in").write_text(re.sub(r"(?m)^TRAININGSET .*$", "TRAININGSET set.train", deck))
    (folder / "original.in").write_text(re.sub(r"(?m)^TRAININGSET .*$", "TRAININGSET set.train.ascii", deck))
    direct = sections + re.sub(r"(?m)^(TRAININGSET|MEMORY_MODE) .*\n", "", deck)
    for name, mode in (("direct", "cpu"), ("recompute", "recompute")):
        text = direct.replace("METHOD", f"MEMORY_MODE {mode}\nMETHOD", 1)
        (folder / f"{name}.in").write_text(text)
        (folder / f"{name}-twice.in").write_text(text.replace(f"ITERATIONS {epochs}", f"ITERATIONS {2 * epochs}"))


def run(folder: Path, *commands: list[str]) -> tuple[Run, float, list[bytes]]:
    """Time, CPU time and peak memory of commands in a row, the megabytes they leave, and their results."""
    for path in (*folder.glob("*.restart"), *folder.glob("*.ascii"), *folder.glob("set.train*")):
        path.unlink(missing_ok=True)
    before = {*folder.iterdir()}
    runs = [measure(command, folder) for command in commands]
    left = sum(path.stat().st_size for path in folder.iterdir() if path not in before) / 1e6
    total = Run(sum(r.seconds for r in runs), sum(r.cpu for r in runs), max(r.megabytes for r in runs))
    return total, left, [(folder / name).read_bytes() for name in RESULTS]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--example", type=Path, default=ROOT.parent / "shared" / "tio2")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--structures", type=int, help="how many of the example's (default: all)")
    parser.add_argument("--original", nargs=3, metavar=("GENERATE", "CONVERT", "TRAIN"))
    options = parser.parse_args()
    train = launcher("aenet_pytorch.py")
    ways = {
        "through files": ([*launcher("generate.x"), "generate.in"], [*train, "train.in"]),
        "from structures": ([*train, "direct.in"],),
        "without gradients": ([*train, "recompute.in"],),
    }
    longer = {"from structures": [*train, "direct-twice.in"], "without gradients": [*train, "recompute-twice.in"]}
    if options.original:
        generate, convert, original = options.original
        ways["original"] = (
            [generate, "generate.in"],
            [convert, "set.train", "set.train.ascii"],
            [sys.executable, original, "original.in"],
        )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(options.example, folder, options.epochs, options.structures)
        runs: dict[str, list[tuple[Run, float, list[bytes]]]] = {way: [] for way in ways}
        for _ in range(options.repeat):
            for way, commands in ways.items():
                runs[way].append(run(folder, *commands))
        ours = [each for way in ("through files", "from structures") for each in runs[way]]
        if len({tuple(results) for *_, results in ours}) > 1:
            raise SystemExit("the results differ")
        print("| way | s | CPU s | peak memory, MB | files left, MB |\n| --- | --- | --- | --- | --- |")
        for way, of in runs.items():
            found = best([each for each, *_ in of])
            row = (found.seconds, found.cpu, found.megabytes, of[0][1])
            print(f"| {way} | " + " | ".join(f"{figure:.3g}" for figure in row) + " |", flush=True)
        pairs: dict[str, list[float]] = {way: [] for way in longer}
        for _ in range(options.repeat):
            for way, command in longer.items():
                once, *_ = run(folder, *ways[way])
                twice, *_ = run(folder, command)
                pairs[way].append((twice.seconds - once.seconds) / options.epochs)
        for way, seconds in pairs.items():
            print(f"an epoch {way}: {min(seconds):.4f} s")


if __name__ == "__main__":
    main()
