"""generate.x writes the original's bytes on every golden case, whatever the number of threads."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile

import pytest

from aenet_py.cli import trainbin2ascii
from aenet_py.cli.generate import main
from compat_tests.cli.cases import FIXTURES, ROOT, SHARED, copy_case, first_difference, golden_cases, run

DATE = re.compile(r"^ +\d{4}-\d\d-\d\d  \d\d:\d\d:\d\d +$", re.MULTILINE)
TIO2 = SHARED / "tio2"


def without_date(report: str) -> str:
    stripped, n = DATE.subn("DATE", report)
    assert n == 1
    return stripped


def check_files(folder) -> int:
    """Compare everything in expected/ with what was written; returns how many training files there were."""
    checked = 0
    for expected in (folder / "expected").iterdir():
        if expected.name.endswith((".train", ".train.forces")):
            ours = folder / expected.name
            assert ours.read_bytes() == expected.read_bytes(), first_difference(expected, ours)
            checked += 1
        elif expected.name.endswith(".sha256"):
            ours = folder / expected.name.removesuffix(".sha256")
            if ours.name.endswith(".train.ascii"):
                assert trainbin2ascii.main([str(ours.with_suffix("")), str(ours)]) == 0
            digest = hashlib.sha256((folder / expected.name.removesuffix(".sha256")).read_bytes()).hexdigest()
            assert digest == expected.read_text().split()[0], f"{expected.name}: other bytes"
            checked += 1
    return checked


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("case", golden_cases(), ids=lambda p: f"{p.parent.parent.name}-{p.name}")
def test_golden_case(case, threads, tmp_path, monkeypatch, capsys):
    folder = copy_case(case, tmp_path / "case")
    monkeypatch.chdir(folder)
    assert main(["generate.in", "--threads", str(threads)]) == 0
    assert check_files(folder) >= 1
    assert without_date(capsys.readouterr().out) == without_date((folder / "expected/generate.out").read_text())
    assert not list(folder.glob(".*")), "temporary files are left"


@pytest.mark.skipif(not TIO2.exists(), reason="the TiO2 example is not at hand")
@pytest.mark.parametrize("deck", ["generate.in", "generate100.in"])
def test_tio2(deck, tmp_path, monkeypatch, capsys):
    with tarfile.open(TIO2 / "dir_xsf.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    for name in (deck, "Ti.fingerprint.stp", "O.fingerprint.stp", "selected.txt"):
        shutil.copyfile(TIO2 / name, tmp_path / name)
    if deck == "generate.in":
        with open(tmp_path / deck, "a") as file:
            file.write("\nFORCESLIST selected.txt\n")
    monkeypatch.chdir(tmp_path)
    assert main([deck]) == 0
    digests = dict(reversed(line.split()) for line in (TIO2 / "expected/SHA256SUMS").read_text().splitlines())
    written = sorted(tmp_path.glob("*.train*"))
    assert len(written) == 2
    for path in written:
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digests[path.name], path.name
    if deck == "generate.in":
        expected = (TIO2 / "expected/generate.out").read_text()
        assert without_date(capsys.readouterr().out) == without_date(expected)


def test_launcher_and_report_on_standard_output(tmp_path):
    folder = copy_case(FIXTURES / "single-species", tmp_path / "case")
    done = run(folder, "generate.in")
    assert (done.returncode, done.stderr) == (0, "")
    assert without_date(done.stdout) == without_date((folder / "expected/generate.out").read_text())


def test_a_second_run_imports_neither_numba_nor_torch(tmp_path):
    folder = copy_case(FIXTURES / "cluster-cuau-h2o", tmp_path / "case")
    code = (
        "import sys; from aenet_py.cli.generate import main; main(['generate.in', '--threads', '1']);"
        "sys.exit(bool({'numba', 'torch', 'scipy', 'tqdm'} & set(sys.modules)))"
    )
    run(copy_case(FIXTURES / "cluster-cuau-h2o", tmp_path / "first"), "generate.in")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_read_only_installation_and_home(tmp_path):
    folder = copy_case(FIXTURES / "selection-25", tmp_path / "case")
    environment = {**os.environ, "AENET_PY_CACHE": "/proc/none", "XDG_CACHE_HOME": "/proc/none", "HOME": "/proc/none"}
    environment["TMPDIR"] = str(tmp_path)
    assert run(folder, "generate.in", env=environment).returncode == 0
    assert check_files(folder) == 2
    cached = sorted(tmp_path.glob("aenet_py-*/*.o"))
    search = {"neighbors_kernels_place_atoms", "neighbors_kernels_search"}
    features = {f"descriptors_{name}" for name in ("chebyshev_kernels_features", "chebyshev_kernels_gradients")}
    others = {"descriptors_statistics_kernels_update", "pipelines_xsf_kernels_read"}
    assert {path.name.split("-")[0] for path in cached} == search | features | others
    cached[0].write_bytes(b"damaged" + cached[0].read_bytes())
    for name in ("sel.train", "sel.train.forces"):
        (folder / name).unlink()
    assert run(folder, "generate.in", env=environment).returncode == 0
    assert check_files(folder) == 2
