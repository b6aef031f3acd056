"""Compare reading extended XYZ with ase.io.read, and time the selection from it.

    python benchmarks/structures.py [--frames 5000] [--repeat 3]

The frames are synthetic: 75 atoms, with the columns of the S2EF shards of OC20.  Each figure is the best of several
runs, in CPU seconds.  ASE reads only the uncompressed file, because it seeks back and forth in compressed ones.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import gzip
import lzma
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from measure import ROOT, best, launcher, measure

sys.path.insert(0, str(ROOT))
from aenet_py.formats import extxyz, frames

N_ATOMS = 75
OPENED: dict[str, Callable] = {"": open, ".gz": gzip.open, ".xz": lzma.open}
ATOM = "%-2s" + 3 * " %15.8f" + 2 * "        1" + 3 * " %15.8f" + "\n"
COLUMNS = "species:S:1:pos:R:3:move_mask:L:1:tags:I:1:forces:R:3"


def write_frames(folder: Path, n: int) -> None:
    """Write the same frames uncompressed and compressed."""
    rng = np.random.default_rng(0)
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(opened(folder / f"a.extxyz{ending}", "wb")) for ending, opened in OPENED.items()]
        for _ in range(n):
            symbols = np.sort(rng.choice(rng.choice(["Cu", "Au", "Pt", "O", "H", "C"], 3, replace=False), N_ATOMS))
            rows = np.hstack([rng.uniform(0, 12, (N_ATOMS, 3)), rng.normal(0, 0.3, (N_ATOMS, 3))]).tolist()
            energy = rng.normal(-4 * N_ATOMS, 30)
            comment = (
                f'Lattice="12 0 0 0 12 0 0 0 30" Properties={COLUMNS} energy={energy:.8f} free_energy={energy:.8f}'
            )
            lines = [ATOM % (symbol, *row) for symbol, row in zip(symbols, rows, strict=True)]
            text = "".join([f'{N_ATOMS}\n{comment} pbc="T T T"\n', *lines]).encode()
            for file in files:
                file.write(text)


def best_of(work: Callable[[], object], repeat: int) -> float:
    """CPU time in seconds."""
    found = []
    for _ in range(repeat):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)


def read(path: str) -> None:
    for raw in frames.read(path):
        extxyz.parse(raw)


def read_with_ase(path: str) -> None:
    from ase.io import iread

    for _ in iread(path, format="extxyz"):
        pass


def measure_select(folder: Path, n_frames: int, repeat: int) -> None:
    print("| select, 500 frames | s |")
    print("| --- | --- |")
    for copies in (1, 4):
        source = folder / f"{copies}.extxyz.xz"
        source.write_bytes((folder / "a.extxyz.xz").read_bytes() * copies)
        command = [*launcher("aenet-py"), "select", source.name, "-o", "bench.train.xyz", "--n", "500", "--no-figures"]
        runs = []
        for _ in range(repeat):
            runs.append(measure(command, folder))
            (folder / "bench.train-report.txt").unlink(missing_ok=True)
        print(f"| of {copies * n_frames:,}, `.xz` | {best(runs).cpu:.1f} |")


def measure_readers(folder: Path, n_frames: int, repeat: int) -> None:
    print("\n| file | counted, frames/s | read, frames/s | read by ase, frames/s | times as fast |")
    print("| --- | --- | --- | --- | --- |")
    for ending in OPENED:
        path = str(folder / f"a.extxyz{ending}")
        readers: list[Callable[[str], object]] = [frames.count, read] + [read_with_ase] * (not ending)
        rates = [n_frames / best_of(functools.partial(reader, path), repeat) for reader in readers]
        peer = f"{rates[2]:.0f} | {rates[1] / rates[2]:.1f}" if len(rates) == 3 else " | "
        print(f"| `{Path(path).name}` | {rates[0]:.0f} | {rates[1]:.0f} | {peer} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=5000)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        write_frames(Path(name), options.frames)
        measure_select(Path(name), options.frames, options.repeat)
        measure_readers(Path(name), options.frames, options.repeat)


if __name__ == "__main__":
    main()
