"""What generate.x takes beyond the original, and the files of TIMING and DEBUG."""

from __future__ import annotations

import re
import struct

import pytest

from aenet_py import __version__
from compat_tests.cli.cases import FIXTURES, copy_case, records_of, run


@pytest.fixture
def case(tmp_path):
    return copy_case(FIXTURES / "selection-25", tmp_path / "case")


def edit(folder, *changes):
    deck = (folder / "generate.in").read_text()
    for old, new in changes:
        assert old in deck
        deck = deck.replace(old, new)
    (folder / "generate.in").write_text(deck)


def chosen(folder) -> list[int]:
    """1-based numbers of the structures with gradients, from the file."""
    records = records_of(folder / "sel.train.forces")
    numbers, i, number = [], 1, 0
    while i < len(records) - 1:
        number += 1
        n_atoms, _ = struct.unpack("<ii", records[i + 2])
        (flag,) = struct.unpack("<i", records[i + 3])
        i += 4 + (5 * n_atoms if flag else 0)
        numbers += [number] * flag
    return numbers


def test_seed_repeats_the_choice_and_is_reported(case):
    edit(case, ("\nFORCESLIST expected/selected.txt\n", ""))
    first = run(case, "generate.in")
    seed = re.search(r"Forces of 15 of 61 structures, drawn with FORCESSEED (\d+)", first.stderr)[1]
    drawn, content = chosen(case), (case / "sel.train.forces").read_bytes()
    assert len(drawn) == 15
    (case / "sel.train").unlink()
    edit(case, ("FORCES\n", f"FORCES\nFORCESSEED {seed}\n"))
    assert run(case, "generate.in").returncode == 0
    assert (case / "sel.train.forces").read_bytes() == content
    (case / "sel.train").unlink()
    edit(case, (f"FORCESSEED {seed}", f"FORCESSEED {int(seed) + 1}"))
    run(case, "generate.in")
    assert len(chosen(case)) == 15
    assert chosen(case) != drawn


def test_forces_list(case):
    (case / "list").write_text("3, 61\n! a comment\n1 3\n")
    edit(case, ("FORCESLIST expected/selected.txt", "FORCESLIST list"))
    assert run(case, "generate.in").returncode == 0
    assert chosen(case) == [1, 3, 61]


def test_forces_without_percentage_warns(case):
    edit(case, ("FORCESPERCENT 25\n", ""), ("\nFORCESLIST expected/selected.txt\n", ""))
    done = run(case, "generate.in")
    assert done.returncode == 0
    assert "generate.in:12: FORCES without FORCESPERCENT writes forces of 1 %" in done.stderr
    assert len(chosen(case)) == 1


def test_forces_switched_off(case):
    edit(case, ("FORCES\n", "forces .false.\n"), ("\nFORCESLIST expected/selected.txt\n", ""))
    assert run(case, "generate.in").returncode == 0
    assert not (case / "sel.train.forces").exists()


def test_unknown_keyword_is_named(case):
    edit(case, ("FORCESPERCENT 25", "FORCESPERCNT 25"))
    done = run(case, "generate.in")
    assert done.returncode == 0
    assert "generate.in:13: ignoring 'FORCESPERCNT', which is not a keyword; did you mean FORCESPERCENT?" in done.stderr


def test_verbosity_low_is_quiet(case):
    edit(case, ("FORCESPERCENT 25", "FORCESPERCNT 25\nVERBOSITY low"))
    assert run(case, "generate.in").stderr == ""


def test_unknown_verbosity_is_normal(case):
    edit(case, ("FORCES\n", "FORCES\nVERBOSITY loud\n"))
    done = run(case, "generate.in")
    assert done.returncode == 0
    assert "generate.in:13: found VERBOSITY loud, taken for normal; expected low, normal or high" in done.stderr


def test_sections_in_any_order_and_fortran_numbers(case):
    deck = (case / "generate.in").read_text()
    expected = (case / "expected/sel.train").read_bytes()
    types, setups, files = (
        "TYPES\n2\nCu  -1308.9\nO   -432.503149303\n",
        "SETUPS\nCu  Cu.stp\nO  O.stp\n",
        "FILES\n61\n",
    )
    names = deck[deck.index(files) + len(files) : deck.index("FORCESLIST")]
    (case / "generate.in").write_text(
        f"# first FILES\n%\nfiles\n! their number\n 61 \n{names}\n setups\nO\tO.stp ! oxygen\n'Cu' \"Cu.stp\"\r\n"
        "Types\n2\n  Cu,-1.3089D+03 , eV\nO   -4325.03149303d-1\nOutput sel.train # name\n"
        "forcespercent 2.5d1 percent\nFORCES T\nForcesList expected/selected.txt\n"
    )
    done = run(case, "generate.in")
    assert (done.returncode, done.stderr) == (0, "")
    assert (case / "sel.train").read_bytes() == expected
    assert types in deck
    assert setups in deck


def test_timing_and_debug_files(case):
    edit(case, ("FORCES\n", "FORCES\nTIMING\nDEBUG .true.\n"))
    done = run(case, "generate.in")
    assert " Timing info will be written to: generate.time\n\n ---" in done.stdout
    lines = (case / "generate.time").read_text().splitlines()
    assert len(lines) == 2 + 61 * 4 + 1 + 3 + 1
    assert all(re.match(r" {4,}\d+\.\d\d s {5}\S", line) for line in lines)
    debug = (case / "generate.debug").read_text().splitlines()
    records = records_of(case / "sel.train")
    features = struct.unpack("<10d", records[7 + 4 + 4])
    assert len(debug) == 122
    assert [float(word) for word in debug[0].split()] == pytest.approx(features, rel=1e-8)


def test_output_in_a_folder(case):
    (case / "out").mkdir()
    edit(case, ("OUTPUT sel.train", "OUTPUT out/sel.train"))
    assert run(case, "generate.in").returncode == 0
    assert (case / "out/sel.train").read_bytes() == (case / "expected/sel.train").read_bytes()
    assert (case / "out/sel.train.forces").read_bytes() == (case / "expected/sel.train.forces").read_bytes()


def test_default_output(case):
    edit(case, ("OUTPUT sel.train", ""))
    assert run(case, "generate.in").returncode == 0
    assert (case / "refdata.train").exists()


def test_version_help_and_usage(tmp_path):
    assert run(tmp_path, "--version").stdout == f"aenet_py {__version__}\n"
    assert "--threads N" in run(tmp_path, "--help").stdout
    for arguments in ([], ["x", "--threads", "0"], ["x", "--threads", "many"], ["x", "--unknown"]):
        done = run(tmp_path, *arguments)
        assert done.returncode == 1
        assert done.stderr.startswith("Error: ")
        assert done.stderr.endswith("; see generate.x --help\n")
