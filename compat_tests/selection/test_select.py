"""select: the same files as aenet-py select, and the returned statistics."""

from __future__ import annotations

import numpy as np
import pytest

from aenet_py.errors import AenetError, AenetWarning
from aenet_py.formats import extxyz
from aenet_py.selection import report
from aenet_py.selection.select import select
from aenet_py.selection.survey import Numbers
from compat_tests.cli.cases import in_process, listing
from compat_tests.structures import as_text, make_frames, write

N = 60
FORMS = {
    "text": {"any_of": "Cu, Au", "only": "Cu,Au,O,H"},
    "symbols": {"any_of": ["Au", "Cu"], "only": {"Cu", "Au", "O", "H"}},
}


@pytest.fixture(autouse=True)
def frames(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = make_frames(N, 5, "Cu Au O H Ti", (1, 9))
    for part in (0, 1):
        texts = [as_text(frame, f"sid=s{i}") for i, frame in enumerate(made)][part::2]
        write(tmp_path / f"{part}.extxyz", "".join(texts))
    return made[0::2] + made[1::2]


@pytest.mark.parametrize("form", FORMS)
def test_it_is_the_command(tmp_path, capsys, form):
    options = ["--any", "Cu,Au", "--only", "Cu,Au,O,H", "--n", "7", "--seed", "4", "--strata", "3"]
    assert in_process(capsys, "select", "0.extxyz", "1.extxyz", "-o", "a.extxyz", "--no-figures", *options)[0] == 0
    selection = select(["0.extxyz", "1.extxyz"], "b.extxyz", n=7, seed=4, strata=3, figures=False, **FORMS[form])
    assert (tmp_path / "a.extxyz").read_bytes() == (tmp_path / "b.extxyz").read_bytes()
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert (tmp_path / "b-report.txt").read_text() == selection.report
    assert selection.report == (tmp_path / "a-report.txt").read_text().replace("a.extxyz", "b.extxyz")
    assert sorted(listing(tmp_path)) == sorted(
        [*selection.files.written(), "0.extxyz", "1.extxyz", "a.extxyz", "a.csv", "a-report.txt"]
    )


def test_what_it_returns(frames):
    selection = select(".", "out.xyz", all_of="Ti", n=9, figures=False)
    written = [frame for _, frame in extxyz.read("out.xyz")]
    assert len(selection.structures) == len(selection.numbers) == len(written) == 9
    for name, frame, energy in zip(selection.structures, written, selection.numbers.energy_per_atom, strict=True):
        path, _, index = name.partition("#")
        original = frames[30 * int(path.strip("./")[0]) + int(index)]
        assert np.array_equal(frame.positions, original.positions)
        assert energy == original.energy / original.n_atoms
    matching = [frame for frame in frames if "Ti" in frame.symbols]
    assert (len(selection.survey.numbers), selection.survey.matches.sum()) == (N, len(matching))
    assert selection.elements["Ti"] == 9
    options = {"all_of": "Ti", "n": 9, "seed": selection.seed, "figures": False}
    again = select(["./0.extxyz", "./1.extxyz"], "again.xyz", **options)
    assert again.structures == selection.structures


def test_anomalies_may_be_a_mapping():
    anomalous = {f"s{i}": i % 3 == 0 for i in range(N)}
    selection = select("0.extxyz", "out.extxyz", anomalies=anomalous, figures=False)
    assert len(selection.structures) == sum(i % 3 != 0 for i in range(0, N, 2))
    assert selection.survey.anomalous == 10


def test_progress_and_invalid_frames(tmp_path):
    text = (tmp_path / "1.extxyz").read_text()
    write(tmp_path / "1.extxyz", text.replace("energy", "E", 2))
    passes = []

    class Progress:
        def __init__(self, total, unit):
            self.total, self.unit, self.done = total, unit, 0

        def __enter__(self):
            passes.append(self)
            return self.advance

        def __exit__(self, *_):
            pass

        def advance(self, n):
            self.done += n

    with pytest.raises(AenetError, match="no energy found"):
        select(["0.extxyz", "1.extxyz"], "out.extxyz", figures=False)
    selection = select(["0.extxyz", "1.extxyz"], "out.extxyz", skip_bad=True, figures=False, progress=Progress)
    assert (selection.skipped.n, len(selection.structures)) == (1, N - 1)
    assert [(each.total, each.done, each.unit) for each in passes] == [
        (sum((tmp_path / f"{part}.extxyz").stat().st_size for part in (0, 1)),) * 2 + ("B",),
        (N - 1, N - 1, " structures"),
    ]


def test_fewer_than_asked_for():
    with pytest.warns(AenetWarning, match="only 60 structures match, fewer than 100"):
        assert len(select(["0.extxyz", "1.extxyz"], "out.extxyz", n=100, figures=False).structures) == N


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n must be at least 1, not 0"),
        ({"strata": 0}, "strata must be at least 1, not 0"),
        ({"any_of": ["Cu", "Xx"]}, "unknown element 'Xx'"),
        ({"any_of": ["Pt"]}, "none of 30 structures matches; relax the criteria"),
    ],
)
def test_invalid_arguments(tmp_path, arguments, message):
    before = listing(tmp_path)
    with pytest.raises(AenetError, match=message):
        select("0.extxyz", "out.extxyz", figures=False, **arguments)
    assert listing(tmp_path) == before


def test_columns_of_the_report_stay_apart():
    numbers = Numbers(np.full(3, -23000.1234), np.full(3, 1.5), np.full(3, 7))
    lines = report._quantiles([("selected", numbers)])
    assert max(map(len, lines)) <= 80
    assert lines[2].split() == ["selected", *["-23000.12"] * 7]
    assert lines[4].split() == ["selected", *["1.5000"] * 7]
    assert lines[6].split() == ["selected", *["7"] * 7]
