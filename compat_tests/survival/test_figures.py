"""The figure shows what the tables hold."""

from __future__ import annotations

import numpy as np
from ase import Atoms

from aenet_py.analysis.distances import distribution
from aenet_py.survival.dimers import CORE, FARTHEST, NEAREST, Dimer
from aenet_py.survival.figures import figure
from aenet_py.survival.kaplan_meier import survival
from aenet_py.survival.results import Condition, Reference, Stability


def study(reference: bool) -> Stability:
    atoms = Atoms("OH", [[0, 0, 0], [0, 0, 1.02]])
    other = Atoms("OH", [[0, 0, 0], [0, 0, 1.52]])
    near, far = distribution([atoms]), distribution([other])
    times, failed = np.array([1.0, 3.0, 5.0, 5.0]), np.array([True, True, False, False])
    conditions = [
        Condition(
            name="structures/" + "x" * 40,
            atoms=atoms,
            temperature=kelvin,
            runs=(),
            nve=None,
            survival=survival(times * share, failed),
            seen=near,
            distribution=near if kelvin < 400 else None,
            reference=Reference("r", far, np.array([0.9])) if reference else None,
        )
        for kelvin, share in ((300.0, 1.0), (500.0, 0.5))
    ]
    distances = np.linspace(NEAREST, FARTHEST, 50)
    wall = Dimer(("O", "H"), 1.0, distances, 1 / distances**6 - 1 / FARTHEST**6)
    hole = Dimer(("O", "O"), 1.0, distances, distances - FARTHEST)
    return Stability(tuple(conditions), (hole, wall), 5.0, 0.5)


def test_curves():
    first, dimers, distances = figure(study(reference=True)).axes
    lines = first.get_lines()
    assert lines[0].get_xdata().tolist() == [0, 1, 3, 5, 5]
    assert lines[0].get_ydata().tolist() == [1, 0.75, 0.5, 0.5, 0.5]
    assert lines[1].get_xdata().tolist() == [0, 0.5, 1.5, 2.5, 5]
    assert len({line.get_color() for line in lines}) == len({line.get_linestyle() for line in lines}) == 2
    assert first.get_xlim() == (0, 5)
    assert len(first.get_title()) <= 32
    assert [text.get_text() for text in dimers.get_legend().get_texts()] == ["O-O", "O-H"]
    shown = dimers.get_lines()[1]  # the attractive part of O-O
    core = np.isfinite(shown.get_ydata())
    assert np.array_equal(core[1:], shown.get_xdata()[1:] <= CORE)
    assert dimers.get_ylim()[1] < 20  # although the wall is 1,400 eV high
    assert "O-H" in distances.get_xlabel()
    (line,) = distances.get_lines()  # no distances at 500 K
    assert abs(line.get_xdata()[np.argmax(line.get_ydata())] - 1.025) < 1e-9
    assert len(distances.collections) == 1


def test_without_reference():
    *_, distances = figure(study(reference=False)).axes
    assert len(distances.collections) == 0
    assert all("(" in ax.get_xlabel() or ax.get_xlabel() == "distance / contact" for ax in figure(study(False)).axes)
