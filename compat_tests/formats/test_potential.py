"""Potentials: golden files in all forms rewritten byte for byte, damaged and old ones refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aenet_py.descriptors.legacy import angular_domain
from aenet_py.errors import InputError
from aenet_py.formats import potential, records
from compat_tests.cli.cases import golden_files, name_of
from compat_tests.formats import samples

WRITERS = {".nn": potential.to_binary, ".roundtrip": potential.to_list_directed, ".ascii": potential.to_trainer_text}
GOLDEN = [p for suffix in ("nn", "nn.ascii", "nn.roundtrip") for p in golden_files(f"*/train-*/expected/*.{suffix}")]


@pytest.mark.parametrize("path", GOLDEN, ids=name_of)
def test_golden_files_are_written_as_they_were_read(path):
    assert WRITERS[path.suffix](potential.read(str(path))) == path.read_bytes()


def read_back(folder, content: bytes) -> potential.PotentialFile:
    path = folder / "potential"
    path.write_bytes(content)
    return potential.read(str(path))


@given(st.lists(samples.NUMBERS, min_size=13, max_size=13), samples.NUMBERS, samples.PATHS, st.booleans())
def test_round_trips(tmp_path_factory, weights, scale, path, normalized):
    folder = tmp_path_factory.mktemp("potential")
    some = samples.small_potential()
    network = dataclasses.replace(some.network, weights=np.array(weights))
    training = dataclasses.replace(some.training, path=path, scale=scale, normalized=normalized)
    some = dataclasses.replace(some, network=network, training=training)
    content = potential.to_binary(some)
    assert potential.to_binary(read_back(folder, content)) == content
    assert potential.to_binary(read_back(folder, potential.to_list_directed(some))) == content


@pytest.mark.slow
@pytest.mark.parametrize("write", WRITERS.values())
def test_truncation_at_every_byte(tmp_path, write):
    content = write(samples.small_potential())
    for n in range(len(content)):
        with pytest.raises(InputError) as error:
            read_back(tmp_path, content[:n])
        assert "expected" in str(error.value)


@pytest.mark.parametrize(
    ("record", "index", "value", "message"),
    [
        (1, 0, 1, "number of layers.*found 1; expected at least 2"),
        (1, 0, 4, "nodes of the layers.*found a record of 12 bytes; expected 16"),
        (3, 0, 12, r"found \[0, 9, 13\] and 12 weights; expected \[0, 9, 13\] for layers of \[2, 3, 1\] nodes"),
        (5, 1, 0, "nodes of the layers.*found 0; expected at least 1"),
        (5, 1, 4, r"ends of the layers' weights.*expected \[0, 12, 17\]"),
        (6, 0, 5, r"activation functions.*found \[5, 0\]; expected 0 to 4"),
        (12, 0, 3, "species around.*found a record of 4 bytes; expected 6"),
        (17, 0, 3, "functions.*found a record of 8 bytes; expected 12"),
        (28, 0, 3, "whether values are normalised.*found 3"),
    ],
)
def test_values_that_do_not_fit(tmp_path, record, index, value, message):
    content = bytearray(potential.to_binary(samples.small_potential()))
    start = [0, *samples.boundaries(bytes(content))][record - 1] + 4 + 4 * index
    content[start : start + 4] = records.MARKER.pack(value)
    with pytest.raises(InputError, match=message):
        read_back(tmp_path, bytes(content))


def test_another_number_of_features(tmp_path):
    some = samples.small_potential()
    other = samples.small_training_set().footer
    content = potential.to_binary(dataclasses.replace(some, setup=other.setups[1], statistics=other.statistics[1]))
    with pytest.raises(InputError, match="found 3 features; expected 2, the number of inputs of the network"):
        read_back(tmp_path, content)


def test_files_of_aenet_before_2(tmp_path):
    content = potential.to_binary(samples.small_potential())
    ends = samples.boundaries(content)
    assert len(ends) == 36
    with pytest.raises(InputError, match=r"found 35 records, without the average squares .*ænet before 2.0 wrote"):
        read_back(tmp_path, content[: ends[24]] + content[ends[25] :])


def test_the_angular_domain_shows_in_the_averages():
    found = potential.read(str(golden_files("cluster-cuau-h2o/train-forces-adamw/expected/Cu.pytorch.nn")[0]))
    assert angular_domain(found.setup, found.statistics) == "corrected"
    first = 16  # radial features

    def with_averages(*angular):
        mean = found.statistics.mean.copy()
        mean[first : first + len(angular)] = angular
        return angular_domain(found.setup, dataclasses.replace(found.statistics, mean=mean))

    # Averages of a potential for TiO2 of 2018, divided by the first one, and those of its successor.
    assert with_averages(1.0, -1.015, 1.318, -2.709) == "before 2.0.4"
    assert with_averages(1.0, -0.055, -0.402, -0.008) == "corrected"
    assert with_averages(1.0, -0.5, -0.4, 0.1, 0.0, 0.0) == "unknown"
    assert with_averages(0.0, 0.0, 0.0) == "unknown"
