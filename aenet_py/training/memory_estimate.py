"""The memory that a training will need, estimated before it starts."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from aenet_py.descriptors.model import Model, model
from aenet_py.errors import AenetError, InputError
from aenet_py.formats import gradients, trainset
from aenet_py.formats.records import RecordReader
from aenet_py.formats.text import native
from aenet_py.inputs.train import TrainInput, Transfer
from aenet_py.runtime import memory
from aenet_py.training.data import pairs
from aenet_py.training.data.constants import LARGE
from aenet_py.training.data.dataset import Data
from aenet_py.training.data.direct import Direct, Included
from aenet_py.training.data.packing import layout_of, most_words
from aenet_py.training.ranks import Ranks
from aenet_py.training.secondorder.constants import MOST_ROWS, MOST_VALUES

PROGRAM = 400e6  # bytes of Python, torch and the program itself
COPIES = 3  # of the features: as read, normalised, in batches
COPIES_OF_LARGE = 1.25  # above LARGE, half as large: as read, and the part at hand
TEXT_VALUE = 24  # characters per number in a text training set, which takes 8 bytes in memory
GIGABYTE = 1e9
VALUES_OF_ATOM = 6  # beside its features: position and forces
STATE = 3  # arrays per network: weights and two of the optimizer
COPIES_OF_STATE = 6  # while saving: this state and the last one, both in two forms, and the file twice
COPIES_OF_TEXT = 3  # while writing potentials: this state, the last one, the file
AVERAGES = 4  # arrays of EMA and of PATIENCE each, at most
TEXT_WEIGHT, TEXT_LIST = 25, 160  # characters per weight in a potential; bytes per weight while one is written
PAIR = 10  # bytes at most of one pair of neighbours, with the image that it may add
LARGER_BATCH = 1.5  # times BATCHSIZE: the remainder is spread over the batches
CORRECTIONS = 45  # arrays like the weights in L-BFGS-B
COPIES_OF_EQUATIONS = 3  # of Levenberg-Marquardt: as they are, with damping, factorised
COPIES_OF_EXPANDED = 3  # of the gradients of a part of a batch: by component, joined, scaled
MOST_WEIGHTS = 2**31 - 1  # of a network in a potential


@dataclass(frozen=True)
class MemoryEstimate:
    """Upper bounds of the memory needed, bytes.

    gradients : or pairs in their place; weights : of the networks, and all arrays of the same size; layers : values of
    the layers for the atoms of a batch; disk : in the working folder; processes : on this machine; later : what else is
    needed, whose size is not known yet.
    """

    features: float
    gradients: float
    weights: float
    layers: float
    disk: float = 0.0
    processes: int = 1
    later: str = ""

    @property
    def memory(self) -> float:
        return self.processes * PROGRAM + self.features + self.gradients + self.weights + self.layers


def of_networks(
    deck: TrainInput, n_features: Sequence[int], n_atoms: Sequence[int], n_structures: int
) -> tuple[float, float]:
    """Bytes of the weights, and of the layers for a batch.

    n_features, n_atoms : per network, the latter in all n_structures structures.  InputError for a network that is too
    large for a potential.
    """
    weights, layers = [], 0.0
    share = min(1.0, LARGER_BATCH * deck.batch_size / max(1, n_structures))
    for network, inputs, atoms in zip(deck.networks, n_features, n_atoms, strict=True):
        sizes = [inputs, *network.nodes, 1]
        weights.append(sum((before + 1) * after for before, after in itertools.pairwise(sizes)))
        if weights[-1] > MOST_WEIGHTS:
            size = f"the network of {network.symbol} has {weights[-1]:.3g} weights"
            raise InputError(deck.path, f"{size}; a potential holds {MOST_WEIGHTS} at most")
        values = sum(sizes[1:]) + 4 * max(sizes[1:])
        if deck.alpha is not None:
            values += 4 * sum(sizes)
        layers += 8 * share * atoms * values
    total = sum(weights)
    averages = AVERAGES * ((deck.average is not None) + (deck.patience is not None))
    as_state = 8 * (COPIES_OF_STATE * STATE + averages) * total
    as_text = (8 * (COPIES_OF_TEXT * STATE + averages) + TEXT_WEIGHT) * total + TEXT_LIST * max(weights)
    n_rows = share * (n_structures + (3 * sum(n_atoms) if deck.alpha is not None else 0))
    return float(max(as_state, as_text)) + _of_second_order(deck, total, n_rows), layers


def _of_second_order(deck: TrainInput, n_weights: int, n_rows: float) -> float:
    """Bytes of METHOD lbfgs, lm and ekf, beyond those of the others; n_rows : errors of a batch."""
    if deck.method == "lbfgs":
        return 8.0 * COPIES_OF_STATE * CORRECTIONS * n_weights
    expanded = 8.0 * COPIES_OF_EXPANDED * MOST_VALUES if deck.alpha is not None else 0.0
    if deck.method == "lm":
        n_unknowns = min(n_rows, n_weights)
        return expanded + 8.0 * (n_unknowns + MOST_ROWS) * n_weights + 8.0 * COPIES_OF_EQUATIONS * n_unknowns**2
    if deck.method == "ekf":
        return expanded + 8.0 * COPIES_OF_STATE * n_weights * deck.settings["wgroup"]
    return 0.0


def estimate(deck: TrainInput) -> MemoryEstimate:
    """Estimate from the sizes of the files; AenetError if they are missing or not a training set."""
    path = native(deck.training_set)
    with trainset.open_source(path) as source:
        header = trainset.read_header(source)
        trainset.check_header(path, header, "train on")
        footer = trainset.footer_ahead(source, header)
        share = 1.0 if isinstance(source, RecordReader) else 8 / TEXT_VALUE
        n_bytes = source.window.size
        features = _copies(share * n_bytes) * share * n_bytes
    described = dict(zip(header.types, zip(footer.setups, footer.statistics, strict=True), strict=False))
    known = [described[symbol] for symbol in deck.symbols if symbol in described]
    weights = layers = 0.0
    if len(known) == len(deck.symbols) and deck.mode != "batches":  # otherwise, reading the set reports what is wrong
        n_features, n_atoms = ([setup.n_features for setup, _ in known], [of.count for _, of in known])
        weights, layers = of_networks(deck, n_features, n_atoms, header.n_structures)
    others = [native(file.path) for file in deck.sets[1:]]
    sizes = [_size(each) for each in others]
    features *= 1 + sum(size for size, _ in sizes) / n_bytes
    used = [1.0] * len(sizes)  # shares whose gradients are kept
    if deck.replays_set and isinstance(deck.transfer, Transfer):
        share, n_replayed = deck.transfer.share, sizes[-1][1]
        used[-1] = min(1.0, share / (1.0 - share) * header.n_structures / max(1, n_replayed))
    growth = 1 + sum(part * size for part, (size, _) in zip(used, sizes, strict=True)) / n_bytes
    need = MemoryEstimate(features, 0, weights, layers)
    if deck.alpha is None or not footer.setups:
        return need
    if deck.memory_mode == "recompute":
        return replace(need, later=_later(model(header.types, header.atomic_energies, footer.setups), deck))
    size = 0.0
    for each, part in zip(map(gradients.path_of, [path, *others]), [1.0, *used], strict=True):
        if not os.path.exists(each):
            raise AenetError(f"{each}: no such file; FORCES requires these gradients")
        size += part * os.path.getsize(each)
    layouts = [layout_of(setup, header.types) for setup in footer.setups]
    packed = 4 * most_words(layouts, int(size) // 8, int(growth * footer.n_atoms))
    return _with_gradients(need, deck, packed, header.n_structures)


def _size(path: str) -> tuple[int, int]:
    """Bytes and structures of a training set; AenetError if it is missing, or none."""
    with trainset.open_source(path) as source:
        header = trainset.read_header(source)
        trainset.check_header(path, header, "test")
    return os.path.getsize(path), header.n_structures


def _copies(n_bytes: float) -> float:
    """How often features are in memory, which take so many bytes in double precision."""
    return COPIES if n_bytes <= 2 * LARGE else COPIES_OF_LARGE


def _later(model: Model, deck: TrainInput) -> str:
    """What MEMORY_MODE recompute keeps in memory."""
    return "the pairs of neighbours" if pairs.applies(model, deck.method) else "the gradients of two batches"


def _with_gradients(need: MemoryEstimate, deck: TrainInput, packed: float, n_structures: int) -> MemoryEstimate:
    """With packed gradients of so many bytes, of all structures."""
    if deck.memory_mode != "disk":
        return replace(need, gradients=packed)
    in_batches = 2 * min(1.0, deck.batch_size / max(1, n_structures)) * packed  # one in use, one being read
    return replace(need, gradients=in_batches, disk=packed)


def of_machine(need: MemoryEstimate, deck: TrainInput, ranks: Ranks) -> MemoryEstimate:
    """Memory of all processes on this machine: each has all features and networks, and its share of the gradients.

    The process that saves batches has all gradients.
    """
    n, share = ranks.local_size, ranks.local_size / ranks.size
    of_gradients = share + (deck.save_batches and ranks.size > 1)
    return MemoryEstimate(
        n * need.features, of_gradients * need.gradients, n * need.weights, share * need.layers,
        of_gradients * need.disk, n, need.later,
    )  # fmt: skip


def check(deck: TrainInput, ranks: Ranks) -> str:
    """A sentence on the memory needed on this machine; AenetError if less is available."""
    return _fits(deck, of_machine(estimate(deck), deck, ranks))


def check_structures(
    deck: TrainInput, included: Included, order: np.ndarray, computed: Direct | None, ranks: Ranks
) -> str:
    """The same for structures, before their features are computed or, with them, before the gradients are.

    order (n_types,) : the network of each species of TYPES.
    """
    return _fits(deck, _of_structures(deck, included, order, computed, ranks))


def memory_mode(deck: TrainInput, order: np.ndarray, computed: Direct, ranks: Ranks) -> tuple[str, str]:
    """What MEMORY_MODE auto stands for, the same in all processes, and a sentence on it.

    Arguments as of `check_structures`.
    """
    if deck.alpha is None:
        return "cpu", ""
    need = _of_structures(replace(deck, memory_mode="cpu"), computed.included, order, computed, ranks)
    fits = all(ranks.gathered(need.memory <= memory.available()))
    needed = f"up to {need.gradients / GIGABYTE:.2f} GB"
    if fits:
        return "cpu", f"Gradients are kept in memory, {needed} (MEMORY_MODE auto)."
    return "recompute", f"Gradients are not kept; {needed} would not fit into memory (MEMORY_MODE auto)."


def _of_structures(
    deck: TrainInput, included: Included, order: np.ndarray, computed: Direct | None, ranks: Ranks
) -> MemoryEstimate:
    known, counts = included.model, np.zeros(len(order), dtype=np.int64)
    for structure in included.structures:
        each = np.bincount(structure.species, minlength=len(structure.symbols))
        for symbol, n in zip(structure.symbols, each.tolist(), strict=True):
            counts[order[known.types.index(symbol)] if symbol in known.types else 0] += n
    n_features = [known.setups[species].n_features for species in np.argsort(order)]
    weights, layers = of_networks(deck, n_features, counts.tolist(), len(included.structures))
    n_atoms = int(counts.sum())
    n_bytes = 8.0 * n_atoms * (max(n_features) + VALUES_OF_ATOM)
    copies = _copies(n_bytes) - (computed is not None)  # one is in memory
    need = MemoryEstimate(copies * n_bytes, 0, weights, layers)
    if deck.alpha is not None and computed is not None:
        layouts = [layout_of(setup, known.types) for setup in known.setups]
        n_reals = int(computed.reals[included.chosen].sum())
        if deck.memory_mode == "recompute":
            if not pairs.applies(known, deck.method):
                return of_machine(replace(need, later=_later(known, deck)), deck, ranks)
            n_pairs = n_reals / (3 * min(setup.n_features for setup in known.setups))
            return of_machine(replace(need, gradients=PAIR * n_pairs), deck, ranks)
        packed = 4 * most_words(layouts, n_reals, int(included.n_atoms[included.chosen].sum()))
        need = _with_gradients(need, deck, packed, len(included.structures))
    return of_machine(need, deck, ranks)


def check_loaded(deck: TrainInput, data: Data, ranks: Ranks) -> str:
    """The same after LOAD_BATCHES, for what is not in memory yet."""
    n_features, n_atoms = [setup.n_features for setup in data.setups], data.counts.sum(axis=0).tolist()
    weights, layers = of_networks(deck, n_features, n_atoms, len(data.counts))
    return _fits(deck, of_machine(MemoryEstimate(0, 0, weights, layers), deck, ranks))


def _fits(deck: TrainInput, need: MemoryEstimate) -> str:
    available = memory.available()
    kept = "pairs of neighbours" if deck.memory_mode == "recompute" else "gradients"
    parts = {
        "features": need.features, kept: need.gradients, "networks": need.weights,
        "layers of a batch": need.layers,
    }  # fmt: skip
    shown = ", ".join(f"{name} {size / GIGABYTE:.2f}" for name, size in parts.items())
    needed = f"{need.memory / GIGABYTE:.2f} GB of memory ({shown})"
    if need.memory > available:
        on_disk = deck.memory_mode == "disk"
        advice = {
            "features": "fewer structures",
            "pairs of neighbours": "fewer structures with forces",
            "gradients": "a smaller BATCHSIZE" if on_disk else "MEMORY_MODE disk, fewer structures with forces",
            "networks": "smaller networks",
            "layers of a batch": "a smaller BATCHSIZE",
        }[max(parts, key=lambda name: parts[name])]
        left = f"{max(0.0, available) / GIGABYTE:.2f} GB"
        remedy = f"use {advice}, or a machine with more memory"
        raise AenetError(f"{deck.path}: this training needs up to {needed}, but only {left} are available; {remedy}")
    on_disk_too = f" and {need.disk / GIGABYTE:.2f} GB on the disk" if need.disk else ""
    later = f", and {need.later}," if need.later else ""
    return f"Up to {needed}{on_disk_too}{later} will be needed; {available / GIGABYTE:.2f} GB of memory are available."
