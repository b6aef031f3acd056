"""aenet-py select against brute force: selected frames, bytes, table, and messages."""

from __future__ import annotations

import csv
import json
import lzma
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ks_2samp

from aenet_py.cli.aenet import main
from aenet_py.formats import frames
from aenet_py.selection import criteria, shards, subset
from aenet_py.selection.survey import survey
from compat_tests.cli.cases import interrupt, listing
from compat_tests.structures import as_text, make_frames, write

N_SHARDS, PER_SHARD = 3, 40
ANOMALIES = {f"random{number}": number % 3 for number in range(28)}  # systems 28 and 29 are not in it


def system_of(number: int) -> str:
    return f"random{number // 4}"


@pytest.fixture(autouse=True)
def twins(tmp_path, monkeypatch) -> list[dict]:
    """A set of three shards, and its content: one dictionary per frame, in order."""
    monkeypatch.chdir(tmp_path)
    found = []
    made = make_frames(N_SHARDS * PER_SHARD, 5, "Cu Au O H Ti", (1, 9))
    (tmp_path / "set").mkdir()
    for shard, ending in enumerate((".xz", ".gz", "")):
        name = f"set/{(2, 10, 11)[shard]}"
        texts, labels = [], []
        for index in range(PER_SHARD):
            number = shard * PER_SHARD + index
            frame, text = made[number], as_text(made[number], extra=f"number={number}")
            label = f"{system_of(number)},frame{number % 4},{number / 7}"
            found.append(
                {
                    "file": f"{name}.extxyz{ending}", "index": index, "system": system_of(number),
                    "frame": f"frame{number % 4}", "atoms": frame.n_atoms, "text": text, "label": label + "\n",
                    "elements": set(frame.symbols), "energy": frame.energy / frame.n_atoms,
                    "force": max(sum(x * x for x in row) ** 0.5 for row in frame.forces.tolist()),
                }
            )  # fmt: skip
            texts.append(text)
            labels.append(label + "\n")
        write(tmp_path / f"{name}.extxyz{ending}", "".join(texts))
        write(tmp_path / f"{name}.txt{ending}", "".join(labels))
    return found


def choose(*arguments: str, output: str = "out.extxyz") -> list[dict[str, str]]:
    """Run the command and return the rows of its table."""
    assert main(["select", "set", "-o", output, "--no-figures", *arguments]) == 0
    with open(output.partition(".")[0] + ".csv", newline="") as file:
        return list(csv.DictReader(file))


def check(rows: list[dict[str, str]], expected: list[dict], output: str = "out.extxyz") -> None:
    assert [(row["file"], int(row["index"])) for row in rows] == [(t["file"], t["index"]) for t in expected]
    for row, twin in zip(rows, expected, strict=True):
        assert (row["system"], row["frame"], int(row["atoms"])) == (twin["system"], twin["frame"], twin["atoms"])
        assert row["elements"].split() == sorted(twin["elements"])
        assert float(row["energy_per_atom_eV"]) == twin["energy"]
        assert float(row["largest_force_eV_per_Angstrom"]) == pytest.approx(twin["force"], rel=1e-14)
    opened = lzma.open if output.endswith(".xz") else open
    with opened(output, "rb") as file:
        assert file.read().decode() == "".join(twin["text"] for twin in expected)
    with opened(output.replace("extxyz", "txt"), "rb") as file:
        assert file.read().decode() == "".join(twin["label"] for twin in expected)


def test_everything(twins):
    check(choose(), twins)


@pytest.mark.parametrize(
    ("arguments", "fits"),
    [
        (["--any", "Cu,Au"], lambda e: "Cu" in e or "Au" in e),
        (["--all", "Cu,Au"], lambda e: "Cu" in e and "Au" in e),
        (["--only", "Cu,Au,O,H"], lambda e: "Ti" not in e),
        (
            ["--any", "Cu,Au", "--all", "O", "--only", "Cu,O,H, Au"],
            lambda e: "O" in e and "Ti" not in e and {"Cu", "Au"} & e,
        ),
    ],
)
def test_elements(twins, arguments, fits):
    expected = [twin for twin in twins if fits(twin["elements"])]
    assert 0 < len(expected) < len(twins)
    check(choose(*arguments, output="out.extxyz.xz"), expected, "out.extxyz.xz")


@pytest.mark.parametrize("form", ["csv", "json", "nested.json"])
def test_anomalies(twins, form, capsys):
    if form == "csv":
        text = "sid, anomaly,more\n" + "".join(f"{system},{code},x\n" for system, code in ANOMALIES.items())
    elif form == "json":
        text = json.dumps(ANOMALIES)
    else:
        text = json.dumps({system: {"anomaly": code, "class": 1} for system, code in ANOMALIES.items()})
    Path(f"anomalies.{form}").write_text(text)
    rows = choose("--exclude-anomalies", f"anomalies.{form}")
    check(rows, [twin for twin in twins if ANOMALIES.get(twin["system"], 0) == 0])
    printed = capsys.readouterr().out
    assert "anomalous systems              -72" in printed
    assert "8 of them are missing in the list of anomalies and were kept" in printed


@pytest.mark.parametrize("n", [1, 17, 60])
def test_draw(twins, n, capsys):
    rows = choose("--n", str(n), "--seed", "3", "--strata", "10")
    drawn = {(row["file"], int(row["index"])) for row in rows}
    expected = [twin for twin in twins if (twin["file"], twin["index"]) in drawn]
    assert len(expected) == n
    check(rows, expected)
    everything = [twin["energy"] for twin in twins]
    bound = 1 / min(10, n) + 1.5 / n + 1 / len(twins)
    assert ks_2samp([twin["energy"] for twin in expected], everything).statistic <= bound
    strata = "1 stratum" if n == 1 else "10 strata"
    assert f"drawn from {strata} of energy per atom with seed 3" in capsys.readouterr().out
    assert choose("--n", str(n), "--seed", "3", "--strata", "10", output="again.extxyz") == rows
    assert Path("again.extxyz").read_bytes() == Path("out.extxyz").read_bytes()
    if n > 1:
        assert choose("--n", str(n), "--seed", "4", "--strata", "10", output="other.extxyz") != rows


def test_a_seed_that_was_drawn_is_reported(capsys):
    rows = choose("--n", "30")
    seed = capsys.readouterr().out.partition("with seed ")[2].split()[0]
    assert choose("--n", "30", "--seed", seed, output="again.extxyz") == rows


def test_a_draw_among_those_that_fit():
    rows = choose("--n", "20", "--any", "Ti", "--seed", "1")
    assert len(rows) == 20
    assert all("Ti" in row["elements"] for row in rows)


def test_fewer_than_asked_for(capsys):
    assert len(choose("--n", "121")) == 120
    assert capsys.readouterr().err == "Warning: only 120 structures match, fewer than 121\n"


def test_a_selection_can_be_selected_from(twins):
    choose("--any", "Cu,Au", output="set.extxyz.gz")
    assert main(["select", "set.extxyz.gz", "-o", "out.extxyz", "--no-figures", "--only", "Cu,Au"]) == 0
    expected = [twin for twin in twins if twin["elements"] <= {"Cu", "Au"}]
    assert Path("out.extxyz").read_text() == "".join(twin["text"] for twin in expected)
    assert Path("out.txt").read_text() == "".join(twin["label"] for twin in expected)


def test_report_and_figures(twins, capsys):
    assert main(["select", "set", "-o", "out.extxyz", "--n", "50", "--any", "Cu"]) == 0
    printed, report = capsys.readouterr().out, Path("out-report.txt").read_text()
    assert printed.startswith(f"{report}\nwritten: out.extxyz, out.txt, out.csv, out-report.txt,")
    assert printed.endswith(" out-elements.png\nselected: 50 of 120 structures\n")
    assert max(map(len, printed.splitlines())) <= 80
    n_fit = sum("Cu" in twin["elements"] for twin in twins)
    assert "50 of 120 structures in out.extxyz\n" in report
    assert f"  other elements        {n_fit - 120:>12}\n  matching              {n_fit:>12}\n" in report
    values = np.percentile([twin["energy"] for twin in twins], [0, 5, 25, 50, 75, 95, 100])
    assert "  energy per atom (eV)\n  all     " + "".join(f"{value:10.4f}" for value in values) in report
    assert f"Cu 50/{n_fit}" in report
    assert f"/{sum('Ti' in twin['elements'] for twin in twins)}" in report
    for name in ("energy-force", "sizes", "elements"):
        assert Path(f"out-{name}.png").read_bytes().startswith(b"\x89PNG")


def test_figures_of_a_single_structure():
    write(Path("one.xyz"), "1\nProperties=species:S:1:pos:R:3:forces:R:3 energy=-1\nCu 0 0 0 0 0 0\n")
    assert main(["select", "one.xyz", "-o", "out.xyz"]) == 0
    assert Path("out-energy-force.png").exists()
    assert not Path("out.txt").exists()


def test_system_ids_in_the_comment():
    for path in Path("set").glob("*.txt*"):
        path.unlink()
    for path in Path("set").iterdir():
        path.unlink()
    write(Path("set/0.xyz"), "".join(as_text(frame, f"sid=random{i}") for i, frame in enumerate(make_frames(6))))
    write(Path("anomalies.csv"), "system_id,anomaly\nrandom1,1\nrandom2,0\n")
    assert [row["system"] for row in choose("--exclude-anomalies", "anomalies.csv")] == [
        "random0", "random2", "random3", "random4", "random5",
    ]  # fmt: skip


def test_bad_frames_are_skipped_if_asked(twins, capsys):
    texts = [twin["text"] for twin in twins[:PER_SHARD]]
    texts[3], texts[7] = texts[3].replace("energy", "E"), texts[7].replace("forces", "velocities")
    cut = "".join(texts).encode()[: -len(texts[-1]) // 2]
    Path("set/2.extxyz.xz").write_bytes(lzma.compress(cut))
    before = listing(Path())
    assert main(["select", "set", "-o", "out.extxyz", "--no-figures"]) == 1
    assert capsys.readouterr().err.startswith(
        "Error: set/2.extxyz.xz#3: no energy found; expected a total energy in eV"
    )
    assert listing(Path()) == before
    rows = choose("--skip-bad")
    check(rows, [twin for i, twin in enumerate(twins) if i not in (3, 7, PER_SHARD - 1)])
    printed = capsys.readouterr().out
    assert "\n3 skipped\n  set/2.extxyz.xz#3: no energy found" in printed
    assert "  set/2.extxyz.xz#7: no forces found" in printed
    assert "  set/2.extxyz.xz#39:" in printed
    assert "announced, but the file ends after" in printed


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["set", "-o", "out.xsf"], "out.xsf: the name must end with .extxyz or .xyz, optionally followed by"),
        (["set", "-o", "taken.extxyz"], "taken.csv: file exists; choose another name"),
        (["set", "-o", "out.extxyz", "--any", "Cu,Xx"], "unknown element 'Xx'; give symbols such as Cu,Au"),
        (["set", "-o", "out.extxyz", "--n", "0"], "n must be at least 1, not 0"),
        (["set", "-o", "out.extxyz", "--any", "Pt"], "none of 120 structures matches; relax the criteria"),
        (["none", "-o", "out.extxyz"], "none: no such file; expected a file .extxyz"),
        (["taken.csv", "-o", "out.extxyz"], "taken.csv: unsupported kind of file; give a file .extxyz"),
        (["twice", "-o", "out.extxyz"], "twice/a.extxyz.gz: twice/a.extxyz has the same frames; remove one of them"),
        (["short", "-o", "out.extxyz"], "short/a.txt: there is no line for short/a.extxyz#1; expected a list"),
        (["long", "-o", "out.extxyz"], "long/a.txt: found more than 2 lines; expected one for each frame"),
        (["wrong", "-o", "out.extxyz"], "wrong/a.txt:2: found 'b'; expected 'system,frame,energy'"),
        (["bare", "-o", "out.extxyz", "--exclude-anomalies", "good.csv"], "bare/a.extxyz#0: no system id; give a list"),
        (["set", "-o", "out.extxyz", "--exclude-anomalies", "none.csv"], "none.csv: no such file; expected a table"),
        (["set", "-o", "out.extxyz", "--exclude-anomalies", "taken.csv"], "taken.csv:1: found columns x"),
        (["set", "-o", "out.extxyz", "--exclude-anomalies", "bad.csv"], "bad.csv:3: found 'b,yes'; expected a"),
        (["set", "-o", "out.extxyz", "--exclude-anomalies", "bad.json"], "bad.json: the code of b must be an integer"),
        (["set", "-o", "out.extxyz", "--exclude-anomalies", "data.pkl"], "data.pkl: not text in the expected format"),
        (["set", "-o", "out.extxyz", "--exclude-anomalies", "list.json"], "list.json: not an object; expect"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_and_nothing_written(tmp_path, capsys, arguments, expected):
    two = "".join(as_text(frame) for frame in make_frames(2))
    for folder, labels in (
        ("twice", None),
        ("short", "a,b,1\n"),
        ("long", "a,b,1\nb,c,2\nc,d,3\n"),
        ("wrong", "a,b,1\nb\n"),
    ):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "a.extxyz", two)
        if labels:
            write(tmp_path / folder / "a.txt", labels)
    write(tmp_path / "twice/a.extxyz.gz", two)
    (tmp_path / "bare").mkdir()
    write(tmp_path / "bare/a.extxyz", two)
    Path("taken.csv").write_text("x\n")
    Path("good.csv").write_text("system_id,anomaly\na,1\n")
    Path("bad.csv").write_text("system_id,anomaly\na,1\nb,yes\n")
    Path("bad.json").write_text('{"a": 1, "b": "yes"}')
    Path("list.json").write_text("[1]")
    Path("data.pkl").write_bytes(b"\x80\x04\x95\xff\xfe")
    before = listing(tmp_path)
    try:
        status = main(["select", *arguments, "--no-figures"])
    except SystemExit as stopped:
        status = stopped.code
    assert status == 1
    error = capsys.readouterr().err
    assert expected in error
    assert error.count("\n") == 1
    assert listing(tmp_path) == before


def test_a_set_that_changes_between_the_passes_is_noticed(tmp_path):
    given = shards.find(["set"])
    found = survey(given, criteria.Criteria(), None, lambda n: None)  # noqa: ARG005
    write(tmp_path / "set/11.extxyz", as_text(make_frames(1)[0]))
    with pytest.raises(Exception, match=r"set/11\.extxyz: frame 1 has disappeared since the first reading"):
        list(subset._chosen(given, found, np.arange(120)))


@pytest.mark.memory
def test_memory_is_a_few_numbers_a_frame(tmp_path, monkeypatch):
    monkeypatch.setattr(frames, "BLOCK_BYTES", 1 << 14)
    text = as_text(make_frames(1)[0], "sid=random1")
    peaks = []
    for n in (1000, 6000):
        write(tmp_path / f"{n}.extxyz.gz", text * n)
        tracemalloc.start()
        arguments = [f"{n}.extxyz.gz", "-o", f"out{n}.extxyz", "--no-figures", "--n", "500", "--seed", "1"]
        assert main(["select", *arguments]) == 0
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 5000 * 150


def test_interrupted_it_leaves_nothing(tmp_path, twins):
    write(tmp_path / "large.extxyz", "".join(twin["text"] for twin in twins) * 150)
    before = listing(tmp_path)
    assert interrupt(tmp_path, "select", "large.extxyz", "-o", "out.extxyz.xz") == (
        130,
        "Error: interrupted; nothing was written\n",
    )
    assert listing(tmp_path) == before
