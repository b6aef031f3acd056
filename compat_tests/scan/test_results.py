"""Errors from the files of a training, against those reported by the trainer, and the tables made from them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from aenet_py.inputs import train
from aenet_py.scan import results
from aenet_py.scan.plan import Features, ScanRun
from compat_tests.cli.cases import FIXTURES

LAST_DIGIT = 2e-6
CASES = ("train-forces-adamw", "train-energy-adam")


def run(case: str, settings: dict | None = None) -> ScanRun:
    """A training by the original as a run of a scan."""
    folder = FIXTURES / "cluster-cuau-h2o" / case
    deck = train.read(str(folder / "train.in"))
    return ScanRun(str(folder / "expected"), deck, Features("", (44, 30), None, {}, ()), settings or {})


@pytest.mark.parametrize("case", CASES)
def test_errors_are_those_of_the_last_epoch(case):
    """The test error is that after the last epoch; the training error is measured during it and may differ."""
    found = results.read(run(case))
    last = [float(word) for word in (Path(found.run.folder) / "train.error").read_text().splitlines()[-1].split()]
    wanted = [last[4], last[6] / math.sqrt(3)] if len(last) == 7 else [last[2], None]
    if wanted[1] is None:
        assert found.errors["force_test"] is found.errors["force_train"] is None
    else:
        assert found.errors["force_test"] == pytest.approx(wanted[1], abs=LAST_DIGIT)
    assert found.errors["energy_test"] == pytest.approx(wanted[0], abs=LAST_DIGIT)
    assert found.epochs == last[0] + 1
    n_train, n_test = map(len, found.split)
    assert (n_train, n_test) == (12, 2)


@pytest.mark.parametrize("part", ["train", "test"])
def test_errors_value_by_value(part):
    folder = FIXTURES / "cluster-cuau-h2o" / "train-forces-adamw" / "expected"
    squares = []
    for line in (folder / f"energies.{part}").read_text().splitlines():
        n, reference, predicted = line.split()[:3]
        squares.append(((float(predicted) - float(reference)) / int(n)) ** 2)
    found = results.read(run("train-forces-adamw"))
    assert found.errors[f"energy_{part}"] == pytest.approx(math.sqrt(sum(squares) / len(squares)), rel=1e-12)
    squares = []
    for line in (folder / f"forces.{part}").read_text().splitlines():
        if line[0] != "#":
            values = [float(word) for word in line.split()[2:]]
            squares.append(sum((b - a) ** 2 for a, b in zip(values[:3], values[3:], strict=True)))
            assert math.sqrt(squares[-1]) == pytest.approx(float(line.split()[1]), abs=LAST_DIGIT)
    assert found.errors[f"force_{part}"] == pytest.approx(math.sqrt(sum(squares) / (3 * len(squares))), rel=1e-12)


def test_names_with_blanks_and_no_structures(tmp_path):
    (tmp_path / "energies.test").write_text("  2   -1.0  -1.5   -0.5   -0.75      a name with  blanks.xsf\n")
    differences, paths = results.energies(str(tmp_path / "energies.test"))
    assert (differences.tolist(), paths) == ([-0.25], ["a name with  blanks.xsf"])
    (tmp_path / "energies.test").write_text("")
    assert len(results.energies(str(tmp_path / "energies.test"))[0]) == 0
    assert len(results.forces(str(tmp_path / "energies.test"))) == 0


def test_curves():
    found = results.curves(run("train-forces-adamw"))
    assert found.shape == (40, 5)
    assert found[0, :3].tolist() == [0, 0.041257, 0.034513]
    assert found[0, 3:] == pytest.approx([0.789457 / math.sqrt(3), 0.332678 / math.sqrt(3)])
    found = results.curves(run("train-energy-adam"))
    assert found.shape == (30, 5)
    assert (found[:, 3:] == 0).all()


def result(settings: dict, energy: float | None, force: float, error: str | None = None) -> results.Result:
    errors = {"energy_test": energy, "energy_train": 1.0, "force_test": force, "force_train": None}
    outcome = results.ProgramOutcome("", 1.0, error)
    return results.Result(run("train-forces-adamw", settings), errors, 1, outcome, (frozenset("a"), frozenset("b")))


def test_means_and_ranks():
    first, second, third = {"lr": 1}, {"lr": 2}, {"lr": 3}
    given = [
        result(first, 3.0, 1.0), result(first, 5.0, 1.5), result(second, 1.0, 9.0), result(second, 2.0, 1.0, "failed"),
        result(third, 2.0, 7.0), result({"lr": 4}, None, 0.5),
    ]  # fmt: skip
    found = results.means(given)
    assert [mean.settings["lr"] for mean in found] == [1, 3, 4]
    assert found[0].errors == {"energy_test": 4.0, "energy_train": 1.0, "force_test": 1.25, "force_train": None}
    assert found[0].spread["energy_test"] == pytest.approx(np.std([3, 5], ddof=1))
    assert found[1].spread["energy_test"] is None
    assert [mean.settings["lr"] for mean in results.ranked(found, "energy")] == [3, 1, 4]
    assert [mean.settings["lr"] for mean in results.ranked(found, "force")] == [4, 1, 3]


def test_splits_are_compared():
    same, other = result({}, 1.0, 1.0), result({}, 1.0, 1.0)
    assert results.unequal_split([same, other]) is None
    other = results.Result(other.run, other.errors, 1, other.outcome, (frozenset("b"), frozenset("a")))
    assert results.unequal_split([same, other]) == (same, other)
    failed = results.failed(run("train-forces-adamw"), "some error")
    assert results.unequal_split([same, failed]) is None
