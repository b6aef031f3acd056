"""Tables of a study: what is read, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from aenet_py.errors import AenetError
from aenet_py.studies import looks, read
from aenet_py.studies.read import NEEDED
from compat_tests.studies.folders import put, study, tables


def test_words_numbers_and_what_is_missing(tmp_path):
    found = read.read(str(study(tmp_path / "study", without=("curves",))))
    rows = found["simulations"]
    assert rows["stable_ps"].dtype == float
    assert rows["way"].tolist()[-1] == "GFN1-xTB"
    assert np.isnan(rows.where(way="scratch")["Au_O_A"]).all()
    assert len(found["curves"]) == 0
    assert not found["curves"].has("epoch")
    assert found.sets() == ["0.6K", "8K"]  # by size, not in the order of the file
    assert len(rows.where(set="8K", way="any")) == 5


def test_columns_that_may_be_missing(tmp_path):
    put(
        tmp_path,
        "finetuning",
        "seed way energy_test_meV_per_atom set force_test_meV_per_A",
        [[1, "any", 2.5, "8K", ""]],
    )
    rows = read.read(str(tmp_path))["finetuning"]
    assert (rows["way"].tolist(), rows["energy_test_meV_per_atom"].tolist()) == (["any"], [2.5])
    assert np.isnan(rows["force_test_meV_per_A"][0])
    assert np.isnan(rows["seconds"][0])
    assert read.read(str(tmp_path)).sets() == ["8K"]


def test_variants_have_the_colour_of_their_way(tmp_path):
    ways = looks.looks(read.read(str(study(tmp_path / "study"))))
    assert list(ways) == ["scratch", "random", "any", "both", "random, replay", "GFN1-xTB"]
    assert ways["random, replay"].color == ways["random"].color
    assert (ways["random, replay"].line, ways["random, replay"].marker) != (ways["random"].line, ways["random"].marker)
    assert len({look.color for look in ways.values()}) == 5


@pytest.mark.parametrize("name", NEEDED)
def test_a_column_is_missing(tmp_path, name):
    head, rows = tables()[name]
    column = NEEDED[name][-1]
    put(tmp_path, name, head.replace(column, "other"), rows)
    with pytest.raises(AenetError, match=rf"{name}.csv:1: the column {column} is missing$"):
        read.read(str(tmp_path))


@pytest.mark.parametrize(("text", "message"), [
    ("0.6K,any,1,2,x,\n", "finetuning.csv:2: force_test_meV_per_A: found 'x'; expected a number"),
    ("0.6K,any,1,2,3,\n0.6K,any,2,nan,3,\n",
     "finetuning.csv:3: energy_test_meV_per_atom: found 'nan'; expected a number"),
    ("0.6K,any,1,2,inf,\n", "finetuning.csv:2: force_test_meV_per_A: found 'inf'; expected a number"),
    ("0.6K,any,,2,3,\n", "finetuning.csv:2: seed: found ''; expected a number"),
    ("0.6K,any,1,2,3\n", "finetuning.csv:2: found 5 values; expected 6, as in the first line"),
    ("0.6K,any,1,2,3,\n\n0.6K,any,1,2,3,\n", "finetuning.csv:4: the same set, way, seed as in line 2"),
])  # fmt: skip
def test_bad_rows(tmp_path, text, message):
    head = "set,way,seed,energy_test_meV_per_atom,force_test_meV_per_A,seconds\n"
    (tmp_path / "finetuning.csv").write_text(head + text)
    with pytest.raises(AenetError) as raised:
        read.read(str(tmp_path))
    assert str(raised.value) == str(tmp_path / message)


def test_bad_words_and_files(tmp_path):
    put(tmp_path, "screening", "study energy_meV_per_atom force_meV_per_A", [["alpha", 1, 2], ["beta", 1, 2]])
    message = "screening.csv:3: study: found 'beta'; expected descriptor, optimizer or alpha"
    with pytest.raises(AenetError, match=message):
        read.read(str(tmp_path))
    (tmp_path / "screening.csv").write_bytes(b"study\xff\n")
    with pytest.raises(AenetError, match=r"screening.csv: cannot be read: not a table of comma-separated text"):
        read.read(str(tmp_path))
    (tmp_path / "screening.csv").write_text("study,study,energy_meV_per_atom,force_meV_per_A\n")
    with pytest.raises(AenetError, match=r"screening.csv:1: two columns have the same name"):
        read.read(str(tmp_path))


def test_no_tables(tmp_path):
    with pytest.raises(AenetError, match="no such folder; give the folder with the tables of a study"):
        read.read(str(tmp_path / "none"))
    (tmp_path / "subsets.csv").write_text("")
    with pytest.raises(AenetError, match=r"no tables of a study; at least one of subsets, .* \(.csv\) is needed"):
        read.read(str(tmp_path))
