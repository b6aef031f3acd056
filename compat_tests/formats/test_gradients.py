"""Files of gradients: rewritten byte for byte, long records, damaged files."""

from __future__ import annotations

import pytest

from aenet_py.errors import InputError
from aenet_py.formats import gradients, records
from aenet_py.formats.records import RecordReader
from compat_tests.cli.cases import golden_files, name_of
from compat_tests.formats import samples


def rewritten(path) -> bytes:
    """Read a file and write what was read."""
    parts, most = [], 0
    with RecordReader(str(path)) as source:
        parts.append(gradients.header(gradients.read_header(source)))
        source.reset((0, 0))
        for found in gradients.read(source):
            if isinstance(found, gradients.GradientEntry):
                parts.append(gradients.structure(found.path, found.n_atoms, found.n_types, found.selected))
                continue
            most = max(most, len(found.neighbors))
            own, others = memoryview(found.own.tobytes()), memoryview(found.others.tobytes())
            parts += gradients.atom(found.itype, found.own.shape[1], found.neighbors, own, others)
    return b"".join([*parts, gradients.footer(most)])


@pytest.mark.parametrize("path", golden_files("*/expected/*.train.forces"), ids=name_of)
def test_golden_files_are_written_as_they_were_read(path):
    assert rewritten(path) == path.read_bytes()


def test_long_records(tmp_path, monkeypatch):
    """Records above 2 GiB are split into pieces; here, those above 40 bytes."""
    monkeypatch.setattr(records, "MAX_SUBRECORD", 40)
    monkeypatch.setattr(records.record, "__defaults__", (40,))
    content = samples.small_gradients()
    assert b"\xd8\xff\xff\xff" in content
    (tmp_path / "file").write_bytes(content)
    assert rewritten(tmp_path / "file") == content


def test_truncation_at_every_byte(tmp_path):
    content, path = samples.small_gradients(), tmp_path / "file"
    for n in range(len(content)):
        path.write_bytes(content[:n])
        with pytest.raises(InputError) as error:
            rewritten(path)
        assert "expected" in str(error.value)


@pytest.mark.parametrize(
    ("record", "value", "message"),
    [
        (1, -3, "number of structures.*found -3"),
        (1, 2, "footer: largest number of neighbours.*found 1; expected 2"),
        (4, 0, "numbers of atoms and species.*found 0 and 2"),
        (5, 9, "whether gradients follow.*found 9"),
        (6, 0, "structure 1, atom 1: species.*found 0"),
        (7, 0, "numbers of features and neighbours.*found 0 and 2; expected at least 1 and 0"),
        (7, 3, "derivatives by the atom.*found a record of 48 bytes; expected 72"),
        (8, 3, "neighbours.*found atoms 2 to 3; expected 1 to 2"),
    ],
)
def test_values_that_do_not_fit(tmp_path, record, value, message):
    content = bytearray(samples.small_gradients())
    start = [0, *samples.boundaries(bytes(content))][record - 1]
    content[start + 4 : start + 8] = records.MARKER.pack(value)
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(InputError, match=message):
        rewritten(tmp_path / "file")
