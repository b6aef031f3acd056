"""Convert training sets to the text of ænet's own trnset2ASCII.x, and back."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

from aenet_py.errors import AenetError, InputError
from aenet_py.formats import trainset, trnset
from aenet_py.formats.records import RecordReader
from aenet_py.formats.source import Advance
from aenet_py.formats.text import foreign
from aenet_py.formats.trainset import SCALED, Footer, StructureEntry
from aenet_py.formats.trnset import TrnsetReader
from aenet_py.report import trainx as report
from aenet_py.report import trnset as notices
from aenet_py.runtime.output import PendingFile, already_exists
from aenet_py.training.trainx import scaling

Say = Callable[[str], object]


def to_text(path: str, output: str, raw: bool, say: Say, warn: Say, advance: Advance) -> int:
    """Write a binary training set as text; returns how many structures its header counts that the file lacks.

    Parameters
    ----------
    path : str
        The training set.
    output : str
        The text, replaced if it exists.
    raw : bool
        Write the set as it is.  Otherwise write its normalised form, which is stored as ``NAME.train.scaled`` unless
        that file exists.
    say : callable
        Called with the parts of the report.
    warn : callable
        Called with warnings.
    advance : callable
        Called with the number of bytes read.

    Returns
    -------
    int

    Raises
    ------
    AenetError
        If the file is not a training set, or cannot be normalised; output is not written then.
    """
    say(notices.TO_TEXT)
    if os.path.realpath(output) in map(os.path.realpath, (path, path + SCALED)):
        raise AenetError(f"{output}: cannot be written: it is a training set; choose another name")
    with PendingFile(output) as file:
        source, n_missing = (path, 0) if raw else _normalised(path, say, warn)
        n_missing += _write_text(source, file, advance)
        file.complete(replace=True)
    say(notices.DONE)
    return n_missing


def _normalised(path: str, say: Say, warn: Say) -> tuple[str, int]:
    """The file with the normalised form of a training set, which is written if necessary, then without the structures
    that are missing; their number."""
    known = path + SCALED
    stored = os.path.exists(known)
    if stored:
        say(report.loading(foreign(known)))
        scaling.warn_of_age(path, known, warn)
    with RecordReader(known if stored else path) as source:
        if trainset.read_header(source).normalized:
            return source.path, 0
    data = scaling.load(path, None)
    header = data.training_set.header
    say(report.normalization(foreign(data.path), header.scale, header.shift, None))
    scaling.warn_of_constant_features(data.training_set.footer, warn)
    scaling.write(data)
    return data.path, data.n_missing


def _write_text(path: str, file: PendingFile, advance: Advance) -> int:
    with RecordReader(path) as source:
        header = trainset.read_header(source)
        footer = trainset.footer_ahead(source, header)
        tally = trainset.TrainingSetTotals()
        try:
            file.write(trnset.header(foreign(path), header, footer))
            for batch in trainset.batches(source, header):
                file.write(b"".join(trnset.structures(tally.add(batch))))
                advance(source.advanced())
        except ValueError as error:
            raise InputError(path, str(error)) from None
        trainset.finish(source, header, footer, tally)
        advance(source.advanced())
    n_missing = header.n_structures - tally.n_structures
    if n_missing:  # readers of the text expect as many as its header says; the number has a fixed width
        file.write_at(0, [trnset.header(foreign(path), replace(header, n_structures=tally.n_structures), footer)])
    return n_missing


def to_binary(path: str, output: str, say: Say, advance: Advance) -> None:
    """Write the text as a binary training set without set-ups, which counts as normalised, as in the original.

    Parameters
    ----------
    path : str
        Text as from `to_text`.
    output : str
        The training set, which must not exist.
    say : callable
        Called with the parts of the report.
    advance : callable
        Called with the number of bytes read.

    Raises
    ------
    AenetError
        If the text is not such a one, or output exists; nothing is written then.
    """
    say(notices.TO_BINARY)
    if os.path.lexists(output):
        raise already_exists(output)
    with TrnsetReader(path) as source, PendingFile(output) as file:
        header = trnset.read_header(source)
        tally, entries = trainset.TrainingSetTotals(), list[StructureEntry]()
        file.write(trainset.header(replace(header, normalized=True)))
        for batch in trainset.batches(source, header, trnset.FORM):
            file.write(b"".join(trainset.structures(tally.add(batch))))
            entries += batch.entries
            advance(source.advanced())
        if tally.n_structures < header.n_structures:
            message = f"found {tally.n_structures} structures; expected {header.n_structures}, as the header says"
            raise InputError(path, message)
        source.place = ""
        source.finish()
        footer = Footer(tally.n_atoms, trainset.energy_statistics(entries), (), ())
        tally.check(path, header, footer)
        file.write(trainset.footer(footer))
        file.complete(replace=False)
    say(notices.DONE)
