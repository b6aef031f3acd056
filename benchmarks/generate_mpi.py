"""generate.x alone, with threads and under MPI, in one run: seconds.

    python benchmarks/generate_mpi.py --mpirun "mpirun" [--example ../shared/tio2] [--repeat 3]

The runs take turns, so that all see the same machine; every figure is the best of several.  The files must agree.
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
        many = (folder / "forces.in").read_text()
        (folder / "longer.in").write_text(repeated(re.sub(r"(?im)^forces.*\n", "", many), 8))
        measure([*OURS, "forces.in"], folder)  # compiles the kernels where that has not been done
        print("| work | " + " | ".join(f"{way}, s" for way in ways) + " |")
        print("| --- |" + " --- |" * len(ways))
        titles = {
            "forces.in": "25 % with forces",
            "energies.in": "energies only",
            "longer.in": "energies only, 8 times",
        }
        for deck, title in titles.items():
            runs: dict[str, list] = {way: [] for way in ways}
            digests = set()
            for _ in range(options.repeat):
                for way, command in ways.items():
                    runs[way].append(measure([*command, deck], folder))
                    digests.add(tuple(map(digest, sorted(folder.glob("bench.train*")))))
            if len(digests) > 1:
                raise SystemExit(f"{deck}: the files differ")
            print(f"| {title} | " + " | ".join(f"{best(runs[way]).seconds:.2f}" for way in ways) + " |")


def repeated(deck: str, times: int) -> str:
    """The deck with its structures several times over."""
    head, n, names = re.split(r"FILES\n(\d+)\n", deck)
    lines = names.splitlines()[: int(n)]
    return f"{head}FILES\n{times * len(lines)}\n" + "\n".join(lines * times) + "\n"


def digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


if __name__ == "__main__":
    main()
