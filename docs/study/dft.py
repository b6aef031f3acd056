"""Transfer learning with public DFT data: from one functional to another, and from its parts to an interface.

    python docs/study/dft.py --data DATA --folder FOLDER [--quick]
    python docs/study/dft.py --folder FOLDER --draw

DATA holds clones of three repositories of GitHub: Open-Catalyst-Project/tutorial (energies of five oxides with four
functionals), atomisticnet/aenet-gpr (ethylene carbonate, EC, and lithium with EC; energies and forces) and
materialsvirtuallab/mlearn (lithium).  Potentials for LDA start from PBE, those for lithium with EC from EC and lithium;
they are compared with training from scratch on the same structures, for several sizes and seeds.
Writes dft.csv and dft.png, and prints tables with paired t-tests.  Repeating the command resumes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import training
from scipy.stats import ttest_rel
from training import LAYERS, Basis, setups

from aenet_py import evaluate, read, train, transfer
from aenet_py.analysis import figures
from aenet_py.formats import tables
from aenet_py.potentials.potential import Potential
from aenet_py.structure import Structure
from aenet_py.studies.looks import of_ways

OXIDES = Path("tutorial", "ocp-tutorial", "fine-tuning", "supporting-information.json")
GPR, LITHIUM = Path("aenet-gpr", "example"), Path("mlearn", "data", "Li")
EVERY = 5  # of the volumes of an equation of state, every EVERY-th one is only tested
SCRATCH, SHIFTED = "scratch", ", shifted"  # the latter, after the name of the source: only its energies are shifted
BATCH = 8
BASIS = Basis(6.0, 12, 4.0, 4)
ENERGY, FORCE = "energy, meV/atom", "force, meV/Å"
ROOM = 1.65  # end of the vertical axis in units of the largest value, for the legend
LABELS = {ENERGY: "energy RMSE (meV/atom)", FORCE: "force component RMSE (meV/Å)"}
QUANTITIES = {ENERGY: "energy_eV_per_atom", FORCE: "force_eV_per_A"}
COLUMNS = ("target", "structures", "way", "seed", "test", ENERGY, FORCE)
Row = dict[str, Any]
Entries = dict[tuple[str, str, int], Structure]  # by oxide, polymorph and number


@dataclass(frozen=True)
class Size:
    """Size of the study.

    oxides, interface : sizes of the training sets; tested : structures of the interface that are only tested; every :
    of the structures of EC and of lithium one is used; steps : of each training, about.
    """

    seeds: int = 5
    oxides: tuple[int, ...] = (10, 30, 100, 190)
    interface: tuple[int, ...] = (10, 100, 300)
    tested: int = 100
    every: int = 2
    steps: int = 1000


QUICK = Size(seeds=2, oxides=(10,), interface=(10,), tested=2, every=1, steps=6)


@dataclass(frozen=True)
class Target:
    """What a potential is trained for, with one seed.

    forces_weight : None without forces; steps : of a training, about; rates : of learning, from scratch and after a
    transfer; sizes : numbers of structures to train on; source : structures of the potentials that a transfer starts
    from, and source_name : what they are; pool : structures to train on, the first ones of which make the smaller sets;
    tests : structures that are in neither the source nor the pool.
    """

    name: str
    species: tuple[str, ...]
    forces_weight: float | None
    steps: int
    rates: tuple[float, float]
    sizes: tuple[int, ...]
    source_name: str
    source: list[Structure]
    pool: list[Structure]
    tests: dict[str, list[Structure]]

    @property
    def ways(self) -> list[str]:
        """Names of the ways to potentials: from scratch, and from the source, without and with training."""
        return [SCRATCH, self.source_name + SHIFTED, self.source_name]

    @property
    def errors(self) -> list[str]:
        """Names of the errors that are measured: of energies, and of forces if they are trained on."""
        return [ENERGY] if self.forces_weight is None else [ENERGY, FORCE]


def calculation(symbols: Sequence[str], positions: object, cell: object, energy: float, forces: object) -> Structure:
    """A periodic structure; symbols : of each atom."""
    known = tuple(dict.fromkeys(symbols))
    species = np.array([known.index(symbol) for symbol in symbols])
    return Structure(
        "structure", known, species, np.array(positions), np.array(cell), (True,) * 3, energy, np.array(forces)
    )


def oxides(path: Path) -> dict[str, Entries]:
    """The equations of state of each functional."""
    found: dict[str, Entries] = {}
    for oxide, polymorphs in json.loads(path.read_text()).items():
        for polymorph, functionals in polymorphs.items():
            for functional, kinds in functionals.items():
                for number, each in enumerate(kinds["EOS"]["calculations"]):
                    atoms, data = each["atoms"], each["data"]
                    found.setdefault(functional, {})[oxide, polymorph, number] = calculation(
                        atoms["symbols"], atoms["positions"], atoms["cell"], data["total_energy"], data["forces"]
                    )
    return found


def lithium(path: Path) -> list[Structure]:
    """Structures of lithium from a file of mlearn."""
    structures = []
    for each in json.loads(path.read_text()):
        sites, outputs = each["structure"]["sites"], each["outputs"]
        symbols, positions = [site["label"] for site in sites], [site["xyz"] for site in sites]
        cell = each["structure"]["lattice"]["matrix"]
        structures.append(calculation(symbols, positions, cell, outputs["energy"], outputs["forces"]))
    return structures


def unpacked(folder: Path, archives: Sequence[Path]) -> list[Structure]:
    """The structures of zipped XSF files, unpacked into a folder."""
    for number, path in enumerate(archives):
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".xsf") and "__MACOSX" not in name]
            archive.extractall(folder / str(number), names)
    return read(folder)


def in_turn(entries: Entries, generator: np.random.Generator) -> list[Structure]:
    """Structures in random order, one oxide after the other, so that any number of the first has all alike."""
    of: dict[str, list[Structure]] = {}
    keys = sorted(entries)
    for k in generator.permutation(len(keys)):
        of.setdefault(keys[k][0], []).append(entries[keys[k]])
    rounds = itertools.zip_longest(*(of[oxide] for oxide in sorted(of)))
    return [structure for each in rounds for structure in each if structure is not None]


def of_functional(known: dict[str, Entries], size: Size, seed: int) -> Target:
    """Oxides with LDA as the target and PBE as the source.

    A polymorph of each oxide is tested, and every fifth volume of the others.
    """
    names = {key[:2] for key in known["PBE"]}
    oxides_known, polymorphs = (sorted({name[position] for name in names}) for position in (0, 1))
    left_out = {(oxide, polymorphs[(k + seed) % len(polymorphs)]) for k, oxide in enumerate(oxides_known)}
    others = [key for key in known["PBE"] if key[:2] not in left_out]
    tested = {key for key in others if key[2] % EVERY == seed % EVERY}
    kept = [key for key in others if key not in tested]
    target = known["LDA"]
    return Target(
        "LDA", ("Sn", "Ir", "Ru", "Ti", "V", "O"), None, size.steps, (0.003, 0.001), size.oxides,
        "PBE", [known["PBE"][key] for key in kept],
        in_turn({key: target[key] for key in kept}, np.random.default_rng(seed)),
        {
            "other volumes": [target[key] for key in sorted(tested)],
            "other polymorphs": [target[key] for key in target if key[:2] in left_out],
        },
    )  # fmt: skip


def of_interface(
    ec: Sequence[Structure], metal: Sequence[Structure], both: Sequence[Structure], size: Size, seed: int
) -> Target:
    """Lithium with EC as the target; some of its structures, drawn at random, are tested."""
    generator = np.random.default_rng(seed)
    order = [both[k] for k in generator.permutation(len(both))]
    source = [
        known[k] for known in (ec, metal)
        for k in generator.permutation(len(known))[: math.ceil(len(known) / size.every)]
    ]  # fmt: skip
    return Target(
        "Li with EC", ("Li", "O", "C", "H"), 0.3, size.steps, (0.01, 0.003), size.interface,
        "EC, Li", source, order[size.tested :], {"other structures": order[: size.tested]},
    )  # fmt: skip


def fitted(
    place: Path, target: Target, structures: Sequence[Structure], seed: int, source: Path | None, shift: bool
) -> None:
    """Train in a new folder, from scratch or from a source; shift : only shift the energies of the source."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    present = {symbol for structure in structures for symbol in structure.symbols}
    species = [symbol for symbol in target.species if symbol in present]
    networks = dict.fromkeys(species, LAYERS)
    epochs = 0 if shift else math.ceil(target.steps / math.ceil(len(structures) / BATCH))
    given: dict[str, Any] = {
        "setups": setups(place, species, BASIS, target.species), "folder": place, "iterations": epochs,
        "batch_size": BATCH, "test_percent": 0, "schedule": "cosine", "forces_weight": target.forces_weight,
        "numpy_seed": seed, "torch_seed": seed,
    }  # fmt: skip
    if source is None:
        train(structures, networks, lr=target.rates[0], atomic_energies="fit", **given)
    else:
        potential = Potential.load(source)
        energies = dict(zip(potential.types, potential.model.atomic_energies, strict=True))
        transfer(
            structures, source, networks, freeze=0, lr=target.rates[1], atomic_energies=energies, **given
        )  # fmt: skip


def source_of(folder: Path, target: Target, seed: int) -> Path:
    """Folder of the potentials of the source, trained if necessary."""
    place = folder / f"{target.source_name}-{seed}".replace(", ", "-")
    if not (place / "done").exists():
        fitted(place, target, target.source, seed, None, False)
        (place / "done").touch()
    return place


def rows_of(folder: Path, target: Target, way: str, n: int, seed: int) -> list[Row]:
    """Errors for each test set after a training on the first n structures of the target, done if necessary."""
    place = folder / f"{target.name}-{way}-{n}-{seed}".replace(", ", "-").replace(" ", "-")
    if not (place / "errors.csv").exists():
        source = None if way == SCRATCH else source_of(folder, target, seed)
        fitted(place, target, target.pool[:n], seed, source, way.endswith(SHIFTED))
        rows: list[Row] = []
        for test, structures in target.tests.items():
            found = evaluate(place, structures).errors()
            values = {error: 1e3 * found[QUANTITIES[error], "test", "all"].rmse for error in target.errors}
            rows.append({"target": target.name, "structures": n, "way": way, "seed": seed, "test": test, **values})
        tables.write(str(place / "errors.csv"), COLUMNS, rows)
    return training.table(place / "errors.csv")


def values_of(rows: Sequence[Row], target: str, test: str, way: str, n: int, error: str) -> np.ndarray:
    """An error for each seed."""
    wanted = {"target": target, "test": test, "way": way, "structures": str(n)}
    return np.array([float(row[error]) for row in rows if wanted.items() <= row.items()])


def measured(targets: Sequence[Target]) -> list[tuple[Target, str, str]]:
    """The target, test set and error of each panel and each part of the tables."""
    return [(target, test, error) for target in targets for test in target.tests for error in target.errors]


def draw(folder: Path) -> None:
    """Draw dft.png from dft.csv: errors against the number of structures, means and deviations over the seeds."""
    rows = training.table(folder / "dft.csv")
    parts = dict.fromkeys((row["target"], row["test"], error) for row in rows for error in LABELS if row[error])
    figure, axes = figures.panels(2, math.ceil(len(parts) / 2))
    for axis, (target, test, error) in zip(axes.T.ravel(), parts, strict=True):
        own = [row for row in rows if row["target"] == target]
        sizes = sorted({int(row["structures"]) for row in own})
        ways = of_ways(sorted({row["way"] for row in own}, key=lambda way: (way != SCRATCH, way)))
        for way, look in ways.items():
            values = [values_of(rows, target, test, way, n, error) for n in sizes]
            middle, spread = np.mean(values, axis=1), np.std(values, axis=1, ddof=1)
            style = {"color": look.color, "linestyle": look.line, "marker": look.marker, "markersize": 4}
            axis.errorbar(sizes, middle, spread, capsize=3, linewidth=1, label=way, **style)
        axis.set(xlabel="structures", ylabel=LABELS[error], title=f"{target}: {test}")
        figures.values_run(axis, sizes, logarithmic=True)
        axis.set_ylim(0, ROOM * axis.dataLim.y1)
        axis.legend(loc="upper right")
    figures.save(figure, str(folder / "dft.png"))


def table(rows: Sequence[Row], target: Target, test: str, error: str) -> str:
    """Means and standard deviations over the seeds, and p of paired t-tests against training from scratch."""
    scratch, *others = target.ways
    lines = [f"{target.name}, {test}: {error}", ""]
    lines += [f"| structures | {scratch} | {' | '.join(f'{way} | p' for way in others)} |"]
    lines += ["| --- " * (2 + 2 * len(others)) + "|"]
    for n in target.sizes:
        of = {way: values_of(rows, target.name, test, way, n, error) for way in target.ways}
        shown = {way: f"{values.mean():.3g} ± {values.std(ddof=1):.2g}" for way, values in of.items()}
        cells = [f"{shown[way]} | {ttest_rel(of[scratch], of[way]).pvalue:.2g}" for way in others]
        lines.append(f"| {n} | {shown[scratch]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with clones of the three repositories")
    parser.add_argument("--folder", type=Path, required=True, help="folder for all results")
    parser.add_argument("--quick", action="store_true", help="run a very small study, as a test")
    parser.add_argument("--draw", action="store_true", help=training.DRAW)
    options = parser.parse_args()
    if options.draw:
        draw(options.folder)
        return
    if options.data is None:
        parser.error("--data is required without --draw")
    folder, size = options.folder.resolve(), QUICK if options.quick else Size()
    folder.mkdir(parents=True, exist_ok=True)
    known = oxides(options.data / OXIDES)
    ec, both = (
        unpacked(folder / name, [options.data / GPR / name / f"{part}_set.zip" for part in ("train", "test")])
        for name in ("2_EC-EC", "3_Li-EC")
    )
    metal = [each for part in ("training", "test") for each in lithium(options.data / LITHIUM / f"{part}.json")]
    rows: list[Row] = []
    for seed in range(1, size.seeds + 1):
        targets = [of_functional(known, size, seed), of_interface(ec, metal, both, size, seed)]
        for target in targets:
            for n, way in itertools.product(target.sizes, target.ways):
                rows += rows_of(folder, target, way, n, seed)
    tables.write(str(folder / "dft.csv"), COLUMNS, rows)
    draw(folder)
    print("\n\n".join(table(rows, *part) for part in measured(targets)))


if __name__ == "__main__":
    main()
