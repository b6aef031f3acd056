"""Compare generate.x with the original binary: time, memory, start-up.

    python benchmarks/generate.py --original PATH/generate.x [--example ../shared/tio2] [--repeat 3]

The example is a folder with generate.in, set-ups and dir_xsf.tar.gz.  Each figure is the best of several runs that
alternate between the original and aenet_py, so that both see the same machine.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path

from measure import ROOT, Run, best, launcher, measure, unpack

OURS = launcher("generate.x")


def decks(example: Path, folder: Path) -> None:
    """Write the example's structures and three decks: 25 % with forces, energies only, one structure."""
    unpack(example, folder, "selected.txt")
    deck = re.sub(r"OUTPUT .*", "OUTPUT bench.train", (example / "generate.in").read_text())
    energies = re.sub(r"(?im)^forces(percent)?\b.*\n", "", deck)
    (folder / "forces.in").write_text(deck + "\nFORCESLIST selected.txt\n")
    (folder / "energies.in").write_text(energies)
    (folder / "one.in").write_text(re.sub(r"FILES\n\d+\n(.*\n)(.*\n?)*", r"FILES\n1\n\1", energies))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--original", required=True, help="generate.x of ænet 2.0.4")
    parser.add_argument("--example", type=Path, default=ROOT.parent / "shared" / "tio2")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        decks(options.example, folder)
        measure([*OURS, "forces.in"], folder)  # compiles the kernels if necessary
        print("| work | original, s | ours, s | times as fast | original, MB | ours, MB |")
        print("| --- | --- | --- | --- | --- | --- |")
        for deck, title in (("forces.in", "25 % with forces"), ("energies.in", "energies only")):
            originals: list[Run] = []
            ours: dict[int, list[Run]] = {1: [], 2: []}
            for _ in range(options.repeat):
                originals.append(measure([options.original, deck], folder))
                for threads, runs in ours.items():
                    runs.append(measure([*OURS, deck, "--threads", str(threads)], folder))
            peer = best(originals)
            for threads, runs in ours.items():
                own = best(runs)
                row = (f"{title}, {threads} thread{'s' * (threads > 1)}", f"{peer.seconds:.2f}", f"{own.seconds:.2f}")
                row += (f"{peer.seconds / own.seconds:.1f}", f"{peer.megabytes:.0f}", f"{own.megabytes:.0f}")
                print("| " + " | ".join(row) + " |")
        for arguments, title in ((["--help"], "`--help`"), (["one.in"], "one structure")):
            own = best([measure([*OURS, *arguments], folder) for _ in range(options.repeat)])
            print(f"| start-up, {title} | | {own.seconds:.2f} | | | {own.megabytes:.0f} |")


if __name__ == "__main__":
    main()
