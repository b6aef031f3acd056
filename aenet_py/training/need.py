"""What memory a training will need, before it begins."""

from __future__ import annotations

import os
from dataclasses import dataclass

from aenet_py import memory
from aenet_py.errors import AenetError
from aenet_py.formats import gradients, trainset
from aenet_py.formats.records import RecordReader
from aenet_py.formats.text import native
from aenet_py.inputs.train import TrainInput
from aenet_py.training.packing import layout_of, most_words
from aenet_py.training.ranks import Ranks

PROGRAM = 400e6  # bytes of Python, torch and their own
COPIES = 3  # of the features: as read, normalised, in batches
TEXT_VALUE = 24  # characters of a number in a text training set, where it takes 8 bytes in memory
GIGABYTE = 1e9


@dataclass(frozen=True)
class Need:
    """Bytes of memory that will be needed at most; disk : of the working folder; processes : on this machine."""

    features: float
    gradients: float
    disk: float
    processes: int = 1

    @property
    def memory(self) -> float:
        return self.processes * PROGRAM + self.features + self.gradients


def estimate(deck: TrainInput) -> Need:
    """From the sizes of the files; AenetError where they are missing or no training set."""
    path = native(deck.training_set)
    with trainset.open_source(path) as source:
        header = trainset.read_header(source)
        footer = trainset.footer_ahead(source, header)
        share = 1.0 if isinstance(source, RecordReader) else 8 / TEXT_VALUE
        features = COPIES * share * source.window.size
    if deck.alpha is None or not footer.setups or deck.memory_mode == "recompute":
        return Need(features, 0, 0)  # what two batches need when recomputed is known once it has been computed
    try:
        size = os.path.getsize(gradients.path_of(path))
    except OSError:
        raise AenetError(f"{gradients.path_of(path)}: no such file; expected the gradients that FORCES needs") from None
    layouts = [layout_of(setup, header.types) for setup in footer.setups]
    packed = 4 * most_words(layouts, size // 8, footer.n_atoms)
    if deck.memory_mode != "disk":
        return Need(features, packed, 0)
    in_batches = 2 * min(1.0, deck.batch_size / max(1, header.n_structures)) * packed  # one used, one on its way
    return Need(features, in_batches, packed)


def of_machine(need: Need, deck: TrainInput, ranks: Ranks) -> Need:
    """What the processes on this machine need: each has all features and its share of the gradients.

    The one that saves batches has all gradients.
    """
    n, share = ranks.local_size, ranks.local_size / ranks.size
    if deck.save_batches and ranks.size > 1:
        share += 1
    return Need(n * need.features, share * need.gradients, share * need.disk, n)


def check(deck: TrainInput, ranks: Ranks) -> str:
    """What will be needed on this machine, in words; AenetError if there is less."""
    need, available = of_machine(estimate(deck), deck, ranks), memory.available()
    parts = f"features {need.features / GIGABYTE:.2f}, gradients {need.gradients / GIGABYTE:.2f}"
    found = f"{need.memory / GIGABYTE:.2f} GB of memory ({parts})"
    if need.memory > available:
        advice = "fewer structures, or a machine with more memory"
        if need.gradients > need.features and deck.memory_mode != "disk":
            advice = "MEMORY_MODE disk, fewer structures with forces, or a machine with more memory"
        elif need.gradients > need.features:
            advice = "a smaller BATCHSIZE, or a machine with more memory"
        left = f"{max(0.0, available) / GIGABYTE:.2f} GB"
        raise AenetError(f"{deck.path}: this training needs up to {found} and {left} are left; expected {advice}")
    on_disk = f" and {need.disk / GIGABYTE:.2f} GB on the disk" if need.disk else ""
    return f"Up to {found}{on_disk} will be needed; {available / GIGABYTE:.2f} GB of memory are available."
