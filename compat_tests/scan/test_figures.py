"""Figures of a scan: which are drawn, and which numbers they show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from aenet_py.analysis import figures as shared
from aenet_py.inputs import train
from aenet_py.inputs.scan import ScanInput
from aenet_py.scan import figures, results
from aenet_py.scan.plan import Features, ScanRun
from aenet_py.scan.work import ProgramOutcome
from compat_tests.cli.cases import FIXTURES

BASE = {"radial_Rc": 8.0, "radial_N": 8, "angular_Rc": 5.0, "angular_N": 5, "method": "adamw", "lr": 0.1,
        "regularization": 0.0, "alpha": 0.1, "nodes": "5:tanh"}  # fmt: skip
FORCES = FIXTURES / "cluster-cuau-h2o/train-forces-adamw"


def mean(energy: float, n_features: int = 30, force: float | None = 0.5, **settings) -> results.Mean:
    settings = {**BASE, **settings}
    run = ScanRun(
        str(FORCES / "expected"), train.read(str(FORCES / "train.in")), Features("", (), None, {}, ()), settings
    )
    errors = {"energy_train": energy / 2, "energy_test": energy, "force_train": force, "force_test": force}
    result = results.Result(run, errors, 40, ProgramOutcome("", 1.0, None), (frozenset(), frozenset()))
    spread = dict.fromkeys(errors, 0.001)
    return results.Mean(settings, n_features, (result,), errors, spread)


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """A function that draws the figures of a scan and returns them by name instead of saving them."""
    found: dict[str, Figure] = {}

    def keep(figure: Figure, path: str) -> None:
        found[Path(path).stem] = figure
        figure.draw_without_rendering()

    monkeypatch.setattr(shared, "save", keep)

    def draw(means: list[results.Mean], *scanned: str, reference: dict | None = None) -> dict[str, Figure]:
        deck = ScanInput("SCAN.in", None, "train.in", dict.fromkeys(scanned, ()), {}, (), "grid", str(tmp_path), 1, "")
        written = figures.draw(deck, means, reference or BASE)
        assert [Path(path).stem for path in written] == list(found)
        return found

    return draw


def points(figure: Figure, panel: int, part: str) -> list[tuple[float, float]]:
    """The points of the train or test line in a panel."""
    axes = figure.axes[panel]
    container = next(c for c in axes.containers if c.get_label() == part)
    return [tuple(point) for point in np.round(np.asarray(container[0].get_xydata(), dtype=float), 9).tolist()]


def test_only_what_was_scanned(drawn):
    means = [mean(0.02), mean(0.03, radial_Rc=6.0)]
    assert set(drawn(means, "radial_Rc")) == {"cutoffs"}


@pytest.mark.parametrize(
    ("name", "values", "figure"),
    [
        ("radial_Rc", (4.0, 8.0), "cutoffs"), ("angular_Rc", (5.0, 6.0), "cutoffs"), ("alpha", (0.1, 0.5), "alpha"),
        ("regularization", (0.0, 0.1), "regularization"), ("nodes", ("5:tanh", "9:tanh"), "nodes"),
        ("lr", (0.1, 0.2), "convergence"), ("method", ("adam", "adamw"), "convergence"),
    ],
)  # fmt: skip
def test_each_keyword(name, values, figure, drawn):
    found = drawn([mean(0.02, **{name: value}) for value in values], name)
    assert set(found) == {figure}


def test_energies_and_forces(drawn):
    means = [mean(0.04, alpha=0.6, force=0.1), mean(0.02), mean(0.03, alpha=0.3, force=0.2)]
    figure = drawn(means, "alpha")["alpha"]
    assert points(figure, 0, "test") == [(0.1, 20.0), (0.3, 30.0), (0.6, 40.0)]
    assert points(figure, 0, "train") == [(0.1, 10.0), (0.3, 15.0), (0.6, 20.0)]
    assert points(figure, 1, "test") == [(0.1, 500.0), (0.3, 200.0), (0.6, 100.0)]
    assert [axes.get_ylabel() for axes in figure.axes] == [
        "energy RMSE (meV/atom)", "force component RMSE (meV/Å)"
    ]  # fmt: skip


def test_without_forces_one_panel(drawn):
    figure = drawn([mean(0.02, force=None), mean(0.03, force=None, radial_Rc=4.0)], "radial_Rc")["cutoffs"]
    assert len(figure.axes) == 1


def test_the_best_at_each_size_and_only_neighbours_of_the_reference(drawn):
    means = [
        mean(0.02, 30), mean(0.03, 22, radial_N=4), mean(0.01, 22, angular_N=1), mean(0.001, 22, radial_N=4, lr=0.5)
    ]  # fmt: skip
    found = drawn(means, "radial_N", "angular_N", "lr")
    assert points(found["features"], 0, "test") == [(22.0, 10.0), (30.0, 20.0)]
    assert "convergence" not in found  # nothing else has the orders of the reference


def test_decays_in_order(drawn):
    means = [mean(0.01, regularization=0.1), mean(0.02), mean(0.03, regularization=0.01)]
    axes = drawn(means, "regularization")["regularization"].axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "0.01", "0.1"]


def test_learning_curves_are_those_of_the_runs(drawn):
    figure = drawn([mean(0.02), mean(0.03, lr=0.2)], "lr")["convergence"]
    table = np.loadtxt(FORCES / "expected/train.error")
    test, train_ = (line.get_xydata() for line in figure.axes[0].lines[:2])
    assert np.allclose(test, np.stack([table[:, 0], 1000 * table[:, 4]], axis=1))
    assert np.allclose(train_[:, 1], 1000 * table[:, 3])
    assert np.allclose(figure.axes[1].lines[0].get_ydata(), 1000 * table[:, 6] / np.sqrt(3))
