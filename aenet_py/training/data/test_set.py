"""Training and test structures, stored in the state so that no later run tests structures that were trained on.

Structures are identified by the path that the training set has for them, in any order.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from aenet_py.errors import AenetError
from aenet_py.inputs.train import TrainInput
from aenet_py.training.data import held_out, splits
from aenet_py.training.data.dataset import Data
from aenet_py.training.data.splits import TESTED, TRAINED, UNKNOWN, Draw

SPECIES = "species"  # of the networks, in their order


@dataclass(frozen=True)
class Split:
    """What a state stores of its structures.

    settings : of the deck, by keyword; structures (n,) int64 : digests of their paths, with the n_last ones of the
    last run first; energies (n,) : cohesive, eV; tested (n,) bool : whether each is tested, not trained on.
    """

    settings: dict[str, Any]
    n_last: int
    structures: np.ndarray
    energies: np.ndarray
    tested: np.ndarray


def settings(deck: TrainInput) -> dict[str, Any]:
    """Settings, by keyword, on which split, batches and the meaning of the weights depend."""
    return {
        "TESTPERCENT": 100 * deck.test_fraction, "BATCHSIZE": deck.batch_size, "NPSEED": deck.numpy_seed,
        "MAXENERGY": deck.max_energy, "MAXFORCES": deck.max_forces, "alpha": deck.alpha,
        "FORCESPERCENT": deck.forces_percent, "FORCESSEED": deck.forces_seed, SPECIES: " ".join(deck.symbols),
        "activations": ", ".join(" ".join(network.activations) for network in deck.networks),
    }  # fmt: skip


def draw(
    deck: TrainInput, with_forces: np.ndarray, paths: Sequence[str], before: Split | None,
    given: np.ndarray | None = None,
) -> Draw:  # fmt: skip
    """Draw the batches; structures known to `before` stay in the training or test set, unless NEW_SPLIT is given.

    with_forces (n,) bool, paths : of the structures; given (n,) : what they are used for, if the deck decides that
    (`held_out.roles`).  AenetError if no structure is left to train on.
    """
    if given is not None:
        np.random.seed(deck.numpy_seed)  # noqa: NPY002 - the original's generator
        drawn = splits.draw(with_forces, deck.batch_size, 0.0, given)
        return replace(drawn, held=held_out.batches(given, with_forces, deck.batch_size))
    known = None if before is None or deck.new_split else roles(before, paths)
    np.random.seed(deck.numpy_seed)  # noqa: NPY002 - the original's generator
    drawn = splits.draw(with_forces, deck.batch_size, deck.test_fraction, known)
    if not drawn.train:
        raise AenetError(
            f"{deck.training_set}: all structures belong to the test set of the training to continue; "
            "use NEW_SPLIT to draw another one"
        )
    return drawn


def remembered(deck: TrainInput, data: Data, drawn: Draw, before: Split | None) -> Split:
    """The split to store; it keeps structures of earlier runs that are no longer in the training set."""
    structures, energies = _digests(data.structures.paths), data.structures.energies
    tested, n = _tested(drawn, len(structures)), len(structures)
    if before is not None:
        gone = ~np.isin(before.structures, structures)
        structures = np.concatenate([structures, before.structures[gone]])
        energies = np.concatenate([energies, before.energies[gone]])
        tested = np.concatenate([tested, before.tested[gone]])
    return Split(settings(deck), n, structures, energies, tested)


def check_species(deck: TrainInput, before: Split, path: str) -> None:
    """AenetError if the networks in `path` are for other species, or in another order."""
    known, given = before.settings.get(SPECIES), " ".join(deck.symbols)
    if known not in (None, given):
        message = f"{path} has networks for {known}, in this order, but NETWORKS of {deck.path} lists {given}"
        raise AenetError(f"{message}; use the same order, or move {path} away to start from scratch")


def roles(split: Split, paths: Sequence[str]) -> np.ndarray:
    """How these structures were used, (n,) int8: TESTED, TRAINED, or UNKNOWN."""
    places, known = _places(split, _digests(paths))
    uses = np.full(len(paths), UNKNOWN, dtype=np.int8)
    uses[known] = np.where(split.tested[places], TESTED, TRAINED)
    return uses


def warnings(deck: TrainInput, data: Data, drawn: Draw, before: Split, path: str) -> Iterator[str]:
    """Differences of the deck and its structures from the training in `path`, and their consequences.

    drawn : the batches that the deck alone would give.
    """
    structures = data.structures
    known = roles(before, structures.paths)
    wanted = _tested(drawn, len(known))
    n_tested, n_trained = int(wanted.sum()), int((wanted & (known == TRAINED)).sum())
    pairs = [(name, before.settings[name], value) for name, value in settings(deck).items() if name in before.settings]
    changed = [f"{name} {_shown(old)} (now {_shown(new)})" for name, old, new in pairs if old != new]
    if n_trained and (deck.new_split or deck.held_out is not None):
        meaning = f"{n_trained} of the {n_tested} structures tested now were trained on"
    elif n_trained:
        meaning = (
            f"its test set is kept, since {n_trained} of the {n_tested} structures that would be tested now "
            "were trained on; NEW_SPLIT draws a new one"
        )
    else:
        meaning = ""
    yield from _of_structures(deck, data, before, path, known)
    if changed:
        yield f"{deck.path}: {path} was trained with {', '.join(changed)}" + (meaning and f"; {meaning}")
    elif meaning and (deck.new_split or deck.held_out is not None):
        yield f"{deck.path}: {'NEW_SPLIT' if deck.new_split else 'this test set'} beside {path}: {meaning}"


def _of_structures(deck: TrainInput, data: Data, before: Split, path: str, known: np.ndarray) -> Iterator[str]:
    n_new = int((known == UNKNOWN).sum())
    if n_new == len(known):
        yield f"{deck.training_set}: no structure is in the training set of {path}; a new test set is drawn"
        return
    structures = _digests(data.structures.paths)
    places, is_known = _places(before, structures)
    n_gone = int((~np.isin(before.structures[: before.n_last], structures)).sum())
    n_other = int((before.energies[places] != data.structures.energies[is_known]).sum())
    parts = [
        f"{n} {'structure' if n == 1 else 'structures'} {what}"
        for n, what in ((n_new, "added"), (n_gone, "removed"), (n_other, "with another energy")) if n
    ]  # fmt: skip
    if parts:
        kept = "" if deck.new_split or deck.held_out is not None else "; those known stay in the training or test set"
        yield f"{deck.training_set}: {', '.join(parts)} since the training in {path}{kept}"


def _shown(value: object) -> str:
    return "off" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _tested(drawn: Draw, n: int) -> np.ndarray:
    """Which of n structures are tested, (n,) bool."""
    tested = np.zeros(n, dtype=bool)
    tested[[number for batch in (*drawn.test, *drawn.held) for part in batch for number in part]] = True
    return tested


def _digests(paths: Sequence[str]) -> np.ndarray:
    """A number that identifies each structure, (n,) int64; structures with the same path are counted."""
    seen: Counter[str] = Counter()
    digests = np.empty(len(paths), dtype=np.int64)
    for place, path in enumerate(paths):
        named = f"{path}\n{seen[path]}".encode(errors="backslashreplace")
        digests[place] = int.from_bytes(hashlib.blake2b(named, digest_size=8).digest(), "little", signed=True)
        seen[path] += 1
    return digests


def _places(split: Split, structures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places in a split of those structures that it knows, and which these are, (n,) bool."""
    _, places, owners = np.intersect1d(split.structures, structures, assume_unique=True, return_indices=True)
    order = np.argsort(owners)
    known = np.zeros(len(structures), dtype=bool)
    known[owners] = True
    return places[order], known
