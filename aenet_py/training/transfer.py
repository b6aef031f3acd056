"""MODE transfer: a training that begins where another one, on a larger set, ended.

source: potentials, model.restart ─> networks with its weights; features normalised with its statistics, energies with
its scale ─> a shift for each species, so that the networks are right on average on the structures to train on
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from aenet_py.descriptors.setup import FeatureStatistics
from aenet_py.errors import AenetError, InputError
from aenet_py.inputs.train import HIDDEN, TrainInput, Transfer
from aenet_py.training import checkpoint, model, source
from aenet_py.training.data.dataset import Data
from aenet_py.training.data.splits import Draw
from aenet_py.training.model import Networks
from aenet_py.training.serialisation import from_dict, to_dict
from aenet_py.training.source import PretrainedSource

LEAST_SINGULAR = 1e-8  # of combinations of species: those that vary less, against the most, are not fitted
AT_ONCE = 1 << 14  # atoms that are evaluated together


@dataclass(frozen=True)
class Origin:
    """What all runs of a transfer keep from its source.

    settings : of TRANSFER, but for freeze; paths : of each network's potential, "" for a new network; statistics,
    shifts (eV) of each network, scale (1/eV) : normalisation.  For the report, None where there is nothing to compare:
    references : atomic energies less those of the source, eV; added : to each atom's total energy against the source's
    potentials, eV; error : of these for the structures to train on, root mean square, eV/atom.
    """

    settings: dict[str, Any]
    paths: list[str]
    statistics: list[FeatureStatistics]
    scale: float
    shifts: list[float]
    references: list[float | None]
    added: list[float | None]
    error: float | None

    def of(self, data: Data) -> Data:
        """The data, normalised so."""
        training = dataclasses.replace(data.training, scale=self.scale)
        return dataclasses.replace(data, statistics=self.statistics, training=training, shifts=tuple(self.shifts))


def stored(origin: Origin) -> dict[str, Any]:
    """As model.transfered.restart keeps it."""
    return {**to_dict(origin), "statistics": [to_dict(values) for values in origin.statistics]}


def resume(deck: TrainInput, wanted: Transfer, found: dict[str, Any], data: Data) -> Origin:
    """What the runs before kept in model.transfered.restart; AenetError if the deck wants something else."""
    path = checkpoint.path_of(deck)
    if "transfer" not in found:
        raise AenetError(f"{path}: found no state of a transfer; expected one, or no such file")
    kept = found["transfer"]
    origin = from_dict(
        Origin, {**kept, "statistics": [from_dict(FeatureStatistics, each) for each in kept["statistics"]]}
    )
    for name, value in _settings(deck, wanted).items():
        if origin.settings[name] != value:
            began = f"expected {origin.settings[name]}, with which {path} began, or no such file"
            raise InputError(deck.path, f"found {name}={value}; {began}")
    sizes = [len(values.mean) for values in origin.statistics]
    if sizes != [setup.n_features for setup in data.setups]:
        raise AenetError(f"{path}: found features {sizes} of the species; expected those of {deck.training_set}")
    return origin


def begin(deck: TrainInput, wanted: Transfer, data: Data, draw: Draw, networks: Networks) -> Origin:
    """Give the networks the source's weights, and find how all is normalised; AenetError where it does not fit."""
    sources = source.read(deck, wanted, data)
    for layers, found in zip(networks.species, sources, strict=True):
        if found is not None:
            model.take_weights(layers, found.weights)
    own, known = data.training, next(found.potential.training for found in sources if found is not None)
    references = [
        None if found is None else mine - found.atomic_energy
        for found, mine in zip(sources, own.atomic_energies, strict=True)
    ]
    before = Origin(
        settings=_settings(deck, wanted),
        paths=["" if found is None else found.path for found in sources],
        statistics=[_statistics(*pair) for pair in zip(sources, data.statistics, strict=True)],
        scale=own.scale if wanted.energy == "target" else known.scale,
        shifts=[
            own.shift if found is None or wanted.energy == "target" else found.potential.training.shift
            for found in sources
        ],
        references=references,
        added=[None] * len(sources),
        error=None,
    )
    outputs = _outputs(before.of(data), networks)
    chosen = np.array(sorted(number for batch in draw.train for part in batch for number in part), dtype=np.int64)
    energies, counts = data.structures.energies[chosen], data.counts[chosen]
    n_atoms = counts.sum(axis=1)

    def missing(scale: float, shifts: Sequence[float]) -> np.ndarray:
        """What networks with this scale and these shifts lack of the energies to train on, eV/atom."""
        return (energies - outputs[chosen] / scale - counts @ np.array(shifts)) / n_atoms

    to_fit = [wanted.energy == "align" or (wanted.energy == "source" and found is None) for found in sources]
    fitted = fit(missing(before.scale, before.shifts), counts / n_atoms[:, None], np.array(to_fit))
    shifts = [shift + more for shift, more in zip(before.shifts, fitted.tolist(), strict=True)]
    theirs = [
        None if found is None or reference is None else found.potential.training.shift - reference
        for found, reference in zip(sources, references, strict=True)
    ]
    comparable = [shift for shift in theirs if shift is not None]
    error = None
    if len(comparable) == len(theirs) and len(chosen):
        error = float(np.sqrt(np.mean(missing(known.scale, comparable) ** 2)))
    added = [
        None if shift is None or wanted.energy == "target" else mine - shift
        for mine, shift in zip(shifts, theirs, strict=True)
    ]
    return dataclasses.replace(before, shifts=shifts, added=added, error=error)


def free(deck: TrainInput, wanted: Transfer, networks: Networks, origin: Origin) -> torch.Tensor | None:
    """Which of the networks' values are trained, (n,) bool; None for all.  InputError if a network has none."""
    parts = []
    layers_frozen = frozen(wanted, networks, origin)
    for symbol, n_frozen, layers in zip(deck.symbols, layers_frozen, networks.species, strict=True):
        if n_frozen >= len(layers):
            message = f"found freeze={n_frozen}; expected less than {len(layers)}, the layers of {symbol}, or hidden"
            raise InputError(deck.path, message)
        for number, layer in enumerate(layers):
            parts.append(torch.full((layer.weight.numel() + layer.bias.numel(),), number >= n_frozen))
    chosen = torch.cat(parts).to(networks.values.device)
    return None if chosen.all() else chosen


def frozen(wanted: Transfer, networks: Networks, origin: Origin) -> list[int]:
    """How many layers of each network stay as they are: none of a new one."""
    return [
        0 if not path else len(layers) - 1 if wanted.freeze == HIDDEN else wanted.freeze
        for path, layers in zip(origin.paths, networks.species, strict=True)
    ]


def fit(missing: np.ndarray, fractions: np.ndarray, to_fit: np.ndarray) -> np.ndarray:
    """Energies to be added to the atoms of each species, (n_species,) eV.

    missing (n,) eV/atom; fractions (n, n_species) : of a structure's atoms; to_fit (n_species,) bool : which may be
    other than zero.  By least squares, and the smallest where several are equally good; with all species, the mean of
    what is missing becomes zero.
    """
    found = np.zeros(len(to_fit))
    if not to_fit.any() or not len(missing):
        return found
    found[to_fit] = np.linalg.lstsq(fractions[:, to_fit], missing, rcond=LEAST_SINGULAR)[0]
    if to_fit.all():
        found += np.mean(missing - fractions @ found)
    return found


def _settings(deck: TrainInput, wanted: Transfer) -> dict[str, Any]:
    return {"source": wanted.source, "energy": wanted.energy, "new": wanted.new, "NETWORKS": " ".join(deck.symbols)}


def _statistics(found: PretrainedSource | None, own: FeatureStatistics) -> FeatureStatistics:
    """Averages are the source's, with which its networks were trained; the range is that of both training sets."""
    if found is None:
        return own
    theirs = found.potential.statistics
    mean, square = (
        given if (full := source.in_full(given, [mine])) is None else full
        for given, mine in ((theirs.mean, own.mean), (theirs.square, own.square))
    )
    low, high = np.minimum(theirs.low, own.low), np.maximum(theirs.high, own.high)
    return FeatureStatistics(count=theirs.count, low=low, high=high, mean=mean, square=square)


def _outputs(data: Data, networks: Networks) -> np.ndarray:
    """Sum of the networks' outputs for the atoms of each structure, (n,), normalised."""
    total, device = np.zeros(len(data.counts)), networks.values.device
    for network, layers in enumerate(networks.species):
        of_atoms = [np.zeros(0)]
        for start in range(0, len(data.structures.features[network]), AT_ONCE):
            features = torch.from_numpy(data.features(network, slice(start, start + AT_ONCE))).to(device)
            of_atoms.append(model.outputs(layers, features)[-1][:, 0].cpu().numpy())
        owners = np.repeat(np.arange(len(total)), data.counts[:, network])
        total += np.bincount(owners, weights=np.concatenate(of_atoms), minlength=len(total))
    return total
