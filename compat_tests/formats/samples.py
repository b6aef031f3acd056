"""Files of each format for tests: hypothesis strategies and small fixed examples."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aenet_py.descriptors.setup import FeatureStatistics, Setup
from aenet_py.formats import gradients, records, trainset
from aenet_py.formats.atoms import Atoms, join
from aenet_py.formats.potential import Network, PotentialFile, Training
from aenet_py.formats.trainset import EnergyStatistics, Footer, Header, StructureBatch, StructureEntry, TrainingSet

SYMBOLS = ("Ti", "O", "H", "Cu", "Xx")
BYTES = st.text(st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="\x7f\x85\xa0\xad"), min_size=1)
PATHS = st.lists(BYTES, min_size=1, max_size=3).map(" ".join)
NUMBERS = st.one_of(st.floats(allow_nan=False), st.floats(-20, 20))


def arrays(*shape: int) -> st.SearchStrategy[np.ndarray]:
    return hnp.arrays(np.float64, shape, elements=NUMBERS)


@st.composite
def setups(draw, symbol: str, types: tuple[str, ...], n_features: int) -> tuple[Setup, FeatureStatistics]:
    integers = hnp.arrays(np.int32, (n_features,), elements=st.integers(-(2**31), 2**31 - 1))
    setup = Setup(
        description=draw(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=9)),
        atom_type=symbol,
        env_types=types,
        r_min=draw(NUMBERS),
        r_max=draw(NUMBERS),
        basis="Chebyshev",
        functions=draw(integers),
        parameters=draw(arrays(n_features, 4)),
        environment=np.stack([draw(integers), draw(integers)], axis=1),
    )
    statistics = [draw(arrays(n_features)) for _ in range(4)]
    return setup, FeatureStatistics(draw(st.integers(0, 2**31 - 1)), *statistics)


@st.composite
def training_sets(draw) -> TrainingSet:
    types = SYMBOLS[: draw(st.integers(1, len(SYMBOLS)))]
    sizes = draw(st.lists(st.integers(1, 5), min_size=len(types), max_size=len(types)))
    if draw(st.booleans()):
        sizes = [sizes[0]] * len(types)
    entries, parts = [], []
    for _ in range(draw(st.integers(1, 4))):
        chosen = draw(st.lists(st.integers(0, len(types) - 1), min_size=1, max_size=4))
        entries.append(StructureEntry(draw(PATHS), len(chosen), len(set(chosen)), draw(NUMBERS)))
        for itype in chosen:
            size = sizes[itype]
            parts.append(
                Atoms(
                    np.array([itype]),
                    draw(arrays(1, 3)),
                    draw(arrays(1, 3)),
                    np.array([size]),
                    draw(arrays(1, size)),
                )
            )
    found = [draw(setups(symbol, types, size)) for symbol, size in zip(types, sizes, strict=True)]
    return TrainingSet(
        header=Header(
            types=types,
            atomic_energies=tuple(draw(arrays(len(types))).tolist()),
            n_structures=len(entries) + draw(st.integers(0, 2)),
            normalized=draw(st.booleans()),
            scale=draw(NUMBERS),
            shift=draw(NUMBERS),
        ),
        footer=Footer(
            n_atoms=len(parts),
            energies=EnergyStatistics(draw(NUMBERS), draw(NUMBERS), draw(NUMBERS)),
            setups=tuple(setup for setup, _ in found),
            statistics=tuple(statistics for _, statistics in found),
        ),
        structures=StructureBatch(tuple(entries), join(parts)),
    )


def content_of(values: TrainingSet, form: trainset.Form) -> bytes:
    """The file of a training set."""
    head, footer = trainset.header(values.header, form), trainset.footer(values.footer, form)
    structures = b"".join(trainset.structures(values.structures, form))
    return head + footer + structures if form is trainset.TEXT else head + structures + footer


def small_training_set(n_structures: int = 2) -> TrainingSet:
    """Three atoms of two species with two and three features; n_structures : the number in the header."""
    rng = np.random.default_rng(3)
    species = [1, 2, 2]
    parts = [
        Atoms(
            np.array([t - 1]),
            rng.normal(size=(1, 3)),
            rng.normal(size=(1, 3)),
            np.array([t + 1]),
            rng.normal(size=(1, t + 1)),
        )
        for t in species
    ]
    described = [
        (
            Setup("set-up", symbol, ("Ti", "O"), 0.5, 6.0, "Chebyshev", np.zeros(n, np.int32), rng.normal(size=(n, 4)),
                  np.zeros((n, 2), np.int32)),
            FeatureStatistics(n, *rng.normal(size=(4, n))),
        )
        for symbol, n in (("Ti", 2), ("O", 3))
    ]  # fmt: skip
    return TrainingSet(
        Header(("Ti", "O"), (-1604.6, -432.5), n_structures),
        Footer(3, EnergyStatistics(-8.5, -9.0, -8.0), tuple(s for s, _ in described), tuple(s for _, s in described)),
        StructureBatch((StructureEntry("a.xsf", 2, 2, -17.0), StructureEntry("dir/b c.xsf", 1, 1, -8.0)), join(parts)),
    )


def next_to_the_middle(value: float, n_digits: int, shift: int) -> tuple[int, int]:
    """So many digits times 10**exponent in the middle between a number and the next one, and the exponent.

    shift : units in the last place from there; the digits may be one more or one less.
    """
    middle = (Fraction(value) + Fraction(np.nextafter(value, np.inf))) / 2
    exponent = int(f"{value:.{n_digits - 1}e}".partition("e")[2]) + 1 - n_digits
    return round(middle / Fraction(10) ** exponent) + shift, exponent


def small_potential() -> PotentialFile:
    rng = np.random.default_rng(4)
    setup, statistics = small_training_set().footer.setups[0], small_training_set().footer.statistics[0]
    nodes = np.array([2, 3, 1], np.int32)
    network = Network(
        nodes=nodes,
        activations=np.array([1, 0], np.int32),
        weight_ends=np.array([0, 9, 13], np.int32),
        value_ends=np.array([0, 3, 7], np.int32),
        weights=rng.normal(size=13),
        most_nodes=3,
        n_values=8,
    )
    training = Training("a.train", True, 1.25, -7.5, ("Ti", "O"), (-1604.6, -432.5), 3, 2, -9.0, -8.0, -8.5)
    return PotentialFile(network, setup, statistics, training)


def small_gradients() -> bytes:
    """Three structures, of which the first and the last are selected, with at most two neighbours."""
    rng = np.random.default_rng(6)
    parts = [gradients.header(3), gradients.structure("a.xsf", 2, 2, True)]
    for itype, neighbors in ((1, [2, 2]), (2, [1])):
        parts += _atom(rng, itype, neighbors)
    parts += [gradients.structure("b.xsf", 1, 1, False), gradients.structure("c", 1, 1, True), *_atom(rng, 1, [])]
    return b"".join([*parts, gradients.footer(2)])


def _atom(rng: np.random.Generator, itype: int, neighbors: list[int]) -> list[bytes]:
    own, others = rng.normal(size=(3, 2)), rng.normal(size=(3, 2, len(neighbors)))
    numbers = np.array(neighbors, np.int32)
    parts = gradients.atom(itype, 2, numbers, memoryview(own.tobytes()), memoryview(others.tobytes()))
    return [bytes(part) for part in parts]


def boundaries(content: bytes) -> list[int]:
    """Offsets of the ends of a file's records."""
    found, offset = [], 0
    while offset < len(content):
        offset += records.MARKER.unpack_from(content, offset)[0] + 2 * records.MARKER.size
        found.append(offset)
    return found
