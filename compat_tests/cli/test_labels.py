"""Frames with labels of several sources: each command that reads them refuses them, or takes what is chosen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aenet_py.cli.aenet import main
from aenet_py.cli.generate import main as generate
from aenet_py.cli.predict import main as predict
from aenet_py.errors import AenetWarning
from aenet_py.formats import extxyz, trainset, xsf
from aenet_py.pipelines.generate import generate as generate_from_python
from compat_tests.cli.test_generate_frames import FILES, SETTINGS
from compat_tests.cli.test_predict import CLUSTER, prepare
from compat_tests.structures import as_text, make_frames, write

MADE = make_frames(8)
BARE, CHOSEN = ("energy", "forces"), ("REF_energy", "REF_forces")
CHOOSE = "; choose with --energy and --forces, or ENERGYKEY and FORCESKEY in generate.in\n"
REFUSED = (
    "Error: a.xyz#0:2: found labels of several sources, which differ: energy with forces, REF_energy with REF_forces"
)


def text_of(frame, names: tuple[str, str], others: tuple[str, str] | None = None) -> str:
    """A frame whose labels have these names, and, under other names, others of double size."""
    lines = as_text(frame).replace("free_energy", "note").splitlines()
    lines[1] = lines[1].replace("forces:R:3", f"{names[1]}:R:3").replace(" energy=", f" {names[0]}=")
    if others is not None:
        lines[1] = lines[1].replace(f"{names[1]}:R:3", f"{names[1]}:R:3:{others[1]}:R:3")
        lines[1] += f" {others[0]}={2 * frame.energy!r}"
        lines[2:] = [
            line + "".join(f" {2 * x!r}" for x in force)
            for line, force in zip(lines[2:], frame.forces.tolist(), strict=True)
        ]
    return "\n".join(lines) + "\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """One file with both labels, and one for each with these alone; decks for them."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.xyz", "".join(text_of(frame, CHOSEN, BARE) for frame in MADE))
    write(tmp_path / "b.xyz", "".join(text_of(frame, CHOSEN) for frame in MADE))
    for name in ("Cu.stp", "O.stp"):
        (tmp_path / name).write_text(FILES[name])
    for name, keys in (("a", ""), ("b", ""), ("chosen", "ENERGYKEY REF_energy\nFORCESKEY ref_forces\n")):
        deck = SETTINGS.replace("new.train", f"{name}.train") + keys
        (tmp_path / f"{name}.in").write_text(f"{deck}FORCESSEED 1\nFILES\n1\n{name.replace('chosen', 'a')}.xyz\n")
    return tmp_path


def test_convert(capsys):
    assert main(["convert", "a.xyz", "a"]) == 1
    assert capsys.readouterr().err == REFUSED + CHOOSE
    assert main(["convert", "--energy", "REF_energy", "--forces", "REF_forces", "a.xyz", "a"]) == 0
    for path, frame in zip(sorted(Path("a").iterdir()), MADE, strict=True):
        found = xsf.read_frame(str(path))
        assert found.energy == frame.energy
        assert np.array_equal(found.forces, frame.forces)
    assert main(["convert", "--energy", "REF_energy", "a.xyz", "c.xyz"]) == 0
    assert [frame.energy for _, frame in extxyz.read("c.xyz")] == [frame.energy for frame in MADE]


def test_select(capsys):
    assert main(["select", "a.xyz", "-o", "c.xyz", "--no-figures"]) == 1
    assert capsys.readouterr().err == REFUSED + CHOOSE
    assert main(["select", "a.xyz", "-o", "c.xyz", "--no-figures", "--energy", "ref_energy"]) == 0
    assert main(["select", "b.xyz", "-o", "d.xyz", "--no-figures"]) == 0
    assert Path("c.csv").read_text() == Path("d.csv").read_text().replace("b.xyz", "a.xyz")
    assert Path("c.xyz").read_bytes() == Path("a.xyz").read_bytes()


def test_generate(capsys):
    assert generate(["a.in"]) == 1
    assert capsys.readouterr().err == REFUSED + CHOOSE
    assert not Path("a.train").exists()
    assert generate(["chosen.in"]) == generate(["b.in"]) == 0
    assert Path("chosen.train").read_bytes() == Path("b.train").read_bytes().replace(b"b.xyz#", b"a.xyz#")
    Path("wrong.in").write_text(Path("chosen.in").read_text().replace("REF_energy", "").replace("chosen", "wrong"))
    capsys.readouterr()
    assert generate(["wrong.in"]) == 1
    expected = "found ENERGYKEY without a value; expected a key of the comment lines, or a column, of extended XYZ\n"
    assert expected in capsys.readouterr().err


def test_generate_from_python():
    setups, atomic = {"Cu": "Cu.stp", "O": "O.stp"}, {"Cu": -1308.9, "O": -432.5}
    generate_from_python(["a.xyz"], setups, atomic, "ref.train", energy_key="REF_energy", forces_key="REF_forces")
    generate_from_python(["a.xyz"], setups, atomic, "bare.train", energy_key="energy", forces_key="forces")
    ref, bare = (trainset.read(name).structures.atoms.forces for name in ("ref.train", "bare.train"))
    assert np.array_equal(2 * ref, bare)


def test_predict_needs_no_labels(folder, monkeypatch, capfdbinary):
    prepare(CLUSTER / "predict.in", folder)
    monkeypatch.chdir(folder / CLUSTER.name)
    assert predict(["predict.in", "../a.xyz"]) == 0
    assert b"../a.xyz#7" in capfdbinary.readouterr().out


def test_frames_of_different_sources_are_a_warning(capsys):
    write(Path("c.xyz"), "".join(text_of(frame, names) for frame, names in zip(MADE, [BARE, CHOSEN] * 4, strict=True)))
    mixed = "energies come from several sources (energy in c.xyz#0, REF_energy in c.xyz#1)"
    Path("c.in").write_text(Path("b.in").read_text().replace("b.train", "c.train").replace("b.xyz", "c.xyz"))
    assert generate(["c.in"]) == 0
    assert capsys.readouterr().err.count(f"Warning: {mixed}") == 1
    assert main(["convert", "c.xyz", "c.db"]) == 0
    assert capsys.readouterr().err.count(f"Warning: {mixed}") == 1
    setups, atomic = {"Cu": "Cu.stp", "O": "O.stp"}, {"Cu": -1308.9, "O": -432.5}
    with pytest.warns(AenetWarning, match="energies come from several sources"):
        generate_from_python(["c.xyz"], setups, atomic, "python.train")
    assert generate(["b.in"]) == main(["convert", "b.xyz", "b.db"]) == 0
    assert "several sources" not in capsys.readouterr().err
