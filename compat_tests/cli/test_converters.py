"""trainbin2ASCII.x and nnASCII2bin.x: the original's bytes in both directions, and nothing written on bad input."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import os
import struct
import subprocess
import sys

import pytest

from aenet_py.cli import nnascii2bin, trainbin2ascii
from aenet_py.formats import potential, records, trainset
from aenet_py.formats.trainset import BINARY, TEXT
from compat_tests.cli.cases import FIXTURES, ROOT, SHARED, bad_files, first_difference, golden_files, name_of, run
from compat_tests.formats import samples

TRAINING_SETS = golden_files("*/expected/*.train")
TEXTS = golden_files("*/train-*/expected/*.nn.ascii")


@pytest.mark.parametrize("path", TRAINING_SETS, ids=name_of)
def test_training_sets_to_text_and_back(path, tmp_path):
    text, back = tmp_path / "a.train.ascii", tmp_path / "a.train"
    assert trainbin2ascii.main([str(path), str(text)]) == 0
    expected = path.with_name(path.name + ".ascii")
    if expected.exists() and path.parents[1].name != "edges":
        assert text.read_bytes() == expected.read_bytes(), first_difference(expected, text)
    assert trainbin2ascii.main(["--to-binary", str(text), str(back)]) == 0
    assert back.read_bytes() == path.read_bytes(), first_difference(path, back)


def test_a_skipped_structure(tmp_path, capsys):
    """The original stops behind the first seven lines, which announce one structure more than there is."""
    path = FIXTURES / "edges/expected/edges.train"
    text = tmp_path / "edges.train.ascii"
    assert trainbin2ascii.main([str(path), str(text)]) == 0
    assert "the header counts 1 structure more than the file holds" in capsys.readouterr().err
    lines = text.read_text().splitlines()
    assert lines[:7] == [
        "           2", "           8", "  Cu  O ", "  -1308.9000000000001       -432.50314930299999     ", " F",
        "   1.0000000000000000     ", "   0.0000000000000000     ",
    ]  # fmt: skip
    assert sum(line.endswith(".xsf") for line in lines) == 7


@pytest.mark.parametrize("path", TEXTS, ids=name_of)
def test_potentials_to_binary_and_back(path, tmp_path):
    binary, text, again = tmp_path / "a.nn", tmp_path / "a.ascii", tmp_path / "b.nn"
    assert nnascii2bin.main([str(path), str(binary)]) == 0
    expected = path.with_suffix("")
    assert binary.read_bytes() == expected.read_bytes(), first_difference(expected, binary)
    assert nnascii2bin.main([str(binary), "--to-ascii", str(text)]) == 0
    assert text.read_bytes() == path.with_suffix(".roundtrip").read_bytes()
    assert nnascii2bin.main(["--to-binary", str(text), str(again)]) == 0
    assert again.read_bytes() == expected.read_bytes()


@pytest.mark.skipif(not (SHARED / "tio2").exists(), reason="the TiO2 example is not at hand")
@pytest.mark.parametrize("symbol", ["Ti", "O"])
def test_potentials_of_tio2(symbol, tmp_path):
    assert nnascii2bin.main([str(SHARED / f"tio2/{symbol}.pytorch.nn.ascii"), str(tmp_path / "a.nn")]) == 0
    digests = dict(reversed(line.split()) for line in (SHARED / "tio2/expected/SHA256SUMS").read_text().splitlines())
    assert hashlib.sha256((tmp_path / "a.nn").read_bytes()).hexdigest() == digests[f"{symbol}.pytorch.nn"]


def test_whole_descriptions_survive_the_way_through_text(tmp_path):
    """A potential of ænet's own trainer has its whole description; list-directed reading would cut it."""
    some = samples.small_potential()
    setup = dataclasses.replace(some.setup, description="Ti, in oxides / 2011$$second line")
    content = potential.to_binary(dataclasses.replace(some, setup=setup))
    (tmp_path / "a.nn").write_bytes(content)
    assert nnascii2bin.main(["--to-ascii", str(tmp_path / "a.nn"), str(tmp_path / "a.ascii")]) == 0
    assert nnascii2bin.main([str(tmp_path / "a.ascii"), str(tmp_path / "b.nn")]) == 0
    assert (tmp_path / "b.nn").read_bytes() == content


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\nTrue\n", "\n .TRUE.\n"),
        ("\nTrue\n", "\nt\n"),
        ("\nTrue\n", "\nTomorrow, or later\n"),
        ("44                10                10                 1 \n", "44, 2*10 ;1 ! nodes\n"),
        ("44                10                10                 1 \n", "44\n10\n\n10 1\r\n"),
        ("     8.00000000000000000\n", "0.8d1\n"),
        ("     8.00000000000000000\n", "+80.e-1 largest cutoff\n"),
        ("\nCu Au O H \n", "\n'Cu',\"Au\" O\n H / and so on\n"),
        ("Chebyshev\n", "'Chebyshev' basis\n"),
        ("\n-1308.9 -879.1 ", "\n-1308.9;-8791d-1 "),
    ],
)
def test_other_ways_to_write_a_potential(old, new, tmp_path):
    path = FIXTURES / "cluster-cuau-h2o/train-forces-adamw/expected/Cu.pytorch.nn.ascii"
    content = path.read_text()
    assert old in content
    (tmp_path / "a.ascii").write_text(content.replace(old, new, 1))
    assert nnascii2bin.main([str(tmp_path / "a.ascii"), str(tmp_path / "a.nn")]) == 0
    assert (tmp_path / "a.nn").read_bytes() == path.with_suffix("").read_bytes()


@pytest.mark.parametrize(("name", "kept"), [("a/b.ascii", "a"), ("/a/b.ascii", ""), ("'a/b c'", "a/b c")])
def test_file_names(name, kept, tmp_path):
    path = FIXTURES / "cluster-cuau-h2o/train-forces-adamw/expected/Cu.pytorch.nn.ascii"
    (tmp_path / "a.ascii").write_text(path.read_text().replace("cluster.train.ascii", name))
    assert nnascii2bin.main([str(tmp_path / "a.ascii"), str(tmp_path / "a.nn")]) == 0
    assert potential.read(str(tmp_path / "a.nn")).training.path == kept


SET = samples.small_training_set()
SMALL = {
    "set": (trainbin2ascii.main, samples.content_of(SET, BINARY)),
    "text": (lambda a: trainbin2ascii.main([*a, "--to-binary"]), samples.content_of(SET, TEXT)),
    "nn": (lambda args: nnascii2bin.main(["--to-ascii", *args]), potential.to_binary(samples.small_potential())),
    "nn.ascii": (nnascii2bin.main, potential.to_trainer_text(samples.small_potential())),
}  # fmt: skip


@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize("existing", [False, True])
def test_broken_files_leave_nothing(kind, existing, tmp_path, capsys):
    main, content = SMALL[kind]
    source, output = tmp_path / "in", tmp_path / "out"
    if existing:
        output.write_bytes(b"kept")
    for n in [0, 1, 3, 4, 7, 8, *range(9, len(content), 37), len(content) - 1]:
        source.write_bytes(content[:n])
        assert main([str(source), str(output)]) == 1
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert error.startswith(f"Error: {source}")
        assert "expected" in error
        assert bad_files(tmp_path) == (["out"] if existing else [])
        assert not existing or output.read_bytes() == b"kept"
    source.write_bytes(content)
    assert main([str(source), str(output)]) == 0


@pytest.mark.parametrize(
    ("given", "wanted"), [("set", "text"), ("text", "set"), ("nn", "nn.ascii"), ("nn.ascii", "nn")]
)
def test_binary_for_text_and_the_reverse(given, wanted, tmp_path, capsys):
    (tmp_path / "in").write_bytes(SMALL[given][1])
    assert SMALL[wanted][0]([str(tmp_path / "in"), str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert ("found text" in error) if given in ("text", "nn.ascii") else ("found a binary file" in error)
    assert bad_files(tmp_path) == []


@pytest.mark.parametrize("kind", ["set", "nn"])
@pytest.mark.parametrize("marker", [">i", "<q"])
def test_records_of_other_kinds(kind, marker, tmp_path, capsys):
    main, content = SMALL[kind]
    starts = [0, *samples.boundaries(content)]
    data = [content[start + 4 : end - 4] for start, end in itertools.pairwise(starts)]
    (tmp_path / "in").write_bytes(b"".join(struct.pack(marker, len(d)) + d + struct.pack(marker, len(d)) for d in data))
    assert main([str(tmp_path / "in"), str(tmp_path / "out")]) == 1
    assert "record 1 at byte 0: found " + ("big-endian" if marker == ">i" else "8-byte") in capsys.readouterr().err


def test_a_training_set_for_a_potential(tmp_path, capsys):
    (tmp_path / "in").write_bytes(SMALL["set"][1])
    assert nnascii2bin.main(["--to-ascii", str(tmp_path / "in"), str(tmp_path / "out")]) == 1
    assert (
        "record 4 at byte 36 (network: number of values): found a record of 16 bytes; expected 4"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize("program", ["trainbin2ASCII.x", "nnASCII2bin.x"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a"], "required: output"),
        (["a", "b", "c"], "unrecognized arguments: c"),
        (["--to-text", "a", "b"], "unrecognized arguments: --to-text"),
        (["none", "out"], "none: no such file"),
        (["folder", "out"], "folder: not a regular file"),
    ],
)
def test_wrong_arguments(program, arguments, message, tmp_path):
    (tmp_path / "folder").mkdir()
    done = run(tmp_path, *arguments, program=program)
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert bad_files(tmp_path) == []


@pytest.mark.parametrize("kind", ["set", "nn"])
def test_values_that_text_cannot_hold(kind, tmp_path, capsys):
    main, content = SMALL[kind]
    (tmp_path / "in").write_bytes(content.replace(b"a.xsf", b"a\nxsf").replace(b"a.train", b"a\ntrain"))
    assert main([str(tmp_path / "in"), str(tmp_path / "out")]) == 1
    assert f"Error: {tmp_path}/in: cannot write 'a" in capsys.readouterr().err
    assert bad_files(tmp_path) == []


def test_output_that_cannot_be_written(tmp_path, capsys):
    source = FIXTURES / "edges/expected/edges.train"
    assert trainbin2ascii.main([str(source), str(tmp_path / "none/out")]) == 1
    assert "none/out: cannot be written: No such file or directory" in capsys.readouterr().err
    (tmp_path / "folder").mkdir()
    assert trainbin2ascii.main([str(source), str(tmp_path / "folder")]) == 1
    assert "folder: cannot be written" in capsys.readouterr().err


PEAKS = """
import sys, tracemalloc
from aenet_py.cli import trainbin2ascii
from aenet_py.formats import source, trainset

trainset.BATCH_BYTES = source.AHEAD = 1 << 14
for path in ("4", "4", "40"):  # the first run also imports
    tracemalloc.start()
    assert trainbin2ascii.main([*sys.argv[1:], path, "out"]) == 0
    print(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
"""


@pytest.mark.memory
@pytest.mark.parametrize("options", [[], ["--to-binary"]])
def test_memory_does_not_grow_with_the_file(options, tmp_path):
    """In a process of its own, whose memory nothing else changes."""
    some = trainset.read(str(FIXTURES / "selection-25/expected/sel.train"))
    form = BINARY if not options else TEXT
    for copies in (4, 40):
        header = dataclasses.replace(some.header, n_structures=copies * 61)
        footer = dataclasses.replace(some.footer, n_atoms=copies * some.footer.n_atoms)
        middle = b"".join(trainset.structures(some.structures, form)) * copies
        ends = trainset.header(header, form), trainset.footer(footer, form)
        content = b"".join([*ends, middle] if options else [ends[0], middle, ends[1]])
        (tmp_path / str(copies)).write_bytes(content)
    assert len(content) > 1e6
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PEAKS, *options]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    _, few, many = map(int, done.stdout.split())
    assert many < few + 50_000


def test_the_input_may_be_the_output(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(SMALL["set"][1])
    assert trainbin2ascii.main([str(path), str(path)]) == 0
    assert path.read_bytes() == SMALL["text"][1]


def test_devices_and_links_are_not_replaced(tmp_path, capsys):
    source = tmp_path / "in"
    source.write_bytes(SMALL["set"][1])
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    assert trainbin2ascii.main([str(source), str(tmp_path / "link")]) == 0
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == SMALL["text"][1]
    (tmp_path / "null").symlink_to("/dev/null")
    assert trainbin2ascii.main([str(source), str(tmp_path / "null")]) == 1
    assert "null: cannot be written: it is a device" in capsys.readouterr().err


def test_records_above_two_gibibytes_are_announced_by_their_pieces(tmp_path, capsys):
    """A first piece of that length in a small file: its length is believed, and missed."""
    content = SMALL["set"][1]
    ends = samples.boundaries(content)
    broken = content[: ends[13]] + records.MARKER.pack(-records.MAX_SUBRECORD) + content[ends[13] + 4 :]
    (tmp_path / "in").write_bytes(broken)
    assert trainbin2ascii.main([str(tmp_path / "in"), str(tmp_path / "out")]) == 1
    assert "found a record of 2147483639 bytes where the file has" in capsys.readouterr().err
