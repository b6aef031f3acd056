"""Which of the formats a file has, and its values one after the other, whatever the format."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from aenet_py.errors import InputError
from aenet_py.formats import gradients, listio, potential, trainset
from aenet_py.formats.lines import ListReader
from aenet_py.formats.records import RecordReader
from aenet_py.formats.source import Field, Source
from aenet_py.structure import SYMBOL_LENGTH

EXPECTED = "a training set (.train, .train.ascii), gradients (.train.forces) or a potential (.nn, .nn.ascii)"


class Kind(Enum):
    TRAINING_SET = "training set"
    GRADIENTS = "gradients"
    POTENTIAL = "potential"


def identify(source: Source) -> Kind:
    """What a file is, told from its first values; InputError if it is none of ours."""
    kind = _of_records(source) if isinstance(source, RecordReader) else _of_lines(source)
    if kind is None:
        raise InputError(source.path, f"found a file that is none of these; expected {EXPECTED}")
    return kind


def _of_records(source: RecordReader) -> Kind | None:
    """By the lengths of the first records: a potential begins with four numbers, the others with two."""
    lengths = source.ahead(6)
    mark = source.mark()
    n_first, n_second = (source.integer("number") for _ in range(2)) if lengths[:2] == [4, 4] else (0, 0)
    source.reset(mark)
    if lengths[:4] == [4, 4, 4, 4] and lengths[4:5] == [4 * n_first]:
        return Kind.POTENTIAL
    if lengths[2:6] == [SYMBOL_LENGTH * n_first, 8 * n_first, 4, 8]:
        return Kind.TRAINING_SET
    if lengths[:1] == [4] and lengths[2:5] == [n_second, 8, 4]:
        return Kind.GRADIENTS
    return None


def _of_lines(source: Source) -> Kind | None:
    """By the first four lines: integers in a potential, two of them and names in a training set."""
    assert isinstance(source, ListReader)
    mark = source.mark()
    numbers = []
    for _ in range(4):
        found = [] if source.at_end() else listio.items(source.line("first lines"))
        numbers.append(len(found) > 0 and (found[0] or "").lstrip("+-").isdecimal())
    source.reset(mark)
    if all(numbers):
        return Kind.POTENTIAL
    return Kind.TRAINING_SET if numbers[:3] == [True, True, False] else None


def walk(source: Source, kind: Kind) -> Iterator[object]:
    """Read and check a whole file, some values at a time, in the order of the file."""
    if kind is Kind.POTENTIAL:
        yield potential.read_from(source)
        source.finish()
    elif kind is Kind.GRADIENTS:
        assert isinstance(source, RecordReader)
        yield from gradients.read(source)
    else:
        yield from _walk_trainset(source)


def _walk_trainset(source: Source) -> Iterator[object]:
    header = trainset.read_header(source)
    yield header
    footer_first = isinstance(source, ListReader)
    if footer_first:
        footer = trainset.read_footer(source, header)
        yield footer
    tally = trainset.Tally()
    for batch in trainset.batches(source, header):
        yield tally.add(batch)
    if not footer_first:
        footer = trainset.read_footer(source, header)
        yield footer
    source.finish()
    tally.check(source.path, header, footer)


def fields(source: Source, kind: Kind) -> Iterator[Field]:
    """Every value of a file, in one order for binary and text: a training set's footer comes last."""
    source.log = []
    footer: list[Field] = []
    for step in walk(source, kind):
        if isinstance(step, trainset.Footer):
            footer = _drained(source)
        else:
            yield from _drained(source)
    yield from footer
    yield from _drained(source)


def _drained(source: Source) -> list[Field]:
    taken, source.log = source.log or [], []
    return taken
