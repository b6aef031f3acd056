"""aenet-py diff: the first difference, distances in units in the last place, exit statuses."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aenet_py.cli.aenet import main
from aenet_py.formats import potential, trainset
from aenet_py.formats.atoms import Atoms
from aenet_py.formats.trainset import BINARY, TEXT
from aenet_py.tools.diff import NOT_A_NUMBER, distances
from compat_tests.cli.cases import FIXTURES
from compat_tests.formats import samples


@pytest.fixture
def diff(tmp_path, capsys, monkeypatch):
    """Compare two contents; returns status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def run(a: bytes, b: bytes, *options: str) -> tuple[int, str, str]:
        (tmp_path / "a").write_bytes(a)
        (tmp_path / "b").write_bytes(b)
        status = main(["diff", "a", "b", *options])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


SET = samples.small_training_set()
CONTENT = samples.content_of(SET, BINARY)


def with_features(change) -> trainset.TrainingSet:
    features = SET.structures.atoms.features.copy()
    change(features)
    atoms = dataclasses.replace(SET.structures.atoms, features=features)
    return dataclasses.replace(SET, structures=trainset.StructureBatch(SET.structures.entries, atoms))


def shifted(features: np.ndarray) -> None:
    features[1, 2] = np.nextafter(np.nextafter(features[1, 2], np.inf), np.inf)
    features[2, 0] = np.nextafter(features[2, 0], -np.inf)


def test_the_same_bytes(diff):
    assert diff(CONTENT, CONTENT) == (0, "a and b are identical, byte for byte\n", "")


def test_binary_and_text(diff):
    status, out, _ = diff(CONTENT, samples.content_of(SET, TEXT))
    assert status == 0
    assert out == "a and b agree: 135 values in 69 fields\n  formatted differently\n"


@pytest.mark.parametrize("other", [BINARY, TEXT])
def test_numbers(diff, other):
    changed = with_features(shifted)
    old, new = SET.structures.atoms.features[1, 2], changed.structures.atoms.features[1, 2]
    status, out, _ = diff(CONTENT, samples.content_of(changed, other))
    assert status == 1
    place = "record 21" if other is BINARY else "line 62"
    assert out.splitlines() == [
        "first difference: structure 1, atom 2: features, value 3",
        f"  a, record 21: {old}",
        f"  b, {place}: {new}",
        "  2 units in the last place apart",
        "2 of 135 values in 69 fields differ, in 2 fields",
        "  by up to 2 units in the last place",
    ]


def test_numbers_within(diff):
    content = samples.content_of(with_features(shifted), BINARY)
    assert diff(CONTENT, content, "--ulp", "2") == (
        0, "a and b agree: 135 values in 69 fields\n  2 of them differ, by up to 2 units in the last place\n", "",
    )  # fmt: skip
    status, out, _ = diff(CONTENT, content, "--ulp", "1")
    assert status == 1
    assert out.endswith(
        "1 of 135 values in 69 fields differ, in 1 field\n  by up to 2 units in the last place\n"
        "1 further value differs by no more than 1 unit in the last place\n"
    )


def test_other_text_and_structures(diff):
    entries = (dataclasses.replace(SET.structures.entries[0], path="b.xsf"), SET.structures.entries[1])
    other = dataclasses.replace(SET, structures=trainset.StructureBatch(entries, SET.structures.atoms))
    status, out, _ = diff(CONTENT, samples.content_of(other, BINARY))
    assert status == 1
    assert out.splitlines() == [
        "first difference: structure 1: file name",
        "  a, record 9: 'a.xsf'",
        "  b, record 9: 'b.xsf'",
        "1 of 135 values in 69 fields differ, in 1 field",
    ]


def test_missing_structures(diff):
    atoms = Atoms(**{name: values[:2] for name, values in vars(SET.structures.atoms).items()})
    first = trainset.StructureBatch(SET.structures.entries[:1], atoms)
    other = dataclasses.replace(SET, structures=first, footer=dataclasses.replace(SET.footer, n_atoms=2))
    status, out, _ = diff(CONTENT, samples.content_of(other, BINARY))
    assert status == 1
    begin, end = "structure 2: length of the file name (1 value)", "footer: number of atoms (1 value)"
    assert out.splitlines() == [
        "first difference: different contents",
        f"  a, record 22: {begin}",
        f"  b, record 22: {end}",
        "the rest cannot be compared",
    ]


def test_potentials(diff):
    some = samples.small_potential()
    weights = some.network.weights.copy()
    weights[4] = -weights[4]
    other = dataclasses.replace(some, network=dataclasses.replace(some.network, weights=weights))
    assert diff(potential.to_binary(some), potential.to_list_directed(some))[0] == 0
    status, out, _ = diff(potential.to_binary(some), potential.to_binary(other))
    assert status == 1
    assert out.startswith("first difference: network: weights, value 5\n  a, record 9: ")


def test_gradients(diff):
    content = samples.small_gradients()
    starts = [0, *samples.boundaries(content)]
    changed = bytearray(content)
    changed[starts[8] + 4 + 8] ^= 1  # the second number of record 9, its last bit
    status, out, _ = diff(content, bytes(changed))
    assert status == 1
    assert out.startswith("first difference: structure 1, atom 1: derivatives by the atom, value 2\n  a, record 9: ")
    assert "1 unit in the last place apart" in out


def test_files_of_different_kinds(diff):
    status, out, err = diff(CONTENT, samples.small_gradients())
    assert (status, out) == (1, "")
    assert err == "Error: b: cannot compare gradients with training set in a\n"


def test_broken_files(diff):
    for a, b in ((CONTENT, CONTENT[:-10]), (CONTENT[:-10], CONTENT), (CONTENT, b"")):
        status, _, err = diff(a, b)
        assert status == 1
        assert err.startswith("Error: ")
        assert err.count("\n") == 1


@pytest.mark.parametrize("units", ["-1", "x", "1.5"])
def test_wrong_units(diff, units, capsys):
    with pytest.raises(SystemExit) as stop:
        diff(CONTENT, CONTENT, f"--ulp={units}")
    assert stop.value.code == 1
    assert "is not a number of units, 0 or more" in capsys.readouterr().err


def test_golden_files_of_several_forms(monkeypatch, capsys):
    monkeypatch.chdir(FIXTURES / "cluster-cuau-h2o/train-forces-adamw/expected")
    assert main(["diff", "Cu.pytorch.nn", "Cu.pytorch.nn.roundtrip"]) == 0
    capsys.readouterr()
    assert main(["diff", "Cu.pytorch.nn", "Cu.pytorch.nn.ascii"]) == 1  # the trainer's text has the whole description
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["first difference: set-up: description", "  Cu.pytorch.nn, record 10: 'Cu'"]
    assert lines[2].startswith("  Cu.pytorch.nn.ascii, line 10: 'Cu in a")


@given(st.floats(-1e300, 1e300), st.integers(0, 20))
def test_distances_count_the_numbers_between(value, n):
    other = value
    for _ in range(n):
        other = math.nextafter(other, math.inf)
    passed_zero = math.copysign(1, value) < 0 <= math.copysign(1, other)
    expected = n + passed_zero  # there are two zeros
    assert distances(np.array([value, other]), np.array([other, value])).tolist() == [expected] * 2


def test_distances_of_special_numbers():
    nan, inf = math.nan, math.inf
    a = np.array([0.0, nan, nan, -5e-324, inf, 1.0])
    b = np.array([-0.0, nan, 1.0, 5e-324, inf, 1.0])
    assert distances(a, b).tolist() == [1, 0, int(NOT_A_NUMBER), 3, 0, 0]
    assert distances(np.array([-inf]), np.array([inf]))[0] > 2**63
