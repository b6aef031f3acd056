"""aenet-py info: what files hold, in words and as JSON, and what --check finds."""

from __future__ import annotations

import dataclasses
import itertools
import json
import struct

import numpy as np
import pytest

from aenet_py.cli.aenet import main
from aenet_py.formats import gradients, potential, records
from aenet_py.formats.trainset import BINARY, TEXT
from compat_tests.cli.cases import FIXTURES, golden_files, name_of, run
from compat_tests.formats import samples

CLUSTER = FIXTURES / "cluster-cuau-h2o"
TRAINING_SET = """\
{path}: training set, binary, 109,756 bytes
  species         Cu Au O H
  atomic energies in eV: Cu -1308.900000, Au -879.100000, O -432.503149,
                  H -13.587223
  structures      14
  atoms           201
  energy per atom -0.231208 to -0.091009, average -0.177018 eV
  normalised      no

  features of     Cu, surrounded by Cu Au O H
  basis           Chebyshev, 44 features
                  radial to 8 Å, order 15; angular to 5 Å, order 5
  distances       0.55 to 8 Å
  atoms           69
  description     Cu in a metal cluster with adsorbed water
"""


def info(capsys, *arguments) -> tuple[int, str, str]:
    status = main(["info", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_words(capsys):
    path = CLUSTER / "expected/cluster.train"
    status, out, err = info(capsys, path)
    assert (status, err) == (0, "")
    assert out.startswith(TRAINING_SET.format(path=path))
    assert out.count("features of") == 4


def test_json(capsys):
    path = CLUSTER / "train-forces-adamw/expected/Au.pytorch.nn.ascii"
    status, out, _ = info(capsys, "--json", path)
    found = json.loads(out)
    assert status == 0
    assert (found["kind"], found["form"], found["bytes"]) == ("potential", "text", path.stat().st_size)
    assert found["network"] == {"nodes": [44, 10, 10, 1], "activations": ["tanh", "tanh", "linear"], "weights": 571}
    assert found["setup"]["environment"] == ["Cu", "Au", "O", "H"]
    assert found["setup"]["angular_order"] == 5
    assert found["training_set"]["energy_scale"] == 14.265475940733447
    assert found["training_set"]["normalised"] is True
    assert found["angular_domain"] == "corrected"


@pytest.mark.parametrize("suffix", ["*/expected/*.train", "*/expected/*.train.ascii", "*/expected/*.train.forces"])
def test_check_of_golden_files(suffix, capsys):
    for path in golden_files(suffix):
        if path.name == "edges.train.ascii":
            continue  # the original stopped while it wrote this
        status, out, err = info(capsys, path, "--check")
        skipped = "the header counts 1 structure more than the file holds" if path.parents[1].name == "edges" else ""
        assert (status, skipped in err, bool(err)) == (0, True, bool(skipped)), name_of(path)
        assert out.endswith("no errors\n")
        assert max(map(len, out.splitlines()[1:])) <= 80


def test_counts_of_a_check(capsys):
    _, out, _ = info(capsys, FIXTURES / "edges/expected/edges.train", "--check", "--json")
    found = json.loads(out)
    assert (found["structures"], found["checked"]) == (8, {"structures": 7, "records": 7 + 7 * 4 + 12 * 5 + 3 + 2 * 18})
    _, out, _ = info(capsys, FIXTURES / "edges/expected/edges.train.forces", "--check", "--json")
    found = json.loads(out)
    assert found["checked"]["structures"] == 7
    assert found["checked"]["with_gradients"] >= 1


def test_the_original_cut_text(capsys):
    path = golden_files("edges/expected/edges.train.ascii")
    if not path:
        pytest.skip("the shared golden cases are not at hand")
    status, out, err = info(capsys, path[0])
    assert (status, out) == (1, "")
    assert err == f"Error: {path[0]}:8: footer: number of atoms: found the end of the file; expected a line\n"


CONTENTS = {
    "train": samples.content_of(samples.small_training_set(), BINARY),
    "train.ascii": samples.content_of(samples.small_training_set(), TEXT),
    "forces": samples.small_gradients(),
    "nn": potential.to_binary(samples.small_potential()),
    "nn.ascii": potential.to_trainer_text(samples.small_potential()),
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_check_finds_every_truncation(kind, tmp_path, capsys):
    path = tmp_path / "file"
    for n in range(0, len(CONTENTS[kind]), 3):
        path.write_bytes(CONTENTS[kind][:n])
        status, out, err = info(capsys, path, "--check")
        assert (status, out, err.count("\n")) == (1, "", 1)
        assert err.startswith(f"Error: {path}")
    path.write_bytes(CONTENTS[kind])
    assert info(capsys, path, "--check")[0] == 0


@pytest.mark.parametrize("kind", ["train", "forces", "nn"])
def test_check_finds_every_wrong_length(kind, tmp_path, capsys):
    path, content = tmp_path / "file", CONTENTS[kind]
    starts = [0, *samples.boundaries(content)]
    for number, (start, end) in enumerate(itertools.pairwise(starts), 1):
        for place in (start, end - 4):
            wrong = struct.pack("<i", end - start - 8 + 1)
            path.write_bytes(content[:place] + wrong + content[place + 4 :])
            status, _, err = info(capsys, path, "--check")
            assert status == 1
            assert number == 1 or f"record {number} at byte {start} " in err or "not a known type of file" in err, err


def test_potentials_before_the_correction(tmp_path, capsys):
    found = potential.read(str(CLUSTER / "train-forces-adamw/expected/Cu.pytorch.nn"))
    mean = found.statistics.mean.copy()
    mean[16:20] = 1.0, -1.0, 1.3, -2.7
    content = potential.to_binary(found).replace(found.statistics.mean.tobytes(), mean.tobytes())
    (tmp_path / "old.nn").write_bytes(content)
    status, out, err = info(capsys, tmp_path / "old.nn")
    assert status == 0
    assert "44 features" in out
    assert "trained with the angular features of aenet before 2.0.4" in err


def test_energies_of_a_potential_of_train_x_are_in_ev(tmp_path, capsys):
    """It stores normalised energies, where the other trainer stores those in eV."""
    some = samples.small_potential()
    stored = dataclasses.replace(some.training, normalized=True, low=-1.0, high=1.0, mean=0.5, scale=4.0, shift=-3.0)
    (tmp_path / "x.nn").write_bytes(potential.to_binary(dataclasses.replace(some, training=stored)))
    assert "energy per atom -3.250000 to -2.750000, average -2.875000 eV" in info(capsys, tmp_path / "x.nn")[1]


@pytest.mark.parametrize("parameters", [np.ones((2, 1)), np.full((2, 4), np.nan), np.full((2, 4), np.inf)])
def test_odd_parameters(parameters, tmp_path, capsys):
    some = samples.small_potential()
    odd = dataclasses.replace(some, setup=dataclasses.replace(some.setup, parameters=parameters))
    (tmp_path / "odd.nn").write_bytes(potential.to_binary(odd))
    assert info(capsys, tmp_path / "odd.nn")[0] == 0
    status, out, _ = info(capsys, tmp_path / "odd.nn", "--json")
    assert status == 0
    assert json.loads(out, parse_constant=pytest.fail)["angular_domain"] == "unknown"


@pytest.mark.parametrize("content", [b"\x00" * 40, b"some text\n", b"1\n2\n3\n", b"\x04\0\0\0\x07\0\0\0\x04\0\0\0" * 3])
def test_other_files(content, tmp_path, capsys):
    (tmp_path / "file").write_bytes(content)
    status, _, err = info(capsys, tmp_path / "file")
    assert status == 1
    assert "expected a training set (.train, .train.ascii), gradients (.train.forces) or a potential" in err


def test_one_species_and_a_name_of_two_letters(tmp_path, capsys):
    """The first five records of gradients may look like those of a training set, and the reverse."""
    (tmp_path / "file").write_bytes(
        gradients.header(1) + gradients.structure("a1", 1, 1, False) + gradients.footer(0)
    )  # fmt: skip
    assert "gradients" in info(capsys, tmp_path / "file", "--check")[1]
    start = [records.integers([1]), records.integers([2]), records.symbols(["O"]), records.reals([1.0])]
    rest = [records.logical(False), records.reals([1.0]), records.reals([0.0])]
    (tmp_path / "file").write_bytes(b"".join(start + rest))
    assert "record 8 at byte 94 (structure 1: " in info(capsys, tmp_path / "file")[2]


def test_the_command(tmp_path):
    done = run(tmp_path, program="aenet-py")
    assert done.returncode == 1
    assert "required: COMMAND" in done.stderr
    done = run(tmp_path, "info", "none", program="aenet-py")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "Error: none: no such file\n")
    done = run(tmp_path, "--help", program="aenet-py")
    assert "info" in done.stdout
    assert "diff" in done.stdout


def test_a_folder_of_potentials(tmp_path, capsys):
    folder = CLUSTER / "train-forces-adamw" / "expected"
    status, out, _ = info(capsys, "--check", folder)
    assert status == 0
    lines = out.splitlines()
    assert lines[0] == f"{folder}: potentials, 42,248 bytes"
    assert lines[2] == "  Cu              Cu.pytorch.nn: 44 - 10 - 10 - 1, Chebyshev to 8 Å"
    assert lines[-3] == "  trained on      cluster.train.ascii, 14 structures"
    assert lines[-1] == "  checked         4 potentials: no errors"
    described = json.loads(info(capsys, "--json", folder)[1])
    assert described["kind"] == "potentials"
    assert described["potentials"]["O"]["network"]["nodes"] == [44, 10, 10, 1]
    status, _, err = info(capsys, tmp_path)
    assert status == 1
    assert "no potentials (.nn or .nn.ascii) in this folder" in err
