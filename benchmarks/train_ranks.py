"""aenet_pytorch.py in one process and in several, in one run: time of an epoch, memory, and whether the results agree.

    python benchmarks/train_ranks.py [--example ../shared/tio2]

The example's deck, energies and a quarter of the structures with forces, on two processors.  Every figure is the best
of several runs, which take turns.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from pathlib import Path

import torch
from measure import ROOT, launcher
from train import prepare, train

CASES = (("1 process, 1 thread", 1, 1), ("1 process, 2 threads", 1, 2), ("2 processes, 1 thread each", 2, 1))


def command(n_processes: int, n_threads: int) -> list[str]:
    """The trainer on so many processors."""
    processors = ",".join(map(str, sorted(os.sched_getaffinity(0))[: n_processes * n_threads]))
    program = launcher("aenet_pytorch.py")
    if n_processes > 1:
        several = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(n_processes)]
        program = [sys.executable, *several, *program[1:]]
    return ["taskset", "-c", processors, *program, "train.in"]


def results(folder: Path) -> tuple[str, torch.Tensor]:
    """The table of errors, and all weights."""
    model = torch.load(folder / "model.restart", weights_only=True)["model"]
    return (folder / "train.error").read_text(), torch.cat([values.flatten() for values in model.values()])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--example", type=Path, default=ROOT.parent / "shared" / "tio2")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=128)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(options.example, folder, options.epochs)
        deck = folder / "train.in"
        deck.write_text(re.sub(r"(?m)^BATCHSIZE .*$", f"BATCHSIZE {options.batch_size}", deck.read_text()))
        train(command(1, 1), folder, 1)  # compiles the kernels where that has not been done
        table, weights = results(folder)
        found: dict[str, list[tuple[float, ...]]] = {title: [] for title, *_ in CASES}
        differences = dict.fromkeys(found, 0.0)
        for _ in range(options.repeat):
            for title, *numbers in CASES:
                found[title].append(train(command(*numbers), folder, options.epochs))
                errors, ours = results(folder)
                if errors != table:
                    raise SystemExit(f"{title}: another table of errors")
                differences[title] = max(differences[title], float(abs(ours - weights).max() / abs(weights).max()))
    print(
        "| aenet_pytorch.py | an epoch, s | outside the epochs, s | peak memory of a process, MB | weights differ by |"
    )
    print("| --- | --- | --- | --- | --- |")
    for title, runs in found.items():
        row = " | ".join(f"{min(figures):.3g}" for figures in zip(*runs, strict=True))
        print(f"| {title} | {row} | {differences[title]:.1g} |")


if __name__ == "__main__":
    main()
