"""Training sets, ``NAME.train`` and ``NAME.train.ascii``: energies, coordinates, forces and features.

Both contain the same values (trainset, save_Setup; trainbin2ascii).  A binary file has a header, the structures and a
footer; in a text file the footer precedes the structures.  ``docs/formats.md`` has the table of all records.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import ModuleType

import numpy as np

from aenet_py.descriptors.constants import N_ENVIRONMENT
from aenet_py.descriptors.setup import FeatureStatistics, Setup
from aenet_py.errors import InputError
from aenet_py.formats import atoms as blocks
from aenet_py.formats import lines, records
from aenet_py.formats.atoms import Atoms
from aenet_py.formats.lines import ListReader
from aenet_py.formats.records import RecordReader
from aenet_py.formats.source import Advance, ByteSource, Window, is_text, unwatched
from aenet_py.structure import SYMBOL_LENGTH

DESCRIPTION_LENGTH = 1024
BASIS_LENGTH = 100
SETUP_RECORDS, FOOTER_RECORDS = 18, 3
ENTRY_RECORDS, ENTRY_BYTES = 4, 2048  # before a structure's atoms; the bytes suffice for most file names
_USUAL_ENTRY = re.compile(rb" {1,11}(\d+)\n (.*)\n {1,11}(\d+) {1,11}(\d+)\n +(-?\d+\.\d*(?:E[+-]\d{3})?) *\n")
MOST = 2**31  # 4-byte integers are below
MOST_ENERGY = 1e12  # eV, far above that of any atom
SCALED, ASCII = ".scaled", ".ascii"  # endings of sets that train.x normalised, and of the text of trainbin2ASCII.x
LEAST_ATOM_BYTES = blocks.binary_layout(1).itemsize
BATCH_BYTES = 1 << 22  # of a file that are decoded at once


@dataclass(frozen=True)
class Header:
    """Header of a training set.

    Parameters
    ----------
    types : tuple of str
        Species.
    atomic_energies : tuple of float
        Energy of the free atom of each species, eV.
    n_structures : int
        Number of structures announced, which includes those that generate.x skipped.
    normalized : bool
        Whether energies and features are normalised as (value - shift) scale, which generate.x never writes.
    scale, shift : float
    """

    types: tuple[str, ...]
    atomic_energies: tuple[float, ...]
    n_structures: int
    normalized: bool = False
    scale: float = 1.0
    shift: float = 0.0


@dataclass(frozen=True)
class EnergyStatistics:
    """Statistics of the cohesive energies per atom, eV: mean over the announced structures, minimum, maximum."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Footer:
    """Footer of a training set: the number of atoms in all structures, statistics of their energies, and the set-up
    and statistics of the features per species."""

    n_atoms: int
    energies: EnergyStatistics
    setups: tuple[Setup, ...]
    statistics: tuple[FeatureStatistics, ...]


@dataclass(frozen=True)
class StructureEntry:
    """A structure of a training set: file name, numbers of atoms and of their species, cohesive energy in eV."""

    path: str
    n_atoms: int
    n_types: int
    energy: float


@dataclass(frozen=True)
class StructureBatch:
    """Some structures; the atoms of structure i are rows starts[i] to starts[i + 1] of the arrays in `atoms`."""

    entries: tuple[StructureEntry, ...]
    atoms: Atoms
    starts: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        counts = [entry.n_atoms for entry in self.entries]
        object.__setattr__(self, "starts", np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]))


@dataclass(frozen=True)
class TrainingSet:
    """A training set in memory.

    Parameters
    ----------
    header : Header
        Species, atomic energies (eV), number of structures.
    footer : Footer
        Numbers of atoms, statistics of energies and features, set-ups of the descriptors.
    structures : StructureBatch
        Energies (eV) of the structures; positions (Å), forces (eV/Å) and features of all their atoms.

    Examples
    --------
    >>> from aenet_py import TrainingSet
    >>> training_set = TrainingSet.read("fixtures/golden/cluster-cuau-h2o/expected/cluster.train")
    >>> training_set.header.types
    ('Cu', 'Au', 'O', 'H')
    >>> len(training_set.structures.entries), training_set.structures.atoms.features.shape
    (14, (201, 44))
    """

    header: Header
    footer: Footer
    structures: StructureBatch

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> TrainingSet:
        """Read a training set.

        Parameters
        ----------
        path : path
            File in either form, ``.train`` or ``.train.ascii``.

        Returns
        -------
        TrainingSet
            Energies in eV, lengths in Å, features as stored.

        Raises
        ------
        AenetError
            If the file does not exist or is not a valid training set.
        """
        return read(os.fspath(path))


@dataclass(frozen=True)
class Form:
    """One of the two forms of a training set.

    values : module whose functions write single values; layout, encode, decode : data type and conversion of atoms.
    """

    values: ModuleType
    layout: Callable[[int], np.dtype]
    encode: Callable[[Atoms], np.ndarray]
    decode: Callable[[np.ndarray], Atoms]


BINARY = Form(records, blocks.binary_layout, blocks.to_binary, blocks.from_binary)
TEXT = Form(lines, blocks.text_layout, blocks.to_text, blocks.from_text)


def header(values: Header, form: Form = BINARY) -> bytes:
    """The bytes before the structures (ts_write_header)."""
    to = form.values
    return b"".join(
        [
            to.integers([len(values.types)]),
            to.integers([values.n_structures]),
            to.symbols(values.types, "columns"),
            to.reals(values.atomic_energies),
            to.logical(values.normalized),
            to.reals([values.scale]),
            to.reals([values.shift]),
        ]
    )


def entry(values: StructureEntry, form: Form = BINARY) -> bytes:
    """The bytes before the atoms of a structure (ts_write_structure_info)."""
    to = form.values
    return b"".join(
        [
            to.counted_text(values.path),
            to.integers([values.n_atoms, values.n_types]),
            to.reals([values.energy]),
        ]
    )


def structures(batch: StructureBatch, form: Form = BINARY) -> list[bytes]:
    """The bytes of each structure (ts_write_structure_info, ts_write_atom_info, ts_write_sf_info)."""
    rows = atoms(batch.atoms, batch.starts, form)
    return [entry(values, form) + row for values, row in zip(batch.entries, rows, strict=True)]


def atoms(values: Atoms, starts: Sequence[int] | np.ndarray, form: Form = BINARY) -> list[bytes]:
    """The bytes of the atoms of each structure; starts (n_structures + 1,) : index of the first atom of each."""
    spans = list(itertools.pairwise(starts))
    if values.sizes.min() == values.sizes.max():
        block = form.encode(_narrowed(values, slice(None), int(values.sizes[0])))
        return [block[start:stop].tobytes() for start, stop in spans]
    rows: list[bytes] = [b""] * len(values)
    for size in set(values.sizes.tolist()):  # np.unique would import too much
        chosen = np.flatnonzero(values.sizes == size)
        for atom, row in zip(chosen.tolist(), form.encode(_narrowed(values, chosen, size)), strict=True):
            rows[atom] = row.tobytes()
    return [b"".join(rows[start:stop]) for start, stop in spans]


def _narrowed(values: Atoms, chosen: slice | np.ndarray, size: int) -> Atoms:
    return Atoms(
        types=values.types[chosen],
        positions=values.positions[chosen],
        forces=values.forces[chosen],
        sizes=values.sizes[chosen],
        features=values.features[chosen, :size],
    )


def footer(values: Footer, form: Form = BINARY) -> bytes:
    """The bytes of statistics and set-ups (ts_write_footer)."""
    to = form.values
    energies = values.energies
    parts = [
        to.integers([values.n_atoms]),
        to.reals([energies.mean, energies.low, energies.high]),
        to.logical(len(values.setups) > 0),
    ]
    for number, (setup, statistics) in enumerate(zip(values.setups, values.statistics, strict=True), 1):
        parts += [to.integers([number]), described(setup, statistics, to)]
    return b"".join(parts)


def described(setup: Setup, statistics: FeatureStatistics, to: ModuleType) -> bytes:
    """The bytes of a set-up with the statistics of its features (save_Setup); to : `records` or `lines`."""
    return b"".join(
        [
            to.text(setup.description, DESCRIPTION_LENGTH),
            to.text(setup.atom_type, SYMBOL_LENGTH),
            to.integers([len(setup.env_types)]),
            to.symbols(setup.env_types, "lines"),
            to.reals([setup.r_min]),
            to.reals([setup.r_max]),
            to.text(setup.basis, BASIS_LENGTH),
            to.integers([setup.n_features]),
            to.integers([setup.parameters.shape[1]]),
            to.integers(setup.functions),
            to.reals(setup.parameters.ravel()),
            to.integers(setup.environment.ravel() + 1),
            to.integers([statistics.count]),
            to.reals(statistics.low),
            to.reals(statistics.high),
            to.reals(statistics.mean),
            to.reals(statistics.square),
        ]
    )


def read_header(source: ByteSource) -> Header:
    source.place = "header"
    n_types = source.integer("number of species", least=1)
    n_structures = source.integer("number of structures", least=0)
    return Header(
        types=source.symbols(n_types, "species"),
        atomic_energies=tuple(source.reals(n_types, "atomic energies").tolist()),
        n_structures=n_structures,
        normalized=source.logical("whether values are normalised"),
        scale=source.real("energy scale"),
        shift=source.real("energy shift"),
    )


def check_header(path: str, values: Header, purpose: str) -> None:
    """Raise InputError unless energies and features are as written by generate.x.

    purpose : use of the set in the message, such as "train on".
    """
    if values.normalized:
        made_from = path.removesuffix(ASCII).removesuffix(SCALED)
        known = made_from + SCALED == path.removesuffix(ASCII) and os.path.exists(made_from)
        instead = made_from if known else "the training set that generate.x wrote"
        what = "its energies and features are already normalised (train.x does this) and not in eV"
        raise InputError(path, f"{what}; {purpose} {instead} instead")
    for symbol, energy in zip(values.types, values.atomic_energies, strict=True):
        if not abs(energy) < MOST_ENERGY:
            raise InputError(path, f"found {energy:g} eV as the atomic energy of {symbol}; the header is damaged")


def read_footer(source: ByteSource, of: Header) -> Footer:
    source.place = "footer"
    n_atoms = source.integer("number of atoms", least=0)
    mean, low, high = source.reals(3, "average, minimum and maximum energy").tolist()
    described = []
    if source.logical("whether set-ups follow"):
        for number in range(1, len(of.types) + 1):
            source.place = f"set-up {number}"
            if (given := source.integer("number of the species")) != number:
                raise source.error(f"found {given}; expected {number}")
            described.append(read_described(source))
            if (symbol := described[-1][0].atom_type) != of.types[number - 1]:
                raise InputError(source.path, f"found the set-up of {symbol}; expected that of {of.types[number - 1]}")
    return Footer(
        n_atoms=n_atoms,
        energies=EnergyStatistics(mean, low, high),
        setups=tuple(setup for setup, _ in described),
        statistics=tuple(statistics for _, statistics in described),
    )


def read_described(source: ByteSource) -> tuple[Setup, FeatureStatistics]:
    """A set-up with the statistics of its features (load_Setup)."""
    description = source.text(DESCRIPTION_LENGTH, "description")
    (atom_type,) = source.symbols(1, "central species")
    env_types = source.symbols(source.integer("number of species around", least=1), "species around")
    r_min, r_max = source.real("smallest distance"), source.real("largest cutoff")
    basis = source.text(BASIS_LENGTH, "basis")
    n = source.integer("number of features", least=1)
    n_parameters = source.integer("number of parameters", least=1)
    setup = Setup(
        description=description,
        atom_type=atom_type,
        env_types=env_types,
        r_min=r_min,
        r_max=r_max,
        basis=basis,
        functions=source.integers(n, "functions"),
        parameters=source.reals(n * n_parameters, "parameters").reshape(n, n_parameters),
        environment=source.integers(n * N_ENVIRONMENT, "species of the functions").reshape(n, N_ENVIRONMENT) - 1,
    )
    statistics = FeatureStatistics(
        count=source.integer("number of atoms", least=0),
        low=source.reals(n, "minima of the features"),
        high=source.reals(n, "maxima of the features"),
        mean=source.reals(n, "averages of the features"),
        square=source.reals(n, "average squares of the features"),
    )
    return setup, statistics


def read_beginning(source: ByteSource, number: int) -> tuple[str, int, int]:
    """Read the values that a structure begins with, also in files of gradients: file name, atoms, species.

    number : of the structure in messages, counted from 1.
    """
    source.place = f"structure {number}"
    path = source.counted_text("file name")
    n_atoms, n_types = source.integers(2, "numbers of atoms and species").tolist()
    if n_atoms < 1 or n_types < 1:
        raise source.error(f"found {n_atoms} and {n_types}; expected at least 1")
    return path, n_atoms, n_types


def read_entry(source: ByteSource, number: int) -> StructureEntry:
    """Read the values of a structure before its atoms; number : as in `read_beginning`."""
    return StructureEntry(*read_beginning(source, number), source.real("energy"))


def read_atoms(source: ByteSource, number: int, n_atoms: int, n_types: int) -> Atoms:
    """Read the atoms of a structure value by value; number : as in `read_beginning`; n_types : species of the set."""
    rows = []
    for atom in range(1, n_atoms + 1):
        source.place = f"structure {number}, atom {atom}"
        itype = source.integer("species", least=1)
        if itype > n_types:
            raise source.error(f"found {itype}; expected at most {n_types}, the number of species")
        position, forces = source.reals(3, "position"), source.reals(3, "forces")
        size = source.integer("number of features", least=1)
        features = source.reals(size, "features")
        rows.append(Atoms(*(np.asarray(value)[np.newaxis] for value in (itype - 1, position, forces, size, features))))
    return blocks.join(rows)


def batches(source: ByteSource, of: Header, form: Form | None = None) -> Iterator[StructureBatch]:
    """Read the structures, several at a time; form : if it is neither BINARY nor TEXT, as the source suggests.

    There may be fewer than announced, because generate.x also counts skipped structures.
    """
    form = form or (BINARY if isinstance(source, RecordReader) else TEXT)
    number, room, most = 1, np.empty(2 * BATCH_BYTES, np.uint8), of.n_structures
    while number <= of.n_structures and not _structures_end(source):
        batch = None
        if source.log is None:
            batch = _read_blocks(source, form, number, of, room, most)
            if batch is None and most > 1:
                most = 1  # the numbers of features differ, so structures are read one by one
                batch = _read_blocks(source, form, number, of, room, most)
        batch = batch or _read_one(source, number, len(of.types))
        yield batch
        number += len(batch.entries)


def _read_one(source: ByteSource, number: int, n_types: int) -> StructureBatch:
    values = read_entry(source, number)
    return StructureBatch((values,), read_atoms(source, number, values.n_atoms, n_types))


def _structures_end(source: ByteSource) -> bool:
    """Whether a footer follows (a structure begins with records of other lengths), or in text nothing."""
    if isinstance(source, RecordReader):
        return source.ahead(FOOTER_RECORDS) == [4, 24, 4]
    return source.at_end()


def _read_blocks(
    source: ByteSource, form: Form, number: int, of: Header, room: np.ndarray, most: int
) -> StructureBatch | None:
    """Read structures as a block of atoms with equal numbers of features; None if they differ.

    room : for the bytes of the block; most : number of structures.
    """
    start = source.mark()
    with contextlib.suppress(InputError, ValueError):
        entries, block = _gather(source, form, number, min(most, of.n_structures - number + 1), room)
        if len(block) and blocks.fits(block):
            atoms = form.decode(block)
            if atoms.types.min() >= 0 and atoms.types.max() < len(of.types):
                return StructureBatch(entries, atoms)
    source.reset(start)
    return None


def _gather(
    source: ByteSource, form: Form, number: int, most: int, room: np.ndarray
) -> tuple[tuple[StructureEntry, ...], np.ndarray]:
    """Read structures, and their atoms unchecked as a block, which is in room unless it is too large.

    ValueError, or InputError at the next structure, if these are not atoms with as many features as the first.
    """
    first = read_entry(source, number)
    layout = _layout_ahead(source, form)
    entries, n_bytes, size = [first], 0, first.n_atoms * layout.itemsize
    while True:
        if source.offset + size > source.window.size:
            raise ValueError("end of the file")
        room = room if n_bytes + size <= len(room) else np.empty(size, np.uint8)  # a larger one only for the first
        data = source.window.view(source.offset, size)
        room[n_bytes : n_bytes + size] = np.frombuffer(data, np.uint8)
        source.skip(size // layout.itemsize * blocks.RECORDS, size)
        n_bytes += size
        if n_bytes >= BATCH_BYTES or len(entries) == most or _structures_end(source):
            break
        mark = source.mark()
        following = _usual_entry(source) or read_entry(source, number + len(entries))
        size = following.n_atoms * layout.itemsize
        if n_bytes + size > len(room):
            source.reset(mark)
            break
        entries.append(following)
    return tuple(entries), room[:n_bytes].view(layout)


def _usual_entry(source: ByteSource) -> StructureEntry | None:
    """The values of the next structure if they are text as written by gfortran; otherwise nothing is read."""
    if not isinstance(source, ListReader):
        return None
    match = _USUAL_ENTRY.match(source.window.view(source.offset, ENTRY_BYTES))
    if match is None or len(match[2]) != int(match[1]):
        return None
    n_atoms, n_types = int(match[3]), int(match[4])
    if not (0 < n_atoms < MOST and 0 < n_types < MOST):
        return None
    source.skip(ENTRY_RECORDS, match.end())
    return StructureEntry(match[2].decode("latin-1"), n_atoms, n_types, float(match[5]))


def _layout_ahead(source: ByteSource, form: Form) -> np.dtype:
    """The layout of the next atom; ValueError if it is not plausible."""
    single = form.layout(1)
    return form.layout(blocks.first_width(source.window.view(source.offset, single.itemsize), single))


def energy_statistics(entries: Sequence[StructureEntry]) -> EnergyStatistics:
    """Statistics of these structures, added one by one as in the original (ts_write_structure_info)."""
    per_atom = [entry.energy / entry.n_atoms for entry in entries]
    mean = 0.0
    for energy in per_atom:
        mean += energy / len(per_atom)
    return EnergyStatistics(mean, min(per_atom), max(per_atom))


class TrainingSetTotals:
    """Counts structures and atoms while they are read, to check header and footer."""

    def __init__(self) -> None:
        self.n_structures = self.n_atoms = 0
        self._most_types = 0
        self._widths: set[tuple[int, int]] = set()

    def add(self, batch: StructureBatch) -> StructureBatch:
        """Count some structures, and return them."""
        self.n_structures += len(batch.entries)
        self.n_atoms += len(batch.atoms)
        self._most_types = max(self._most_types, *(entry.n_types for entry in batch.entries))
        self._widths.update(zip(batch.atoms.types.tolist(), batch.atoms.sizes.tolist(), strict=True))
        return batch

    def check(self, path: str, header: Header, footer: Footer) -> None:
        """Raise InputError unless numbers of species, atoms and features agree with header and footer."""
        if self._most_types > len(header.types):
            message = f"found a structure with {self._most_types} species"
            raise InputError(path, f"{message}; expected at most {len(header.types)}, as the header says")
        if footer.n_atoms != self.n_atoms:
            message = f"found structures with {self.n_atoms} atoms; expected {footer.n_atoms}, as the footer says"
            raise InputError(path, message)
        for itype, width in sorted(self._widths) if footer.setups else ():
            setup = footer.setups[itype]
            if width != setup.n_features:
                message = f"found atoms of {setup.atom_type} with {width} features"
                raise InputError(path, f"{message}; expected {setup.n_features}, as the set-up says")


def footer_ahead(source: ByteSource, of: Header) -> Footer:
    """Read the footer, and leave the source before the structures.

    In a binary file it is located from the end of the file or, if that fails, by reading everything before it.
    """
    if not isinstance(source, RecordReader):
        return read_footer(source, of)
    mark = source.mark()
    start = source.from_end(FOOTER_RECORDS + SETUP_RECORDS * len(of.types))
    try:
        if start is None:
            raise source.error("found no footer")
        source.skip(0, start - source.offset)
        values = read_footer(source, of)
        source.finish()
    except InputError:
        source.reset(mark)
        for _ in batches(source, of):
            pass
        values = read_footer(source, of)
        source.finish()
    source.reset(mark)
    return values


def finish(source: ByteSource, of: Header, footer: Footer, totals: TrainingSetTotals) -> None:
    """Read the rest of the file after the structures, and check that everything agrees."""
    if isinstance(source, RecordReader):
        read_footer(source, of)
    source.finish()
    totals.check(source.path, of, footer)


def open_source(path: str) -> ByteSource:
    """Open a file in either form."""
    with Window(path) as window:
        text = window.size > 0 and is_text(window.view(0, 64))
    return ListReader(path) if text else RecordReader(path)


def read(path: str, advance: Advance = unwatched, most: float = math.inf) -> TrainingSet:
    """Read a training set in either form; AenetError if the file is not one.

    advance : called with the bytes read; most : bytes of features in single precision, above which they are rounded to
    it.
    """
    with open_source(path) as source:
        header = read_header(source)
        footer = footer_ahead(source, header)
        entries: list[StructureEntry] = []

        totals = TrainingSetTotals()

        def atoms_of_batches() -> Iterator[Atoms]:
            for batch in batches(source, header):
                entries.extend(batch.entries)
                advance(source.advanced())
                yield totals.add(batch).atoms

        n_expected = min(footer.n_atoms, source.window.size // LEAST_ATOM_BYTES)
        atoms = blocks.join(atoms_of_batches(), n_expected, most)
        finish(source, header, footer, totals)
    return TrainingSet(header, footer, StructureBatch(tuple(entries), atoms))
