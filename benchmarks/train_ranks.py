"""Scaling of aenet_pytorch.py with processes: time per epoch, memory, and whether the results agree.

    python benchmarks/train_ranks.py [--example ../shared/tio2] [--copies 1 2 4] [--batch-size 128] [--recompute]

The example's deck, with energies and with the forces of a quarter of the structures, each structure repeated, on two
processors.  Each figure is the best of several alternating runs.  Strong scaling: time per epoch in one process over
that in two, over two.  Weak scaling: time in one process over that in two with twice the structures.
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
    """Command that runs the trainer on a number of processors."""
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
    parser.add_argument("--copies", type=int, nargs="+", default=[1])
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--recompute", action="store_true", help="without stored gradients")
    options = parser.parse_args()
    titles = ("an epoch, s", "outside the epochs, s", "peak memory of a process, MB", "weights differ by")
    print("| structures | | " + " | ".join(titles) + " | strong | weak |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    alone: dict[int, float] = {}
    for copies in options.copies:
        with tempfile.TemporaryDirectory() as name:
            found, differences = measured(Path(name), copies, options)
        for title, runs in found.items():
            best = tuple(map(min, zip(*runs, strict=True)))
            figures = [*(f"{figure:.3g}" for figure in best), f"{differences[title]:.1g}", "", ""]
            if title == CASES[0][0]:
                alone[copies] = best[0]
            elif title == CASES[-1][0]:
                figures[-2] = f"{alone[copies] / best[0] / 2:.2f}"
                figures[-1] = f"{alone[copies // 2] / best[0]:.2f}" if copies / 2 in alone else ""
            print(f"| {1000 * copies} | {title} | " + " | ".join(figures) + " |", flush=True)


def measured(
    folder: Path, copies: int, options: argparse.Namespace
) -> tuple[dict[str, list[tuple[float, ...]]], dict[str, float]]:
    """Figures of `train` for each kind of run, and how their weights differ from those of one process."""
    prepare(options.example, folder, options.epochs, copies)
    deck = (folder / ("recompute.in" if options.recompute else "train.in")).read_text()
    (folder / "train.in").write_text(re.sub(r"(?m)^BATCHSIZE .*$", f"BATCHSIZE {options.batch_size}", deck))
    train(command(1, 1), folder, options.epochs)  # compiles the kernels if necessary
    table, weights = results(folder)
    found: dict[str, list[tuple[float, ...]]] = {title: [] for title, *_ in CASES}
    differences = dict.fromkeys(found, 0.0)
    for _ in range(options.repeat):
        for title, *numbers in CASES:
            found[title].append(train(command(*numbers), folder, options.epochs))
            errors, ours = results(folder)
            if errors != table:
                raise SystemExit(f"{title}: the table of errors differs")
            differences[title] = max(differences[title], float(abs(ours - weights).max() / abs(weights).max()))
    return found, differences


if __name__ == "__main__":
    main()
