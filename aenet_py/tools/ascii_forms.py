"""Convert training sets and potentials between binary and text (trainbin2ASCII.x, nnASCII2bin.x)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from aenet_py.errors import InputError
from aenet_py.formats import potential, trainset
from aenet_py.formats.lines import ListReader
from aenet_py.formats.records import RecordReader
from aenet_py.formats.source import Advance, ByteSource
from aenet_py.runtime.output import PendingFile


def trainset_to_text(path: str, output: str, advance: Advance) -> int:
    """Write a binary training set as text; returns how many structures the header counts that the file lacks.

    advance : told the bytes read.
    """
    with RecordReader(path) as source:
        return _rewrite_trainset(source, trainset.TEXT, output, advance)


def trainset_to_binary(path: str, output: str, advance: Advance) -> int:
    """Write a training set in text as binary, with the bytes from which the text was made; returns as above."""
    with ListReader(path) as source:
        return _rewrite_trainset(source, trainset.BINARY, output, advance)


@contextlib.contextmanager
def _naming(path: str) -> Iterator[None]:
    """Report values that the new form cannot hold as errors of the file at path."""
    try:
        yield
    except ValueError as error:
        raise InputError(path, str(error)) from None


def _rewrite_trainset(source: ByteSource, form: trainset.Form, output: str, advance: Advance) -> int:
    header = trainset.read_header(source)
    footer = trainset.footer_ahead(source, header)
    tally = trainset.TrainingSetTotals()
    with PendingFile(output) as file, _naming(source.path):
        file.write(trainset.header(header, form))
        if form is trainset.TEXT:
            file.write(trainset.footer(footer, form))
        for batch in trainset.batches(source, header):
            file.write(b"".join(trainset.structures(tally.add(batch), form)))
            advance(source.advanced())
        trainset.finish(source, header, footer, tally)
        advance(source.advanced())
        if form is trainset.BINARY:
            file.write(trainset.footer(footer, form))
        file.complete(replace=True)
    return header.n_structures - tally.n_structures


def potential_to_text(path: str, output: str) -> None:
    """Write a binary potential as list-directed text."""
    with RecordReader(path) as source:
        _write_potential(potential.to_list_directed, source, output)


def potential_to_binary(path: str, output: str) -> None:
    """Write a potential in text, of either style, as binary; strings are read as list-directed input."""
    with ListReader(path, whole_lines=False) as source:
        _write_potential(potential.to_binary, source, output)


def _write_potential(write: Callable[[potential.PotentialFile], bytes], source: ByteSource, output: str) -> None:
    with _naming(source.path):
        content = write(potential.read_from(source))
    source.finish()
    with PendingFile(output) as file:
        file.write(content)
        file.complete(replace=True)
