"""The source of a transfer: potentials of another training, with their weights in full precision."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from aenet_py.descriptors.legacy import angular_domain
from aenet_py.errors import AenetError, InputError
from aenet_py.formats import potential as potential_format
from aenet_py.formats.potential import ACTIVATIONS, PotentialFile
from aenet_py.inputs import repulsion
from aenet_py.inputs import setup as setup_input
from aenet_py.inputs.train import NetworkInput, TrainInput, Transfer
from aenet_py.training import checkpoint, files, model
from aenet_py.training.data.dataset import Data


@dataclass(frozen=True)
class PretrainedSource:
    """A species' potential in the source.

    weights (n_weights,) : of its network, in full precision; atomic_energy : of its species, eV.
    """

    path: str
    potential: PotentialFile
    weights: np.ndarray
    atomic_energy: float


def read(deck: TrainInput, wanted: Transfer, data: Data) -> list[PretrainedSource | None]:
    """The source's potential of each species, None for a new one; AenetError if the source does not fit."""
    restart, paths = files.of_source(deck, wanted)
    candidates = _weights(restart)
    sources: list[PretrainedSource | None] = []
    for number, (network, path) in enumerate(zip(deck.networks, paths, strict=True)):
        if path is None:
            sources.append(None)
            continue
        file = potential_format.read(path)
        compare(deck, network, data, number, path, file)
        weights = file.network.weights
        if candidates is not None:
            full = in_full(weights, candidates)
            if full is None:
                raise AenetError(f"{restart}: does not have the weights of {path}; both must be of the same training")
            weights = full
        sources.append(PretrainedSource(path, file, weights, _atomic_energy(path, file, network.symbol)))
    known = [source for source in sources if source is not None]
    for source in known[1:]:
        scale, first = source.potential.training.scale, known[0].potential.training.scale
        if scale != first:
            message = f"its energy scale is {scale!r}, but that of {known[0].path} is {first!r}"
            raise InputError(source.path, f"{message}; the source must be one training")
    return sources


def compare_all(deck: TrainInput, data: Data, sources: Sequence[PretrainedSource | None]) -> None:
    """`compare` for each species of the source."""
    for number, (network, each) in enumerate(zip(deck.networks, sources, strict=True)):
        if each is not None:
            compare(deck, network, data, number, each.path, each.potential)


def compare(deck: TrainInput, network: NetworkInput, data: Data, number: int, path: str, file: PotentialFile) -> None:
    """InputError if a potential is for another species, other features or another network."""
    symbol = network.symbol
    if file.setup.atom_type.strip() != symbol:
        raise InputError(path, f"this potential is for {file.setup.atom_type.strip()!r}; expected one for {symbol!r}")
    mine, theirs = setup_input.written(data.setups[number]), setup_input.written(file.setup)
    for own, other in itertools.zip_longest(mine, theirs):
        if own != other:
            message = (
                f"the .stp of {symbol} has {own or 'no further line'!r}, but {path} has {other or 'no such line'!r}"
            )
            raise InputError(deck.training_set, f"{message}; a transfer requires the same features")
    repelled = [repulsion.of_description(setup.description) for setup in (data.setups[number], file.setup)]
    if repelled[0] != repelled[1]:
        own, other = ("no REPULSION" if each is None else f"REPULSION {' '.join(each.words)}" for each in repelled)
        message = f"the training set has {own} for {symbol}, but {path} has {other}"
        raise InputError(deck.training_set, f"{message}; a transfer requires the same repulsion")
    domains = [angular_domain(file.setup, each) for each in (file.statistics, data.statistics[number])]
    if set(domains) == {"before 2.0.4", "corrected"}:
        is_old = domains[0] == "before 2.0.4"
        old, new = (path, deck.training_set) if is_old else (deck.training_set, path)
        message = f"the angular features of {old} are those of ænet before 2.0.4, but those of {new} are not"
        raise InputError(path, f"{message}; make the training set and the potentials with the same version")
    form = " ".join(
        f"{n}:{ACTIVATIONS[a]}" for n, a in zip(file.network.nodes[1:-1], file.network.activations, strict=False)
    )
    wanted = " ".join(f"{n}:{a}" for n, a in zip(network.nodes, network.activations, strict=True))
    if file.network.nodes[-1] != 1 or file.network.activations[-1] != 0:
        raise InputError(
            path, "its last layer is not a single linear node; only networks of this trainer can be transferred"
        )
    if form != wanted:
        message = f"the network of {symbol} is {wanted}, but that in {path} is {form}; use the latter"
        raise InputError(deck.path, message, network.line)


def _atomic_energy(path: str, file: PotentialFile, symbol: str) -> float:
    training = file.training
    if symbol not in training.types:
        raise InputError(path, f"this potential has no atomic energy of {symbol}")
    return training.atomic_energies[training.types.index(symbol)]


def _weights(path: str) -> list[np.ndarray] | None:
    """Weights of all networks of a state, in the order of potentials: last, averaged, best; None without a file."""
    stored = checkpoint.read(path)
    if stored is None:
        return None
    with checkpoint.explained(path):
        parameters, progress = stored["model"], stored.get("progress", {})
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
    """The candidate that equals weights rounded in a text file; None if there is none."""
    for full in candidates:
        if full.shape == rounded.shape and np.allclose(rounded, full, rtol=1e-15, atol=1e-17):
            return full
    return None
