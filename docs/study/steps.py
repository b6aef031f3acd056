"""Steps of paper.py: each computes rows of tables, from structures or from potentials of steps before."""

from __future__ import annotations

import itertools
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from results import Row, Rows
from training import FIRST, FRAME, JUDGED, LAYERS, TARGET, Basis, errors, setups

from aenet_py import read, select, simulate, train, transfer
from aenet_py.analysis import trajectory
from aenet_py.formats import extxyz
from aenet_py.potentials.members import Potentials
from aenet_py.potentials.potential import Potential
from aenet_py.structure import Structure
from aenet_py.training.train import TrainingResult

T = TypeVar("T")
ALL = (*TARGET, "Ag", "Pd", "Pt", "Ni", "C", "N")
SUBSETS: dict[str, dict[str, str]] = {"random": {}, "any": {"any_of": "Cu,Au"}, "both": {"all_of": "Cu,Au"}}
TESTED_EVERY = 5  # clusters of the database, of which the last one is never trained on
PAIRS = (("Au", "O"), ("Cu", "O"), ("O", "H"))
REFERENCE = "GFN1-xTB"
POTENTIALS = "potentials.json"  # files of a potential by species
FRAMES = 200  # steps of simulations between frames
EQUILIBRATION = 1.0  # ps at the start of simulations that are left out of averages
COMMON: dict[str, Any] = {"forces_weight": 0.3, "test_percent": 10, "save_forces": True}


@dataclass(frozen=True)
class Way:
    """How a potential is made: from which subset's potential, with repulsion, with its structures replayed.

    frozen : layers that are not trained; simulated : whether it simulates six molecules.
    """

    source: str | None = None
    repulsion: bool = False
    replay: bool = False
    frozen: int = 0
    simulated: bool = True


WAYS = {
    "scratch": Way(), "random": Way("random"), "any": Way("any"), "both": Way("both"),
    "scratch, repulsion": Way(repulsion=True), "random, repulsion": Way("random", True),
    "random, repulsion, replay": Way("random", True, True), "random, frozen": Way("random", frozen=1, simulated=False),
}  # fmt: skip


@dataclass(frozen=True)
class Screening:
    """What is compared: descriptors; optimizers with all rates and weight decays; weights of forces."""

    bases: Sequence[Basis] = (
        Basis(6, 11, 4, 5), Basis(8, 11, 5, 5), Basis(10, 11, 5, 5), Basis(8, 15, 5, 5), Basis(8, 15, 6.5, 5),
        Basis(8, 15, 8, 5), Basis(14, 15, 5, 5), Basis(8, 15, 5, 9), Basis(8, 20, 5, 12),
    )  # fmt: skip
    optimizers: Sequence[str] = ("adadelta", "adagrad", "adam", "adamw", "adamax")
    rates: Sequence[float] = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
    decays: Sequence[float] = (0.0, 1e-4, 1e-2)
    alphas: Sequence[float] = (0.1, 0.3, 0.5, 0.7)
    structures: int = 400
    seeds: int = 2  # but for optimizers


@dataclass(frozen=True)
class Size:
    """Size of the study.

    subset : largest number of structures of a subset.
    sets : structures that are fine-tuned on, by name; those of which potentials are simulated.
    epochs : of screening, pre-training and fine-tuning.
    least : sets of fewer structures are trained on as often.
    large : epochs, and structures in a batch, for sets of more, so that they take about as many steps.
    large_ways : of these sets.
    ps : of simulations; every : of the structures of reference is judged by.
    """

    sets: Mapping[str, int]
    simulated: Sequence[str]
    subset: int = 2000
    seeds: int = 5
    screening: Screening = Screening()
    epochs: tuple[int, int, int] = (60, 300, 200)
    least: int = 574
    large: tuple[int, int] = (30, 32)
    ps: float = 250.0
    every: int = 10
    ways: Sequence[str] = tuple(WAYS)
    large_ways: Sequence[str] = ("scratch", "random", "any", "both")


@dataclass(frozen=True)
class Places:
    """Folders of the study."""

    data: Path
    work: Path
    size: Size

    def folder(self, name: str) -> Path:
        return self.work / name.replace(", ", "-").replace(" ", "-")

    def prepared(self, name: str) -> Path:
        """An empty folder for a training."""
        place = self.folder(name)
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        return place


@lru_cache
def structures(path: Path) -> list[Structure]:
    return read(path, slice(None))


@lru_cache
def atomic_energies(data: Path) -> dict[str, float]:
    """Energies of the free atoms, eV."""
    return {each.symbols[0]: each.energy for each in structures(data / "atoms.extxyz") if each.energy is not None}


def spread(whole: Sequence[T], n: int) -> list[T]:
    """At most n of the items, evenly."""
    return [whole[index] for index in np.unique(np.linspace(0, len(whole) - 1, n).astype(int)).tolist()]


def split(places: Places) -> None:
    """Write the part of the database that is trained on, and the rest."""
    database = structures(places.data / "database.extxyz.xz")
    tested = [index % TESTED_EVERY == TESTED_EVERY - 1 for index in range(len(database))]
    for name, wanted in (("database", False), ("tested", True)):
        chosen = [each for each, test in zip(database, tested, strict=True) if test is wanted]
        (places.work / f"{name}.extxyz").write_bytes(b"".join(extxyz.text(each) for each in chosen))


def subset(places: Places, key: Mapping[str, Any]) -> Rows:
    """Select a subset of the database."""
    name = str(key["subset"])
    path = places.work / f"{name}.extxyz"
    if not path.exists():
        select(places.work / "database.extxyz", path, n=places.size.subset, seed=1, figures=False, **SUBSETS[name])
    found = structures(path)
    species = sorted({symbol for each in found for symbol in each.symbols})
    row: Row = {"subset": name, "structures": len(found), "species": " ".join(species)}
    for column, metals in (("with_Cu", {"Cu"}), ("with_Au", {"Au"}), ("with_both", {"Cu", "Au"})):
        row[column] = sum(metals <= set(each.symbols) for each in found)
    return {"subsets": [row]}


def examples(places: Places, path: Path) -> None:
    """Write a structure of each kind, with a title."""
    kinds = [(f"Database, subset {name}", places.work / f"{name}.extxyz") for name in SUBSETS]
    kinds += [
        ("One molecule", places.data / "one-water.extxyz.xz"),
        ("Six molecules", places.data / "six-waters.extxyz.xz"),
    ]
    path.write_bytes(b"".join(extxyz.text(structures(source)[0], {"title": title}) for title, source in kinds))


def screening(places: Places, basis: Basis, settings: Mapping[str, Any], key: Mapping[str, Any]) -> Rows:
    """Train on a part of the random subset with a descriptor and settings, and test on the rest of the database."""
    size, seed = places.size, int(key["seed"])
    place = places.prepared("screening " + " ".join(str(value) for value in key.values()))
    began = time.perf_counter()
    chosen = spread(structures(places.work / "random.extxyz"), size.screening.structures)
    result = train(
        chosen, dict.fromkeys(ALL, LAYERS), setups=setups(place, ALL, basis), folder=place, batch_size=32,
        atomic_energies=atomic_energies(places.data), iterations=size.epochs[0], numpy_seed=seed, torch_seed=seed,
        **(COMMON | settings),
    )  # fmt: skip
    energy, force = errors(result.potential(), structures(places.work / "tested.extxyz")[:: size.every], False)
    row = dict(key) | {"energy_meV_per_atom": energy, "force_meV_per_A": force}
    shutil.rmtree(place)
    return {"screening": [row | {"seconds": time.perf_counter() - began}]}


def source_of(places: Places, name: str, repulsion: bool) -> Path:
    """Folder of the potential of a subset."""
    return places.work / f"source-{name}{'-repulsion' * repulsion}"


def is_trained(places: Places, name: str, repulsion: bool) -> bool:
    return (source_of(places, name, repulsion) / "done").exists()


def pretraining(places: Places, name: str, repulsion: bool, key: Mapping[str, Any]) -> Rows:
    """Train on a subset, and apply the potential to CuAu with water."""
    place, began = places.prepared(source_of(places, name, repulsion).name), time.perf_counter()
    chosen = structures(places.work / f"{name}.extxyz")
    result = train(
        chosen, dict.fromkeys(ALL, LAYERS), setups=setups(place, ALL), folder=place, batch_size=64, lr=0.003,
        atomic_energies=atomic_energies(places.data), iterations=places.size.epochs[1], schedule="cosine", numpy_seed=1,
        torch_seed=1, repulsion="zbl auto" if repulsion else None, **COMMON,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    potential = result.potential()
    row = dict(key) | {"structures": len(chosen), **of_training(result), "seconds": seconds}
    tested = errors(potential, structures(places.work / "tested.extxyz")[:: max(1, places.size.every // 5)], False)
    row |= dict(zip(("energy_test_meV_per_atom", "force_test_meV_per_A"), tested, strict=True))
    direct = []
    for target, file in (("one molecule", "one-water"), ("six molecules", "six-waters")):
        judged = structures(places.data / f"{file}.extxyz.xz")[: JUDGED : places.size.every]
        energy, force = errors(potential, judged, True)
        direct.append(dict(key) | {"target": target, "energy_meV_per_atom": energy, "force_meV_per_A": force})
    (place / "done").touch()
    return {"pretraining": [row], "direct": direct, "curves": curve(f"pretraining {key['subset']}", result)}


def of_training(result: TrainingResult) -> dict[str, float]:
    """Errors of both sets of a training."""
    found = {}
    for part in ("train", "test"):
        energies, forces = result.energies[part], result.forces[part]
        per_atom = (energies.predicted - energies.reference) / energies.n_atoms
        found[f"energy_{part}_meV_per_atom"] = 1e3 * float(np.sqrt(np.mean(per_atom**2)))
        found[f"force_{part}_meV_per_A"] = 1e3 * float(np.sqrt(np.mean((forces.predicted - forces.reference) ** 2)))
    return found


def curve(name: str, result: TrainingResult) -> list[Row]:
    """Errors of the test set by epoch, of some fifty epochs."""
    learnt = result.learning_curve
    assert learnt.forces is not None
    rows = zip(learnt.epochs.tolist(), learnt.energies[:, 1].tolist(), learnt.forces[:, 1].tolist(), strict=True)
    every = -(-len(learnt.epochs) // 50)
    names = ("epoch", "energy_test_meV_per_atom", "force_test_meV_per_A")
    values = [(epoch, 1e3 * energy, 1e3 * force) for epoch, energy, force in rows if epoch % every == 0]
    return [{"training": name, **dict(zip(names, each, strict=True))} for each in values]


def parity(result: TrainingResult, potential: Potential, six: Sequence[Structure], n: int = 300) -> list[Row]:
    """At most n reference and predicted values of each quantity and set, energies in eV/atom and forces in eV/Å."""
    known: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]] = {}
    for part in ("train", "test"):
        energies, forces = result.energies[part], result.forces[part]
        known["energy", part] = energies.reference / energies.n_atoms, energies.predicted / energies.n_atoms
        known["force", part] = forces.reference.ravel(), forces.predicted.ravel()
    known["force", "six"] = (
        np.concatenate([np.ravel(each.forces) for each in six]),
        np.concatenate([potential.energy_forces(each).forces.ravel() for each in six]),
    )
    rows = []
    for (quantity, part), (reference, predicted) in known.items():
        for known_value, found in spread(list(zip(reference.tolist(), predicted.tolist(), strict=True)), n):
            rows.append({"quantity": quantity, "part": part, "reference": known_value, "predicted": found})
    return rows


def one_molecule(places: Places) -> list[Structure]:
    """Structures that are trained on: the first trajectory, then those from dynamics with a potential."""
    return structures(places.data / "one-water.extxyz.xz")[:FIRST] + sampled(places)


def sampled(places: Places) -> list[Structure]:
    """Structures from dynamics with a potential, as far as they were computed."""
    path = places.data / "one-water-sampled.extxyz.xz"
    return structures(path) if path.exists() else []


def tuned(places: Places, n: int, name: str, key: Mapping[str, Any]) -> TrainingResult:
    """Train on n structures of CuAu with one molecule, from a potential or from scratch."""
    way, seed, size = WAYS[name], int(key["seed"]), places.size
    first = one_molecule(places)
    chosen = spread(first[: size.least], n) if n <= size.least else first[:n]
    epochs, batch = (size.epochs[2] * (size.least // n), 16) if n <= size.least else size.large
    species = TARGET if way.source is None else ALL
    energies = atomic_energies(places.data)
    place = places.prepared(place_of(key))
    given: dict[str, Any] = {
        "setups": setups(place, species), "folder": place, "batch_size": batch, "schedule": "cosine",
        "iterations": epochs, "numpy_seed": seed, "torch_seed": seed,
        "atomic_energies": {symbol: energies[symbol] for symbol in species},
        "repulsion": "zbl auto" if way.repulsion else None, **COMMON,
    }  # fmt: skip
    networks = dict.fromkeys(species, LAYERS)
    if way.source is None:
        result = train(chosen, networks, lr=0.003, **given)
    else:
        replayed = structures(places.work / f"{way.source}.extxyz") if way.replay else None
        source = source_of(places, way.source, way.repulsion)
        result = transfer(
            chosen, source, networks, freeze=way.frozen, energy="source", lr=0.001, replay=replayed, share=0.3, **given
        )
    (place / POTENTIALS).write_text(json.dumps(dict(result.potentials)))
    return result


def potentials(places: Places, n: int, name: str, key: Mapping[str, Any]) -> dict[str, str]:
    """Files of a potential by species, which is trained if it is gone."""
    path = places.folder(place_of(key)) / POTENTIALS
    if not path.exists():
        tuned(places, n, name, key)
    found: dict[str, str] = json.loads(path.read_text())
    return found


def place_of(key: Mapping[str, Any]) -> str:
    """The name of the folder of a potential."""
    return f"{key['set']} {key['way']} {key['seed']}"


def fine_tuning(places: Places, n: int, name: str, key: Mapping[str, Any]) -> Rows:
    """Train on CuAu with one molecule, and test."""
    size, began = places.size, time.perf_counter()
    result = tuned(places, n, name, key)
    row = dict(key) | {"structures": n, **of_training(result), "seconds": time.perf_counter() - began}
    potential, targets = result.potential(), judging(places)
    found: Rows = {"finetuning": [row | judged(potential, targets)]}
    if key["seed"] == 1:
        found["curves"] = curve(place_of(key), result)
        rows = parity(result, potential, targets["six"])
        found["parity"] = [{"set": key["set"], "way": name, **each} for each in rows]
    if not is_simulated(size, key):
        shutil.rmtree(places.folder(place_of(key)))
    return found


def judging(places: Places) -> dict[str, list[Structure]]:
    """Structures by which all potentials are judged: of other trajectories with one molecule, and with six."""
    one, six = (structures(places.data / f"{name}.extxyz.xz") for name in ("one-water", "six-waters"))
    return {"others": one[FIRST :: places.size.every], "six": six[: JUDGED : places.size.every]}


def judged(potentials: Potentials, targets: Mapping[str, Sequence[Structure]]) -> Row:
    """Errors by target; those of energies of six molecules up to a constant."""
    row: Row = {}
    for target, given in targets.items():
        values = errors(potentials, given, relative=target == "six")
        row |= dict(zip((f"energy_{target}_meV_per_atom", f"force_{target}_meV_per_A"), values, strict=True))
    return row


def is_simulated(size: Size, key: Mapping[str, Any]) -> bool:
    """Whether a potential simulates six molecules."""
    return key["set"] in size.simulated and WAYS[str(key["way"])].simulated


def simulated(places: Places, n: int, name: str, key: Mapping[str, Any]) -> Rows:
    """Simulate six molecules; train the potential if it is gone."""
    files, place = potentials(places, n, name, key), places.folder(place_of(key))
    found = simulation(places, files, place, key)
    shutil.rmtree(place)
    return found


def simulation(places: Places, files: Potentials, place: Path, key: Mapping[str, Any]) -> Rows:
    """Simulate six molecules in a folder: how long, temperatures and distances."""
    size = places.size
    for path in place.glob("six.*"):  # of a simulation that was interrupted
        path.unlink()
    began = time.perf_counter()
    start = structures(places.data / "six-waters.extxyz.xz")[0]
    result = simulate(
        start, files, time=size.ps, temperature=300.0, timestep=0.5, seed=int(key["seed"]), every=FRAMES,
        max_share=1.0,  # only the motion of the atoms counts, not the features
        threads=1, output=place / "six",
    )  # fmt: skip
    seconds = time.perf_counter() - began
    row = dict(key) | {"time_ps": size.ps, "stable_ps": result.time, "ended_by": result.reason}
    row["ms_per_step"] = 1e3 * seconds / max(result.step, 1)
    last = result.time * (result.step // FRAMES * FRAMES) / max(result.step, 1)
    return examined(row, place / "six.extxyz", min(EQUILIBRATION, 0.5 * last), key)


def examined(row: Row, path: Path, skip: float, key: Mapping[str, Any]) -> Rows:
    """Tables of a trajectory: its row, temperatures and distances."""
    distances, history = trajectory.examine(str(path), skip, 6.0, 0.05)
    rows: Rows = {"simulations": [row], "distances": [], "temperatures": []}
    if history is not None:
        kelvin, every = history.temperatures, -(-len(history.times) // 100)
        row |= {"temperature_K": float(np.mean(kelvin)), "temperature_std_K": float(np.std(kelvin))}
        values = zip(history.times.tolist(), kelvin.tolist(), strict=True)
        rows["temperatures"] = [
            {**key, "time_ps": t, "temperature_K": value} for t, value in itertools.islice(values, 0, None, every)
        ]
    places_of = {frozenset(pair): index for index, pair in enumerate(distances.pairs)}
    for pair in PAIRS:
        index, name = places_of[frozenset(pair)], "-".join(pair)
        peak = float(distances.peaks[index, 0])
        row[f"{name.replace('-', '_')}_A"] = peak if np.isfinite(peak) else ""
        values = zip(distances.r.tolist(), distances.values[index].tolist(), strict=True)
        rows["distances"] += [{**key, "pair": name, "r_A": r, "neighbors_per_A": value} for r, value in values]
    return rows


def reference(places: Places, key: Mapping[str, Any]) -> Rows:
    """Distances and temperatures of the reference trajectory."""
    path, frames = places.work / "reference.extxyz", structures(places.data / "six-waters.extxyz.xz")
    path.write_bytes(b"".join(map(extxyz.text, frames)))
    ps = len(frames) * FRAME
    return examined({**key, "time_ps": ps, "stable_ps": ps, "ended_by": "time"}, path, 0.0, key)
