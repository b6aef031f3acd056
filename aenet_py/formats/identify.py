"""The type of a file, and the values of binary and text files of any type."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from enum import Enum

from aenet_py.errors import InputError
from aenet_py.formats import (
    databases,
    frames,
    gradients,
    listio,
    optimizer_state,
    potential,
    records,
    rngstate,
    torchfile,
    trainset,
)
from aenet_py.formats.lines import ListReader
from aenet_py.formats.records import RecordReader
from aenet_py.formats.source import ByteSource, Field, Window
from aenet_py.structure import SYMBOL_LENGTH

EXPECTED = "a training set (.train, .train.ascii), gradients (.train.forces) or a potential (.nn, .nn.ascii)"

GLANCE_BYTES = 1 << 20
XSF_SECTIONS = ("CRYSTAL", "SLAB", "POLYMER", "MOLECULE", "ATOMS", "PRIMVEC", "PRIMCOORD")


class FileType(Enum):
    """Types of files; the first three are read value by value, in binary and text."""

    TRAINING_SET = "training set"
    GRADIENTS = "gradients"
    POTENTIAL = "potential"
    ENERGIES = "energies of a training"
    FORCES = "forces of a training"
    ERRORS = "errors of a training"
    STATE = "state of a training"
    OPTIMIZER = "state of the optimizer of train.x"
    GENERATOR = "state of the random numbers of train.x"
    XSF = "structure in XSF"
    FRAMES = "structures in extended XYZ"
    DATABASE = "structures in a database of ASE"
    GENERATE = "input file of generate.x"
    SETUP = "set-up of features"
    TRAIN = "input file of aenet_pytorch.py"
    PREDICT = "input file of predict.x"
    SCAN = "input file of aenet-py scan"


def glance(path: str) -> tuple[FileType | None, int]:
    """Type of a file by its name and beginning, None for the first three and unknown ones, and its size in bytes."""
    with Window(path) as window:
        head, size = bytes(window.view(0, GLANCE_BYTES)), window.size
    state = _of_state(head)
    if state is not None:
        return state, size
    if databases.is_database(path):  # ase opens databases by their names only
        return FileType.DATABASE, size
    if frames.is_frames(path):
        return FileType.FRAMES, size
    if b"\0" in head:
        return None, size
    lines = [line for line in head.decode("latin-1").splitlines() if line.strip()]
    return (_of_table(lines) or _of_structure(lines) or _of_deck(lines)) if lines else None, size


def _of_state(head: bytes) -> FileType | None:
    if head.startswith(torchfile.MAGIC):
        return FileType.STATE
    if head[:4] == head[54:58] == records.MARKER.pack(optimizer_state.METHOD_LENGTH):
        return FileType.OPTIMIZER
    if head.startswith(records.integers([rngstate.N_INTEGERS]) + records.MARKER.pack(4 * rngstate.N_INTEGERS)):
        return FileType.GENERATOR
    return None


def _of_table(lines: Sequence[str]) -> FileType | None:
    words = lines[0].split()
    if len(words) > 3 and words[0] == "#" and words[1].isdecimal() and _are_numbers(words[2:3]):
        return FileType.FORCES
    if len(words) in (3, 7) and _are_numbers(words):
        return FileType.ERRORS
    return FileType.ENERGIES if len(words) > 5 and words[0].isdecimal() and _are_numbers(words[1:5]) else None


def _are_numbers(words: Sequence[str]) -> bool:
    try:
        return all(math.isfinite(float(word)) for word in words)
    except ValueError:
        return False


def _of_structure(lines: Sequence[str]) -> FileType | None:
    second = lines[1].lower() if len(lines) > 1 else ""
    if lines[0].strip().isdecimal() and ("lattice=" in second or "properties=" in second):
        return FileType.FRAMES
    first = next((line.split()[0] for line in lines if not line.lstrip().startswith("#")), "")
    return FileType.XSF if first in XSF_SECTIONS else None


def _of_deck(lines: Sequence[str]) -> FileType | None:
    keywords = {line.split()[0].lower() for line in lines}
    for file_type, needed in DECKS.items():
        if any(names <= keywords for names in needed):
            return file_type
    return None


def identify(source: ByteSource, expected: str = EXPECTED) -> FileType:
    """Which of the first three types a file has, by its first values; InputError for other files."""
    file_type = _of_records(source) if isinstance(source, RecordReader) else _of_lines(source)
    if file_type is None:
        raise InputError(source.path, f"not a known type of file; expected {expected}")
    return file_type


def _of_records(source: RecordReader) -> FileType | None:
    """Type by the lengths of the first records: a potential begins with four numbers, the others with two."""
    lengths = source.ahead(6)
    mark = source.mark()
    n_first, n_second = (source.integer("number") for _ in range(2)) if lengths[:2] == [4, 4] else (0, 0)
    source.reset(mark)
    if lengths[:4] == [4, 4, 4, 4] and lengths[4:5] == [4 * n_first]:
        return FileType.POTENTIAL
    if lengths[2:6] == [SYMBOL_LENGTH * n_first, 8 * n_first, 4, 8]:
        return FileType.TRAINING_SET
    if lengths[:1] == [4] and lengths[2:5] == [n_second, 8, 4]:
        return FileType.GRADIENTS
    return None


def _of_lines(source: ByteSource) -> FileType | None:
    """Type by the first four lines: integers in a potential, two integers and names in a training set."""
    assert isinstance(source, ListReader)
    mark = source.mark()
    numbers = []
    for _ in range(4):
        items = [] if source.at_end() else listio.items(source.line("first lines"))
        numbers.append(len(items) > 0 and (items[0] or "").lstrip("+-").isdecimal())
    source.reset(mark)
    if all(numbers):
        return FileType.POTENTIAL
    return FileType.TRAINING_SET if numbers[:3] == [True, True, False] else None


SCANNED = (
    "generate", "seeds", "lr", "method", "regularization", "alpha", "nodes", "radial_rc", "radial_n", "angular_rc",
    "angular_n",
)  # fmt: skip
DECKS: dict[FileType, tuple[set[str], ...]] = {  # sets of keywords that occur together in these files only
    FileType.TRAIN: ({"trainingset"}, {"setups", "networks", "method"}),
    FileType.GENERATE: ({"types", "setups"},),
    FileType.PREDICT: ({"types", "networks"},),
    FileType.SETUP: ({"atom", "basis"}, {"atom", "symmfunc"}),
    FileType.SCAN: tuple({"train", name} for name in SCANNED),
}


def walk(source: ByteSource, file_type: FileType) -> Iterator[object]:
    """Read and check a whole file, several values at a time, in the order of the file."""
    if file_type is FileType.POTENTIAL:
        yield potential.read_from(source)
        source.finish()
    elif file_type is FileType.GRADIENTS:
        assert isinstance(source, RecordReader)
        yield from gradients.read(source)
    else:
        yield from _walk_trainset(source)


def _walk_trainset(source: ByteSource) -> Iterator[object]:
    header = trainset.read_header(source)
    yield header
    footer_first = isinstance(source, ListReader)
    if footer_first:
        footer = trainset.read_footer(source, header)
        yield footer
    totals = trainset.TrainingSetTotals()
    for batch in trainset.batches(source, header):
        yield totals.add(batch)
    if not footer_first:
        footer = trainset.read_footer(source, header)
        yield footer
    source.finish()
    totals.check(source.path, header, footer)


def fields(source: ByteSource, file_type: FileType) -> Iterator[Field]:
    """Every value of a file, in the same order for binary and text: the footer of a training set comes last."""
    source.log = []
    footer: list[Field] = []
    for step in walk(source, file_type):
        if isinstance(step, trainset.Footer):
            footer = _drained(source)
        else:
            yield from _drained(source)
    yield from footer
    yield from _drained(source)


def _drained(source: ByteSource) -> list[Field]:
    taken, source.log = source.log or [], []
    return taken
