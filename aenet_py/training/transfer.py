"""MODE transfer: a training that starts from the networks of another one, on a larger set.

source: potentials, model.restart ─> networks with its weights; features normalised with its statistics, energies with
its scale ─> fitted shifts per species, which make the mean error of the training structures zero
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
from aenet_py.pipelines.atomic_energies import least_squares
from aenet_py.training import checkpoint, model, source
from aenet_py.training.data.dataset import Data
from aenet_py.training.data.splits import Draw
from aenet_py.training.model import Networks
from aenet_py.training.serialisation import from_dict, to_dict
from aenet_py.training.source import PretrainedSource
from aenet_py.training.state import Anchor

AT_ONCE = 1 << 14  # atoms evaluated together


@dataclass(frozen=True)
class Origin:
    """What all runs of a transfer keep from its source.

    settings : of TRANSFER, except freeze; paths : of each network's potential, "" for a new network; statistics, shifts
    (eV, per network), scale (1/eV) : normalisation.  For the report, None if there is nothing to compare: references :
    atomic energies minus those of the source, eV; added : to the total energy per atom relative to the source's
    potentials, eV; error : of these potentials for the training structures, root mean square, eV/atom.
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
        """The data with this normalisation."""
        training, moved = dataclasses.replace(data.training, scale=self.scale), None
        if data.replayed is not None:
            moved = np.where(data.replayed, data.counts @ np.array([more or 0.0 for more in self.added]), 0.0)
        shifts = tuple(self.shifts)
        return dataclasses.replace(data, statistics=self.statistics, training=training, shifts=shifts, moved=moved)


def stored(origin: Origin) -> dict[str, Any]:
    """The form that model.transfered.restart stores."""
    return {**to_dict(origin), "statistics": [to_dict(values) for values in origin.statistics]}


def resume(deck: TrainInput, wanted: Transfer, state: dict[str, Any], data: Data) -> Origin:
    """What earlier runs stored in model.transfered.restart; AenetError if the deck differs."""
    path = checkpoint.path_of(deck)
    if "transfer" not in state:
        raise AenetError(f"{path}: not the state of a transfer with TRANSFER; move it away")
    kept = state["transfer"]
    origin = from_dict(
        Origin, {**kept, "statistics": [from_dict(FeatureStatistics, each) for each in kept["statistics"]]}
    )
    for name, value in _settings(deck, wanted).items():
        if origin.settings[name] != value:
            message = f"{name}={value}, but {path} was started with {origin.settings[name]}"
            raise InputError(deck.path, f"{message}; use the same value, or move {path} away")
    sizes = [len(values.mean) for values in origin.statistics]
    if sizes != [setup.n_features for setup in data.setups]:
        raise AenetError(f"{path}: its numbers of features, {sizes}, are not those of {deck.training_set}")
    return origin


def initialise(
    deck: TrainInput, wanted: Transfer, data: Data, draw: Draw, networks: Networks,
    sources: Sequence[PretrainedSource | None],
) -> Origin:  # fmt: skip
    """Copy the source's weights to the networks, and determine the normalisation; sources : as from `source.read`."""
    for layers, each in zip(networks.species, sources, strict=True):
        if each is not None:
            model.take_weights(layers, each.weights)
    own, known = data.training, next(each.potential.training for each in sources if each is not None)
    references = [
        None if each is None else mine - each.atomic_energy
        for each, mine in zip(sources, own.atomic_energies, strict=True)
    ]
    before = Origin(
        settings=_settings(deck, wanted),
        paths=["" if each is None else each.path for each in sources],
        statistics=[_statistics(*pair) for pair in zip(sources, data.statistics, strict=True)],
        scale=own.scale if wanted.energy == "target" else known.scale,
        shifts=[
            own.shift if each is None or wanted.energy == "target" else each.potential.training.shift
            for each in sources
        ],
        references=references,
        added=[None] * len(sources),
        error=None,
    )
    outputs = _outputs(before.of(data), networks)
    chosen = np.array(sorted(number for batch in draw.train for part in batch for number in part), dtype=np.int64)
    if data.replayed is not None:
        chosen = chosen[~data.replayed[chosen]]  # whose energies are the source's already
    energies, counts = data.structures.energies[chosen], data.counts[chosen]
    n_atoms = counts.sum(axis=1)

    def missing(scale: float, shifts: Sequence[float]) -> np.ndarray:
        """Reference minus predicted energies of the training structures with this normalisation, eV/atom."""
        return (energies - outputs[chosen] / scale - counts @ np.array(shifts)) / n_atoms

    to_fit = [wanted.energy == "align" or (wanted.energy == "source" and each is None) for each in sources]
    fitted = fit(missing(before.scale, before.shifts), counts / n_atoms[:, None], np.array(to_fit))
    shifts = [shift + more for shift, more in zip(before.shifts, fitted.tolist(), strict=True)]
    theirs = [
        None if each is None or reference is None else each.potential.training.shift - reference
        for each, reference in zip(sources, references, strict=True)
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


def anchor(wanted: Transfer, networks: Networks, sources: Sequence[PretrainedSource | None]) -> Anchor:
    """What holds the networks' values back; sources : as from `source.read`."""
    values, strengths = torch.zeros_like(networks.values), torch.zeros_like(networks.values)
    pairs = zip(networks.like(values).species, networks.like(strengths).species, strict=True)
    for (layers, held), each in zip(pairs, sources, strict=True):
        if each is not None:
            model.take_weights(layers, each.weights)
            model.take_weights(held, np.full_like(each.weights, wanted.anchor))
    return Anchor(values, strengths)


def thaws(
    deck: TrainInput, wanted: Transfer, networks: Networks, origin: Origin
) -> tuple[tuple[int, tuple[bool, ...]], ...]:
    """From which epoch on which of the networks' parameters are trained, if that changes, from the first epoch on."""
    if not wanted.thaw:
        return ()
    counts = frozen(wanted, networks, origin)
    stages = [(0, counts)]
    for number, epoch in enumerate(wanted.thaw, 1):
        stages.append((epoch, [min(count, max(0, max(counts) - number)) for count in counts]))
    return tuple((epoch, tuple(_free(deck, stage, networks))) for epoch, stage in stages)


def factors(wanted: Transfer, networks: Networks, origin: Origin) -> list[float] | None:
    """Factors of the learning rate of each of the networks' parameters, None if all are 1; 1 in new networks."""
    if not wanted.rates:
        return None
    found: list[float] = []
    for path, layers in zip(origin.paths, networks.species, strict=True):
        for number in range(len(layers)):
            found += [wanted.rates[min(number, len(wanted.rates) - 1)] if path else 1.0] * 2  # weight and bias
    return found


def free(deck: TrainInput, wanted: Transfer, networks: Networks, origin: Origin) -> list[bool]:
    """Whether each of the networks' parameters is trained; InputError if none of a network is."""
    return _free(deck, frozen(wanted, networks, origin), networks)


def _free(deck: TrainInput, layers_frozen: Sequence[int], networks: Networks) -> list[bool]:
    """The same with these numbers of frozen layers."""
    parts: list[bool] = []
    for symbol, n_frozen, layers in zip(deck.symbols, layers_frozen, networks.species, strict=True):
        if n_frozen >= len(layers):
            message = f"freeze={n_frozen} leaves nothing to train in the {len(layers)} layers of {symbol}"
            raise InputError(deck.path, f"{message}; use a smaller number, or hidden")
        for number in range(len(layers)):
            parts += [number >= n_frozen] * 2  # weight and bias
    return parts


def frozen(wanted: Transfer, networks: Networks, origin: Origin) -> list[int]:
    """Number of frozen layers of each network: none in new networks."""
    return [
        0 if not path else len(layers) - 1 if wanted.freeze == HIDDEN else wanted.freeze
        for path, layers in zip(origin.paths, networks.species, strict=True)
    ]


def fit(missing: np.ndarray, fractions: np.ndarray, to_fit: np.ndarray) -> np.ndarray:
    """Shift of the energy of the atoms of each species, by least squares with the smallest norm.

    If all species are fitted, the mean error becomes zero.

    Parameters
    ----------
    missing : ndarray, shape (n,)
        Reference minus predicted energies, eV/atom.
    fractions : ndarray, shape (n, n_species)
        Fraction of each structure's atoms per species.
    to_fit : ndarray of bool, shape (n_species,)
        Which species are fitted; the shifts of all others are zero.

    Returns
    -------
    ndarray, shape (n_species,)
        Shifts, eV.
    """
    shifts = np.zeros(len(to_fit))
    if not to_fit.any() or not len(missing):
        return shifts
    shifts[to_fit] = least_squares(fractions[:, to_fit], missing)
    if to_fit.all():
        shifts += np.mean(missing - fractions @ shifts)
    return shifts


def _settings(deck: TrainInput, wanted: Transfer) -> dict[str, Any]:
    return {"source": wanted.source, "energy": wanted.energy, "new": wanted.new, "NETWORKS": " ".join(deck.symbols)}


def _statistics(pretrained: PretrainedSource | None, own: FeatureStatistics) -> FeatureStatistics:
    """Means of the source, which its weights assume; ranges of both training sets together."""
    if pretrained is None:
        return own
    theirs = pretrained.potential.statistics
    mean, square = (
        given if (full := source.in_full(given, [mine])) is None else full
        for given, mine in ((theirs.mean, own.mean), (theirs.square, own.square))
    )
    low, high = np.minimum(theirs.low, own.low), np.maximum(theirs.high, own.high)
    return FeatureStatistics(count=theirs.count, low=low, high=high, mean=mean, square=square)


def _outputs(data: Data, networks: Networks) -> np.ndarray:
    """Sum of the networks' outputs over the atoms of each structure, (n,), normalised."""
    total, device = np.zeros(len(data.counts)), networks.values.device
    for network, layers in enumerate(networks.species):
        of_atoms = [np.zeros(0)]
        for start in range(0, len(data.structures.features[network]), AT_ONCE):
            features = torch.from_numpy(data.features(network, slice(start, start + AT_ONCE))).to(device)
            of_atoms.append(model.outputs(layers, features)[-1][:, 0].cpu().numpy())
        owners = np.repeat(np.arange(len(total)), data.counts[:, network])
        total += np.bincount(owners, weights=np.concatenate(of_atoms), minlength=len(total))
    return total
