"""trnset2ASCII.x: the original's bytes from every golden training set, and nothing written on bad input."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from aenet_py.cli import trnset2ascii
from aenet_py.formats import decimals, trainset, trnset
from aenet_py.formats.atoms import Atoms, join
from aenet_py.formats.trainset import (
    BINARY,
    EnergyStatistics,
    Footer,
    Header,
    StructureBatch,
    StructureEntry,
    TrainingSet,
)
from compat_tests.cli.cases import FIXTURES, ROOT, bad_files, golden_files, name_of, run
from compat_tests.formats import samples

GOLDEN = ROOT / "fixtures" / "golden-trnset"
SUMS = dict(reversed(line.split()) for line in (GOLDEN / "SHA256SUMS").read_text().splitlines())
SETS = [path for path in golden_files("*/expected/*.train") if path.parents[1].name != "edges"]
SETUPS = FIXTURES / "per-species-setups/expected/setups.train"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def program(*arguments: str) -> int:
    try:
        return trnset2ascii.main([*arguments])
    except SystemExit as error:
        return int(error.code or 0)


def checked(case: str, *names: str) -> None:
    """Compare files with the original's."""
    for name in names:
        assert hashlib.sha256(Path(name).read_bytes()).hexdigest() == SUMS[f"{case}/{name}"], name


@pytest.mark.parametrize("path", SETS, ids=name_of)
@pytest.mark.usefixtures("folder")
def test_every_golden_set(path, capsys):
    """As it is and normalised, with the normalised set itself; and binary sets from both texts."""
    case = path.parents[1].name
    shutil.copyfile(path, "in.train")
    assert program("--raw", "in.train", "raw.txt") == 0
    assert program("in.train", "sc.txt") == 0
    Path("sc.out").write_text(capsys.readouterr().out.partition(" Done.\n")[2])
    assert program("in.train", "again.txt") == 0
    Path("again.out").write_text(capsys.readouterr().out)
    assert Path("again.txt").read_bytes() == Path("sc.txt").read_bytes()
    assert program("--to-binary", "raw.txt", "b.train") == 0
    assert program("sc.txt", "--to-binary", "c.train") == 0
    checked(case, "raw.txt", "sc.txt", "sc.out", "again.out", "in.train.scaled", "b.train", "c.train")
    assert program("c.train", "back.txt") == 0
    assert Path("back.txt").read_text() == Path("sc.txt").read_text().replace("in.train.scaled", "c.train", 1)


@pytest.mark.usefixtures("folder")
def test_the_first_lines():
    shutil.copyfile(SETUPS, "in.train")
    assert program("--raw", "in.train", "text") == 0
    lines = Path("text").read_text().splitlines()
    assert lines[:18] == [
        "in.train", " F", "   1.0000000000000000     ", "   0.0000000000000000     ", "           2", "Ni", "O ",
        " -1.35479999999999995E+03 -4.32503149302999987E+02", "          24", "           6",
        "  -3.0876015684999629       -1.0490216260001262       -1.6731011726667095     ", "xsf/s000.xsf",
        "           4           2", "  -4.5146387640002104     ", "           1",
        "   2.4134925599999999       0.61803418000000021       0.96095694000000009     ",
        "  -2.7408275500000001       -1.1324053200000002      -0.79831179999999979     ", "          32",
    ]  # fmt: skip
    assert lines[18].startswith("  1.19076652053598266E+01  1.17624639802344011E+00 -8.64646994407185332E+00 ")
    assert lines[18].endswith("E-01 ")


@pytest.mark.usefixtures("folder")
def test_empty_arguments_are_ignored():
    """A package for ænet calls the program with one unless it wants --raw."""
    shutil.copyfile(SETUPS, "in.train")
    assert program("", "in.train", "sc.txt") == 0
    checked("per-species-setups", "sc.txt")


SPECIAL = (
    0.0, -0.0, 1e-99, 1e-100, -1e100, 5e-324, 1.7976931348623157e308, np.inf, -np.inf, np.nan, 9.9999999999999999e99,
    1e22, 1e23, 123456789012345678.0, 2.0**-60, 0.1, -1 / 3,
)  # fmt: skip


def unusual_set(n_features: int) -> TrainingSet:
    """Five species without set-ups, of which one has n_features features; a name that ends with blanks."""
    few, many = np.array([SPECIAL]), np.arange(n_features)[np.newaxis] / 7
    parts = [
        Atoms(np.array([species]), row[:, :3], -row[:, :3], np.array([row.shape[1]]), row)
        for species, row in ((0, few), (4, few), (3, many))
    ]
    return TrainingSet(
        Header(samples.SYMBOLS, (-1e-5, 2.5, 0.0, 1e7, -1e100), 2),
        Footer(3, EnergyStatistics(-8.5, -9.0, -8.0), (), ()),
        StructureBatch((StructureEntry("a b.xsf  ", 2, 2, -17.0), StructureEntry("c#3", 1, 1, -8.0)), join(parts)),
    )


def stored(values: TrainingSet, path: str = "in.train") -> None:
    Path(path).write_bytes(samples.content_of(values, BINARY))


@pytest.mark.usefixtures("folder")
def test_unusual_numbers():
    stored(unusual_set(5))
    assert program("--raw", "in.train", "raw.txt") == 0
    assert Path("raw.txt").read_bytes() == (GOLDEN / "special.txt").read_bytes()
    assert program("--to-binary", "raw.txt", "b.train") == 0
    checked("special", "b.train")


@pytest.mark.parametrize("n_features", [999, 1000, 1001, 2000, 2001])
@pytest.mark.usefixtures("folder")
def test_more_than_a_thousand_features(n_features):
    """They continue on the next line; no blank follows if their number is a multiple of a thousand."""
    stored(unusual_set(n_features))
    assert program("--raw", "in.train", "raw.txt") == 0
    assert program("--to-binary", "raw.txt", "b.train") == 0
    checked(f"wide-{n_features}", "raw.txt", "b.train")


def naive(path: str, values: TrainingSet) -> str:
    """The text, a number at a time."""

    def free(*numbers: float) -> str:
        return "".join(decimals.text(float(number)).decode() for number in numbers) + "\n"

    def column(number: float) -> str:
        if np.isinf(number):
            return f" {'-' if number < 0 else ''}Infinity".rjust(25)
        digits = f"{number:.17E}".rjust(25)
        return digits if digits[-4] == "E" else digits.replace("E", "").rjust(25)

    head, foot, found, atoms = values.header, values.footer, values.structures.entries, values.structures.atoms
    rows = [head.atomic_energies[i : i + 4] for i in range(0, len(head.atomic_energies), 4)]
    text = f"{path}\n {'T' if head.normalized else 'F'}\n{free(head.scale)}{free(head.shift)}{len(head.types):12}\n"
    text += "".join(f"{name:2}\n" for name in head.types) + "".join("".join(map(column, row)) + "\n" for row in rows)
    text += f"{foot.n_atoms:12}\n{len(found):12}\n" + free(foot.energies.low, foot.energies.high, foot.energies.mean)
    atom = 0
    for entry in found:
        text += f"{entry.path}\n{entry.n_atoms:12}{entry.n_types:12}\n{free(entry.energy)}"
        for i in range(atom, atom + entry.n_atoms):
            size = atoms.sizes[i]
            text += f"{atoms.types[i] + 1:12}\n{free(*atoms.positions[i])}{free(*atoms.forces[i])}{size:12}\n"
            text += "".join(map(column, atoms.features[i, :size])) + " \n"
        atom += entry.n_atoms
    return text


@given(samples.training_sets())
@settings(deadline=None)
def test_as_the_naive_twin_writes_it(values):
    with tempfile.TemporaryDirectory() as name:
        path, output, again = (os.path.join(name, each) for each in ("in.train", "text", "again"))
        stored(values, path)
        assert program("--raw", path, output) == 0
        text = Path(output).read_bytes()
        assert program("--to-binary", output, again) == 0
        back = trainset.read(again)
    assert text.decode("latin-1") == naive(path, values)
    assert back.structures.entries == values.structures.entries
    for ours, given_ in zip(
        dataclasses.astuple(back.structures.atoms), dataclasses.astuple(values.structures.atoms), strict=True
    ):
        np.testing.assert_array_equal(ours, given_)
    assert back.header.normalized
    assert (back.header.scale, back.header.shift) == (values.header.scale, values.header.shift)
    assert back.footer.setups == ()


@pytest.mark.usefixtures("folder")
def test_a_skipped_structure(capsys):
    """The original stops; the text counts the structures that it has."""
    shutil.copyfile(FIXTURES / "edges/expected/edges.train", "in.train")
    for options in (["--raw"], []):
        assert program(*options, "in.train", "text") == 0
        said = capsys.readouterr()
        assert " Warning: in.train: the header counts 1 structure more than the file holds" in said.out
        assert said.err == ""  # aenet-python takes any output there for a failure
        lines = Path("text").read_text().splitlines()
        assert lines[9] == "           7"
        assert sum(line.endswith(".xsf") for line in lines) == 7
        assert program("--to-binary", "text", "b.train") == 0
        os.unlink("b.train")


@pytest.mark.usefixtures("folder")
def test_names_beyond_latin_1():
    """The name stands in the first line and in messages, byte for byte."""
    shutil.copyfile(FIXTURES / "edges/expected/edges.train", "łódź.train")
    assert run(Path(), "łódź.train", "text", program="trnset2ASCII.x", text=False).stdout.count("łódź".encode()) == 2
    assert Path("text").read_bytes().startswith("łódź.train.scaled\n".encode())
    assert program("--raw", "łódź.train", "text") == 0
    assert Path("text").read_bytes().startswith("łódź.train\n".encode())


@pytest.mark.usefixtures("folder")
def test_an_old_normalised_set(capsys):
    shutil.copyfile(SETUPS, "in.train")
    assert program("in.train", "text") == 0
    assert capsys.readouterr().err == ""
    os.utime("in.train", (2e9, 2e9))
    assert program("in.train", "text") == 0
    assert capsys.readouterr().err == (
        "Warning: in.train.scaled is older than in.train; remove it to normalise the training set again\n"
    )


SMALL = samples.small_training_set()


@pytest.mark.parametrize("kind", ["raw", "normalised", "text"])
@pytest.mark.parametrize("existing", [False, True])
def test_broken_files_leave_nothing(kind, existing, folder, capsys):
    stored(SMALL)
    options = {"raw": ["--raw"], "normalised": [], "text": ["--to-binary"]}[kind]
    if kind == "text":
        assert program("--raw", "in.train", "text") == 0
        os.replace("text", "in.train")
        existing = False
    content = Path("in.train").read_bytes()
    if existing:
        Path("out").write_bytes(b"kept")
    capsys.readouterr()
    for n in [0, 1, 3, 4, 7, 8, *range(9, len(content), 37), len(content) - 1]:
        Path("in.train").write_bytes(content[:n])
        assert program(*options, "in.train", "out") == 1
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert error.startswith("Error: in.train")
        assert bad_files(folder) == (["out"] if existing else [])
        assert not existing or Path("out").read_bytes() == b"kept"
        assert not Path("in.train.scaled").exists()
    Path("in.train").write_bytes(content)
    assert program(*options, "in.train", "out") == 0


def refused(folder: Path, capsys, message: str, *arguments: str) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    capsys.readouterr()
    assert program(*arguments) == 1
    assert capsys.readouterr().err == f"Error: {message}\n"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_training_sets_are_not_overwritten(folder, capsys):
    stored(SMALL)
    assert program("--raw", "in.train", "text") == 0
    exists = "in.train: file exists; choose another name"
    refused(folder, capsys, exists, "--to-binary", "text", "in.train")
    for name in ("in.train", "in.train.scaled"):
        message = f"{name}: cannot be written: it is a training set; choose another name"
        for options in ([], ["--raw"]):
            refused(folder, capsys, message, *options, "in.train", name)


def test_what_cannot_be_normalised(folder, capsys):
    stored(dataclasses.replace(SMALL, footer=dataclasses.replace(SMALL.footer, setups=(), statistics=())))
    message = "in.train: this training set has no set-ups; generate it again with generate.x"
    refused(folder, capsys, message, "in.train", "out")
    equal = dataclasses.replace(SMALL.footer, energies=EnergyStatistics(-8.0, -8.0, -8.0))
    stored(dataclasses.replace(SMALL, footer=equal))
    message = "in.train: cannot normalise the energies: all energies per atom are equal"
    refused(folder, capsys, message, "in.train", "out")
    Path("in.train").write_bytes(
        trainset.header(dataclasses.replace(SMALL.header, n_structures=0))
        + trainset.footer(dataclasses.replace(SMALL.footer, n_atoms=0))
    )
    refused(folder, capsys, "in.train: found no structures; expected at least one to normalise", "in.train", "out")
    for energy in (np.nan, np.inf):
        first, *others = SMALL.structures.entries
        changed = StructureBatch((dataclasses.replace(first, energy=energy), *others), SMALL.structures.atoms)
        stored(dataclasses.replace(SMALL, structures=changed))
        message = f"in.train: cannot normalise the energies: that of {first.path} is {energy:g} eV"
        refused(folder, capsys, message, "in.train", "out")
    message = "none/out: cannot be written: No such file or directory"
    stored(SMALL)
    refused(folder, capsys, message, "in.train", "none/out")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "           2\nTi",
            "           2\nTitan",
            "text:6: header: species: found 'Titan'; expected a name of one or t",
        ),
        ("E+03 ", "E+O3 ", "text:8: header: atomic energies: found '-1.60459999999999991E+O3'; expected a real number"),
        ("\n           2\n  -9", "\n           3\n  -9", "text: found 2 structures; expected 3, as the header says"),
        (
            "\n           2\n  -9",
            "\n           1\n  -9",
            "text:25: end: found 'dir/b c.xsf'; expected the end of the f",
        ),
        ("\n           3\n -1", "\n           2\n -1", "text:24: structure 1, atom 2: features: found 3 values"),
    ],
)
def test_other_texts(old, new, message, folder, capsys):
    stored(SMALL)
    assert program("--raw", "in.train", "text") == 0
    content = Path("text").read_text()
    assert old in content
    Path("text").write_text(content.replace(old, new, 1))
    capsys.readouterr()
    assert program("--to-binary", "text", "out") == 1
    error = capsys.readouterr().err
    assert error.startswith(f"Error: {message}")
    assert error.count("\n") == 1
    assert bad_files(folder) == []


@pytest.mark.parametrize("change", [str.split, str.lower])
@pytest.mark.usefixtures("folder")
def test_other_columns(change):
    """Texts of other compilers: numbers elsewhere on the line, exponents with another letter."""
    stored(SMALL)
    assert program("--raw", "in.train", "text") == 0
    assert program("--to-binary", "text", "a.train") == 0
    lines = Path("text").read_text().splitlines()
    numbers = [i for i, line in enumerate(lines) if "." in line and ".xsf" not in line and i]
    for i in numbers:
        lines[i] = " ".join(change(lines[i])) if change is str.split else change(lines[i])
    Path("text").write_text("\n".join(lines) + "\n")
    assert program("--to-binary", "text", "b.train") == 0
    assert Path("a.train").read_bytes() == Path("b.train").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a"], "required: output"),
        (["a", "b", "c"], "unrecognized arguments: c"),
        (["none", "out"], "none: no such file"),
        (["--to-binary", "none", "out"], "none: no such file"),
        (["--raw", "folder", "out"], "folder: not a regular file"),
        (["text", "out"], "found text"),
    ],
)
def test_wrong_arguments(arguments, message, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("in.train\n" * 9)
    done = run(tmp_path, *arguments, program="trnset2ASCII.x")
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert bad_files(tmp_path) == []


def test_the_form_of_wide_atoms_is_not_a_block():
    with pytest.raises(ValueError, match="1000"):
        trnset.FORM.layout(1000)
