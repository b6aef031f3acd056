"""A transfer as its authors write it (init_transfer): weights and optimizer of the source's model.restart.

TRANSFER_NETWORKS ─> means, covariances and ranges of the features; TRANSFER_MODEL ─> weights, state of the optimizer;
training set or E_NORMALIZATION ─> energy scale and shift
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aenet_py.errors import AenetError, InputError
from aenet_py.formats import potential
from aenet_py.formats.potential import PotentialFile
from aenet_py.formats.text import native
from aenet_py.inputs.model_transfer import ModelTransfer
from aenet_py.inputs.train import TrainInput
from aenet_py.training import checkpoint, model, source
from aenet_py.training.data import test_set
from aenet_py.training.data.dataset import Data
from aenet_py.training.model import Networks
from aenet_py.training.state import TrainingState


@dataclass(frozen=True)
class ModelSource:
    """Where a training starts: potentials of the source, and a stored state.

    path : of the state; resumes : whether it is that of an earlier run, not the source's; method : one of optimizers'.
    """

    potentials: list[PotentialFile]
    path: str
    state: dict[str, Any]
    resumes: bool
    method: str

    def of(self, data: Data) -> Data:
        """The data with features normalised as in the source; the number of their values remains that of the set."""
        pairs = zip(self.potentials, data.statistics, strict=True)
        statistics = [dataclasses.replace(file.statistics, count=own.count) for file, own in pairs]
        return dataclasses.replace(data, statistics=statistics)


def read(deck: TrainInput, wanted: ModelTransfer, data: Data, stored: dict[str, Any] | None) -> ModelSource:
    """Read the source.

    Parameters
    ----------
    deck : TrainInput
        The input.
    wanted : ModelTransfer
        Its transfer.
    data : Data
        The structures to train on.
    stored : dict or None
        State of an earlier run (`checkpoint.read`), which is used in place of the source's.

    Returns
    -------
    ModelSource
        Potentials and state.

    Raises
    ------
    AenetError
        If files are missing or damaged, or do not fit the training set or the deck.
    """
    potentials = []
    for number, (network, given) in enumerate(zip(deck.networks, wanted.potentials, strict=True)):
        path = native(given)
        potentials.append(potential.read(path))
        source.compare(deck, network, data, number, path, potentials[-1])
    path = native(wanted.model) if stored is None else checkpoint.path_of(deck)
    state = checkpoint.read(path) if stored is None else stored
    if state is None:
        message = f"TRANSFER_MODEL {wanted.model}: no such file; give the model.restart of the source"
        raise InputError(deck.path, message, wanted.line)
    if stored is not None and "transfer" in stored:
        raise AenetError(f"{path}: the state of a transfer with TRANSFER; use the same deck, or move {path} away")
    before = checkpoint.split_of(state)
    if before is not None:
        test_set.check_species(deck, before, path)
    method, state = _as_torch_loads(deck.method, state)
    return ModelSource(potentials, path, state, stored is not None, method)


def free(wanted: ModelTransfer, networks: Networks) -> list[bool]:
    """Whether each of the networks' parameters is trained."""
    frozen = [
        wanted.freeze[number] if number < len(layers) - 1 else False
        for layers in networks.species
        for number in range(len(layers))
    ]
    return [not flag for flag in frozen for _ in ("weight", "bias")]


def begin(
    deck: TrainInput, wanted: ModelTransfer, origin: ModelSource, state: TrainingState, mark: str, n_batches: int
) -> Iterator[str]:
    """Take weights and optimizer, with the deck's learning rate and weight decay; yields warnings.

    mark : of this training (`checkpoint.mark`); n_batches : to train on.
    """
    if origin.resumes:
        checkpoint.load(state, origin.state, deck, mark, n_batches)
    else:
        checkpoint.take(state, origin.state, origin.path)
        yield from _of_other_trainings(deck, wanted, origin, state)
    settings = state.optimizer.settings
    if not origin.resumes or checkpoint.interrupted(origin.state) is None:
        settings["lr"] = deck.learning_rate
    settings["weight_decay"] = deck.regularization


def _as_torch_loads(method: str, stored: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The method that torch continues with, and the state for it: Adam becomes AdamW if either of both is AdamW."""
    name, both = "decoupled_weight_decay", ("adam", "adamw")
    group = stored["optimizer"]["param_groups"][0]
    if method not in both:
        return method, stored
    decoupled = method == "adamw" or bool(group.get(name))
    optimizer = {**stored["optimizer"], "param_groups": [{**group, name: decoupled}]}
    return both[decoupled], {**stored, "optimizer": optimizer}


def _of_other_trainings(
    deck: TrainInput, wanted: ModelTransfer, origin: ModelSource, state: TrainingState
) -> Iterator[str]:
    """A warning for each potential whose weights are not those of the state."""
    rows = zip(deck.symbols, wanted.potentials, origin.potentials, state.networks.species, strict=True)
    for symbol, path, file, layers in rows:
        weights = model.stored_weights([(layer.weight, layer.bias) for layer in layers])
        if source.in_full(file.network.weights, [weights]) is None:
            yield (
                f"{origin.path}: its weights for {symbol} are not those of {path}; TRANSFER_MODEL and "
                "TRANSFER_NETWORKS should be of the same training, with the species in the same order"
            )
