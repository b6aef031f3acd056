"""Text the original takes byte by byte: names and descriptions in any encoding, line ends, separators, long lines."""

from __future__ import annotations

import os

import pytest

from compat_tests.cli.cases import FIXTURES, copy_case, run

DESCRIPTION = b"  tiny\n"


@pytest.fixture
def case(tmp_path):
    return copy_case(FIXTURES / "selection-25", tmp_path / "case")


def edit(folder, name, *changes):
    content = (folder / name).read_bytes()
    for old, new in changes:
        assert old in content
        content = content.replace(old, new)
    (folder / name).write_bytes(content)


def expected(folder):
    return (folder / "expected/sel.train").read_bytes()


@pytest.mark.parametrize("name", ["café", "à", "Å\x85", "\udcff", "a b"])
def test_names_in_any_encoding(case, name):
    raw = os.fsencode(name)
    os.rename(case / "xsf/s000.xsf", os.path.join(os.fsencode(case), b"xsf", raw))
    edit(case, "generate.in", (b"xsf/s000.xsf", b"xsf/" + raw), (b"OUTPUT sel.train", b'OUTPUT "' + raw + b'"'))
    done = run(case, "generate.in", env={**os.environ, "PYTHONIOENCODING": "ascii"}, text=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"  xsf/" + raw + b"\n" in done.stdout
    assert b" Training set file                   : " + raw + b"\n" in done.stdout
    length = 4 + len(raw)
    record = length.to_bytes(4, "little") + b"xsf/" + raw + length.to_bytes(4, "little")
    with open(os.path.join(os.fsencode(case), raw), "rb") as file:
        assert record in file.read()


def test_description_keeps_its_bytes(case):
    for name in ("Cu.stp", "O.stp"):
        edit(case, name, (DESCRIPTION, "  Ångström\xa0 à\n".encode()))
    done = run(case, "generate.in", text=False)
    assert done.stdout.count("   Ångström\xa0 à\n".encode()) == 2
    assert "  Ångström\xa0 à$$ ".encode() in (case / "sel.train").read_bytes()


def test_line_ends(case):
    for path in [case / "generate.in", *case.glob("*.stp"), *case.glob("xsf/*")]:
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert run(case, "generate.in").returncode == 0
    assert (case / "sel.train").read_bytes() == expected(case)


def test_carriage_return_ends_a_line_of_the_description(case):
    edit(case, "Cu.stp", (DESCRIPTION, b"  ab\rcd\n"))
    assert b"   ab\n cd\n" in run(case, "generate.in", text=False).stdout


@pytest.mark.parametrize(
    "line", [b"FORCES, T", b"FORCES;T", b"FORCES/", b"'FORCES'", b"'FORCES", b"3*FORCES", b"FORCES ! yes", b"FORCES T,"]
)
def test_separators_after_a_keyword(case, line):
    edit(case, "generate.in", (b"FORCES\n", line + b"\n"))
    assert run(case, "generate.in").returncode == 0
    assert (case / "sel.train.forces").read_bytes() == (case / "expected/sel.train.forces").read_bytes()


def test_separators_within_sections(case):
    edit(case, "generate.in", (b"Cu  Cu.stp", b"Cu, Cu.stp"), (b"O   -432", b"O,-432"), (b"FILES\n", b"FILES,\n"))
    edit(case, "generate.in", (b"FORCESPERCENT 25", b"FORCESPERCENT 25,5"))
    assert run(case, "generate.in").returncode == 0
    assert (case / "sel.train").read_bytes() == expected(case)


def test_what_follows_the_announced_atoms(case):
    (case / "xsf/s000.xsf").write_text(
        "# total energy = -1741.9 eV\nCRYSTAL\nPRIMVEC\n 4 0 0\n 0 4 0\n 0 0 4\nPRIMCOORD\n1 1\nO 0 0 0 0 0 0\n"
        "BEGIN_BLOCK_DATAGRID_3D\n rho\nEND_BLOCK_DATAGRID_3D\n"
    )
    assert "      1       1       1 " in run(case, "generate.in").stdout


def test_only_1024_characters_of_a_line_count(case):
    text = (case / "xsf/s000.xsf").read_text()
    (case / "xsf/s000.xsf").write_text("#" + " " * 1024 + "cohesive energy = -9.0 eV\n" + text)
    assert run(case, "generate.in").returncode == 0
    assert (case / "sel.train").read_bytes() == expected(case)


@pytest.mark.parametrize(
    ("energies", "report"),
    [
        (("-0.0", "-0.0", "-0.0"), ("-0.000000", "-0.000000", "-0.000000")),
        (("-0.0", "0.0", "0.0"), ("0.000000", "-0.000000", "0.000000")),
        (("0.0", "0.0", "-0.0"), ("0.000000", "0.000000", "-0.000000")),
    ],
)
def test_signs_of_zero_energies(case, energies, report):
    """As the original prints them: average, minimum, maximum."""
    for number, energy in enumerate(energies):
        lines = (case / f"xsf/s{number:03d}.xsf").read_text().splitlines()
        (case / f"{number}.xsf").write_text("\n".join([f"# total energy = {energy} eV", *lines[1:]]) + "\n")
    edit(case, "generate.in", (b"-1308.9", b"0.0"), (b"-432.503149303", b"0.0"), (b"FORCES\n", b""))
    deck = (case / "generate.in").read_text()
    deck = deck[: deck.index("FORCESPERCENT")] + "FILES\n3\n0.xsf\n1.xsf\n2.xsf\n"
    (case / "generate.in").write_text(deck)
    lines = run(case, "generate.in").stdout.splitlines()
    assert [line.split()[-1] for line in lines if "energy (eV/atom)" in line] == list(report)
