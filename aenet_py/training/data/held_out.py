"""Which structures are tested and validated where the deck says more than TESTPERCENT (inputs/held_out.py)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aenet_py.errors import AenetError, InputError
from aenet_py.inputs.train import TrainInput
from aenet_py.structure import Structure
from aenet_py.training.data.splits import HELD, REPLAYED, TESTED, TRAINED, UNKNOWN, VALIDATED


def roles(deck: TrainInput, given: np.ndarray, structures: Sequence[Structure] | None) -> np.ndarray | None:
    """What each structure is used for; None if TESTPERCENT alone decides.

    With a validation set, errors of that are watched during the training, as otherwise those of the test set; the
    latter is HELD until the end.

    Parameters
    ----------
    deck : TrainInput
        The input.
    given : ndarray, shape (n,)
        TESTED, VALIDATED and REPLAYED for structures of files of their own, UNKNOWN for others.
    structures : sequence of Structure or None
        The structures, if they are not in a training set.

    Returns
    -------
    ndarray or None
        (n,) int8, of TRAINED, TESTED and HELD.

    Raises
    ------
    AenetError
        If a structure does not belong to any group, or nothing is left to train on.
    """
    held = deck.held_out
    if held is None:
        return None
    found, free = given.astype(np.int8), np.flatnonzero(given == UNKNOWN)
    generator = np.random.default_rng(deck.numpy_seed)
    if held.every:
        found[free[held.every - 1 :: held.every]] = TESTED
    units = _units(deck, held.group, free, structures)
    if held.validation and held.every:
        units = [unit for unit in units if found[unit[0]] == UNKNOWN]
    order = [units[place] for place in generator.permutation(len(units))]
    if not held.every:
        order = _take(found, order, deck.test_fraction * len(free), TESTED)
    _take(found, order, held.validation * len(free), VALIDATED)
    found[(found == UNKNOWN) | (found == REPLAYED)] = TRAINED
    if not (found == TRAINED).any():
        raise AenetError(f"{deck.path}: no structure is left to train on; hold out fewer")
    if (found == VALIDATED).any():
        found[found == TESTED] = HELD
        found[found == VALIDATED] = TESTED
    return found


def of_files(deck: TrainInput, sizes: Sequence[int]) -> np.ndarray:
    """What the structures of `TrainInput.sets` are there for, (n,) int8: UNKNOWN for those of the training set."""
    held, parts = deck.held_out, [UNKNOWN]
    if held is not None:
        parts += [TESTED] * (held.test_set is not None) + [VALIDATED] * (held.validation_set is not None)
    if deck.replays_set:
        parts.append(REPLAYED)
    return np.repeat(parts, sizes).astype(np.int8)


def _units(deck: TrainInput, key: str, free: np.ndarray, structures: Sequence[Structure] | None) -> list[np.ndarray]:
    """Structures that stay together: those of a group, or single ones."""
    if not key:
        return list(free[:, np.newaxis])
    assert structures is not None
    assert deck.held_out is not None
    groups: dict[str, list[int]] = {}
    for number in free.tolist():
        value = structures[number].info.get(key)
        if value is None:
            message = f"found SPLIT group={key}, but {structures[number].path} has no {key}; expected it in every frame"
            raise InputError(deck.path, message, deck.held_out.line)
        groups.setdefault(value, []).append(number)
    if len(groups) == 1:
        message = f"found SPLIT group={key}, but {key} is {next(iter(groups))!r} everywhere; expected several groups"
        raise InputError(deck.path, message, deck.held_out.line)
    return [np.array(numbers) for numbers in groups.values()]


def _take(found: np.ndarray, order: list[np.ndarray], wanted: float, role: int) -> list[np.ndarray]:
    """Give a role to units until they have about as many structures as wanted; returns the others.

    The first one is taken in any case; another one only if that brings the number closer to what is wanted.
    """
    left, n = [], 0
    for unit in order:
        if wanted >= 0.5 and (n == 0 or abs(n + len(unit) - wanted) < abs(n - wanted)):
            found[unit] = role
            n += len(unit)
        else:
            left.append(unit)
    return left


def batches(roles: np.ndarray, with_forces: np.ndarray, batch_size: int) -> list[tuple[list[int], list[int]]]:
    """HELD structures, those with forces and others, in batches of about this size."""
    held = np.flatnonzero(roles == HELD)
    parts = [held[start : start + batch_size] for start in range(0, len(held), min(batch_size, max(1, len(held))))]
    return [(part[with_forces[part]].tolist(), part[~with_forces[part]].tolist()) for part in parts]
