"""What keeps simulations of water on CuAu stable: repulsion, pre-training, replay.

    python docs/study/water.py --folder FOLDER [--data DATA] [--quick] [--draw]

DATA has three files of structures with GFN1-xTB energies and forces: database.extxyz.xz (clusters of six metals with
adsorbates), one-water.extxyz.xz and six-waters.extxyz.xz (trajectories of Cu10Au9).  Potentials for one water molecule
are trained from scratch and by transfer from the database, and simulated with six molecules, at 300 and 500 K with ten
seeds.  Writes water.csv, water-runs.csv and water.png, and prints a table.  Repeating the command resumes.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import training
from training import DATA, FIRST, JUDGED, LAYERS, TARGET, errors, setups

from aenet_py import read, stability, train, transfer
from aenet_py.analysis import figures
from aenet_py.formats import potential_files, tables
from aenet_py.potentials.potential import Potential
from aenet_py.runtime.workers import processors
from aenet_py.structure import Structure
from aenet_py.studies.looks import of_ways
from aenet_py.survival.kaplan_meier import survival
from aenet_py.survival.results import Stability

ALL = (*TARGET, "Ag", "Pd", "Pt", "Ni", "C", "N")
COMMON = {"forces_weight": 0.3, "schedule": "cosine", "test_percent": 15, "torch_seed": 1}
EVERY = 5  # structures of the database, of which the last one is never trained on
REFERENCE = 10  # frames of six molecules between those whose errors are computed
WAYS: dict[str, dict[str, Any] | None] = {  # arguments of transfer; None: from scratch
    "scratch": None, "scratch, repulsion": None, "transfer": {"freeze": 0}, "transfer, frozen": {"freeze": 1},
    "transfer, anchor": {"freeze": 0, "anchor": 1e-3}, "transfer, replay": {"freeze": 0, "share": 0.3},
}  # fmt: skip
RUN_COLUMNS = ("way", "temperature_K", "seed", "stable_ps", "finished")
SIMULATED = ("scratch", "scratch, repulsion", "transfer", "transfer, replay")


@dataclass(frozen=True)
class Size:
    """Size of the study; every : of the structures is used; time : of the simulations, ps."""

    every: int = 1
    epochs: int = 200
    seeds: int = 10
    time: float = 10.0
    temperatures: tuple[float, ...] = (300.0, 500.0)


QUICK = Size(every=40, epochs=3, seeds=2, time=0.01, temperatures=(300.0,))


def trained(folder: Path) -> Potential | None:
    """The potentials of a training that has ended."""
    if not (folder / "done").exists():
        return None
    return Potential.load(potential_files.files_of(folder))


def with_potentials(folder: Path, size: Size, data: dict[str, list[Structure]], way: str) -> Potential:
    """The potentials of a way, trained if necessary."""
    place, known = folder / way.replace(", ", "-"), trained(folder / way.replace(", ", "-"))
    if known is not None:
        return known
    species = TARGET if WAYS.get(way, {}) is None else ALL
    given: dict[str, Any] = {
        "setups": setups(place, species), "folder": place, "iterations": size.epochs, "batch_size": 16, **COMMON,
    }  # fmt: skip
    networks = dict.fromkeys(species, LAYERS)
    more = WAYS.get(way)
    if more is None:
        structures = data["database" if way == "database" else "one"]
        repulsion = None if way == "scratch" else "zbl auto"
        train(structures, networks, atomic_energies="fit", repulsion=repulsion, lr=0.003, **given)
    else:
        source = with_potentials(folder, size, data, "database")
        assert source.repulsion is not None
        energies = dict(zip(source.types, source.model.atomic_energies, strict=True))
        replay = data["database"] if "share" in more else None
        transfer(
            data["one"], folder / "database", networks, energy="source", replay=replay, atomic_energies=energies,
            repulsion=" ".join(source.repulsion.words), lr=0.001, **more, **given,
        )  # fmt: skip
    (place / "done").touch()
    found = trained(place)
    assert found is not None
    return found


def row(way: str, potential: Potential, data: dict[str, list[Structure]], found: Stability | None) -> dict[str, Any]:
    """A row of the table: errors, dimers and survival; empty where there is none."""
    known = set(potential.types)
    names = ("tested", "six") if known == set(ALL) else ("six",)
    of = {name: errors(potential, data[name], name == "six") for name in names}
    values: dict[str, Any] = {"way": way}
    for name, title in (("tested", "database"), ("six", "six molecules")):
        energy, force = of.get(name, ("", ""))
        values |= {f"{title}, meV/atom": energy, f"{title}, meV/Å": force}
    for condition in [] if found is None else found.conditions:
        kelvin = f"{condition.temperature:g} K"
        values[f"{kelvin}, to the end"] = f"{condition.n_finished} of {len(condition.runs)}"
        values[f"{kelvin}, median ps"] = condition.survival.median[0]
    if found is not None:
        repulsive = sum(dimer.attractive is None for dimer in found.dimers)
        values["repulsive dimers"] = f"{repulsive} of {len(found.dimers)}"
    return values


def runs(way: str, found: Stability) -> list[dict[str, Any]]:
    """A row for each simulation."""
    return [
        dict(zip(RUN_COLUMNS, (way, each.temperature, seed, run.time, int(run.finished)), strict=True))
        for each in found.conditions
        for seed, run in enumerate(each.runs, 1)
    ]


def draw(folder: Path) -> None:
    """Draw water.png from water-runs.csv: survival curves of all ways, a panel for each temperature."""
    rows = training.table(folder / "water-runs.csv")
    ways = of_ways([row["way"] for row in rows])
    temperatures = list(dict.fromkeys(row["temperature_K"] for row in rows))
    end = max(float(row["stable_ps"]) for row in rows)
    figure, axes = figures.panels(1, len(temperatures))
    for axis, kelvin in zip(axes[0], temperatures, strict=True):
        for way, look in ways.items():
            some = [row for row in rows if (row["way"], row["temperature_K"]) == (way, kelvin)]
            failed = np.array([row["finished"] == "0" for row in some])
            curve = survival(np.array([float(row["stable_ps"]) for row in some]), failed)
            times, values = np.append(curve.times, end), np.append(curve.probability, curve.probability[-1])
            axis.step(times, values, where="post", color=look.color, linestyle=look.line, label=way)
        title = f"{float(kelvin):g} K"
        axis.set(xlabel="time (ps)", ylabel="share of stable runs", title=title, ylim=(-0.02, 1.05))
    handles, _ = axes[0, 0].get_legend_handles_labels()
    figures.legend_outside(figure, handles, len(handles))
    figures.save(figure, str(folder / "water.png"))


def shown(value: object) -> str:
    if isinstance(value, float):
        return "> the end" if value == float("inf") else f"{value:.3g}"
    return str(value)


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
    folder, size = options.folder.resolve(), QUICK if options.quick else Size()
    folder.mkdir(parents=True, exist_ok=True)
    database, one, six = (
        read(options.data / f"{name}.extxyz.xz", slice(None)) for name in ("database", "one-water", "six-waters")
    )
    tested = np.arange(len(database)) % EVERY == EVERY - 1
    data = {
        "database": [each for each, test in zip(database, tested.tolist(), strict=True) if not test][:: size.every],
        "tested": [each for each, test in zip(database, tested.tolist(), strict=True) if test][:: size.every],
        "one": one[: FIRST : size.every], "six": six[: JUDGED : REFERENCE * (1 if size.every == 1 else 10)],
    }  # fmt: skip
    rows, studies = [row("database", with_potentials(folder, size, data, "database"), data, None)], {}
    for way in WAYS:
        potential = with_potentials(folder, size, data, way)
        if way in SIMULATED:
            studies[way] = stability(
                potential, six[0], temperatures=size.temperatures, seeds=size.seeds, time=size.time, nve=0,
                output=folder / f"stability-{way.replace(', ', '-')}", n_processes=processors(),
            )  # fmt: skip
        rows.append(row(way, potential, data, studies.get(way)))
    columns = list(dict.fromkeys(name for each in rows for name in each))
    complete = [{name: each.get(name, "") for name in columns} for each in rows]
    tables.write(str(folder / "water.csv"), columns, complete)
    simulated = [row for way, found in studies.items() for row in runs(way, found)]
    tables.write(str(folder / "water-runs.csv"), RUN_COLUMNS, simulated)
    draw(folder)
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")
    for each in complete:
        print(f"| {' | '.join(shown(value) for value in each.values())} |")


if __name__ == "__main__":
    main()
