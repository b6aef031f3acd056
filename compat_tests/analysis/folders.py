"""Folders of trainings with errors of known size."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from aenet_py.formats.trained import energy_line, error_lines, force_lines


def training(folder: Path, seed: int, size: float, forces: bool = True, shuffled: bool = False) -> str:
    """Write a training with errors of this size (eV/atom; ten times for forces, eV/Å) and return its folder.

    The structures are the same whatever the seed, the test set of 20 in another order if shuffled.
    """
    folder.mkdir(parents=True)
    noise, structures = np.random.default_rng(seed), np.random.default_rng(0)
    for part, n in (("train", 30), ("test", 20)):
        energies, tables = [], []
        for number in range(n):
            n_atoms = int(structures.integers(2, 8))
            reference, vectors = structures.normal(), structures.normal(size=(n_atoms, 3))
            error, errors = size * noise.normal(), 10 * size * noise.normal(size=(n_atoms, 3))
            name = f"{part}/{number}.xsf"
            energies.append(energy_line(name, n_atoms, n_atoms * reference, n_atoms * (reference + error)))
            tables.append("".join(force_lines(name, vectors, vectors + errors)))
        order = np.random.default_rng(1).permutation(n) if shuffled else np.arange(n)
        (folder / f"energies.{part}").write_text("".join(energies[k] for k in order))
        if forces:
            (folder / f"forces.{part}").write_text("".join(tables[k] for k in order))
    (folder / "train.error").write_text(error_lines([(0, [1, 1, 1, 1, 1, 1]), (1, [size] * 6)], forces))
    return str(folder)
