"""Where a transfer begins: the potentials of another training, and their weights in full precision."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from aenet_py.descriptors.legacy import angular_domain
from aenet_py.errors import AenetError, InputError
from aenet_py.formats import potential as potential_format
from aenet_py.formats.potential import ACTIVATIONS, PotentialFile
from aenet_py.formats.text import native
from aenet_py.inputs import setup as setup_input
from aenet_py.inputs.train import NetworkInput, TrainInput, Transfer
from aenet_py.training import checkpoint, model
from aenet_py.training.data.dataset import Data


@dataclass(frozen=True)
class PretrainedSource:
    """A species' potential where the transfer begins; weights (n_weights,) : its own, in full precision.

    atomic_energy : of its species, eV.
    """

    path: str
    potential: PotentialFile
    weights: np.ndarray
    atomic_energy: float


def read(deck: TrainInput, wanted: Transfer, data: Data) -> list[PretrainedSource | None]:
    """The source's potential of each species, None for a new one."""
    place, restart = native(wanted.source), ""
    if os.path.isfile(place):
        place, restart = os.path.split(place)
    elif not os.path.isdir(place):
        expected = "the folder of another training, or its model.restart"
        raise InputError(deck.path, f"source={wanted.source}: no such folder or file; expected {expected}")
    ending = ".transfered.ascii" if restart == checkpoint.TRANSFERRED else ".ascii"
    restart = os.path.join(place, restart or checkpoint.PATH)
    candidates = _weights(restart)
    sources: list[PretrainedSource | None] = []
    for number, network in enumerate(deck.networks):
        name = os.path.join(place, native(network.path))
        path = next((path for path in (name + ending, name) if os.path.exists(path)), None)
        if path is None:
            if not wanted.new:
                expected = "expected a potential for each species, or new=random for new networks"
                raise AenetError(f"{name}{ending}: no such file ({network.symbol}); {expected}")
            sources.append(None)
            continue
        found = potential_format.read(path)
        _compare(deck, network, data, number, path, found)
        weights = found.network.weights
        if candidates is not None:
            full = in_full(weights, candidates)
            if full is None:
                raise AenetError(f"{restart}: found no weights of {path}; expected the state of the same training")
            weights = full
        sources.append(PretrainedSource(path, found, weights, _atomic_energy(path, found, network.symbol)))
    known = [source for source in sources if source is not None]
    if not known:
        raise InputError(deck.path, f"source={wanted.source}: found no potential of any species; expected some")
    for source in known[1:]:
        scale, first = source.potential.training.scale, known[0].potential.training.scale
        if scale != first:
            expected = f"expected {first!r}, that of {known[0].path}, as potentials of one training have"
            raise InputError(source.path, f"found the energy scale {scale!r}; {expected}")
    return sources


def _compare(deck: TrainInput, network: NetworkInput, data: Data, number: int, path: str, found: PotentialFile) -> None:
    """InputError where a potential is not for the same species, features or network."""
    symbol = network.symbol
    if found.setup.atom_type.strip() != symbol:
        raise InputError(path, f"this potential is for {found.setup.atom_type.strip()!r}; expected one for {symbol!r}")
    mine, theirs = setup_input.written(data.setups[number]), setup_input.written(found.setup)
    for own, other in itertools.zip_longest(mine, theirs):
        if own != other:
            line = f"the .stp of {symbol} has {own or 'no line more'!r}"
            raise InputError(deck.training_set, f"{line}; expected {other or 'no such line'!r}, as in {path}")
    domains = [angular_domain(found.setup, each) for each in (found.statistics, data.statistics[number])]
    if set(domains) == {"before 2.0.4", "corrected"}:
        is_old = domains[0] == "before 2.0.4"
        old, new = (path, deck.training_set) if is_old else (deck.training_set, path)
        message = f"the angular features of {old} are those of ænet before 2.0.4, but those of {new} are not"
        raise InputError(path, f"{message}; make the training set and the potentials with the same version")
    form = " ".join(
        f"{n}:{ACTIVATIONS[a]}" for n, a in zip(found.network.nodes[1:-1], found.network.activations, strict=False)
    )
    wanted = " ".join(f"{n}:{a}" for n, a in zip(network.nodes, network.activations, strict=True))
    if found.network.nodes[-1] != 1 or found.network.activations[-1] != 0:
        raise InputError(path, "found a last layer that is not one linear node; expected networks of this trainer")
    if form != wanted:
        raise InputError(deck.path, f"found the network {wanted} for {symbol}; expected {form}, as in {path}")


def _atomic_energy(path: str, found: PotentialFile, symbol: str) -> float:
    training = found.training
    if symbol not in training.types:
        raise InputError(path, f"found no atomic energy of {symbol}; expected it among those of the training")
    return training.atomic_energies[training.types.index(symbol)]


def _weights(path: str) -> list[np.ndarray] | None:
    """The weights of every network of a state, as potentials order them: last, averaged, best; None without a file."""
    found = checkpoint.read(path)
    if found is None:
        return None
    with checkpoint.explained(path):
        parameters, progress = found["model"], found.get("progress", {})
        sizes = [values.numel() for values in parameters.values()]
        arrays = [torch.cat([values.flatten() for values in parameters.values()])]
        arrays += [progress[name] for name in ("averaged", "best") if progress.get(name) is not None]
        networks: list[np.ndarray] = []
        for array in arrays:
            of_species: dict[str, list[torch.Tensor]] = {}
            for (name, like), part in zip(parameters.items(), torch.split(array, sizes), strict=True):
                of_species.setdefault(name.split(".")[1], []).append(part.view(like.shape))
            networks += [model.stored_weights(list(zip(p[::2], p[1::2], strict=True))) for p in of_species.values()]
    return networks


def in_full(rounded: np.ndarray, candidates: Sequence[np.ndarray]) -> np.ndarray | None:
    """The one of the candidates that was rounded when a potential was written as text; None if there is none."""
    for full in candidates:
        if full.shape == rounded.shape and np.allclose(rounded, full, rtol=1e-15, atol=1e-17):
            return full
    return None
