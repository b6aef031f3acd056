"""Structures for tests, and a writer of extended XYZ that is independent of the package."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path

import numpy as np

from aenet_py.structure import Structure

OPENED = {".xz": lzma.open, ".gz": gzip.open}


def make_frames(n: int, seed: int = 0, elements: str = "Cu O", n_atoms: tuple[int, int] = (2, 6)) -> list[Structure]:
    """Structures with atoms at least 1 Å apart, periodic and isolated, with energy, forces and tags."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(n):
        size = int(rng.integers(n_atoms[0], n_atoms[1] + 1))
        sites = np.stack(np.meshgrid(*[range(3)] * 3), axis=-1).reshape(-1, 3)
        positions = 1.7 * rng.permutation(sites)[:size] + rng.uniform(-0.3, 0.3, (size, 3))
        drawn = rng.choice(elements.split(), size)
        symbols = tuple(dict.fromkeys(drawn.tolist()))
        cell = 5.5 * np.eye(3) + rng.uniform(-0.5, 0.5, (3, 3))
        pbc = [(True, True, True), (True, True, False), (True, False, False), (False, True, False), (False,) * 3][
            number % 5
        ]
        found.append(
            Structure(
                path=f"made#{number}",
                symbols=symbols,
                species=np.array([symbols.index(symbol) for symbol in drawn.tolist()]),
                positions=positions,
                cell=None if number % 10 == 4 else cell,
                pbc=pbc,
                energy=float(rng.normal(-4 * size, 2)),
                forces=rng.normal(0, 0.5, (size, 3)),
                tags=rng.integers(0, 3, size),
            )
        )
    return found


def as_text(frame: Structure, extra: str = "") -> str:
    """A frame as in public data sets, with a mask of the atoms that may move."""
    head = [] if frame.cell is None else ['Lattice="' + " ".join(f"{x!r}" for x in frame.cell.ravel().tolist()) + '"']
    head += ["Properties=species:S:1:pos:R:3:move_mask:L:1:tags:I:1:forces:R:3"]
    head += [
        f"energy={frame.energy!r} free_energy={frame.energy!r} {extra}",
        'pbc="' + " ".join("FT"[p] for p in frame.pbc) + '"',
    ]
    lines = [str(frame.n_atoms), " ".join(head)]
    for i in range(frame.n_atoms):
        x, f = (" ".join(f"{v!r}" for v in values[i].tolist()) for values in (frame.positions, frame.forces))
        lines.append(f"{frame.symbols[frame.species[i]]:2}  {x}  {i % 2}  {frame.tags[i]}  {f}")
    return "\n".join(lines) + "\n"


def write(path: Path, content: str) -> Path:
    """Write text to a file, compressed according to its name."""
    with OPENED.get(path.suffix, open)(path, "wb") as file:
        file.write(content.encode())
    return path


def check_same(a: Structure, b: Structure, paths: bool = False) -> None:
    """Assert that all values of two structures agree bit for bit."""
    assert a.symbols == b.symbols
    assert (a.energy, a.pbc) == (b.energy, b.pbc)
    assert a.path == b.path or not paths
    for name in ("species", "positions", "cell", "forces"):
        one, other = getattr(a, name), getattr(b, name)
        assert (one is None) == (other is None), name
        assert one is None or np.array_equal(one, other), name
