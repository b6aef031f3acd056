"""Training sets in the text of trnset2ASCII.x, ænet's own (save_TrnSet_ASCII); ænet-PyTorch's is `trainset.TEXT`.

It has no set-ups, but begins with the file's name and the statistics of its energies.  ``docs/formats.md`` has the
table of all lines.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aenet_py.formats import atoms as blocks
from aenet_py.formats import lines, scientific, trainset
from aenet_py.formats.atoms import Atoms
from aenet_py.formats.lines import ListReader
from aenet_py.formats.trainset import Footer, Form, Header, StructureBatch, StructureEntry
from aenet_py.structure import SYMBOL_LENGTH

ENERGIES_PER_LINE, FEATURES_PER_LINE = 4, 1000


def header(path: str, values: Header, footer: Footer) -> bytes:
    """The lines before the structures; path : of the training set, as latin-1."""
    energies = footer.energies
    return b"".join(
        [
            _text(path),
            lines.logical(values.normalized),
            lines.reals([values.scale]),
            lines.reals([values.shift]),
            lines.integers([len(values.types)]),
            lines.symbols(values.types, "lines"),
            _reals(values.atomic_energies),
            lines.integers([footer.n_atoms]),
            lines.integers([values.n_structures]),
            lines.reals([energies.low, energies.high, energies.mean]),
        ]
    )


def structures(batch: StructureBatch) -> list[bytes]:
    """The lines of each structure."""
    rows = trainset.atoms(batch.atoms, batch.starts, FORM)
    return [_entry(values) + row for values, row in zip(batch.entries, rows, strict=True)]


def _entry(values: StructureEntry) -> bytes:
    sizes = lines.integers([values.n_atoms, values.n_types])
    return _text(values.path) + sizes + lines.reals([values.energy])


def _text(value: str) -> bytes:
    return lines.text(value.rstrip(" "), 0)[1:]


def _reals(values: Sequence[float]) -> bytes:
    rows = (values[i : i + ENERGIES_PER_LINE] for i in range(0, len(values), ENERGIES_PER_LINE))
    return b"".join(b"".join(map(scientific.text, row)) + b"\n" for row in rows)


def _encode(atoms: Atoms) -> np.ndarray:
    """As `atoms.to_trnset`, with line ends after every thousand features; no blank follows the last of them."""
    block, n_features = blocks.to_trnset(atoms), atoms.features.shape[1]
    if n_features < FEATURES_PER_LINE:
        return block
    characters = block.view(np.uint8).reshape(len(block), -1)
    begin = block.dtype.fields["features"][1]  # type: ignore[index]  # the type has fields
    breaks = begin + scientific.WIDTH * np.arange(FEATURES_PER_LINE, n_features, FEATURES_PER_LINE)
    if n_features % FEATURES_PER_LINE == 0:
        characters = np.delete(characters, -2, axis=1)
    return np.insert(characters, breaks, ord("\n"), axis=1)


def _layout(n_features: int) -> np.dtype:
    """Of atoms with a single line of features and a blank; ValueError otherwise, so that they are read one by one."""
    if n_features >= FEATURES_PER_LINE:
        raise ValueError(n_features)
    return blocks.trnset_layout(n_features)


FORM = Form(lines, _layout, _encode, blocks.from_text)


class TrnsetReader(ListReader):
    """Reads such a text; names of files are whole lines."""

    def counted_text(self, what: str) -> str:
        return self.line(what).removesuffix("\r").rstrip(" ")

    def symbols(self, n: int, what: str) -> tuple[str, ...]:
        names = []
        for _ in range(n):
            name = self.line(what).strip()
            if not 0 < len(name) <= SYMBOL_LENGTH:
                raise self.error(f"found {name[:40]!r}; expected a name of one or two characters")
            names.append(name)
        return tuple(names)


def read_header(source: TrnsetReader) -> Header:
    """Read the lines before the structures, of which those with the file's name and statistics are skipped."""
    source.place = "header"
    source.line("file name")
    normalized = source.logical("whether values are normalised")
    scale, shift = source.real("energy scale"), source.real("energy shift")
    n_types = source.integer("number of species", least=1)
    types = source.symbols(n_types, "species")
    atomic_energies = tuple(source.reals(n_types, "atomic energies").tolist())
    source.integer("number of atoms", least=0)
    n_structures = source.integer("number of structures", least=1)
    source.reals(3, "minimum, maximum and average energy")
    return Header(types, atomic_energies, n_structures, normalized, scale, shift)
