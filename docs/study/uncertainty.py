"""Which uncertainty follows the true errors: the spread of a committee, or distances to the training set.

    python docs/study/uncertainty.py --folder FOLDER [--data DATA] [--quick] [--draw]

DATA has one-water.extxyz.xz and six-waters.extxyz.xz, structures of Cu10Au9 with one and six molecules and their
GFN1-xTB energies and forces.  Committees of four potentials are trained on four fifths of the first, in blocks of
frames, with three seeds; half of the blocks left out calibrate, the other half and six molecules are judged.
Writes uncertainty.csv and uncertainty.png, and prints a table.  Repeating the command resumes.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import training
from training import DATA, FIRST, JUDGED, TARGET, setups

from aenet_py import read, train
from aenet_py.analysis import figures
from aenet_py.analysis.pages import MARKERS
from aenet_py.descriptors.model import species_of
from aenet_py.evaluation.calibrate import calibrate, rank_correlation
from aenet_py.formats import potential_files, tables
from aenet_py.formats.uncertainty import COMMITTEE, FEATURES, LAST_LAYER, Uncertainty
from aenet_py.potentials import uncertainty
from aenet_py.potentials.potential import Potential
from aenet_py.structure import Structure

BLOCK, EVERY = 20, 5  # frames of a block, which are 0.2 ps; one block of EVERY is left out
N_MEMBERS, SEEDS, EPOCHS = 4, (1, 2, 3), 200
DRAWS = 20  # of errors that an estimate would be right about
COLUMNS = (
    "seed", "method", "structures", "atoms", "rmse_eV_per_A", "estimated_eV_per_A", "rank_correlation",
    "largest_possible", *(f"rank_correlation_{symbol}" for symbol in TARGET),
)  # fmt: skip
LOOKS = {"one molecule": (figures.SET_COLORS["test"], -0.15), "six molecules": (figures.SET_COLORS["six"], 0.15)}
ENDS = (0.05, 2.0)  # eV/Å, of the axes of errors
Row = dict[str, Any]


def member(folder: Path, structures: Sequence[Structure], number: int, epochs: int) -> Potential:
    """A potential from random numbers of its own, trained if necessary."""
    place = folder / f"potential-{number}"
    if not (place / "done").exists():
        place.mkdir(exist_ok=True)
        train(
            structures, {symbol: [(15, "tanh")] * 2 for symbol in TARGET}, setups=setups(place, TARGET),
            atomic_energies="fit", repulsion="zbl auto", folder=place, iterations=epochs, batch_size=16, lr=0.003,
            forces_weight=0.3, schedule="cosine", test_percent=10, numpy_seed=number, torch_seed=number,
        )  # fmt: skip
        (place / "done").touch()
    return Potential.load(potential_files.files_of(place))


def judged(
    members: Sequence[Potential], found: Uncertainty, structures: Sequence[Structure]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Species, estimated and true force errors of all atoms, eV/Å."""
    species, estimated, errors = [], [], []
    for structure in structures:
        predicted = [potential.energy_forces(structure) for potential in members]
        forces = np.array([each.forces for each in predicted])
        if found.method == COMMITTEE:
            estimated.append(found.factors[TARGET[0]] * uncertainty.spread(forces.std(axis=0)))
        else:
            types = species_of(members[0].model, structure)
            estimated.append(uncertainty.estimate(members[0], found, types, predicted[0].features))
        species += [structure.symbols[number] for number in structure.species]
        errors.append(np.linalg.norm(forces.mean(axis=0) - structure.forces, axis=1))
    return np.array(species), np.concatenate(estimated), np.concatenate(errors)


def largest_possible(estimated: np.ndarray) -> float:
    """Rank correlation with errors drawn from normal distributions whose widths are exactly the estimates."""
    generator = np.random.default_rng(0)
    draws = [np.sqrt(generator.chisquare(3, len(estimated))) for _ in range(DRAWS)]
    return float(np.mean([rank_correlation(estimated, estimated * draw) for draw in draws]))


def row(seed: int, method: str, name: str, values: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Row:
    species, estimated, errors = values
    found: Row = {
        "seed": seed, "method": method, "structures": name, "atoms": len(errors),
        "rmse_eV_per_A": float(np.sqrt((errors**2).mean())),
        "estimated_eV_per_A": float(np.sqrt((estimated**2).mean())),
        "rank_correlation": rank_correlation(estimated, errors), "largest_possible": largest_possible(estimated),
    }  # fmt: skip
    for symbol in TARGET:
        own = species == symbol
        found[f"rank_correlation_{symbol}"] = rank_correlation(estimated[own], errors[own])
    return found


def draw(folder: Path) -> None:
    """Draw uncertainty.png from uncertainty.csv: rank correlations, and estimated against true errors."""
    rows = training.table(folder / "uncertainty.csv")
    methods = list(dict.fromkeys(each["method"] for each in rows))
    figure, ((ranks, errors),) = figures.panels(1, 2)
    for name, (color, shift) in LOOKS.items():
        for place, method in enumerate(methods):
            some = [each for each in rows if (each["structures"], each["method"]) == (name, method)]
            found, possible, true, estimated = (
                np.array([float(each[column]) for each in some])
                for column in ("rank_correlation", "largest_possible", "rmse_eV_per_A", "estimated_eV_per_A")
            )
            marker = list(MARKERS)[place]
            x = place + shift + 0.06 * (np.arange(len(some)) - (len(some) - 1) / 2)
            ranks.plot(x, found, marker, color=color, markersize=5)
            ranks.plot(x, possible, "_", color=color, markersize=8)
            errors.plot(true, estimated, marker, color=color, markersize=5, label=f"{name}, {method}")
    ranks.set_xticks(range(len(methods)), methods)
    ranks.set(ylabel="rank correlation", ylim=(0, 1), title="dashes: largest possible")
    errors.axline((0.1, 0.1), slope=1, color="0.6", linewidth=0.8, zorder=0)
    for which in ("x", "y"):
        errors.set(**{f"{which}lim": ENDS, f"{which}scale": "log"})
        figures.plain_log_ticks(errors, which)
    errors.set(xlabel="true error, RMS (eV/Å)", ylabel="estimated error, RMS (eV/Å)", aspect="equal")
    handles, _ = errors.get_legend_handles_labels()
    figures.legend_outside(figure, handles, 2)
    figures.save(figure, str(folder / "uncertainty.png"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="reference data (default: beside this script)")
    parser.add_argument("--folder", type=Path, required=True, help="folder for all results")
    parser.add_argument("--quick", action="store_true", help="run a very small study, as a test")
    parser.add_argument("--draw", action="store_true", help=training.DRAW)
    options = parser.parse_args()
    if options.draw:
        draw(options.folder)
        return
    folder, step = options.folder.resolve(), 40 if options.quick else 1
    folder.mkdir(parents=True, exist_ok=True)
    one = read(options.data / "one-water.extxyz.xz", slice(FIRST))
    six = read(options.data / "six-waters.extxyz.xz", slice(JUDGED))
    blocks = np.arange(len(one)) // BLOCK
    left_out = blocks % EVERY == EVERY - 1
    fitted, validation, tested = (
        [one[k] for k in np.flatnonzero(chosen)][::step]
        for chosen in (~left_out, left_out & (blocks % 2 == 0), left_out & (blocks % 2 == 1))
    )
    sets = {"one molecule": tested, "six molecules": six[:: 2 * step]}
    rows: list[Row] = []
    for seed in SEEDS[: 1 if options.quick else None]:
        numbers = range(10 * seed + 1, 10 * seed + 1 + N_MEMBERS)
        committee = [member(folder, fitted, number, 3 if options.quick else EPOCHS) for number in numbers]
        for method in (COMMITTEE, FEATURES, LAST_LAYER):
            members = committee if method == COMMITTEE else committee[:1]
            calibrated = calibrate(members, fitted, validation, method=method)
            for name, structures in sets.items():
                rows.append(row(seed, method, name, judged(members, calibrated.uncertainty, structures)))
    tables.write(str(folder / "uncertainty.csv"), COLUMNS, rows)
    draw(folder)
    names = ("rank_correlation", "largest_possible", "rmse_eV_per_A", "estimated_eV_per_A")
    print(f"| structures | method | {' | '.join(names)} |\n|{' --- |' * (2 + len(names))}")
    for name in sets:
        for method in (COMMITTEE, FEATURES, LAST_LAYER):
            some = [each for each in rows if (each["method"], each["structures"]) == (method, name)]
            cells = [" ".join(f"{each[column]:.2f}" for each in some) for column in names]
            print(f"| {name} | {method} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
