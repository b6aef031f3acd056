"""Join training sets, with the bytes that generate.x would have written for all their structures."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aenet_py.descriptors.statistics import RunningStatistics
from aenet_py.errors import AenetError, InputError
from aenet_py.formats import gradients, records, trainset
from aenet_py.formats.records import RecordReader
from aenet_py.formats.source import Advance
from aenet_py.formats.trainset import Footer, Header, StructureEntry
from aenet_py.inputs import setup as setups
from aenet_py.pipelines.featurize import RunningEnergies
from aenet_py.runtime.output import PendingFile, already_exists, complete_together

PART = 1 << 24  # bytes copied at a time


@dataclass(frozen=True)
class Merged:
    """Contents of the new set: structures that the header counts, structures, atoms; whether it has gradients."""

    n_announced: int
    n_structures: int
    n_atoms: int
    with_gradients: bool


def size(paths: Sequence[str]) -> int:
    """Bytes that `merge` reads of these training sets and their gradients."""
    files = [*paths, *map(gradients.path_of, paths)]
    return sum(os.path.getsize(path) for path in files if os.path.exists(path))


def merge(paths: Sequence[str], output: str, advance: Advance) -> Merged:
    """Join training sets in the given order, and their gradients if all have them.

    Averages are updated atom by atom in the order of the structures, as in generate.x.

    Parameters
    ----------
    paths : sequence of str
        Training sets, binary or text.
    output : str
        New training set; must not exist.
    advance : callable
        Called with the number of bytes read since the last call; `size` gives the total.

    Returns
    -------
    Merged

    Raises
    ------
    AenetError
        If the sets cannot be joined, gradients are not those of their set, or output exists; nothing is written then.
    """
    if os.path.exists(output):
        raise already_exists(output)
    first, footer, n_announced = _check(paths)
    with_gradients = [os.path.exists(gradients.path_of(path)) for path in paths]
    if any(with_gradients) and not all(with_gradients):
        path = gradients.path_of(paths[with_gradients.index(False)])
        raise AenetError(f"{path}: no such file; all training sets must have gradients, or none")
    sizes = np.array([setup.n_features for setup in footer.setups], dtype=np.int64)
    statistics, energies = RunningStatistics(sizes), RunningEnergies(n_announced)
    n_atoms, entries = 0, [list[StructureEntry]() for _ in paths]
    with contextlib.ExitStack() as stack:
        train = stack.enter_context(PendingFile(output))
        forces = stack.enter_context(PendingFile(f"{output}.forces")) if all(with_gradients) else None
        train.write(trainset.header(Header(first.types, first.atomic_energies, n_announced)))
        for path, of_set in zip(paths, entries, strict=True):
            with trainset.open_source(path) as source:
                header = trainset.read_header(source)
                own, tally = trainset.footer_ahead(source, header), trainset.TrainingSetTotals()
                for batch in trainset.batches(source, header):
                    train.write(b"".join(trainset.structures(tally.add(batch))))
                    features = np.ascontiguousarray(batch.atoms.features, dtype=np.float64)
                    statistics.add(batch.atoms.types.astype(np.int64), features)
                    for entry in batch.entries:
                        energies.add(entry.energy / entry.n_atoms)
                    of_set.extend(batch.entries)
                    advance(source.advanced())
                trainset.finish(source, header, own, tally)
                advance(source.advanced())
                n_atoms += tally.n_atoms
        train.write(trainset.footer(Footer(n_atoms, energies.result(), footer.setups, tuple(statistics.result()))))
        if forces is not None:
            _join_gradients(paths, entries, n_announced, forces, advance)
        complete_together(train, [] if forces is None else [forces])
    return Merged(n_announced, energies.n_included, n_atoms, forces is not None)


def _check(paths: Sequence[str]) -> tuple[Header, Footer, int]:
    """Header and footer of the first set, and the sum of structures in all headers; InputError if the sets differ."""
    ends: list[tuple[Header, Footer]] = []
    for path in paths:
        with trainset.open_source(path) as source:
            header = trainset.read_header(source)
            trainset.check_header(path, header, "merge")
            ends.append((header, trainset.footer_ahead(source, header)))
        if not ends[-1][1].setups:
            raise InputError(path, "this training set has no set-ups; make it again with generate.x")
        found = setups.difference(ends[-1], ends[0])
        if found is not None:
            what, mine, theirs = found
            if what == "set-up":
                raise InputError(path, f"the set-up of {mine} differs from that in {paths[0]}")
            raise InputError(path, f"{what} {mine} differ from {theirs} in {paths[0]}")
    n_announced = sum(header.n_structures for header, _ in ends)
    if n_announced >= trainset.MOST:
        raise AenetError(f"these training sets have {n_announced:,} structures; a file can hold {trainset.MOST - 1:,}")
    return *ends[0], n_announced


def _join_gradients(
    paths: Sequence[str], entries: Sequence[Sequence[StructureEntry]], n_announced: int, output: PendingFile,
    advance: Advance,
) -> None:  # fmt: skip
    """Copy everything between header and footer of each file; entries : the structures of each set."""
    output.write(gradients.header(n_announced))
    most = 0
    size = records.record_size(4)
    for path, expected in zip(paths, entries, strict=True):
        with RecordReader(gradients.path_of(path)) as source, trainset.open_source(path) as of:
            announced, n_structures = gradients.read_header(source), trainset.read_header(of).n_structures
            if announced != n_structures:
                raise InputError(source.path, f"found {announced} structures; expected {n_structures}, as in {path}")
            _check_gradients(path, expected)
            start, stop = source.offset, source.window.size - size
            source.skip(0, stop - start)
            source.place = "footer"
            most = max(most, source.integer("largest number of neighbours"))
            source.finish()
            advance(source.window.size - (stop - start))
            for begin in range(start, stop, PART):
                n_bytes = min(PART, stop - begin)
                output.write(source.window.view(begin, n_bytes))
                advance(n_bytes)
    output.write(gradients.footer(most))


def _check_gradients(path: str, expected: Sequence[StructureEntry]) -> None:
    """Raise InputError unless the gradients beside a training set are whole and those of its structures."""
    file = gradients.path_of(path)
    found = gradients.entries(file)
    if len(found) != len(expected):
        raise InputError(file, f"has {len(found)} structures, but {path} has {len(expected)}")
    for number, (one, other) in enumerate(zip(found, expected, strict=True), 1):
        if (one.path.rstrip(), one.n_atoms, one.n_types) != (other.path.rstrip(), other.n_atoms, other.n_types):
            message = f"structure {number}: found {one.path.strip()} with {one.n_atoms} atoms"
            raise InputError(file, f"{message}; expected {other.path.strip()} with {other.n_atoms}, as in {path}")
