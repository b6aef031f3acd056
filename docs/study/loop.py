"""How few labels a potential needs that chooses them itself: water on CuAu, with GFN1-xTB.

    python docs/study/loop.py --folder FOLDER [--results FOLDER] [--data DATA] [--quick] [--draw]

DATA has two trajectories of Cu10Au9 with GFN1-xTB energies and forces: one-water.extxyz.xz and six-waters.extxyz.xz.
aenet-py learn starts from the first frame with six molecules and labels with tblite what it is uncertain of, for five
seeds.  Each generation is judged by the rest of that trajectory, which it does not see, and so is a committee trained
on 574 frames of the trajectory with one molecule.  Writes loop.csv and loop.png, and prints a table.  With --results,
the last committees are judged and simulated as the potentials of paper.py, and get rows in its tables.  Repeating the
command resumes.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paper
import steps
import training
from results import Results, Rows, Task, compute
from training import DATA, JUDGED

from aenet_py import evaluate, init, read, stability, train
from aenet_py.active import places
from aenet_py.active.learn import learn
from aenet_py.analysis import figures
from aenet_py.analysis.pages import DASHES, MARKERS
from aenet_py.evaluation.calibrate import rank_correlation
from aenet_py.formats import committee, extxyz, tables
from aenet_py.inputs.learn import Explore, First, Labelling, LearnInput, Pick, Stop
from aenet_py.runtime.workers import processors
from aenet_py.structure import Structure

CALCULATOR = "tblite:method=GFN1-xTB,electronic_temperature=600"
MEMBERS = 4
COLUMNS = ("seed", "labels", "energy, meV/atom", "force, meV/Å", "rank correlation", "stable, ps")
DRAWN = {  # columns of the figure, and labels of their axes
    "force, meV/Å": "force component RMSE (meV/Å)", "energy, meV/atom": "energy RMSE (meV/atom)",
    "rank correlation": "rank correlation",
}  # fmt: skip
EVERY = 3  # frames of six molecules between those that judge


@dataclass(frozen=True)
class Size:
    """Size of the study: seeds, settings of `learn`, time of the last simulations (ps), frames to judge by."""

    seeds: int
    reference: int
    judged: int
    time: float
    first: First
    explore: Explore
    pick: Pick
    stop: Stop


FULL = Size(
    seeds=5, reference=574, judged=101, time=10.0, first=First(20, 0.08), pick=Pick(20),
    explore=Explore((300.0, 500.0), seeds=2, time=2.0), stop=Stop(generations=9, labels=200),
)  # fmt: skip
QUICK = Size(
    seeds=1, reference=30, judged=3, time=0.01, first=First(12, 0.08), pick=Pick(4, 0.05),
    explore=Explore((300.0,), 1, 0.02, every=4), stop=Stop(1, 20),
)  # fmt: skip


def with_one_molecule(folder: Path, structures: Sequence[Structure]) -> str:
    """Folder of a committee trained on the trajectory with one molecule, as by aenet-py init."""
    place = folder / "one-molecule"
    if not (place / "train.in").exists():
        init(structures, place)
    deck = place / "train-committee.in"
    deck.write_text(f"COMMITTEE {MEMBERS}\n{(place / 'train.in').read_text()}")
    if not (place / committee.NAME).exists():
        train(deck, folder=place)
    return str(place)


def judged(potentials: str, structures: Sequence[Structure]) -> dict[str, float]:
    """Errors of a committee, and the rank correlation of the spread of each atom's force with its error."""
    found = evaluate(potentials, list(structures)).structures
    energies = np.array([each.energy_error for each in found])
    errors = np.concatenate([each.force_errors for each in found])
    spreads = np.concatenate([each.forces_std for each in found])
    lengths = (np.linalg.norm(spreads, axis=1), np.linalg.norm(errors, axis=1))
    return {
        "energy, meV/atom": 1e3 * float(np.std(energies)),  # up to a constant, which one composition does not tell
        "force, meV/Å": 1e3 * float(np.sqrt(np.mean(errors**2))),
        "rank correlation": rank_correlation(*lengths),
    }


def loop(
    folder: Path, size: Size, start: Path, structures: Sequence[Structure], seed: int
) -> tuple[list[dict[str, Any]], str]:
    """A loop with a seed: a row for each generation, the last with the time of a simulation; its last potentials."""
    wanted = LearnInput(
        "loop.py", CALCULATOR, (str(start),), folder=str(folder / f"seed-{seed}"), members=MEMBERS, seed=seed,
        first=size.first, explore=size.explore, pick=size.pick, label=Labelling(processors()), stop=size.stop,
    )  # fmt: skip
    rows = []
    for record in learn(wanted).records:
        potentials = str(Path(places.generation(wanted.folder, record.generation), places.TRAINING))
        rows.append({"seed": seed, "labels": record.n_trained, **judged(potentials, structures)})
    simulated = stability(
        potentials, str(start), temperatures=[300.0], seeds=1, time=size.time, nve=0.0,
        output=folder / f"seed-{seed}-simulation",
    )  # fmt: skip
    rows[-1]["stable, ps"] = simulated.conditions[0].runs[0].time
    return rows, potentials


def compared(study: steps.Places, potentials: str, labels: int, key: Mapping[str, Any]) -> Rows:
    """Rows of a committee in the tables of paper.py."""
    row = {**key, "structures": labels, **steps.judged(potentials, steps.judging(study))}
    place = study.prepared(f"{key['way']} {key['seed']} simulation")
    return {"finetuning": [row], **steps.simulation(study, potentials, place, key)}


def draw(folder: Path) -> None:
    """Draw loop.png from loop.csv: errors against the number of labels, a line for each seed."""
    reference, *rows = training.table(folder / "loop.csv")
    figure, axes = figures.panels(1, 3)
    looks = list(zip(itertools.cycle(DASHES), MARKERS, strict=False))
    for axis, (column, label) in zip(axes[0], DRAWN.items(), strict=True):
        seeds = dict.fromkeys(row["seed"] for row in rows)
        for seed, (line, marker) in zip(seeds, itertools.cycle(looks), strict=False):
            own = [row for row in rows if row["seed"] == seed]
            x, y = ([float(row[name]) for row in own] for name in ("labels", column))
            style = {"color": figures.SET_COLORS["six"], "linestyle": line, "marker": marker, "markersize": 4}
            axis.plot(x, y, linewidth=1, label=f"learn, seed {seed}", **style)
        judged_by = f"{reference['labels']} frames with one molecule"
        axis.axhline(float(reference[column]), color="0.5", linestyle=":", label=judged_by)
        axis.set(xlabel="labelled structures", ylabel=label)
        figures.values_run(axis, [float(row["labels"]) for row in rows])
        figures.from_zero(axis)
    handles, _ = axes[0, 0].get_legend_handles_labels()
    figures.legend_outside(figure, handles, len(handles))
    figures.save(figure, str(folder / "loop.png"))


def summary(rows: Sequence[dict[str, Any]]) -> str:
    """The last generation of each seed, and the committee of one molecule, in Markdown."""
    lines = [f"| {' | '.join(COLUMNS)} |", f"|{' --- |' * len(COLUMNS)}"]
    for row in {row["seed"]: row for row in rows}.values():
        values = [f"{row[name]:.3g}" if name in row else "" for name in COLUMNS[1:]]
        lines.append(f"| {row['seed']} | {' | '.join(values)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="reference data (default: beside this script)")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--results", type=Path, help="tables of paper.py, which get rows")
    parser.add_argument("--quick", action="store_true", help="a test run")
    parser.add_argument("--draw", action="store_true", help=training.DRAW)
    options = parser.parse_args()
    if options.draw:
        draw(options.folder)
        return
    size, folder = (QUICK if options.quick else FULL), options.folder
    study = steps.Places(options.data, folder, paper.QUICK if options.quick else paper.FULL)
    folder.mkdir(parents=True, exist_ok=True)
    one, six = (read(options.data / f"{name}.extxyz.xz") for name in ("one-water", "six-waters"))
    start = folder / "start.extxyz"
    start.write_bytes(extxyz.text(six[0]))
    tested = six[1:JUDGED:EVERY][: size.judged]
    errors = judged(with_one_molecule(folder, one[: size.reference]), tested)
    reference = {"seed": "one molecule", "labels": size.reference, **errors}
    rows: list[dict[str, Any]] = []
    results = None if options.results is None else Results(options.results)
    for seed in range(size.seeds):
        found, potentials = loop(folder, size, start, tested, seed)
        rows += found
        tables.write(str(folder / "loop.csv"), COLUMNS, [reference, *rows])
        draw(folder)
        if results is not None:
            key = {"set": f"{size.stop.labels} chosen", "way": "learn", "seed": seed + 1}
            task = Task("finetuning", key, compared, (potentials, found[-1]["labels"]))
            compute(results.missing([task]), study, results, 1)
    print(summary([reference, *rows]))


if __name__ == "__main__":
    main()
