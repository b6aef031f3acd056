"""Whatever is wrong: exit status 1, one line on standard error that names the place, no file left behind."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time

import pytest

from aenet_py.cli.generate import main
from compat_tests.cli.cases import LAUNCHER, listing, run

DECK = """OUTPUT new.train

TYPES
2
Cu  -1308.9
O   -432.5

SETUPS
Cu  Cu.stp
O   O.stp

FORCES
FORCESPERCENT 50

FILES
3
a.xsf
b.xsf
a.xsf
"""
SETUP = """DESCR
  a set-up
END DESCR
ATOM Cu
ENV 2
Cu
O
RMIN 0.5
BASIS type=Chebyshev
radial_Rc = 4.0  radial_N = 2 angular_Rc = 3.0  angular_N = 1
"""


def symmetry(function: str, kind: str = "Behler2011", n: int = 1) -> str:
    """The set-up with a symmetry function instead of the Chebyshev basis."""
    head = SETUP.partition("BASIS")[0].replace("ATOM Cu", "ATOM O")
    return f"{head}SYMMFUNC type={kind}\n{n}\n{function}\n"


CRYSTAL = """# total energy = -1741.9 eV
CRYSTAL
PRIMVEC
 4.0 0.0 0.0
 0.0 4.0 0.0
 0.0 0.0 4.0
PRIMCOORD
2 1
Cu 0.0 0.0 0.0 0.0 0.0 0.1
O  2.0 0.1 0.0 0.0 0.0 -0.1
"""
MOLECULE = """# total energy = -1741.8 eV

ATOMS
Cu 0.0 0.0 0.0 0.0 0.0 0.1
O  2.0 0.1 0.0 0.0 0.0 -0.1
"""
FILES = {
    "generate.in": DECK,
    "Cu.stp": SETUP,
    "O.stp": SETUP.replace("ATOM Cu", "ATOM O"),
    "a.xsf": CRYSTAL,
    "b.xsf": MOLECULE,
}


@pytest.fixture
def case(tmp_path, monkeypatch):
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def change(name, old, new):
    assert old in FILES[name], old
    return name, FILES[name].replace(old, new)


def check_refused(case, capsys, expected, threads=1):
    before = listing(case)
    assert main(["generate.in", "--threads", str(threads)]) == 1
    message = capsys.readouterr().err
    assert message.startswith("Error: ")
    assert message.count("\n") == 1
    assert expected in message
    assert listing(case) == before, "files were left behind or changed"


def test_the_case_is_good_until_changed(case):
    assert main(["generate.in"]) == 0
    assert (case / "new.train").exists()
    assert (case / "new.train.forces").exists()


@pytest.mark.parametrize(
    ("edited", "expected"),
    [
        (change("generate.in", "TYPES", "TYPE"), "generate.in:3: no TYPES found; expected 'TYPES'"),
        (change("generate.in", "SETUPS", "SETUP"), "generate.in:8: no SETUPS found"),
        (change("generate.in", "FILES", "FILE"), "generate.in:15: no FILES found"),
        (change("generate.in", "\n2\nCu", "\ntwo\nCu"), "generate.in:4: found 'two' after TYPES; expected a number"),
        (change("generate.in", "\n2\nCu", "\n0\nCu"), "generate.in:4: found '0' after TYPES"),
        (change("generate.in", "-1308.9", "much"), "generate.in:5: found 'Cu  much' in TYPES; expected '<symbol>"),
        (change("generate.in", "-1308.9", ""), "generate.in:5: found 'Cu' in TYPES"),
        (change("generate.in", "-1308.9", "NaN"), "generate.in:5: found 'Cu  NaN' in TYPES"),
        (change("generate.in", "O   -432.5", "Cu  -432.5"), "generate.in:6: TYPES names 'Cu' twice"),
        (change("generate.in", "O   O.stp", "H   O.stp"), "generate.in:10: SETUPS names 'H'; expected one of the"),
        (change("generate.in", "O   O.stp", "O"), "generate.in:10: found 'O' in SETUPS; expected '<symbol> <.stp"),
        (change("generate.in", "O   O.stp", "Cu  O.stp"), "generate.in:10: SETUPS names 'Cu' twice"),
        (change("generate.in", "O.stp", "none.stp"), "generate.in:10: found 'none.stp', which does not exist; expecte"),
        (change("generate.in", "O.stp", "Cu.stp"), "Cu.stp: this set-up is for 'Cu'; expected one for 'O'"),
        (change("generate.in", "b.xsf", "none.xsf"), "generate.in:18: found 'none.xsf', which does not exist; expecte"),
        (change("generate.in", "b.xsf", "."), ".: cannot be read: Is a directory; expected an XSF structure file"),
        (change("generate.in", "\n3\na", "\n4\na"), "generate.in:19: FILES needs 4 lines, but the file ends after 3"),
        (change("generate.in", "\nb.xsf\na.xsf\n", "\nTIMING\nDEBUG\n"), "generate.in:18: FILES announces 3 structure"),
        (change("generate.in", "PERCENT 50", "PERCENT 101"), "generate.in:13: found FORCESPERCENT 101; expected a per"),
        (change("generate.in", "PERCENT 50", "PERCENT -1"), "generate.in:13: found FORCESPERCENT -1"),
        (change("generate.in", "PERCENT 50", "PERCENT half"), "generate.in:13: found FORCESPERCENT half"),
        (change("generate.in", "PERCENT 50", "PERCENT"), "generate.in:13: found FORCESPERCENT without a value"),
        (change("generate.in", "PERCENT 50", "LIST none"), "generate.in:13: found 'none', which does not exist; expec"),
        (change("generate.in", "PERCENT 50", "LIST b.xsf"), "b.xsf:3: found 'ATOMS'; expected structure numbers from"),
        (change("generate.in", "PERCENT 50", "SEED x"), "generate.in:13: found FORCESSEED x; expected an integer"),
        (change("generate.in", "FORCES\n", "FORCES maybe\n"), "generate.in:12: found FORCES maybe; expected .true. or"),
        (("generate.in", ""), "generate.in: this file is empty; expected a generate.x input file"),
        (("generate.in", "\0\1\2"), "generate.in: this is a binary file; expected a generate.x input file"),
        (("O.stp", ""), "O.stp: this file is empty; expected a fingerprint set-up file"),
        (("O.stp", SETUP.replace("ATOM Cu", "ATOM")), "O.stp:4: found 'nothing'; expected 'ATOM <symbol>'"),
        (("O.stp", SETUP.replace("ATOM Cu", "")), "O.stp: no ATOM found"),
        (("O.stp", SETUP.replace("ENV 2\nCu\nO", "")), "O.stp: no ENV found"),
        (("O.stp", SETUP.replace("ENV 2", "ENV two")), "O.stp:5: found 'two'; expected 'ENV <number of species>'"),
        (("O.stp", SETUP.replace("ENV 2", "ENV 20")), "O.stp:5: ENV announces 20 species, but"),
        (("O.stp", SETUP.replace("\nO\n", "\nCu\n")), "O.stp:5: ENV names a species twice: Cu Cu"),
        (("O.stp", SETUP.replace("Cu\nO\n", "Cu O\n")), "O.stp:5: ENV announces 2 species, but 'RMIN 0.5' in line 7"),
        (("O.stp", SETUP.replace("_N = 2", "_N = 1000000000")), "O.stp:10: radial_N and angular_N make 2,000,000,006 "),
        (("O.stp", SETUP.replace("_N = 2", "_N = 1" + "0" * 30)), "features; expected at most 2,147,483,647"),
        (("O.stp", SETUP.replace("END DESCR", "")), "O.stp:1: DESCR without an end; expected a line 'END DESCR'"),
        (("O.stp", SETUP.replace("RMIN 0.5", "RMIN small")), "O.stp:8: found 'small'; expected 'RMIN <distance"),
        (("O.stp", SETUP.replace("RMIN 0.5", "RMIN -0.5")), "O.stp:8: found 'RMIN -0.5'; expected a distance, not"),
        (("O.stp", SETUP.replace("RMIN", "RMINN")), "O.stp:8: unknown keyword 'RMINN'; expected DESCR, ATOM, ENV, RMI"),
        (("O.stp", SETUP.replace("=Chebyshev", "=Legendre")), "O.stp:9: unknown basis type 'Legendre'; expected Cheb"),
        (("O.stp", SETUP.replace("type=Chebyshev", "")), "O.stp:9: found 'BASIS'; expected 'BASIS type=Chebyshev'"),
        (("O.stp", SETUP[: SETUP.index("radial")]), "O.stp:9: BASIS without parameters; expected radial_Rc"),
        (("O.stp", SETUP[: SETUP.index("BASIS")]), "O.stp: no BASIS found; expected 'BASIS type=Chebyshev'"),
        (("O.stp", SETUP.replace("radial", "rad").replace("angular", "ang")), "O.stp:10: both cutoffs are 0; expected"),
        (("O.stp", SETUP.replace("radial_N = 2", "radial_N = -2")), "O.stp:10: found radial_N = -2; expected a value"),
        (("O.stp", SETUP.replace("radial_N = 2", "radial_N = 2.5")), "O.stp:10: found '2.5'; expected 'radial_N = <in"),
        (("O.stp", SETUP.replace("radial_Rc = 4.0", "radial_Rc = far")), "O.stp:10: found 'far'; expected 'radial_Rc"),
        (("O.stp", SETUP.replace("4.0", "0").replace("3.0", "0")), "O.stp:10: both cutoffs are 0"),
        (("O.stp", SETUP + "BASIS type=Chebyshev\n"), "O.stp:11: a second BASIS; expected one"),
        (("O.stp", symmetry("G=1 type2=O Rc=4.0", kind="Behler")), "O.stp:9: found 'SYMMFUNC type=Behler'; expected"),
        (
            ("O.stp", symmetry("G=6 type2=O Rc=4.0")),
            "O.stp:11: found 'G=6 type2=O Rc=4.0'; expected a symmetry function",
        ),
        (("O.stp", symmetry("G=2 Rc=4.0 Rs=1 eta=1")), "O.stp:11: no type2 in 'G=2 Rc=4.0 Rs=1 eta=1'; expected one"),
        (("O.stp", symmetry("G=2 type2=O eta=1")), "O.stp:11: no Rc found; expected a cutoff above 0 for at least"),
        (("O.stp", symmetry("G=1 type2=H Rc=4.0")), "O.stp:11: found species 'H'; expected one of ENV: "),
        (("O.stp", symmetry("G=1 type2=O Rc=0")), "O.stp:11: found Rc = 0; expected a cutoff above 0"),
        (("O.stp", symmetry("G=1 type2=O Rc=x")), "O.stp:11: found 'x'; expected 'Rc = <number>'"),
        (("O.stp", symmetry("G=1 type2=O Rc=4.0", n=3)), "O.stp:9: SYMMFUNC announces 3 functions, but 1 lines follow"),
        (("O.stp", symmetry("G=1 type2=O Rc=4.0", n=0)), "O.stp:10: found 0 symmetry functions; expected at least 1"),
        (
            ("O.stp", symmetry("G=1 type2=O Rc=4.0")),
            "the set-ups have bases behler2011 and chebyshev; use one kind",
        ),
        (("b.xsf", ""), "b.xsf: this file is empty; expected an XSF structure file"),
        (("b.xsf", "\0"), "b.xsf: this is a binary file; expected an XSF structure file"),
        (change("b.xsf", "# total energy = -1741.8 eV", ""), "b.xsf: no energy found; expected a line '# total energy"),
        (change("b.xsf", "-1741.8", "unknown"), "b.xsf:1: found '# total energy = unknown eV'; expected 'total energy"),
        (change("b.xsf", "-1741.8", "NaN"), "b.xsf:1: found '# total energy = NaN eV'"),
        (change("b.xsf", "= -1741.8", "-1741.8"), "b.xsf:1: found '# total energy -1741.8 eV'"),
        (change("b.xsf", "0.0 0.0 -0.1", ""), "b.xsf:5: no forces in 'O  2.0 0.1 0.0"),
        (change("b.xsf", "0.0 0.0 0.1\n", "\n"), "b.xsf:4: found 'Cu 0.0 0.0 0.0'; expected '<symbol> x y z fx fy fz'"),
        (change("b.xsf", "2.0", "two"), "b.xsf:5: found 'two' where a number belongs"),
        (change("b.xsf", "2.0", "NaN"), "b.xsf:5: found 'NaN' where a number belongs"),
        (change("b.xsf", "2.0", "Inf"), "b.xsf:5: found 'Inf' where a number belongs"),
        (change("b.xsf", "2.0", "2_0"), "b.xsf:5: found '2_0' where a number belongs"),
        (change("b.xsf", "2.0", "1e999"), "b.xsf:5: found '1e999' where a number belongs"),
        (change("b.xsf", "O ", "Zn"), "b.xsf:5: found species 'Zn'; expected the species of TYPES: Cu O"),
        (change("b.xsf", "ATOMS", "atoms"), "b.xsf: no atoms found; expected a section PRIMCOORD or ATOMS"),
        (("b.xsf", MOLECULE[: MOLECULE.index("Cu")]), "b.xsf: no atoms found"),
        (("b.xsf", MOLECULE + "\n" + MOLECULE), "b.xsf:9: a second set of coordinates; expected one structure"),
        (change("b.xsf", "2.0 0.1 0.0", "0.0 0.0 0.0"), "b.xsf:4: atom 1 coincides with another atom"),
        (change("a.xsf", "0.0 0.0 4.0", "4.0 4.0 0.0"), "a.xsf: the cell is flat; its three vectors must"),
        (change("a.xsf", " 0.0 0.0 4.0\n", " 0.0 0.0\n"), "a.xsf:6: found '0.0 0.0'; expected a cell vector 'x y z'"),
        (change("a.xsf", "0.0 0.0 4.0", "0.0 0.0 x"), "a.xsf:6: found 'x' where a number belongs; expected a cell"),
        (("a.xsf", CRYSTAL[: CRYSTAL.index(" 0.0 0.0 4.0")]), "a.xsf:5: PRIMVEC has 2 lines; expected three cell"),
        (change("a.xsf", "2 1\n", ""), "a.xsf:8: found 'Cu 0.0 0.0 0.0 0.0 0.0 0.1' after PRIMCOORD; expected the num"),
        (change("a.xsf", "2 1\n", "3 1\n"), "a.xsf:8: 3 atoms announced, but 2 lines follow"),
        (change("a.xsf", "2.0 0.1", "2.0e9 0.1"), "a.xsf: an atom lies a million cells away"),
        (change("a.xsf", "2.0 0.1 0.0", "0.001 0.0 0.0"), "a.xsf:9: atom 1 has more neighbours than RMIN"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_input(case, capsys, edited, expected):
    if "more neighbours" in expected:
        for name in ("Cu.stp", "O.stp"):
            (case / name).write_text((case / name).read_text().replace("RMIN 0.5", "RMIN 8"))
    name, content = edited
    (case / name).write_text(content)
    for threads in (1, 2):
        check_refused(case, capsys, expected, threads)


def test_missing_deck(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["none.in"]) == 1
    assert "Error: none.in: no such file; expected a generate.x input file" in capsys.readouterr().err


def test_species_missing_from_an_environment(case, capsys):
    (case / "O.stp").write_text(FILES["O.stp"].replace("\nCu\nO", "\nO\nH"))
    check_refused(case, capsys, "a.xsf: Cu surrounds O, whose set-up does not list it under ENV")


def test_all_structures_skipped(case, capsys):
    for name in ("a.xsf", "b.xsf"):
        (case / name).write_text(FILES[name].replace("O  2.0 0.1 0.0", "O  2.0 0.1 0.0 0 0 0\nZn 1.0 2.0 1.0", 1))
    (case / "a.xsf").write_text((case / "a.xsf").read_text().replace("2 1\n", "3 1\n"))
    check_refused(case, capsys, "every structure has more species than TYPES lists")


@pytest.mark.parametrize("threads", [1, 2])
def test_existing_training_set_is_kept(case, capsys, threads):
    (case / "new.train").write_text("precious")
    check_refused(case, capsys, "new.train: file exists; choose another name", threads)


def test_training_set_that_appears_meanwhile_is_kept(case, capsys, monkeypatch):
    monkeypatch.setattr("aenet_py.report.generate.closing", lambda: (case / "new.train").write_text("precious") and "")
    assert main(["generate.in"]) == 1
    assert "new.train: file exists; choose another name" in capsys.readouterr().err
    assert sorted(listing(case)) == sorted([*FILES, "new.train"])
    assert (case / "new.train").read_text() == "precious"


def test_all_files_or_none(case, capsys, monkeypatch):
    def replace(*_):
        raise IsADirectoryError(21, "Is a directory")

    monkeypatch.setattr(os, "replace", replace)
    check_refused(case, capsys, "new.train.forces: cannot be written: Is a directory")


def test_folder_in_the_way(case, capsys):
    (case / "new.train.forces").mkdir()
    check_refused(case, capsys, "new.train.forces: cannot be written: it is a folder")


def test_no_hard_links(case, monkeypatch):
    def link(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    assert main(["generate.in"]) == 0
    assert sorted(listing(case)) == sorted([*FILES, "new.train", "new.train.forces"])


def test_gradients_of_an_earlier_training_set_are_replaced(case):
    (case / "new.train.forces").write_text("stale")
    assert main(["generate.in"]) == 0
    assert (case / "new.train.forces").read_bytes() != b"stale"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_unwritable_folder(case, capsys):
    case.chmod(0o555)
    check_refused(case, capsys, "new.train: cannot be written: Permission denied")


def test_output_in_a_missing_folder(case, capsys):
    (case / "generate.in").write_text(DECK.replace("new.train", "none/new.train"))
    check_refused(case, capsys, "none/new.train: cannot be written: No such file or directory")


@pytest.mark.parametrize("threads", ["1", "2"])
def test_full_disk(case, threads):
    before = listing(case)
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))  # noqa: E731
    done = run(case, "generate.in", "--threads", threads, preexec_fn=limit)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] in [
        f"Error: new.train{end}: cannot be written: File too large" for end in ("", ".forces")
    ]
    assert listing(case) == before


@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_by_a_signal(case, number, status, threads):
    names = "\n".join(["a.xsf", "b.xsf"] * 50_000)
    (case / "generate.in").write_text(DECK.replace("\n3\na.xsf\nb.xsf\na.xsf", f"\n100000\n{names}"))
    before = listing(case)
    command = [sys.executable, str(LAUNCHER), "generate.in", "--threads", threads]
    process = subprocess.Popen(command, cwd=case, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while sum(path.stat().st_size for path in case.glob(".new.train*")) < 100_000 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(number)
    message = process.communicate(timeout=60)[1]
    assert process.returncode == status
    assert message.splitlines()[-1].startswith("Error: ")
    assert "nothing was written" in message
    assert "Traceback" not in message
    assert listing(case) == before


def test_reader_of_the_report_goes_away(case):
    names = "\n".join(["a.xsf", "b.xsf"] * 5_000)
    (case / "generate.in").write_text(DECK.replace("\n3\na.xsf\nb.xsf\na.xsf", f"\n10000\n{names}"))
    before = listing(case)
    command = [sys.executable, str(LAUNCHER), "generate.in"]
    process = subprocess.Popen(command, cwd=case, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    message = process.stderr.read()
    assert process.wait(60) == 1
    assert message.splitlines()[-1] == "Error: standard output was closed; nothing was written"
    assert listing(case) == before
