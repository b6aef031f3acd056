"""Scaling of generate.x with threads and under MPI, in seconds.

    python benchmarks/generate_mpi.py --mpirun "mpirun" [--example ../shared/tio2] [--repeat 3]

The input is the example with each structure repeated.  Runs alternate, so that all see the same machine, and each
figure is the best of several.  All ways must write the same files.  Strong scaling: time of one process over that of
two, over two.  Weak scaling: time of one process over that of two with twice the structures.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shlex
import tempfile
from pathlib import Path

from generate import OURS, decks
from measure import ROOT, best, measure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mpirun", default="mpirun", help="the launcher with its options, without -n")
    parser.add_argument("--example", type=Path, default=ROOT.parent / "shared" / "tio2")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    launcher = shlex.split(options.mpirun)
    ways = {
        "serial": [*OURS, "--threads", "1"],
        "2 threads": [*OURS, "--threads", "2"],
        "mpirun -n 2": [*launcher, "-n", "2", *OURS, "--threads", "1"],
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        decks(options.example, folder)
        chosen = list(map(int, (folder / "selected.txt").read_text().split()))
        measure([*OURS, "forces.in"], folder)  # compiles the kernels if necessary
        print("| work | times | " + " | ".join(f"{way}, s" for way in ways) + " | strong | weak |")
        print("| --- | --- |" + " --- |" * (len(ways) + 2))
        for title, deck, most in (("25 % with forces", "forces.in", 4), ("energies only", "energies.in", 16)):
            before = 0.0  # seconds of one process with half the structures
            for times in (2**i for i in range(most.bit_length())):
                (folder / "bench.in").write_text(repeated((folder / deck).read_text(), times))
                again = [number + 1000 * copy for copy in range(times) for number in chosen]
                (folder / "selected.txt").write_text("\n".join(map(str, again)))
                found = seconds(ways, folder, options.repeat)
                figures = [f"{value:.2f}" for value in found.values()]
                alone, together = found["serial"], found["mpirun -n 2"]
                figures += [f"{alone / together / 2:.2f}", f"{before / together:.2f}" if before else ""]
                print(f"| {title} | {times} | " + " | ".join(figures) + " |", flush=True)
                before = alone


def seconds(ways: dict[str, list[str]], folder: Path, repeat: int) -> dict[str, float]:
    """Best of several runs for each way to run the program."""
    runs: dict[str, list] = {way: [] for way in ways}
    digests = set()
    for _ in range(repeat):
        for way, command in ways.items():
            runs[way].append(measure([*command, "bench.in"], folder))
            digests.add(tuple(map(digest, sorted(folder.glob("bench.train*")))))
    if len(digests) > 1:
        raise SystemExit("the files differ")
    return {way: best(found).seconds for way, found in runs.items()}


def repeated(deck: str, times: int) -> str:
    """Repeat the structures of a deck."""
    head, n, names = re.split(r"FILES\n(\d+)\n", deck)
    lines = names.splitlines()[: int(n)]
    rest = "\n".join(names.splitlines()[int(n) :])
    return f"{head}FILES\n{times * len(lines)}\n" + "\n".join(lines * times) + f"\n{rest}\n"


def digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


if __name__ == "__main__":
    main()
