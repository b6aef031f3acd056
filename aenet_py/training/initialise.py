"""Set up networks (drawn, transferred, or of an earlier run), optimizer and batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from aenet_py.inputs.model_transfer import ModelTransfer
from aenet_py.inputs.train import TrainInput
from aenet_py.training import checkpoint, fisher, model, model_transfer, optimizers, results, transfer
from aenet_py.training import source as pretrained
from aenet_py.training.data import batches, test_set
from aenet_py.training.data.batches import Batch
from aenet_py.training.data.dataset import Data
from aenet_py.training.data.gradients import Gradients
from aenet_py.training.data.splits import Draw
from aenet_py.training.data.test_set import Split
from aenet_py.training.optimizers import Optimizer
from aenet_py.training.ranks import Ranks
from aenet_py.training.secondorder import methods
from aenet_py.training.secondorder.methods import SecondOrder
from aenet_py.training.state import TrainingState
from aenet_py.training.transfer import Origin

LEAST_SHIFT = 1e-6  # eV: smallest difference of atomic energies that causes a warning


@dataclass(frozen=True)
class PreparedTraining:
    """Everything that the epochs need.

    data : normalised as the networks need it; train, test : its batches, the latter of the validation set if there is
    one; held : batches of the test set then; scales : of the features; origin : of a
    transfer; mark : digest that identifies this training; split : which structures are trained on and which tested;
    restarted : whether the state is that of an earlier run; validates : whether there is a validation set.
    """

    data: Data
    train: list[Batch]
    test: list[Batch]
    held: list[Batch]
    state: TrainingState
    scales: list[torch.Tensor]
    origin: Origin | None
    mark: str
    split: Split
    restarted: bool
    validates: bool

    @property
    def parts(self) -> dict[str, list[Batch]]:
        """The batches of the training, test and, if there is one, validation set."""
        if not self.validates:
            return {"train": self.train, "test": self.test}
        return {"train": self.train, "validation": self.test, "test": self.held}


def initialise(
    deck: TrainInput, data: Data, draw: Draw, stored: dict[str, Any] | None, device: torch.device, ranks: Ranks,
    warn: Callable[[str], None], weighing: Data | None = None,
) -> PreparedTraining:  # fmt: skip
    """Check the files, set up the networks and their optimizer, and fill the batches.

    Parameters
    ----------
    deck : TrainInput
        The input.
    data : Data
        Structures.
    draw : Draw
        Which of them are in each batch.
    stored : dict or None
        State of an earlier run to resume from (`checkpoint.read`).
    device : torch.device
        Where to train.
    ranks : Ranks
        The processes; each has its part of every batch.
    warn : callable
        Called with the text of each warning.
    weighing : Data, optional
        Structures whose Fisher information weights the anchor (`preparation.weighing`).

    Returns
    -------
    PreparedTraining
        Everything that the epochs need.

    Raises
    ------
    AenetError
        If files cannot be written, or the state does not fit the deck or the data.
    """
    path = checkpoint.path_of(deck)
    if ranks.rank == 0:
        results.check_apart(deck, [path, "train.error", *results.potential_paths(deck), *results.tables(deck)])
        results.check_writable([path, "train.error", *results.potential_paths(deck)])
    _warn_of_few_tests(deck, draw, warn)
    networks = model.draw([setup.n_features for setup in data.setups], deck.networks, device)
    origin, source, free, method = None, None, None, deck.method
    held_to, factors = None, None
    thaws: tuple[tuple[int, tuple[bool, ...]], ...] = ()
    if isinstance(deck.transfer, ModelTransfer):
        source = model_transfer.read(deck, deck.transfer, data, stored)
        data, free, method = source.of(data), model_transfer.free(deck.transfer, networks), source.method
    elif deck.transfer is not None:
        sources = pretrained.read(deck, deck.transfer, data) if stored is None or deck.transfer.anchor else []
        if stored is not None:
            origin = transfer.resume(deck, deck.transfer, stored, data)
        else:
            origin = transfer.initialise(deck, deck.transfer, data, draw, networks, sources)
            _warn_of_atomic_energies(deck, origin, warn)
        data = origin.of(data)
        free = transfer.free(deck, deck.transfer, networks, origin)
        if deck.transfer.anchor:
            held_to = transfer.anchor(deck.transfer, networks, sources)
            if weighing is not None:
                pretrained.compare_all(deck, weighing, sources)
                values = networks.like(held_to.values)
                held_to = held_to.weighted(fisher.information(values, origin.of(weighing), deck.alpha or 0.0))
        factors = transfer.factors(deck.transfer, networks, origin)
        thaws = transfer.thaws(deck, deck.transfer, networks, origin)
    gradients = data.structures.gradients
    as_tensors = device.type != "cpu" and isinstance(gradients, Gradients) and gradients.store.whole is not None
    train = batches.assemble(data, draw.train, as_tensors, ranks, trained=True)
    test, held = (batches.assemble(data, part, as_tensors, ranks) for part in (draw.test, draw.held))
    if deck.memory_mode == "gpu":
        train, test, held = ([batch.to(device) for batch in part] for part in (train, test, held))
    optimizer: Optimizer | SecondOrder
    if method in methods.NAMES:
        optimizer = methods.start(method, deck.settings, networks, free)
    else:
        optimizer = optimizers.start(method, networks, deck.learning_rate, deck.regularization, free, factors)
    state = TrainingState(networks, optimizer, anchor=held_to, thaws=thaws)
    mark = checkpoint.mark(deck, draw, data)
    before = checkpoint.split_of(stored)
    if before is not None:
        test_set.check_species(deck, before, path)
    if source is not None and isinstance(deck.transfer, ModelTransfer):
        for warning in model_transfer.begin(deck, deck.transfer, source, state, mark, len(train)):
            warn(warning)
    elif stored is not None:
        checkpoint.load(state, stored, deck, mark, len(train))
    if stored is not None:
        for warning in (
            *_other_settings(deck, state, path),
            *_another_training(deck, data, draw, before, stored, mark),
        ):
            warn(warning)
    scales = [torch.from_numpy(scale).to(device) for scale in data.feature_scales]
    split = test_set.remembered(deck, data, draw, before)
    return PreparedTraining(
        data, train, test, held, state, scales, origin, mark, split, stored is not None, deck.validates
    )


def _warn_of_few_tests(deck: TrainInput, draw: Draw, warn: Callable[[str], None]) -> None:
    """Warn if nothing is tested, or the percentage looks like a fraction."""
    n_train, n_test = (sum(len(part) for batch in batches for part in batch) for batches in (draw.train, draw.test))
    percent = 100 * deck.test_fraction
    if percent and (n_test == 0 or percent < 1):
        tested = f"TESTPERCENT {percent:g} tests {n_test} of {n_train + n_test} structures"
        meant = f"; did you mean {100 * percent:g}?" if percent < 1 else ""
        zeros = "" if n_test else "; the test errors in train.error are meaningless zeros"
        warn(f"{deck.path}: {tested}{zeros}{meant}")


def _another_training(
    deck: TrainInput, data: Data, draw: Draw, before: Split | None, stored: dict[str, Any], mark: str
) -> Iterator[str]:
    """Warnings if the state belongs to other structures or batches."""
    path, interrupted = checkpoint.path_of(deck), checkpoint.interrupted(stored)
    if before is None:
        yield (
            f"{path} does not say which structures it was trained on; errors of the test set mean little "
            "unless the training set, NPSEED, TESTPERCENT and BATCHSIZE are those of that training"
        )
    else:
        structures = data.structures
        wanted = draw if deck.held_out else test_set.draw(deck, structures.with_forces, structures.paths, None)
        yield from test_set.warnings(deck, data, wanted, before, path)
    if interrupted is not None and stored["progress"]["batches"] != mark:
        yield (
            f"{deck.path}: the interrupted training of {path} cannot be resumed in epoch {interrupted['epoch']} "
            f"with other batches, energies, known forces or alpha; a new one of {deck.epochs} epochs starts from its "
            "weights"
        )


def _other_settings(deck: TrainInput, state: TrainingState, path: str) -> Iterator[str]:
    """Warnings if the deck has other settings than the state, which are used."""
    settings = state.optimizer.settings
    if isinstance(state.optimizer, SecondOrder):
        return
    if settings["lr"] != deck.learning_rate and deck.schedule is None:
        rates = f"lr={deck.learning_rate:g} is not used, but {settings['lr']:g} from {path}"
        yield f"{deck.path}: {rates}, as in the original"
    if settings["weight_decay"] != deck.regularization:
        decays = f"REGULARIZATION {deck.regularization:g} is not used, but {settings['weight_decay']:g}"
        yield f"{deck.path}: {decays} from {path}, as in the original"


def _warn_of_atomic_energies(deck: TrainInput, origin: Origin, warn: Callable[[str], None]) -> None:
    """Warn if the source was trained with other atomic energies, which shift total energies."""
    pairs = zip(deck.symbols, origin.references, strict=True)
    others = [f"{symbol} {value:+.6f}" for symbol, value in pairs if value is not None and abs(value) > LEAST_SHIFT]
    if others:
        shift = f"relative to the source, total energies are shifted by {', '.join(others)} eV per atom before any fit"
        warn(f"{deck.training_set}: its atomic energies are not those that the source was trained with; {shift}")
