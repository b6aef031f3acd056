"""predict.x: the original's report on its own decks, physics, options and bad input."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest
from ase import io as aseio

from aenet_py.cli import nnascii2bin
from aenet_py.cli.predict import main
from aenet_py.potentials.potential import PART
from compat_tests.cli.cases import FIXTURES, SHARED, golden_files, listing, name_of, run
from compat_tests.interfaces.test_ase import crystal

DECKS = [
    *golden_files("*/train-*/predict.in"),
    *golden_files("*/train-*/relax.in"),
    *golden_files("*/train-*/legacy.in"),
]
CLUSTER = FIXTURES / "cluster-cuau-h2o" / "train-forces-adamw"
STEP = re.compile(r" +\d+( +-?\d+\.\d{8}){2,3}$")
LAST_DIGIT = 2e-8  # of the table of steps, whose 8 digits the rounding errors of 60 steps reach


def without_dates(report: str) -> list[str]:
    """Lines of a report with neither dates nor signs of zero, and paths as the decks have them."""
    report = report.replace("../../", "../")
    report = re.sub(r" +\d{4}-\d\d-\d\d +\d\d:\d\d:\d\d +", "DATE", report)
    return re.sub(r"-(0\.0+)(?!\d)", r" \1", report).splitlines()


def prepare(deck: Path, folder: Path) -> Path:
    """A folder below the case's structures with the deck and its potentials."""
    for path in deck.parents[1].rglob("*.xsf"):
        target = folder / path.relative_to(deck.parents[1])
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    work = folder / deck.parent.name
    work.mkdir()
    shutil.copyfile(deck, work / "predict.in")
    for path in (deck.parent / "expected").glob("*.nn*"):
        shutil.copyfile(path, work / path.name)
    return work


def predict(folder: Path, monkeypatch, capfdbinary, *arguments: str) -> tuple[int, str, str]:
    monkeypatch.chdir(folder)
    status = main(["predict.in", *arguments])
    out, err = capfdbinary.readouterr()
    return status, out.decode("latin-1"), err.decode()


@pytest.fixture
def cluster(tmp_path):
    return prepare(CLUSTER / "predict.in", tmp_path)


def change(folder: Path, *replacements: tuple[str, str]) -> None:
    deck = folder / "predict.in"
    text = deck.read_text()
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new, 1)
    deck.write_text(text)


@pytest.mark.parametrize("threads", ["1", "3"])
@pytest.mark.parametrize("deck", DECKS, ids=name_of)
def test_the_originals_report(deck, threads, tmp_path, monkeypatch, capfdbinary):
    expected = without_dates((deck.parent / "expected" / f"{deck.stem}.out").read_text())
    status, out, _ = predict(prepare(deck, tmp_path), monkeypatch, capfdbinary, "--threads", threads)
    assert status == 0
    ours = without_dates(out)
    assert len(ours) == len(expected)
    for line, (found, wanted) in enumerate(zip(ours, expected, strict=True), 1):
        if STEP.match(wanted) and deck.stem == "relax":
            difference = np.abs(np.array(found.split(), dtype=float) - np.array(wanted.split(), dtype=float))
            assert difference.max() <= LAST_DIGIT, line
        else:
            assert found == wanted, line


@pytest.mark.skipif(not (SHARED / "tio2").exists(), reason="the TiO2 example is not at hand")
def test_tio2(tmp_path, monkeypatch, capfdbinary):
    with tarfile.open(SHARED / "tio2" / "dir_xsf.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    shutil.copyfile(SHARED / "tio2" / "predict.in", tmp_path / "predict.in")
    for symbol in ("Ti", "O"):
        nnascii2bin.main([str(SHARED / "tio2" / f"{symbol}.pytorch.nn.ascii"), str(tmp_path / f"{symbol}.pytorch.nn")])
    status, out, _ = predict(tmp_path, monkeypatch, capfdbinary)
    assert status == 0
    assert without_dates(out) == without_dates((SHARED / "tio2" / "expected" / "predict.out").read_text())


def test_the_report_does_not_depend_on_the_threads(cluster, monkeypatch, capfdbinary):
    """Nor does it where a structure is an error: what comes before it is reported."""
    structures = [f"../xsf/s{number:03d}.xsf" for number in range(14)]
    change(cluster, ("FORCES", "FORCES\nRELAX steps=3"))
    for given in (structures, [*structures[:5], "none.xsf", *structures[5:]]):
        found = [predict(cluster, monkeypatch, capfdbinary, "--threads", n, *given) for n in ("1", "2", "3", "8")]
        status, out, errors = found[0]
        assert status == ("none.xsf" in given)
        assert "s004.xsf" in out
        for other in found[1:]:
            assert (other[0], without_dates(other[1]), other[2]) == (status, without_dates(out), errors)


def test_threads_share_the_atoms_of_a_large_structure(cluster, monkeypatch, capfdbinary):
    atoms = crystal().repeat((6, 6, 6))
    atoms.rattle(0.05, seed=1)
    assert len(atoms) > 2 * PART
    aseio.write(cluster / "large.xsf", atoms)
    one, three = (predict(cluster, monkeypatch, capfdbinary, "large.xsf", "--threads", n) for n in ("1", "3"))
    assert one[0] == 0
    assert without_dates(one[1]) == without_dates(three[1])
    assert one[1].count("\n") > len(atoms)


def test_text_potentials_give_the_same_numbers(cluster, monkeypatch, capfdbinary):
    _, binary, _ = predict(cluster, monkeypatch, capfdbinary)
    deck = cluster / "predict.in"
    deck.write_text(deck.read_text().replace(".pytorch.nn", ".pytorch.nn.ascii"))
    status, text, _ = predict(cluster, monkeypatch, capfdbinary)
    assert status == 0
    after = "Energy evaluation"
    assert without_dates(binary[binary.index(after) :]) == without_dates(text[text.index(after) :])


def test_structures_of_the_command_line_count_instead_of_files(cluster, monkeypatch, capfdbinary):
    status, out, _ = predict(cluster, monkeypatch, capfdbinary, "../xsf/s003.xsf", "../xsf/s001.xsf")
    assert status == 0
    assert re.findall(r"File name +: (\.\..*)", out) == ["../xsf/s003.xsf", "../xsf/s001.xsf"]


def test_low_verbosity_is_silent_about_relaxations(cluster, monkeypatch, capfdbinary):
    change(cluster, ("FORCES", "RELAX steps=2\nsteps=0 dmax=0.2\nFORCES"))
    assert predict(cluster, monkeypatch, capfdbinary)[2].count("Warning") == 2
    change(cluster, ("FORCES", "VERBOSITY low\nFORCES"))
    assert predict(cluster, monkeypatch, capfdbinary)[2] == ""


def test_low_verbosity_prints_numbers_only(cluster, monkeypatch, capfdbinary):
    _, out, _ = predict(cluster, monkeypatch, capfdbinary)
    change(cluster, ("FORCES", "VERBOSITY low\nFORCES"))
    status, low, err = predict(cluster, monkeypatch, capfdbinary)
    assert (status, err) == (0, "")
    assert low.startswith(" Cartesian atomic coordinates")
    kept = out[out.index(" Cartesian") : out.index("Atomic Energy Network done")]
    assert set(low.splitlines()) <= set(kept.splitlines())
    assert low.count("Total energy") == out.count("Total energy")


def test_structures_without_energy_and_forces(cluster, monkeypatch, capfdbinary):
    _, out, _ = predict(cluster, monkeypatch, capfdbinary, "../xsf/s001.xsf")
    path = cluster.parent / "xsf" / "s001.xsf"
    rows = [line.split()[:4] if len(line.split()) == 7 else [line] for line in path.read_text().splitlines()]
    path.write_text("\n".join(" ".join(row) for row in rows if "energy" not in row[0]))
    status, bare, _ = predict(cluster, monkeypatch, capfdbinary, "../xsf/s001.xsf")
    assert status == 0
    assert without_dates(bare) == without_dates(out)


def test_timing_and_debug_files(cluster, monkeypatch, capfdbinary):
    change(cluster, ("FORCES", "TIMING\nDEBUG\nFORCES"))
    status, out, _ = predict(cluster, monkeypatch, capfdbinary, "../xsf/s001.xsf", "../xsf/s002.xsf")
    assert status == 0
    n_atoms = sum(map(int, re.findall(r"Number of atoms +: (\d+)", out)))
    rows = [line.split() for line in (cluster / "predict.debug").read_text().splitlines()]
    assert [len(row) for row in rows] == [44] * n_atoms
    assert "Structure: 2" in (cluster / "predict.time").read_text()


@pytest.mark.parametrize(
    ("given", "atoms"),
    [
        ("four words", "O  0.1 0 0\nH  1.0 0 0"),
        ("commas", "O,0.1,0,0\nH 1.0,0 0"),
        ("repeats", "O  0.1 2*0.0\nH  1.0 0.0 0"),
        ("five words and a comment", "O  0.1 0 0 7\nH  1.0 0 0 ! hydrogen"),
        ("forces that are not numbers", "O  0.1 0 0 nan nan nan\nH  1.0 0 0 0 0 0"),
        ("an energy that is none", "O  0.1 0 0 0 0 0\nH  1.0 0 0 0 0 0\n\n# total energy = unknown"),
    ],
)
def test_structures_are_read_as_far_as_needed(given, atoms, cluster, monkeypatch, capfdbinary):
    (cluster / "plain.xsf").write_text("ATOMS\nO  0.1 0.0 0.0  0 0 0\nH  1.0 0.0 0.0  0 0 0\n")
    (cluster / "other.xsf").write_text(f"ATOMS\n{atoms}\n")
    status, out, _ = predict(cluster, monkeypatch, capfdbinary, "plain.xsf", "other.xsf")
    assert status == 0, given
    first, second = re.findall(r" Cartesian atomic coordinates.*?All forces", out, flags=re.DOTALL)
    assert first == second


@pytest.mark.parametrize(
    "deck", ["RELAX\n\nFORCES", "RELAX method=bfgs steps=2\nFORCES", "FORCES\nRELAX", "RELAX\n steps=99"]
)
def test_relax_without_entries(deck, cluster, monkeypatch, capfdbinary):
    change(cluster, ("FORCES", ""))
    path = cluster / "predict.in"
    text = path.read_text()
    path.write_text(text + deck)
    status, out, err = predict(cluster, monkeypatch, capfdbinary, "../xsf/s001.xsf")
    assert status == 0
    assert ("after RELAX; write it on the next line" in err) == ("steps=2" in deck)
    path.write_text(text + "RELAX\nmethod=bfgs steps=99 F_conv=0.01 E_conv=0.001\n")
    assert without_dates(predict(cluster, monkeypatch, capfdbinary, "../xsf/s001.xsf")[1]) == without_dates(out)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
@pytest.mark.parametrize("program", ["predict.x", "generate.x"])
def test_a_report_that_cannot_be_written(program, cluster):
    deck = "predict.in"
    if program == "generate.x":
        shutil.copytree(FIXTURES / "edges", cluster / "edges")
        cluster, deck = cluster / "edges", "generate.in"
    with open("/dev/full", "w") as full:
        done = run(cluster, deck, program=program, stdout=full, stderr=subprocess.PIPE, capture_output=False)
    assert done.returncode == 1
    assert "Error: standard output cannot be written: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


BAD = [
    ("no types", [("TYPES", "TYPE")], "did you mean 'TYPE'?"),
    ("too many species", [("4\n", "5\n")], "expected"),
    ("species twice", [("Au\n", "Cu\n")], "TYPES names 'Cu' twice"),
    ("network of nobody", [("  Au  ", "  Ag  ")], "NETWORKS names 'Ag'"),
    ("network missing", [("Au.pytorch.nn", "Au.nn")], "which does not exist"),
    ("network of another", [("Au.pytorch.nn", "Cu.pytorch.nn")], "this potential is for 'Cu'; expected one for 'Au'"),
    ("relax method", [("FORCES", "RELAX\nmethod=sd\nFORCES")], "expected method=bfgs"),
    ("relax steps", [("FORCES", "RELAX\nsteps=-1\nFORCES")], "negative number under RELAX"),
    ("relax number", [("FORCES", "RELAX\nF_conv=x\nFORCES")], "'F_conv = <number>'"),
    ("flag", [("FORCES", "FORCES maybe")], "expected .true. or .false."),
]


@pytest.mark.parametrize(("changes", "message"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_bad_decks(changes, message, cluster, monkeypatch, capfdbinary):
    change(cluster, *changes)
    before = listing(cluster)
    status, out, err = predict(cluster, monkeypatch, capfdbinary)
    assert (status, out) == (1, "")
    assert message in err
    assert len(err.splitlines()) == 1
    assert listing(cluster) == before


@pytest.mark.parametrize("length", [0, 100, 5000])
def test_a_cut_potential(length, cluster, monkeypatch, capfdbinary):
    path = cluster / "O.pytorch.nn"
    path.write_bytes(path.read_bytes()[:length])
    status, out, err = predict(cluster, monkeypatch, capfdbinary)
    assert (status, out) == (1, "")
    assert err.startswith("Error: O.pytorch.nn")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(("basis", "message"), [("chebyshe\t", "have bases"), ("chebyshev\t", "")])
def test_a_potential_of_another_basis(basis, message, cluster, monkeypatch, capfdbinary):
    path = cluster / "O.pytorch.nn"
    content = path.read_bytes()
    place = content.lower().index(b"chebyshev")
    path.write_bytes(content[:place] + basis.encode() + content[place + len(basis) :])
    status, _, err = predict(cluster, monkeypatch, capfdbinary, "../xsf/s001.xsf")
    assert status == bool(message)
    assert message in err


def test_potentials_of_other_species(cluster, monkeypatch, capfdbinary):
    other = FIXTURES / "three-species-long-angular" / "train-forces-adamax-cutoffs" / "expected" / "O.pytorch.nn"
    shutil.copyfile(other, cluster / "O.pytorch.nn")
    status, _, err = predict(cluster, monkeypatch, capfdbinary)
    assert status == 1
    assert "trained with the species Li Mn O; expected Cu Au O H" in err


BROKEN = [
    ("unknown species", "O  0 0 0 0 0 0\nAr 0 0 2 0 0 0", "found species 'Ar'"),
    ("coinciding atoms", "O  1 1 1 0 0 0\nH  1 1 1 0 0 0", "coincides with another atom"),
    ("no coordinates", "O  0 x 0 0 0 0", "where a number belongs"),
]


@pytest.mark.parametrize(("atoms", "message"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_structures_before_a_broken_one_are_printed(atoms, message, cluster, monkeypatch, capfdbinary):
    (cluster / "bad.xsf").write_text(f"# total energy = 0 eV\nATOMS\n{atoms}\n")
    status, out, err = predict(cluster, monkeypatch, capfdbinary, "../xsf/s001.xsf", "bad.xsf", "../xsf/s002.xsf")
    assert status == 1
    assert err.count("\n") == 1
    assert "bad.xsf" in err
    assert message in err
    assert out.count("Total energy") == 1
    assert "Atomic Energy Network done" not in out


def test_a_missing_structure(cluster, monkeypatch, capfdbinary):
    status, out, err = predict(cluster, monkeypatch, capfdbinary, "../xsf/s001.xsf", "nowhere.xsf")
    assert status == 1
    assert "nowhere.xsf" in err
    assert out.count("Total energy") == 1
