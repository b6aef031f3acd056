"""Training sets: golden files rewritten byte for byte, random ones in both forms, damaged ones refused."""

from __future__ import annotations

import dataclasses
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given

from aenet_py.errors import InputError
from aenet_py.formats import trainset
from aenet_py.formats.trainset import BINARY, TEXT
from compat_tests.cli.cases import golden_files, name_of, records_of
from compat_tests.formats import samples

GOLDEN = golden_files("*/expected/*.train")
TEXTS = [path for path in golden_files("*/expected/*.train.ascii") if path.parents[1].name != "edges"]
FORMS = {"binary": BINARY, "text": TEXT}


def written(folder, content: bytes) -> str:
    path = folder / "set"
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize("path", GOLDEN + TEXTS, ids=name_of)
def test_golden_files_are_written_as_they_were_read(path):
    form = TEXT if path.suffix == ".ascii" else BINARY
    assert samples.content_of(trainset.read(str(path)), form) == path.read_bytes()


@pytest.mark.parametrize("path", TEXTS, ids=name_of)
def test_both_forms_hold_the_same(path):
    assert samples.content_of(trainset.read(str(path)), BINARY) == path.with_suffix("").read_bytes()


@pytest.mark.parametrize("path", [p for p in GOLDEN if p.parents[1].name in ("edges", "cluster-cuau-h2o")], ids=name_of)
def test_arrays_are_those_of_the_records(path):
    """An independent reader, record by record, after the table in docs/formats.md."""
    found, records = trainset.read(str(path)), iter(records_of(path)[7:])
    atoms, atom = found.structures.atoms, 0
    for entry in found.structures.entries:
        next(records)
        assert next(records).decode() == entry.path
        assert struct.unpack("<2i", next(records)) == (entry.n_atoms, entry.n_types)
        assert struct.unpack("<d", next(records)) == (entry.energy,)
        for _ in range(entry.n_atoms):
            size = atoms.sizes[atom]
            assert struct.unpack("<i", next(records)) == (atoms.types[atom] + 1,)
            assert struct.unpack("<3d", next(records)) == tuple(atoms.positions[atom])
            assert struct.unpack("<3d", next(records)) == tuple(atoms.forces[atom])
            assert struct.unpack("<i", next(records)) == (size,)
            assert struct.unpack(f"<{size}d", next(records)) == tuple(atoms.features[atom, :size])
            atom += 1
    assert struct.unpack("<i", next(records)) == (found.footer.n_atoms,) == (atom,)


@given(samples.training_sets())
def test_round_trips(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("set")
    for form in FORMS.values():
        content = samples.content_of(values, form)
        back = trainset.read(written(folder, content))
        for again in FORMS.values():
            assert samples.content_of(back, again) == samples.content_of(values, again)


def test_structures_larger_than_a_batch(monkeypatch):
    monkeypatch.setattr(trainset, "BATCH_BYTES", 100)
    monkeypatch.setattr("aenet_py.formats.source.AHEAD", 300)
    for path in TEXTS[:2]:
        assert samples.content_of(trainset.read(str(path)), BINARY) == path.with_suffix("").read_bytes()


def test_text_of_other_columns(tmp_path):
    """Text as written by another compiler or a script."""
    values = samples.small_training_set()
    lines = samples.content_of(values, TEXT).decode("latin-1").splitlines()
    texts = {values.footer.setups[0].description, "Chebyshev", *(entry.path for entry in values.structures.entries)}
    loose = [line if line.strip() in texts else " ".join(line.split()) + " \r" for line in lines]
    back = trainset.read(written(tmp_path, ("\n".join(loose) + "\n").encode("latin-1")))
    assert samples.content_of(back, BINARY) == samples.content_of(values, BINARY)


def test_no_setups(tmp_path):
    values = samples.small_training_set()
    bare = dataclasses.replace(values, footer=dataclasses.replace(values.footer, setups=(), statistics=()))
    for form in FORMS.values():
        content = samples.content_of(bare, form)
        assert samples.content_of(trainset.read(written(tmp_path, content)), form) == content


def test_more_announced_than_there_are(tmp_path):
    content = samples.content_of(samples.small_training_set(n_structures=5), BINARY)
    found = trainset.read(written(tmp_path, content))
    assert (found.header.n_structures, len(found.structures.entries)) == (5, 2)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("n_structures", [2, 4])
def test_truncation_at_every_byte(tmp_path, form, n_structures):
    content = samples.content_of(samples.small_training_set(n_structures), FORMS[form])
    for n in range(len(content)):
        with pytest.raises(InputError) as error:
            trainset.read(written(tmp_path, content[:n]))
        assert "expected" in str(error.value)


def test_truncation_names_record_and_byte(tmp_path):
    content = samples.content_of(samples.small_training_set(), BINARY)
    ends = samples.boundaries(content)
    for number, end in enumerate(ends[:-1], 1):
        for cut, record, start in ((end, number + 1, end), (end - 1, number, ends[number - 2] if number > 1 else 0)):
            with pytest.raises(InputError) as error:
                trainset.read(written(tmp_path, content[:cut]))
            if number > 1:
                assert f"record {record} at byte {start} (" in str(error.value)


def changed(content: bytes, offset: int, value: int) -> bytes:
    return content[:offset] + struct.pack("<i", value) + content[offset + 4 :]


@pytest.mark.parametrize(
    ("record", "offset", "value", "message"),
    [
        (1, 0, 0, r"header: number of species\): found 0; expected at least 1"),
        (1, 0, 3, r"record 3 at byte 24 \(header: species\): found a record of 4 bytes; expected 6"),
        (2, 0, -1, r"number of structures\): found -1; expected at least 0"),
        (2, 0, 1, r"footer: average, minimum and maximum energy\): found a record of 11 bytes; expected 24"),
        (5, 0, 5, r"whether values are normalised\): found 5; expected 0"),
        (8, 0, 4, r"structure 1: file name\): found a record of 5 bytes; expected 4"),
        (10, 0, -2, "numbers of atoms and species.*found -2 and 2; expected at least 1"),
        (10, 0, 3, "structure 1, atom 3: species.*found 11; expected at most 2"),
        (12, 0, 0, "structure 1, atom 1: species.*found 0; expected at least 1"),
        (12, 0, 3, "structure 1, atom 1: species.*found 3; expected at most 2"),
        (15, 0, 3, "structure 1, atom 1: features.*found a record of 16 bytes; expected 24"),
        (15, 0, 2**30, "structure 1, atom 1: features.*found a record of 16 bytes; expected 8589934592"),
    ],
)
def test_counts_that_do_not_fit(tmp_path, record, offset, value, message):
    content = samples.content_of(samples.small_training_set(), BINARY)
    start = ([0, *samples.boundaries(content)])[record - 1]
    with pytest.raises(InputError, match=message):
        trainset.read(written(tmp_path, changed(content, start + 4 + offset, value)))


@pytest.mark.parametrize("form", FORMS)
def test_atoms_missing_from_the_end(tmp_path, form):
    values = samples.small_training_set()
    footer = dataclasses.replace(values.footer, n_atoms=4)
    content = samples.content_of(dataclasses.replace(values, footer=footer), FORMS[form])
    with pytest.raises(InputError, match="found structures with 3 atoms; expected 4, as the footer says"):
        trainset.read(written(tmp_path, content))


@pytest.mark.parametrize("form", FORMS)
def test_another_number_of_features_than_in_the_set_up(tmp_path, form):
    values = samples.small_training_set()
    setups, statistics = values.footer.setups, values.footer.statistics
    narrow = dataclasses.replace(setups[0], atom_type="O")
    footer = dataclasses.replace(values.footer, setups=(setups[0], narrow), statistics=(statistics[0], statistics[0]))
    content = samples.content_of(dataclasses.replace(values, footer=footer), FORMS[form])
    with pytest.raises(InputError, match="found atoms of O with 3 features; expected 2, as the set-up says"):
        trainset.read(written(tmp_path, content))
    swapped = dataclasses.replace(values.footer, setups=setups[::-1], statistics=statistics[::-1])
    content = samples.content_of(dataclasses.replace(values, footer=swapped), FORMS[form])
    with pytest.raises(InputError, match="found the set-up of O; expected that of Ti"):
        trainset.read(written(tmp_path, content))


@pytest.mark.parametrize("form", FORMS)
def test_more_species_than_there_are(tmp_path, form):
    values = samples.small_training_set()
    entries = (dataclasses.replace(values.structures.entries[0], n_types=3), values.structures.entries[1])
    crowded = dataclasses.replace(values, structures=trainset.StructureBatch(entries, values.structures.atoms))
    with pytest.raises(InputError, match="found a structure with 3 species; expected at most 2, as the header says"):
        trainset.read(written(tmp_path, samples.content_of(crowded, FORMS[form])))


@pytest.mark.memory
@pytest.mark.parametrize("form", FORMS)
def test_numbers_of_atoms_beyond_the_file_take_no_memory(tmp_path, form):
    """Neither for the atoms of one structure nor for all of them."""
    values = samples.small_training_set()
    first = values.structures.entries[0]
    true, huge = (trainset.entry(dataclasses.replace(first, n_atoms=n), FORMS[form]) for n in (2, 2**31 - 1))
    many = samples.content_of(values, FORMS[form]).replace(true, huge)
    footer = dataclasses.replace(values.footer, n_atoms=2**31 - 1)
    announced = samples.content_of(dataclasses.replace(values, footer=footer), FORMS[form])
    tracemalloc.start()
    with pytest.raises(InputError, match="structure 1, atom 3: "):
        trainset.read(written(tmp_path, many))
    with pytest.raises(InputError, match="found structures with 3 atoms; expected 2147483647"):
        trainset.read(written(tmp_path, announced))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50e6


def test_blank_lines_after_the_last_structure(tmp_path):
    values = samples.small_training_set(n_structures=4)
    found = trainset.read(written(tmp_path, samples.content_of(values, TEXT) + b"\n \n"))
    assert len(found.structures.entries) == 2


@pytest.mark.parametrize("name", ["carriage return\r", "\r", " blanks ", "x" * 3000])
def test_odd_file_names(tmp_path, name):
    values = samples.small_training_set()
    entries = (dataclasses.replace(values.structures.entries[0], path=name), values.structures.entries[1])
    odd = dataclasses.replace(values, structures=trainset.StructureBatch(entries, values.structures.atoms))
    for form in FORMS.values():
        assert samples.content_of(trainset.read(written(tmp_path, samples.content_of(odd, form))), BINARY) == (
            samples.content_of(odd, BINARY)
        )


def test_numbers_of_species_beyond_an_integer(tmp_path):
    content = samples.content_of(samples.small_training_set(), TEXT)
    usual, huge = b"           2           2\n", b"           2  2147483648\n"
    assert usual in content
    with pytest.raises(InputError, match="numbers of atoms and species: found 2147483648; expected a 4-byte integer"):
        trainset.read(written(tmp_path, content.replace(usual, huge)))


@pytest.mark.parametrize("form", FORMS)
def test_something_after_the_end(tmp_path, form):
    content = samples.content_of(samples.small_training_set(), FORMS[form])
    with pytest.raises(InputError, match="expected the end of the file"):
        trainset.read(written(tmp_path, content + content[-30:]))


def test_errors_in_text_name_the_line(tmp_path):
    lines = samples.content_of(samples.small_training_set(), TEXT).splitlines(keepends=True)
    for number, line in enumerate(lines, 1):
        try:
            float(line.split()[0])
        except ValueError:
            continue
        broken = [*lines[: number - 1], b"###\n", *lines[number:]]
        with pytest.raises(InputError, match=r":\d+: .*: found '###'; expected") as error:
            trainset.read(written(tmp_path, b"".join(broken)))
        assert error.value.line == number


def test_features_that_only_look_regular(tmp_path):
    """All atoms have the columns of the first, but one word is not a number."""
    values = samples.small_training_set()
    content = samples.content_of(values, TEXT)
    for bad in (b"x", b" "):
        broken = content[:-5] + bad + content[-4:]
        broken = broken[:-20] + bad + broken[-19:]
        with pytest.raises(InputError, match=r"structure 2, atom 1: features: found"):
            trainset.read(written(tmp_path, broken))


def test_values_of_a_batch():
    batch = samples.small_training_set().structures
    assert batch.starts.tolist() == [0, 2, 3]
    assert batch.atoms.features.shape == (3, 3)
    assert batch.atoms.features[0, 2] == 0
    assert np.array_equal(batch.atoms.sizes, [2, 3, 3])
