"""aenet-py evaluate: report, files, exit status, messages."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from ase.io import read

import aenet_py
from aenet_py.formats import extxyz, trained
from compat_tests.cli.cases import in_process, table
from compat_tests.interfaces.test_ase import CLUSTER, NETWORKS, OTHERS, SPECIES

XSF = CLUSTER / "xsf"


@pytest.fixture
def evaluate(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: in_process(capsys, "evaluate", *arguments)


def test_report_and_files(evaluate, tmp_path):
    train = sorted(XSF.glob("s00[0-7]*"))
    status, out, err = evaluate(NETWORKS, XSF / "s008.xsf", XSF / "s011.xsf", "--train", *train, "-o", "out")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "8 structures (train), 2 structures (test)"
    assert "  test energy, meV/atom                2     5.472     3.874     7.739   0.95989" in lines
    assert "  O force component, meV/Å" in out
    assert "by number of atoms" not in out  # both have twelve
    worst = lines.index("worst structures")
    assert lines[worst + 2].split()[:3] == ["7.739", "173.065", "12"]
    assert max(len(line) for line in lines[: worst + 2]) <= 80
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"errors.csv", "structures.csv", "predictions.extxyz", "parity.png", "distributions.png"}
    errors = table(tmp_path / "out/errors.csv")
    assert list(errors[0]) == ["by", "group", "quantity", "set", "n", "rmse", "mae", "max_error", "r2"]
    (row,) = [r for r in errors if (r["by"], r["set"], r["quantity"]) == ("all", "test", "energy_eV_per_atom")]
    assert np.isclose(float(row["rmse"]), 0.005472, atol=1e-6)
    rows = table(tmp_path / "out/structures.csv")
    assert [row["set"] for row in rows] == ["train"] * 8 + ["test"] * 2
    assert rows[-1]["formula"] == "".join(sorted_formula(XSF / "s011.xsf"))


@pytest.mark.parametrize("inside", [False, True])
def test_tables_of_the_training_tell_what_was_trained_on(inside, evaluate, tmp_path, monkeypatch):
    """From any folder, for XSF files and frames, with a validation set."""
    folder = tmp_path / "run"
    shutil.copytree(NETWORKS, folder)
    shutil.copytree(XSF, tmp_path / "xsf")
    frames = [aenet_py.read(path, index=0) for path in sorted(XSF.glob("*.xsf"))]
    (tmp_path / "all.xyz").write_bytes(b"".join(map(extxyz.text, frames)))
    named = {"train": ["../xsf/s000.xsf", "../all.xyz#3"], "validation": ["../all.xyz#5"], "test": ["../all.xyz#6"]}
    for part, paths in named.items():
        lines = "".join(trained.energy_line(path, 12, -1.0, -1.0) for path in paths)
        (folder / f"energies.{part}").write_text(lines)
    if inside:
        monkeypatch.chdir(folder)
    potential, files = (".", ["../xsf", "../all.xyz"]) if inside else ("run", ["xsf", "all.xyz"])
    _, out, _ = evaluate(potential, *files)
    assert out.splitlines()[0] == f"3 structures (train), {2 * len(frames) - 3} structures (test)"
    _, out, _ = evaluate(potential, f"{files[1]}#3")
    assert out.splitlines()[0] == "1 structure (test)"
    _, out, _ = evaluate(potential, *files, "--train", f"{files[1]}#0")
    assert out.splitlines()[0] == f"1 structure (train), {2 * len(frames)} structures (test)"


def sorted_formula(path):
    structure = aenet_py.read(path, index=0)
    names = structure.names()
    return [f"{s}{names.count(s) if names.count(s) > 1 else ''}" for s in structure.symbols]


def test_frames_hold_references_and_predictions(evaluate, tmp_path):
    assert evaluate(NETWORKS, XSF, "--member", OTHERS, "-o", "out", "--format", "svg")[0] == 0
    given, kept = aenet_py.read(XSF), aenet_py.read(tmp_path / "out/predictions.extxyz")
    for before, after in zip(given, kept, strict=True):
        assert before.energy == after.energy
        assert np.array_equal(before.forces, after.forces)
    atoms = read(tmp_path / "out/predictions.extxyz", index=3)
    found = aenet_py.evaluate([NETWORKS, OTHERS], XSF).structures[3]
    assert atoms.info["predicted_energy"] == found.energy
    assert np.isclose(atoms.info["energy_error"], found.energy - found.structure.energy, atol=1e-9)
    assert np.array_equal(atoms.arrays["predicted_forces"], found.forces)
    assert np.array_equal(atoms.arrays["forces_error"], found.forces - found.structure.forces)
    assert np.array_equal(atoms.arrays["forces_std"], found.forces_std)
    assert (tmp_path / "out/parity.svg").read_bytes().startswith(b"<?xml")


@pytest.mark.parametrize(
    ("limits", "status"),
    [
        (("--max-energy-rmse", "6"), 0), (("--max-energy-rmse", "5"), 2),
        (("--max-force-rmse", "250"), 0), (("--max-force-rmse", "173"), 2),
    ],
)  # fmt: skip
def test_limits_set_the_exit_status(evaluate, limits, status):
    found, out, err = evaluate(NETWORKS, XSF / "s008.xsf", XSF / "s011.xsf", *limits)
    assert (found, err) == (status, "")
    assert ("exceeds the limit" in out) == (status == 2)


def test_potentials_by_species(evaluate):
    files = ",".join(f"{symbol}={NETWORKS}/{symbol}.pytorch.nn" for symbol in SPECIES)
    assert evaluate(files, XSF)[1] == evaluate(NETWORKS, XSF)[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing", XSF), "nothing: "),
        (("Cu=", XSF), "Cu=: expected a folder of potentials, or EL=FILE,EL=FILE,... with a file per species"),
        ((f"Cu={NETWORKS}/Cu.pytorch.nn", XSF), "s000.xsf"),
        ((NETWORKS, "missing.xsf"), "missing.xsf: no such file"),
        ((NETWORKS, XSF, "--max-stress-rmse", "1"), "limit for the stress component, but no structure has a reference"),
        ((NETWORKS, XSF, "--max-force-rmse", "-1"), "'-1' is not a number of at least 0"),
    ],
)
def test_messages(evaluate, tmp_path, arguments, message):
    status, out, err = evaluate(*arguments, "-o", "out")
    assert (status, out) == (1, "")
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()
