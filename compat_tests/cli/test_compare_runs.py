"""aenet-py compare: files, their columns, messages."""

from __future__ import annotations

import pytest

from compat_tests.analysis.folders import training
from compat_tests.cli.cases import in_process, table


@pytest.fixture
def compare(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, size in (("scratch", 0.02), ("transfer", 0.01)):
        for seed in range(3):
            training(tmp_path / f"{name}/{seed}", 10 * seed + int(100 * size), size)

    return lambda *arguments: in_process(capsys, "compare", *arguments)


def test_two_runs(compare, tmp_path):
    status, out, err = compare("scratch/0", "transfer/0", "-o", "out")
    assert (status, err) == (0, "")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["compare.png", "errors.csv", "tests.csv"]
    assert (tmp_path / "out/compare.png").read_bytes().startswith(b"\x89PNG")
    errors, tests = table(tmp_path / "out/errors.csv"), table(tmp_path / "out/tests.csv")
    assert list(errors[0]) == ["run", "group", "quantity", "set", "n", "rmse", "mae", "max_error", "r2"]
    assert len(errors) == 8
    assert ",".join(tests[0]) == "over,quantity,set,a,b,n,mean_a,mean_b,difference,t,p"
    assert [(t["over"], t["quantity"], t["n"]) for t in tests] == [
        ("structures", "energy_eV_per_atom", "20"), ("structures", "force_eV_per_A", "20"),
    ]  # fmt: skip
    assert float(tests[1]["p"]) < 1e-6
    assert float(tests[1]["difference"]) < 0
    assert "test force component, meV/Å: scratch/0 and transfer/0\n  20 structures, mean absolute errors " in out
    assert out.endswith("\nwritten: out/errors.csv, out/tests.csv, out/compare.png\n")
    assert max(map(len, out.splitlines())) <= 80


def test_groups(compare, tmp_path):
    groups = [
        "--group",
        "scratch=scratch/0,scratch/1,scratch/2",
        "--group",
        "transfer=transfer/0,transfer/1,transfer/2",
    ]
    status, out, err = compare(*groups, "-o", "out", "--format", "pdf")
    assert (status, err) == (0, "")
    assert [row["group"] for row in table(tmp_path / "out/errors.csv")] == 12 * ["scratch"] + 12 * ["transfer"]
    tests = table(tmp_path / "out/tests.csv")
    assert [t["over"] for t in tests] == 4 * ["runs"]
    assert all(t["n"] == "3" and float(t["p"]) < 0.05 for t in tests if t["quantity"] == "force_eV_per_A")
    assert "test energy, meV/atom: scratch and transfer\n  3 runs, mean RMSE " in out
    assert compare("scratch/0", "transfer/0", *groups, "-o", "out")[0] == 0
    assert [t["over"] for t in table(tmp_path / "out/tests.csv")] == 4 * ["runs"] + 2 * ["structures"]


BAD = {
    "one": (["scratch/0"], "give at least two different runs to compare"),
    "same": (["scratch/0", "scratch/0"], "give at least two different runs to compare"),
    "folder": (["scratch/0", "nowhere"], "nowhere: no such folder"),
    "no energies": (["scratch/0", "bare"], "bare: no energies.* or forces.* in this folder; set SAVE_ENERGIES"),
    "form": (["--group", "scratch"], "--group scratch: give NAME=RUN,RUN,..."),
    "single": (["--group", "a=scratch/0,scratch/1"], "a single group cannot be compared; give at least two"),
    "uneven": (
        ["--group", "a=scratch/0,scratch/1", "--group", "b=transfer/0"],
        "at least two each, not a with 2, b with 1",
    ),
    "name": (["--group", "a=scratch/0,scratch/1", "--group", "a=transfer/0"], "two groups have the name a"),
    "run": (
        ["--group", "a=scratch/0,scratch/1", "--group", "b=transfer/0,scratch/0"],
        "scratch/0 appears twice in the groups",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(compare, tmp_path, name):
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare/train.error").write_text("0 1.0 1.0\n")
    arguments, message = BAD[name]
    status, out, err = compare(*arguments, "-o", "out")
    assert (status, out) == (1, "")
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()
