"""aenet-py merge: the bytes of one run of generate.x for all structures."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from aenet_py.cli import generate, trainbin2ascii
from aenet_py.cli.aenet import main
from compat_tests.cli.cases import FIXTURES, copy_case, listing

CASES = {"cluster-cuau-h2o": True, "behler2011": True, "per-species-setups": True, "edges": True, "selection-25": False}


@pytest.fixture
def made(request, tmp_path, monkeypatch, capsys):
    """In the case's folder, the current one: its training set as whole.train, and the same structures in several."""
    name, *cuts = request.param
    monkeypatch.chdir(copy_case(FIXTURES / name, tmp_path / "case"))
    deck, _, files = Path("generate.in").read_text().partition("FILES")
    paths = [line.strip() for line in files.splitlines() if line.strip().endswith(".xsf")]
    deck = re.sub(r"(?im)^ *(forces|forcespercent|forceslist)\b.*\n", "", deck)
    chosen = "FORCES\nFORCESPERCENT 100\n" if CASES[name] else ""
    names: list[str] = []
    for start, stop in [(0, len(paths)), *itertools.pairwise([0, *cuts, len(paths)])]:
        names.append(f"part{len(names)}.train" if names else "whole.train")
        listed = "\n".join(["FILES", str(stop - start), *paths[start:stop]])
        text = re.sub(r"(?im)^ *output .*", f"OUTPUT {names[-1]}", deck)
        Path("deck").write_text(f"{text}\n{chosen}\n{listed}\n")
        assert generate.main(["deck"]) == 0
    capsys.readouterr()
    return name, names[1:]


@pytest.mark.parametrize("made", [(name, *cuts) for name in CASES for cuts in ((3,), (1, 2, 5))], indirect=True)
def test_the_bytes_of_a_single_run(made, capsys):
    name, parts = made
    assert main(["merge", *parts, "-o", "merged.train"]) == 0
    assert capsys.readouterr().out.startswith("merged.train: ")
    assert Path("merged.train").read_bytes() == Path("whole.train").read_bytes()
    assert Path("merged.train.forces").exists() == CASES[name]
    if CASES[name]:
        assert Path("merged.train.forces").read_bytes() == Path("whole.train.forces").read_bytes()


CLUSTER = ("cluster-cuau-h2o", 3)


@pytest.mark.parametrize("made", [("selection-25", 2)], indirect=True)
def test_text_as_well(made):
    _, parts = made
    assert trainbin2ascii.main([parts[0], "text"]) == 0
    assert main(["merge", "text", parts[1], "-o", "merged.train"]) == 0
    assert Path("merged.train").read_bytes() == Path("whole.train").read_bytes()


@pytest.mark.parametrize("made", [("cluster-cuau-h2o", 3)], indirect=True)
def test_text_with_gradients_beside_it(made):
    _, parts = made
    for part in parts:
        assert trainbin2ascii.main([part, f"{part}.ascii"]) == 0
        Path(part).unlink()
    assert main(["merge", *(f"{part}.ascii" for part in parts), "-o", "merged.train"]) == 0
    for name in ("train", "train.forces"):
        assert Path(f"merged.{name}").read_bytes() == Path(f"whole.{name}").read_bytes()


def refused(message: str, capsys, *arguments: str) -> None:
    before = listing(Path())
    assert main(["merge", *arguments]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
    assert listing(Path()) == before


@pytest.mark.parametrize("made", [CLUSTER], indirect=True)
def test_sets_that_do_not_belong_together(made, capsys):
    _, parts = made
    refused("whole.train: file exists; choose another name", capsys, *parts, "-o", "whole.train")
    refused("none: no such file", capsys, parts[0], "none", "-o", "new")
    Path("Au.stp").write_text(Path("Au.stp").read_text().replace("angular_N = 5", "angular_N = 4"))
    Path("other").write_text(Path("deck").read_text().replace("part2.train", "other.train"))
    assert generate.main(["other"]) == 0
    capsys.readouterr()
    refused(
        "other.train: the set-up of Au differs from that in part1.train",
        capsys,
        parts[0],
        "other.train",
        "-o",
        "new",
    )
    Path("other").write_text(
        Path("other").read_text().replace("other.train", "shifted.train").replace("-879.1", "-879.2")
    )
    assert generate.main(["other"]) == 0
    capsys.readouterr()
    refused("-879.2, -432.503149303", capsys, parts[0], "shifted.train", "-o", "new")


@pytest.mark.parametrize("made", [CLUSTER], indirect=True)
def test_gradients_that_are_missing_or_damaged(made, capsys):
    _, parts = made
    forces = Path("part2.train.forces")
    content = forces.read_bytes()
    forces.write_bytes(content[:-6])
    refused("part2.train.forces:", capsys, *parts, "-o", "new")
    middle = len(content) // 2
    forces.write_bytes(content[:middle] + content[-12:])
    refused("part2.train.forces:", capsys, *parts, "-o", "new")
    forces.write_bytes(content[:-8] + b"\xff\xff\xff\x7f" + content[-4:])
    refused("part2.train.forces:", capsys, *parts, "-o", "new")
    name = b"xsf/"
    assert name in content
    forces.write_bytes(content.replace(name, b"abc/", 1))
    refused("part2.train.forces: structure 1: found abc/", capsys, *parts, "-o", "new")
    forces.write_bytes(Path("whole.train.forces").read_bytes())
    refused("part2.train.forces: found 14 structures; expected 11, as in part2.train", capsys, *parts, "-o", "new")
    forces.unlink()
    refused(
        "part2.train.forces: no such file; all training sets must have gradients, or none", capsys, *parts, "-o", "new"
    )
