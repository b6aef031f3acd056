"""The studies in docs run at a very small size and write what they should."""

from __future__ import annotations

import importlib.util
import itertools
import json
import lzma
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.emt import EMT

from aenet_py import read
from aenet_py.formats import extxyz
from aenet_py.tools.init import choose
from compat_tests.cli.cases import ROOT, table

pytestmark = pytest.mark.slow

PNG = b"\x89PNG"


def rows_of(program: str, folder: Path, *more: str) -> tuple[list[dict[str, str]], str]:
    """The rows of the table that a study writes, and its standard output."""
    script = str(ROOT / "docs" / "study" / f"{program}.py")
    command = [sys.executable, script, "--folder", str(folder), "--quick", *more]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (folder / f"{program}.png").read_bytes().startswith(PNG)
    return table(folder / f"{program}.csv"), done.stdout


def test_reference(tmp_path):
    """With EMT; twice: the second time, everything is there already."""
    script = str(ROOT / "docs" / "study" / "reference.py")
    command = [sys.executable, script, "--folder", str(tmp_path), "--calculator", "emt", "--processes", "2", "--quick"]
    runs = ("one-water.extxyz.xz", "one-water-sampled.extxyz.xz", "six-waters.extxyz.xz")
    names = ("database.extxyz.xz", *runs, "atoms.extxyz")
    known = []
    for _ in range(2):
        subprocess.run(command, check=True)
        known.append([(tmp_path / name).read_bytes() for name in names])
    assert known[0] == known[1]
    assert len(list((tmp_path / "one-water").iterdir())) == 2
    looks = table(tmp_path / "sampling.csv")
    assert [row["number"] for row in looks] == ["3", "2", "3"]
    clusters, one, sampled, six, free = (read(tmp_path / name) for name in names)
    assert (len(one), len(sampled), len(six), len(free)) == (5, 3, 2, 10)
    assert 5 <= len(clusters) <= 12
    for each in (*clusters, *one, *sampled, *six):
        assert ("sampled_by" in each.info) is (each in sampled)
        atoms = Atoms([each.symbols[k] for k in each.species], each.positions, calculator=EMT())
        assert np.array_equal(each.positions, np.round(each.positions, 4))
        assert each.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-6)
        assert each.forces == pytest.approx(atoms.get_forces(), abs=6e-5)
    for row, some in zip(looks, (one[:3], one[3:], sampled), strict=True):
        farthest = [np.linalg.norm(each.positions[20:] - each.positions[19], axis=1).max() for each in some]
        assert one[0].symbols[one[0].species[19]] == "O"
        assert float(row["O_H_A"]) == pytest.approx(np.mean(farthest), abs=6e-5)
    assert set(one[0].symbols) == set(six[0].symbols) == {"Cu", "Au", "O", "H"}
    assert not np.array_equal(one[2].positions, one[3].positions)
    distances = [np.abs(a.positions - b.positions).max() for a, b in itertools.combinations([*one[:3], *sampled], 2)]
    assert min(distances) > 0.01
    assert max(distances) < 2


def test_paper(tmp_path):
    """Twice: the second time, everything is there already.  The large set has frames of a second file."""
    data = tmp_path / "data"
    shutil.copytree(ROOT / "docs" / "study" / "data", data)
    sampled = read(data / "one-water.extxyz.xz", slice(-7, None))
    (data / "one-water-sampled.extxyz.xz").write_bytes(lzma.compress(b"".join(map(extxyz.text, sampled))))
    script = str(ROOT / "docs" / "study" / "paper.py")
    command = [sys.executable, script, "--folder", str(tmp_path), "--data", str(data), "--quick"]
    said = [
        subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.splitlines()
        for _ in range(2)
    ]
    assert (len(said[0]), len(said[1])) == (20, 0)
    tables = {path.stem: table(path) for path in (tmp_path / "results").iterdir()}
    assert {len(tables[name]) for name in ("subsets", "screening")} == {3}
    assert sorted(row["subset"] for row in tables["pretraining"]) == ["random", "random, repulsion"]  # as they end
    large = [row for row in tables["finetuning"] if row["set"] == "0.7K"]
    assert [(row["way"], row["structures"]) for row in large] == [("random", "680")] * 2
    cases = [(row["way"], row["seed"]) for row in tables["finetuning"] if row not in large]
    assert sorted(cases) == [(way, seed) for way in ("random", "random, repulsion, replay", "scratch") for seed in "12"]
    assert all(0 < float(row["force_six_meV_per_A"]) < 5000 for row in tables["finetuning"])
    assert all(0 <= float(row["stable_ps"]) <= 0.02 for row in tables["simulations"] if row["way"] != "GFN1-xTB")
    assert len(tables["simulations"]) == 7
    truth = next(row for row in tables["simulations"] if row["way"] == "GFN1-xTB")
    assert 0.9 < float(truth["O_H_A"]) < 1.05
    assert 1.8 < float(truth["Cu_O_A"]) < 2.6


def test_water(tmp_path):
    """Twice: the second time, everything is there already."""
    rows, said = rows_of("water", tmp_path)
    ways = ["scratch", "scratch, repulsion", "transfer", "transfer, frozen", "transfer, anchor", "transfer, replay"]
    assert [row["way"] for row in rows] == ["database", *ways]
    assert [row["repulsive dimers"] for row in rows[2:4]] == ["10 of 10"] * 2
    assert all(float(row["database, meV/Å"]) > 0 for row in [rows[0], *rows[3:]])
    assert rows_of("water", tmp_path) == (rows, said)


@pytest.mark.skipif(importlib.util.find_spec("tblite") is None, reason="needs tblite")
def test_loop(tmp_path, monkeypatch):
    """With few epochs; twice, the second time everything is there already."""
    monkeypatch.setattr(choose, "MOST", 20)
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "study"))
    import loop

    tables = []
    for _ in range(2):
        results = ["--results", str(tmp_path / "results")]
        monkeypatch.setattr(sys, "argv", ["loop.py", "--folder", str(tmp_path), *results, "--quick"])
        loop.main()
        tables.append((tmp_path / "loop.csv").read_text())
    assert tables[0] == tables[1]
    rows = table(tmp_path / "loop.csv")
    assert [(row["seed"], int(row["labels"])) for row in rows] == [("one molecule", 30), ("0", 13), ("0", 17)]
    assert all(float(row["force, meV/Å"]) > 0 for row in rows)
    (judged,), (simulated,) = (table(tmp_path / "results" / f"{name}.csv") for name in ("finetuning", "simulations"))
    assert (judged["way"], judged["structures"], simulated["set"]) == ("learn", "17", "20 chosen")
    assert float(judged["force_others_meV_per_A"]) > 0
    assert float(simulated["time_ps"]) == 0.02


def test_uncertainty(tmp_path):
    rows, said = rows_of("uncertainty", tmp_path)
    assert [row["method"] for row in rows] == ["committee"] * 2 + ["features"] * 2 + ["last layer"] * 2
    assert all(float(row["rmse_eV_per_A"]) > 0 and -1 <= float(row["rank_correlation"]) <= 1 for row in rows)
    assert said.count("\n| six molecules |") == 3


def eos(symbol: str, seed: int) -> list[dict]:
    """Seven calculations of a dioxide at rising volumes, in the form of the files that dft.py reads."""
    moves = np.random.default_rng(seed).normal(0, 0.05, (3, 3))
    positions = np.array([[0, 0, 0], [2, 0, 0], [0, 2, 0]]) + moves
    calculations = []
    for number in range(7):
        cell = np.eye(3) * (4 + 0.1 * number)
        atoms = {"symbols": [symbol, "O", "O"], "positions": positions.tolist(), "cell": cell.tolist()}
        data = {"total_energy": -20 + 0.05 * (number - 3) ** 2 + seed, "forces": np.zeros((3, 3)).tolist()}
        calculations.append({"atoms": atoms, "data": data})
    return calculations


def zipped(path: Path, symbols: list[str], n: int, cell: float | None) -> None:
    """An archive of XSF files, with a file of macOS that is none."""
    generator = np.random.default_rng(len(symbols) + n)
    path.parent.mkdir(parents=True, exist_ok=True)
    grid = np.array(list(itertools.product((0.0, 1.8, 3.6), repeat=3)))[: len(symbols)]
    head = "ATOMS\n"
    if cell is not None:
        vectors = "".join(f"{' '.join(map(str, row))}\n" for row in np.eye(3) * cell)
        head = f"CRYSTAL\nPRIMVEC\n{vectors}PRIMCOORD\n{len(symbols)} 1\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("__MACOSX/set/._0.xsf", b"\0\1")
        for number in range(n):
            moves = generator.normal(0, 0.1, grid.shape)
            rows = np.hstack([grid + moves, -2 * moves])  # harmonic
            atoms = "".join(f"{symbol} {' '.join(map(str, row))}\n" for symbol, row in zip(symbols, rows, strict=True))
            energy = float((moves**2).sum()) - 10 * len(symbols)
            archive.writestr(f"set/{number}.xsf", f"# total energy = {energy} eV\n\n{head}{atoms}")


def dft_data(folder: Path) -> Path:
    """Small files in the formats and places of the three repositories that dft.py reads."""
    oxides = {
        f"{symbol}O2": {
            polymorph: {
                functional: {"EOS": {"calculations": eos(symbol, seed)}}
                for seed, functional in enumerate(("PBE", "LDA"))
            }
            for polymorph in ("rutile", "pyrite")
        }
        for symbol in ("Sn", "Ti")
    }
    path = folder / "tutorial" / "ocp-tutorial" / "fine-tuning" / "supporting-information.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(oxides))
    sites = [{"label": "Li", "xyz": xyz} for xyz in ([0, 0, 0], [1.7, 1.7, 1.8])]
    metal = {"structure": {"sites": sites, "lattice": {"matrix": (np.eye(3) * 3.4).tolist()}}}
    metal["outputs"] = {"energy": -3.8, "forces": [[0, 0, 0.1], [0, 0, -0.1]]}
    (folder / "mlearn" / "data" / "Li").mkdir(parents=True)
    for part, n in (("train", 8), ("test", 4)):
        zipped(folder / "aenet-gpr" / "example" / "2_EC-EC" / f"{part}_set.zip", ["O", "C", "H", "H"], n, None)
        zipped(folder / "aenet-gpr" / "example" / "3_Li-EC" / f"{part}_set.zip", ["Li"] * 4 + ["O", "C", "H"], n, 9.0)
        name = "training" if part == "train" else part
        (folder / "mlearn" / "data" / "Li" / f"{name}.json").write_text(json.dumps([metal] * 2))
    return folder


def test_dft(tmp_path):
    """Twice: the second time, everything is there already."""
    data, folder = dft_data(tmp_path / "data"), tmp_path / "results"
    folder.mkdir()
    rows, said = rows_of("dft", folder, "--data", str(data))
    ways = {"LDA": ["scratch", "PBE, shifted", "PBE"], "Li with EC": ["scratch", "EC, Li, shifted", "EC, Li"]}
    assert {target: sorted({row["way"] for row in rows if row["target"] == target}) for target in ways} == {
        target: sorted(names) for target, names in ways.items()
    }
    assert len(rows) == 2 * (2 + 1) * 3  # seeds, test sets, ways
    assert all(float(row["energy, meV/atom"]) > 0 for row in rows)
    assert all((row["force, meV/Å"] == "") == (row["target"] != "Li with EC") for row in rows)
    assert said.count("\n| 10 |") == 4
    written = {path: path.stat().st_mtime_ns for path in folder.glob("*/*.nn*")}
    assert rows_of("dft", folder, "--data", str(data)) == (rows, said)
    assert written == {path: path.stat().st_mtime_ns for path in folder.glob("*/*.nn*")}


def test_dft_holds_structures_out(tmp_path, monkeypatch):
    """No training sees a tested structure, nor does the source see the same oxide, polymorph and number."""
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "study"))
    import dft

    known = dft.oxides(dft_data(tmp_path) / dft.OXIDES)
    names = {id(structure): key for entries in known.values() for key, structure in entries.items()}
    for seed in range(6):
        target = dft.of_functional(known, dft.QUICK, seed)
        used = {names[id(structure)] for structure in [*target.pool, *target.source]}
        tested = [names[id(structure)] for structures in target.tests.values() for structure in structures]
        assert used
        assert used.isdisjoint(tested)
        assert used | set(tested) == set(known["LDA"])
        # Sets of any size have about as many structures of each oxide.
        assert {names[id(structure)][0] for structure in target.pool[:2]} == {"SnO2", "TiO2"}
    both = list(known["PBE"].values())
    target = dft.of_interface([], [], both, dft.QUICK, 1)
    pool, tested = ({id(structure) for structure in part} for part in (target.pool, *target.tests.values()))
    assert pool.isdisjoint(tested)
    assert len(tested) == dft.QUICK.tested
    assert len(pool) + len(tested) == len(both)
