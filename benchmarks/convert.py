"""Compare trainbin2ASCII.x, nnASCII2bin.x and the trainer's reader with the originals.

    python benchmarks/convert.py --original FOLDER --trainer FOLDER [--example ../shared/tio2] [--repeat 6]

--original is the folder with trainbin2ASCII.x and nnASCII2bin.x of ænet-PyTorch, --trainer the one with its
read_trainset.py.  Each figure is the best of several runs that alternate between the original and aenet_py: CPU seconds
for the programs, seconds for the readers.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import ROOT, Run, best, launcher, measure, unpack

COPIES = 8  # of all structures, in the larger file that shows how memory grows

THEIR_READER = """
import sys, time
sys.path.insert(0, {folder!r})
from data_classes import InputParameters
from read_trainset import read_train
deck = InputParameters()
deck.train_file, deck.sys_species, deck.networks_param = "text", ["Ti", "O"], {{}}
began = time.perf_counter()
read_train(deck)
print(time.perf_counter() - began)
"""
OUR_READER = """
import sys, time
sys.path.insert(0, {folder!r})
from aenet_py.formats import trainset
began = time.perf_counter()
trainset.read("text")
print(time.perf_counter() - began)
"""
LARGER_SET = """
import dataclasses, sys
sys.path.insert(0, {folder!r})
from aenet_py.formats import trainset
found = trainset.read("binary")
header = dataclasses.replace(found.header, n_structures={copies} * found.header.n_structures)
footer = dataclasses.replace(found.footer, n_atoms={copies} * found.footer.n_atoms)
structures = b"".join(trainset.structures(found.structures))
with open("larger", "wb") as file:
    for part in (trainset.header(header), *[structures] * {copies}, trainset.footer(footer)):
        file.write(part)
"""


def prepare(example: Path, folder: Path) -> None:
    """Write training set, text and potential of the example, and a larger training set."""
    unpack(example, folder, "*.nn.ascii")
    deck = (
        (example / "generate.in").read_text().replace("\nforces\n", "\n").replace("OUTPUT TiO.train", "OUTPUT binary")
    )
    (folder / "generate.in").write_text(deck)
    for command in (
        [*launcher("generate.x"), "generate.in"],
        [*launcher("trainbin2ASCII.x"), "binary", "text"],
        [sys.executable, "-c", LARGER_SET.format(folder=str(ROOT), copies=COPIES)],
    ):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)


def turns(theirs: list[str], ours: list[str], folder: Path, repeat: int) -> tuple[Run, Run]:
    runs: tuple[list[Run], list[Run]] = ([], [])
    for _ in range(repeat):
        for found, command in zip(runs, (theirs, ours), strict=True):
            found.append(measure(command, folder))
    return best(runs[0]), best(runs[1])


def seconds_of(script: str, folder: Path) -> float:
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, check=True, capture_output=True, text=True)
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--original", required=True, type=Path, help="folder of the original's converters")
    parser.add_argument("--trainer", required=True, type=Path, help="folder of the original trainer's modules")
    parser.add_argument("--example", type=Path, default=ROOT.parent / "shared" / "tio2")
    parser.add_argument("--repeat", type=int, default=6)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(options.example, folder)
        print("| work | original, s | ours, s | times as fast | original, MB | ours, MB |")
        print("| --- | --- | --- | --- | --- | --- |")
        for program, source, title in (
            ("trainbin2ASCII.x", "binary", "binary training set to text"),
            ("trainbin2ASCII.x", "larger", f"the same, {COPIES} times as many structures"),
            ("nnASCII2bin.x", "Ti.pytorch.nn.ascii", "potential to binary"),
        ):
            arguments = [source, "bench.train.out"]
            theirs = [str((options.original / program).resolve()), *arguments]
            peer, own = turns(theirs, [*launcher(program), *arguments], folder, options.repeat)
            row = (f"`{program}`: {title}", f"{peer.cpu:.2f}", f"{own.cpu:.2f}", f"{peer.cpu / own.cpu:.1f}")
            print("| " + " | ".join((*row, f"{peer.megabytes:.0f}", f"{own.megabytes:.0f}")) + " |")
        back = [*launcher("trainbin2ASCII.x"), "--to-binary", "text", "bench.train.out"]
        own = best([measure(back, folder) for _ in range(options.repeat)])
        print(f"| `trainbin2ASCII.x --to-binary` | not available | {own.cpu:.2f} | | | {own.megabytes:.0f} |")
        readers = (THEIR_READER.format(folder=str(options.trainer.resolve())), OUR_READER.format(folder=str(ROOT)))
        times = [[seconds_of(script, folder) for script in readers] for _ in range(options.repeat)]
        their, our = (min(column) for column in zip(*times, strict=True))
        print(f"| text to arrays, without start-up | {their:.3f} | {our:.3f} | {their / our:.1f} | | |")


if __name__ == "__main__":
    main()
