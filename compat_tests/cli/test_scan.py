"""aenet-py scan: scans of the fixtures' structures, interrupted, resumed and failed."""

from __future__ import annotations

import csv
import itertools
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aenet_py.cli.aenet import main
from aenet_py.cli.summaries.scan import _blocks
from aenet_py.scan import stages, work
from compat_tests.cli.cases import FIXTURES, ROOT, copy_case, listing, run

GRID = """\
GENERATE generate.in
TRAIN train.in
RADIAL_N 4 8
SEEDS 1 2:5
"""


def case(folder: Path, epochs: int = 4) -> Path:
    copy_case(FIXTURES / "cluster-cuau-h2o", folder)
    shutil.copyfile(FIXTURES / "cluster-cuau-h2o/generate.in", folder / "generate.in")
    deck = (folder / "train-forces-adamw/train.in").read_text()
    (folder / "train.in").write_text(deck.replace("ITERATIONS 40", f"ITERATIONS {epochs}"))
    shutil.copyfile(folder / "expected/cluster.train.ascii", folder / "cluster.train.ascii")
    shutil.copyfile(folder / "expected/cluster.train.forces", folder / "cluster.train.forces")
    return folder


def table(folder: Path) -> list[dict[str, str]]:
    with open(folder / "scan/results.csv", newline="") as file:
        return list(csv.DictReader(file))


def scan(capsys, folder: Path, text: str | None = None) -> tuple[int, str, str]:
    if text is not None:
        (folder / "SCAN.in").write_text(text)
    before = os.getcwd()
    os.chdir(folder)
    try:
        status = main(["scan", "SCAN.in"])
    finally:
        os.chdir(before)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> tuple[Path, str]:
    """A finished scan of a grid, and its standard output."""
    folder = case(tmp_path_factory.mktemp("scan") / "case")
    (folder / "SCAN.in").write_text(GRID)
    found = run(folder, "scan", "SCAN.in", program="aenet-py")
    assert (found.returncode, found.stderr) == (0, "")
    return folder, found.stdout


@pytest.mark.slow
def test_every_combination_has_a_row(done):
    rows = table(done[0])
    found = [(row["radial_N"], row["npseed"], row["phseed"]) for row in rows]
    assert found == [(n, *seed) for n, seed in itertools.product(("4", "8"), (("1", "1"), ("2", "5")))]
    assert {row["features"] for row in rows if row["radial_N"] == "4"} == {str(2 * (5 + 6))}
    assert {row["error"] for row in rows} == {""}
    assert {row["epochs"] for row in rows} == {"4"}
    assert {(row["radial_Rc_A"], row["angular_N"], row["method"], row["alpha"]) for row in rows} == {
        ("8.0", "5", "adamw", "0.1")
    }


def test_errors_are_those_of_the_files(done):
    folder, _ = done
    for row in table(folder):
        for part in ("train", "test"):
            lines = (folder / row["folder"] / f"energies.{part}").read_text().splitlines()
            squares = [((float(e) - float(r)) / int(n)) ** 2 for n, r, e in (line.split()[:3] for line in lines)]
            wanted = math.sqrt(sum(squares) / len(squares))
            assert float(row[f"energy_rmse_{part}_eV_per_atom"]) == pytest.approx(wanted, rel=1e-12)
            lines = (folder / row["folder"] / f"forces.{part}").read_text().splitlines()
            squares = [float(line.split()[1]) ** 2 for line in lines if not line.startswith("#")]
            wanted = math.sqrt(sum(squares) / (3 * len(squares)))
            assert float(row[f"force_rmse_{part}_eV_per_A"]) == pytest.approx(wanted, rel=1e-4)
        last = (folder / row["folder"] / "train.error").read_text().splitlines()[-1].split()
        assert float(row["energy_rmse_test_eV_per_atom"]) == pytest.approx(float(last[4]), abs=2e-6)
        assert float(row["force_rmse_test_eV_per_A"]) == pytest.approx(float(last[6]) / math.sqrt(3), abs=2e-6)


def test_runs_of_a_seed_have_one_split(done):
    folder, _ = done
    splits: dict[str, set] = {}
    for row in table(folder):
        parts = [
            frozenset(line.split()[-1] for line in (folder / row["folder"] / name).read_text().splitlines())
            for name in ("energies.train", "energies.test", "forces.train", "forces.test")
            if (folder / row["folder"] / name).exists()
        ]
        tested = frozenset(
            line.split()[-1]
            for line in (folder / row["folder"] / "forces.test").read_text().splitlines()
            if line.startswith("#")
        )
        assert not parts[0] & parts[1]
        assert len(parts[0] | parts[1]) == 14
        splits.setdefault(row["npseed"], set()).add((*parts[:2], tested))
    assert [len(found) for found in splits.values()] == [1, 1]
    assert len(set.union(*splits.values())) == 2


def test_training_sets_are_shared(done):
    folder, _ = done
    assert len(list((folder / "scan/features").iterdir())) == 2
    assert len(list((folder / "scan/runs").iterdir())) == 4


def test_the_table_begins_with_the_best(done):
    folder, out = done
    lines = out.splitlines()
    assert lines[0] == "SCAN.in: 4 of 4 runs done, 0 failed"
    head = lines.index(next(line for line in lines if line.split()[:2] == ["#", "radial_N"]))
    shown = [line.split()[1:] for line in lines[head + 1 : head + 3]]
    errors: dict[str, list[float]] = {}
    for row in table(folder):
        errors.setdefault(row["radial_N"], []).append(1000 * float(row["energy_rmse_test_eV_per_atom"]))
    means = sorted((sum(pair) / 2, abs(pair[0] - pair[1]) / math.sqrt(2), key) for key, pair in errors.items())
    assert [(row[2], row[4], row[0]) for row in shown] == [
        (f"{mean:.2f}", f"{spread:.2f}", key) for mean, spread, key in means
    ]


def test_the_report_fits_80_columns_and_ends_with_the_best(done):
    lines = done[1].splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[-2] == "written: scan/results.csv, scan/features.png"
    rows = table(done[0])
    means = [
        min(sum(1000 * float(row[column]) for row in rows if row["radial_N"] == n) / 2 for n in ("4", "8"))
        for column in ("energy_rmse_test_eV_per_atom", "force_rmse_test_eV_per_A")
    ]
    assert lines[-1] == "best test errors: energy RMSE {:.2f} meV/atom, force RMSE {:.2f} meV/Å".format(*means)


def test_wide_tables_are_split():
    rows = [[f"{name}{row}" * 5 for name in "abcdefghij"] for row in range(12)]
    lines = _blocks(rows)
    assert max(map(len, lines)) <= 80
    blocks = "\n".join(lines).split("\n\n")
    assert len(blocks) > 1
    shown = [[line.split() for line in block.splitlines()] for block in blocks]
    assert all([row[0] for row in block] == ["#", *map(str, range(1, 12))] for block in shown)
    assert [[cell for row in same for cell in row[1:]] for same in zip(*shown, strict=True)] == rows


def test_only_figures_of_what_was_scanned(done):
    assert {path.name for path in (done[0] / "scan").glob("*.png")} == {"features.png"}


def test_a_folder_runs_by_hand(done, tmp_path):
    """The same command in a copy of a folder gives the same files."""
    folder = shutil.copytree(done[0], tmp_path / "copy")
    row = table(folder)[0]
    training = folder / row["folder"]
    (training / "model.restart").unlink()
    wanted = listing(training)
    assert run(training, "train.in", program="aenet_pytorch.py").returncode == 0
    for name, content in wanted.items():
        if name.startswith(("energies", "forces", "train.error")):
            assert (training / name).read_bytes() == content, name
    generation = (training / (training / "train.in").read_text().split()[1]).parent
    kept = (generation / "features.train").read_bytes()
    (generation / "features.train").unlink()
    assert run(generation, "generate.in").returncode == 0
    assert (generation / "features.train").read_bytes() == kept


def test_a_second_call_runs_nothing(done, tmp_path, capsys, monkeypatch):
    folder = shutil.copytree(done[0], tmp_path / "copy", copy_function=shutil.copy2)
    monkeypatch.setattr(work, "_start", lambda *_: pytest.fail("a program was started"))
    before = {name: content for name, content in listing(folder).items() if not name.endswith(".png")}
    status, out, err = scan(capsys, folder)
    assert (status, out, err) == (0, done[1], "")
    assert {name: content for name, content in listing(folder).items() if not name.endswith(".png")} == before


def test_only_new_combinations_run(done, tmp_path, capsys, monkeypatch):
    folder = shutil.copytree(done[0], tmp_path / "copy", copy_function=shutil.copy2)
    started = []
    start = work._start
    monkeypatch.setattr(work, "_start", lambda job, *rest: (started.append(job), start(job, *rest))[1])
    status, _, _ = scan(capsys, folder, GRID.replace("SEEDS 1", "SEEDS 3").replace("RADIAL_N 4 8", "RADIAL_N 8"))
    assert status == 0
    rows = table(folder)
    assert [(row["radial_N"], row["npseed"]) for row in rows] == [("8", "3"), ("8", "2")]
    assert [job.folder for job in started] == [rows[0]["folder"]]
    assert rows[1] == table(done[0])[3]


def test_changed_structures_are_refused(done, tmp_path, capsys):
    folder = shutil.copytree(done[0], tmp_path / "copy", copy_function=shutil.copy2)
    later = time.time_ns() + 10**9
    os.utime(folder / "xsf/s003.xsf", ns=(later, later))
    before = listing(folder)
    status, out, err = scan(capsys, folder)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("Error: SCAN.in: xsf/s003.xsf has changed since scan/features/")
    assert listing(folder) == before


def test_a_bad_deck_writes_nothing(tmp_path, capsys):
    folder = case(tmp_path / "case")
    (folder / "SCAN.in").write_text(GRID + "ALPHA 0.5 2\n")
    before = listing(folder)
    status, out, err = scan(capsys, folder)
    assert (status, out) == (1, "")
    assert err == "Error: SCAN.in:5: found '2' after ALPHA; expected weights of the force error, from 0 to 1\n"
    assert listing(folder) == before
    assert not (folder / "scan").exists()


@pytest.mark.slow
def test_failures_are_recorded_and_the_others_run(tmp_path, capsys):
    """A learning rate that diverges, and a descriptor whose training set cannot be made."""
    folder = case(tmp_path / "case")
    path = folder / "xsf/s005.xsf"
    good = path.read_text()
    (folder / "train.in").write_text((folder / "train.in").read_text().replace("cluster.train.ascii", "cluster.train"))
    shutil.copyfile(folder / "expected/cluster.train", folder / "cluster.train")
    status, out, err = scan(capsys, folder, "TRAIN train.in\nMETHOD adam\nLR 1e300 0.01\n")
    rows = table(folder)
    assert (status, err) == (1, "")
    assert [row["lr"] for row in rows] == ["1e+300", "0.01"]
    assert "the loss is not finite" in rows[0]["error"]
    assert (rows[0]["energy_rmse_test_eV_per_atom"], rows[1]["error"]) == ("", "")
    assert f"failed: {rows[0]['folder']}: Error: the loss is not finite" in out
    assert "SCAN.in: 1 of 2 runs done, 1 failed" in out

    path.write_text(good[: len(good) // 2])
    status, out, err = scan(capsys, folder, "GENERATE generate.in\nTRAIN train.in\nRADIAL_N 2\n")
    (row,) = table(folder)
    assert status == 1
    assert row["error"].startswith("scan/features/")
    assert "s005.xsf" in row["error"]
    path.write_text(good)
    status, _, _ = scan(capsys, folder)
    assert status == 0
    assert table(folder)[0]["error"] == ""


@pytest.mark.slow
def test_what_is_done_survives_an_interruption(tmp_path, capsys):
    """Ctrl-C in the second of two runs; the second call resumes and ends as without interruption."""
    folder = case(tmp_path / "case", epochs=300)
    (folder / "train.in").write_text((folder / "train.in").read_text().replace("TESTPERCENT 20", "TESTPERCENT 60"))
    (folder / "SCAN.in").write_text("TRAIN train.in\nREGULARIZATION 0.5 0.1\n")
    command = [sys.executable, str(ROOT / "bin/aenet-py"), "scan", "SCAN.in"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(process, lambda: (folder / "scan/results.csv").exists() and len(table(folder)) == 1)
    until(process, lambda: any("    10 : " in path.read_text() for path in second(folder)))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT
    assert err == "Stopped by SIGINT; completed runs remain in scan. Run the command again for the rest.\n"
    assert "SCAN.in: 1 of 2 runs done, 0 failed" in out
    (kept,) = table(folder)
    (stopped,) = [path.parent for path in second(folder)]
    assert json.loads((stopped / "outcome.json").read_text())["state"] == "stopped"
    assert (stopped / "model.restart").exists()
    assert not (stopped / "energies.test").exists()

    time_of_first = (folder / kept["folder"] / "energies.test").stat().st_mtime_ns
    status, _, err = scan(capsys, folder)
    assert (status, err) == (0, "")
    rows = table(folder)
    assert rows[0] == kept
    assert (folder / kept["folder"] / "energies.test").stat().st_mtime_ns == time_of_first
    restarted = (stopped / "train.out").read_text()
    assert "Previous run files found. The training will be restarted" in restarted
    (stopped / "model.restart").unlink()
    found = listing(stopped)
    assert run(stopped, "train.in", program="aenet_pytorch.py").returncode == 0
    for name in ("energies.test", "forces.test", "train.error", "Cu.nn.ascii"):
        assert (stopped / name).read_bytes() == found[name], name


def second(folder: Path) -> list[Path]:
    """train.out of the run that is missing in the table."""
    (first,) = table(folder)
    return [path for path in (folder / "scan/runs").glob("*/train.out") if path.parent.name not in first["folder"]]


def until(process: subprocess.Popen, condition) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


def test_more_jobs_than_processors(done, tmp_path, capsys, monkeypatch):
    folder = shutil.copytree(done[0], tmp_path / "copy", copy_function=shutil.copy2)
    monkeypatch.setattr(work, "run_all", lambda *given: seen.append(given[1]))
    seen: list[int] = []
    n = stages.processors()
    status, _, err = scan(capsys, folder, GRID + f"JOBS {n + 1}\n")
    assert (status, seen) == (0, [n, n])
    assert err == f"Warning: SCAN.in: JOBS {n + 1} exceeds the {n} processors; {n} run at a time\n"
