"""From the input file to structures and batches: read the training set and draw the batches, or load both."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from aenet_py.errors import counted
from aenet_py.formats import gradients
from aenet_py.formats import structures as structure_files
from aenet_py.formats.source import Advance, unwatched
from aenet_py.formats.text import native
from aenet_py.formats.trainset import TrainingSet
from aenet_py.inputs.loss import LossInput
from aenet_py.inputs.train import TrainInput, Transfer
from aenet_py.pipelines import atomic_energies, featurize
from aenet_py.runtime import accelerate
from aenet_py.structure import told_of_unknown
from aenet_py.training import memory_estimate
from aenet_py.training.data import dataset, direct, held_out, packing, replay, sets, splits, test_set, virials, weights
from aenet_py.training.data.dataset import Data
from aenet_py.training.data.direct import Direct
from aenet_py.training.data.splits import REPLAYED, TRAINED, Draw
from aenet_py.training.data.test_set import Split
from aenet_py.training.events import Events
from aenet_py.training.importing import importing
from aenet_py.training.ranks import Ranks


def prepare(deck: TrainInput, ranks: Ranks, events: Events) -> tuple[Data, Draw, dict[str, Any] | None]:
    """Read the training set and draw the batches, or load both; save them if the deck says so.

    Parameters
    ----------
    deck : TrainInput
        The input.
    ranks : Ranks
        The processes that train together.
    events : Events
        Called as the work proceeds.

    Returns
    -------
    data : Data
    draw : Draw
    stored : dict or None
        The state to resume from (`checkpoint.read`).

    Raises
    ------
    AenetError
        If files are missing or do not fit the deck, or the memory does not suffice.
    """
    if deck.load_batches:
        data, draw, stored = _load(deck, ranks, events)
    else:
        data, draw, stored = _read(deck, ranks, events)
    splits.check_ranks(draw, ranks.size, deck.path)
    if deck.save_batches and ranks.rank == 0:
        events.saving_batches()
        from aenet_py.training.data import saved

        saved.save(deck, data, draw)
    return data, draw, stored


def _load(deck: TrainInput, ranks: Ranks, events: Events) -> tuple[Data, Draw, dict[str, Any] | None]:
    events.loading_batches()
    from aenet_py.training.data import saved

    data, draw = saved.load(deck)
    data = dataset.normalised(deck, data)
    events.note(ranks.together(lambda: memory_estimate.check_loaded(deck, data, ranks)))
    events.data(data)
    stored, before = _state(deck)
    if before is not None:
        draw = test_set.draw(deck, data.structures.with_forces, data.structures.paths, before)
    return data, draw, stored


def _read(deck: TrainInput, ranks: Ranks, events: Events) -> tuple[Data, Draw, dict[str, Any] | None]:
    events.reading()
    mine = None
    with contextlib.ExitStack() as beside:
        deck, training_set, computed, sizes = _training_set(deck, ranks, events, beside)
        is_kept = dataset.kept(deck, training_set, sizes)
        paths = [entry.path.strip() for entry in itertools.compress(training_set.structures.entries, is_kept)]
        given = held_out.of_files(deck, sizes) if computed is None else computed.included.roles
        roles = held_out.roles(deck, given, None if computed is None else computed.included.structures)
        roles = None if roles is None else roles[is_kept]
        _warn_of_shared(deck, paths, roles, events)
        if ranks.size > 1 and not (deck.save_batches and ranks.rank == 0):
            with_forces = dataset.with_forces_ahead(deck, training_set, computed, sizes)
            draw = test_set.draw(deck, with_forces, paths, _state(deck)[1], roles)
            n_atoms = np.diff(training_set.structures.starts)[is_kept]
            mine = splits.shared(draw, n_atoms, ranks.rank, ranks.size)
        data = _prepared(deck, training_set, computed, sizes, mine, ranks, events, beside)
    if computed is not None:
        weighted = weights.of(deck, computed.included.structures)
        if weighted is not None:
            data = replace(data, weights=weighted[is_kept])
    if deck.loss.stress:
        assert computed is not None
        data = replace(data, virials=virials.of(computed.included.structures)[is_kept])
    if (given == REPLAYED).any():
        data = replace(data, replayed=(given == REPLAYED)[is_kept])
    data = replace(data, limits=(deck.loss.huber_energy, deck.loss.huber_forces))
    events.data(data)
    events.preparing()
    stored, before = _state(deck)
    draw = test_set.draw(deck, data.structures.with_forces, data.structures.paths, before, roles)
    events.batches(draw)
    return data, draw, stored


def weighing(deck: TrainInput, ranks: Ranks, events: Events) -> Data | None:
    """All structures that ``fisher=`` names, with gradients, in each process.

    None without any.  AenetError as from `prepare`.
    """
    transfer, given, path = deck.transfer, deck.structures, deck.training_set
    if not deck.weighs_anchor or not isinstance(transfer, Transfer):
        return None
    if given is not None:
        given = replace(given, given=given.fisher, test=(), validation=(), replay=(), forces_list=None)
    elif transfer.fisher is not None:
        path = transfer.fisher.path
    mode = deck.memory_mode if deck.memory_mode == "disk" else "cpu"
    alone = replace(
        deck, training_set=path, structures=given, transfer=replace(transfer, replay=None, labels="own"),
        held_out=None, weights=None, loss=LossInput(), method="lm", memory_mode=mode,
    )  # fmt: skip
    with contextlib.ExitStack() as beside:
        alone, training_set, computed, sizes = _training_set(alone, ranks, events, beside)
        return _prepared(alone, training_set, computed, sizes, None, ranks, events, beside)


def _training_set(
    deck: TrainInput, ranks: Ranks, events: Events, beside: contextlib.ExitStack
) -> tuple[TrainInput, TrainingSet, Direct | None, list[int]]:
    """The training set, read or computed, and the structures of each file; deck, beside : as of `_computed`."""
    if deck.structures is not None:
        deck, computed = _computed(deck, ranks, events, beside)
        return deck, computed.training_set, computed, [len(computed.included.structures)]
    events.note(ranks.together(lambda: memory_estimate.check(deck, ranks)))
    n_bytes = sum(os.path.getsize(native(file.path)) for file in deck.sets)
    with events.progress(n_bytes, "B") as advance:
        training_set, sizes = sets.read(deck, advance)
    in_share = dataset.used(deck, sizes)
    if in_share is not None:
        events.note(replay.told(held_out.of_files(deck, sizes), in_share))
    return deck, training_set, None, sizes


def _prepared(
    deck: TrainInput, training_set: TrainingSet, computed: Direct | None, sizes: list[int], mine: np.ndarray | None,
    ranks: Ranks, events: Events, beside: contextlib.ExitStack,
) -> Data:  # fmt: skip
    """The structures that are kept, with their gradients; mine : as of `dataset.prepare`; beside : of `_computed`."""
    advance: Advance = unwatched
    if deck.memory_mode == "recompute" or (computed is not None and deck.alpha is not None):
        advance = beside.enter_context(events.progress(len(training_set.structures.entries), "structures"))
    elif deck.alpha is not None:
        n_bytes = sum(os.path.getsize(gradients.path_of(native(file.path))) for file in deck.sets)
        advance = beside.enter_context(events.progress(n_bytes, "B"))
        accelerate.ready(packing)
    if computed is None and deck.memory_mode != "recompute":
        beside.enter_context(importing("torch"))
    unknown: list[tuple[str, int]] = []
    data = dataset.prepare(deck, training_set, mine, advance, ranks.threads, computed, sizes, unknown)
    if computed is None and deck.memory_mode == "recompute":
        told = told_of_unknown(sorted(itertools.chain(*ranks.gathered(unknown))))
        if told is not None:
            events.warn(f"{deck.training_set}: {told}; {featurize.UNKNOWN}")
    return data


def _warn_of_shared(deck: TrainInput, paths: Sequence[str], roles: np.ndarray | None, events: Events) -> None:
    """Warn of structures, by their paths, that are both trained on and tested or validated.

    roles : of the structures that are kept, as from `held_out.roles`.
    """
    if roles is None:
        return
    trained = {path for path, role in zip(paths, roles.tolist(), strict=True) if role == TRAINED}
    both = [path for path, role in zip(paths, roles.tolist(), strict=True) if role != TRAINED and path in trained]
    if both:
        what = f"{counted(len(both), 'structure')} to test or validate, such as {native(both[0])},"
        verb = "is" if len(both) == 1 else "are"
        events.warn(f"{deck.path}: {what} {verb} trained on, too; their errors say little")


def _computed(
    deck: TrainInput, ranks: Ranks, events: Events, beside: contextlib.ExitStack
) -> tuple[TrainInput, Direct]:
    """The training set, computed from structures; and the deck, with the MEMORY_MODE that auto stands for.

    beside : until its end, torch is imported.
    """
    given = deck.structures
    assert given is not None
    order = dataset.order_of_species(deck, given.types)
    with events.progress(structure_files.n_bytes([file.path for file in given.files]), "B") as advance:
        listed = direct.sources(deck.path, given, advance)
    n = structure_files.n_structures(listed)
    with events.progress(n, "structures") as advance:
        included = direct.read(deck, listed, ranks.threads, events.warn, events.note, advance)
    ranks.together(lambda: memory_estimate.check_structures(deck, included, order, None, ranks))
    direct.ready(deck, included)
    if ranks.size == 1:  # several have met by means of torch
        beside.enter_context(importing("torch"))
    with events.progress(len(included.structures), "structures") as advance:
        computed = direct.features(included, ranks.threads, advance)
    dataset.check_finite(deck.training_set, computed.training_set)
    header, footer = computed.training_set.header, computed.training_set.footer
    absurd = atomic_energies.warning(footer.energies, header.atomic_energies)
    if absurd is not None:
        events.warn(f"{deck.path}: {absurd}")
    if deck.loss.stress:
        virials.check(deck, included.model, included.structures)
        deck = replace(deck, memory_mode="recompute")
    if deck.memory_mode == "auto":
        mode, chosen = ranks.together(lambda: memory_estimate.memory_mode(deck, order, computed, ranks))
        deck = replace(deck, memory_mode=mode)
        if chosen:
            events.note(chosen)
    events.note(ranks.together(lambda: memory_estimate.check_structures(deck, included, order, computed, ranks)))
    return deck, computed


def _state(deck: TrainInput) -> tuple[dict[str, Any] | None, Split | None]:
    """The state to resume from, and its test set; None where there is none."""
    from aenet_py.training import checkpoint

    stored = None if deck.mode == "batches" else checkpoint.read(checkpoint.path_of(deck))
    return stored, checkpoint.split_of(stored)
