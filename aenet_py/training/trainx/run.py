"""A run of train.x: from the deck to networks, tables and the report."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from aenet_py.errors import AenetError, InputError
from aenet_py.formats import potential, rngstate
from aenet_py.formats.potential import ACTIVATIONS, Network, PotentialFile, Training
from aenet_py.formats.records import RecordReader
from aenet_py.formats.text import foreign, native
from aenet_py.inputs.train import NetworkInput
from aenet_py.inputs.trainx_deck import METHODS, TrainxInput
from aenet_py.report import trainx as report
from aenet_py.report.blocks import training_set_info
from aenet_py.report.timing import TimingLog
from aenet_py.runtime.output import PendingFile
from aenet_py.training import stale
from aenet_py.training.trainx import adam, energies, methods, networks, scaling, split
from aenet_py.training.trainx.energies import Model
from aenet_py.training.trainx.networks import Evaluation
from aenet_py.training.trainx.scaling import ScaledSet
from aenet_py.training.trainx.times import TESTING, TRAINING, Times

RNG_FILE, STOP_FILE = "train.rngstate", "STOP"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Problem:
    """What is trained.

    deck : with its networks in the order of the training set's species; files : of the networks; in_test (n,) bool :
    the structures of the test set.
    """

    deck: TrainxInput
    data: ScaledSet
    files: tuple[PotentialFile, ...]
    in_test: np.ndarray
    model: Model

    @property
    def scale(self) -> float:
        return self.data.training_set.header.scale


def run(deck: TrainxInput, say: Say, warn: Say) -> int:
    """Train as the deck says.

    Parameters
    ----------
    deck : TrainxInput
        The input.
    say : Say
        Called with the parts of the report.
    warn : Say
        Called with warnings.

    Returns
    -------
    int
        Number of structures that the training set's header counts but its file lacks.

    Raises
    ------
    AenetError
        If files are missing or do not fit together, or an energy is not finite.
    """
    say(report.opening())
    data = _data(deck, say, warn)
    deck = _ordered(deck, data)
    files = _networks(deck, data, say, warn)
    with contextlib.ExitStack() as stack:
        stack.enter_context(np.errstate(over="ignore", divide="ignore", invalid="ignore"))  # _evaluated checks
        log = stack.enter_context(TimingLog("train.time")) if deck.timing else None
        if deck.timing:
            say(report.timing())
        _store(deck, files, say)
        if deck.alpha is not None:
            from aenet_py.training.trainx import forces  # torch is slow to import

            stack.enter_context(forces.without_graph())
        problem = _problem(deck, data, files, say)
        files = _train(problem, log, say, warn)
        _store(deck, files, say)
        say(report.closing())
        if log is not None:
            log.line("Timing finished.")
            log.complete(replace=True)
    return data.n_missing


def _data(deck: TrainxInput, say: Say, warn: Say) -> ScaledSet:
    path = native(deck.training_set)
    data = scaling.load(path, deck.max_energy)
    if len(data.training_set.structures.entries) == 0:
        raise InputError(path, "this training set has no structures")
    header, shown = data.training_set.header, foreign(data.path)
    if data.stored:
        say(report.loading(shown))
        scaling.warn_of_age(path, data.path, warn)
    if not os.path.exists(data.path):
        say(report.normalization(shown, header.scale, header.shift, data.n_removed))
        scaling.warn_of_constant_features(data.training_set.footer, warn)
        scaling.write(data)
    return data


def _ordered(deck: TrainxInput, data: ScaledSet) -> TrainxInput:
    """The deck with its networks in the order of the training set's species."""
    types = data.training_set.header.types
    given = {network.symbol: network for network in deck.networks}
    for symbol in types:
        if symbol not in given:
            raise InputError(deck.path, f"NETWORKS has no network for {symbol}, a species of {deck.training_set}")
    for symbol in given:
        if symbol not in types:
            message = f"NETWORKS names {symbol}; the species of {deck.training_set} are {' '.join(types)}"
            raise InputError(deck.path, message)
    kept = [native(deck.path), native(deck.training_set), data.path]
    for network in deck.networks:
        if os.path.realpath(native(network.path)) in map(os.path.realpath, kept):
            message = f"the network of {network.symbol} would replace the input {network.path}; rename one of them"
            raise InputError(deck.path, message)
    return replace(deck, networks=tuple(given[symbol] for symbol in types))


def _networks(deck: TrainxInput, data: ScaledSet, say: Say, warn: Say) -> tuple[PotentialFile, ...]:
    """Read the networks, or begin new ones."""
    header, footer = data.training_set.header, data.training_set.footer
    training = Training(
        foreign(data.path), True, header.scale, header.shift, header.types, header.atomic_energies, footer.n_atoms,
        header.n_structures, footer.energies.low, footer.energies.high, footer.energies.mean,
    )  # fmt: skip
    say(report.networks())
    files = []
    for given, setup, statistics in zip(deck.networks, footer.setups, footer.statistics, strict=True):
        path = native(given.path)
        exists = os.path.exists(path)
        wanted = [setup.n_features, *given.nodes, 1]
        network = _read(path) if exists else _new(given, wanted)
        if network.nodes[0] != setup.n_features or network.nodes[-1] != 1:
            shape = f"{network.nodes[0]} inputs and {network.nodes[-1]} outputs"
            message = f"this network has {shape}, but {given.symbol} has {setup.n_features} features and one energy"
            raise InputError(path, f"{message}; rename it to train a new one")
        functions = [*map(ACTIVATIONS.index, given.activations), 0]
        if network.nodes.tolist() != wanted or network.activations.tolist() != functions:
            warn(f"{path} exists; its layers are used, not those in {deck.path}")
        say(report.network(given.symbol, given.path, network, exists))
        files.append(PotentialFile(network, setup, statistics, training))
    return tuple(files)


def _read(path: str) -> Network:
    with RecordReader(path) as source:
        return potential.read_from(source).network


def _new(given: NetworkInput, nodes: Sequence[int]) -> Network:
    """Uniform random weights whose standard deviation is 1 / sqrt(inputs + 1) (ff_random_init_weights)."""
    draws = np.random.default_rng()
    parts = []
    for n_in, n_out in itertools.pairwise(nodes):
        width = np.sqrt(12.0 / (n_in + 1))
        parts.append(width * (draws.random((n_in + 1) * n_out) - 0.5))
    return Network.of(nodes, [*map(ACTIVATIONS.index, given.activations), 0], np.concatenate(parts))


def _problem(deck: TrainxInput, data: ScaledSet, files: tuple[PotentialFile, ...], say: Say) -> Problem:
    """Draw the test set, from ``train.rngstate`` if it exists."""
    values = data.training_set
    restarted = os.path.exists(RNG_FILE)
    if restarted:
        state = rngstate.read(RNG_FILE)
    else:
        state = rngstate.fresh()
        _write(RNG_FILE, rngstate.to_binary(state))
    in_test = split.draw(len(values.structures.entries), deck.test_percent, state)
    n, of_set = len(in_test), values.footer.energies
    say(
        training_set_info(
            foreign(data.path), values.header.types, n, n, (of_set.mean, of_set.low, of_set.high),
            (values.header.scale, values.header.shift),
        )
    )  # fmt: skip
    say(report.details(METHODS[deck.method], deck.epochs, in_test, restarted, report.settings(deck)))
    return Problem(
        deck=deck,
        data=data,
        files=files,
        in_test=in_test,
        model=_model(deck, data, files, in_test),
    )


def _model(deck: TrainxInput, data: ScaledSet, files: tuple[PotentialFile, ...], in_test: np.ndarray) -> Model:
    if deck.alpha is None:
        return energies.of(data.training_set, in_test, networks.layers_of([file.network for file in files]))
    from aenet_py.training.trainx import forces  # torch is slow to import

    return forces.of(deck, data, files, in_test)


def _train(problem: Problem, log: TimingLog | None, say: Say, warn: Say) -> tuple[PotentialFile, ...]:
    """Train for all epochs; the networks after the last one."""
    deck, times = problem.deck, Times(log)
    times.steps("Training set initialized.", "Structures distributed over processes")
    weights = np.concatenate([file.network.weights for file in problem.files])

    def trained() -> None:
        times.part("Done with training iteration.", TRAINING)

    method = problem.model.begin(deck, len(weights), trained, warn)
    if method.outcome is not None:
        say(report.restart(methods.STATE_FILE, method.outcome))
    if deck.method == "bfgs" and deck.sampling != "sequential":
        warn("SAMPLING has no effect on bfgs, which uses all structures in each epoch")
    times.steps(f"Optimization method ({deck.method}) initialized.")
    sampling, settings = ("sequential" if deck.method == "bfgs" else deck.sampling), ""
    if deck.method == "adam":
        settings = report.adam(deck.settings, *adam.sizes(deck.settings, int(np.count_nonzero(~problem.in_test))))
    say(report.training(METHODS[deck.method], deck.epochs, sampling, settings, deck.alpha is not None))
    found, tested = _evaluated(problem, weights), problem.model.tested(weights)
    say(_row(problem, 0, found, tested))
    times.steps("Initial energies evaluated (before training)")
    files, is_final = problem.files, False
    for number in range(1, deck.epochs + 1):
        if is_final:
            say(report.converged())
            break
        times.steps(f"Starting epoch {number:<50}")
        new, is_final = method.epoch(weights, found)
        trained()
        is_same, weights = np.array_equal(new, weights), new
        found = found if is_same else _evaluated(problem, weights)
        times.part("Done with training set energies.", TRAINING)
        tested = tested if is_same else problem.model.tested(weights)
        times.part("Done with testing set energies.", TESTING)
        say(_row(problem, number, found, tested))
        files = _with_weights(problem, weights)
        if method.state is not None:
            _write(methods.STATE_FILE, method.state())
        _write_networks(deck, files, f"-{number:05d}")
        times.part(f"Done with epoch {number}")
        if os.path.exists(STOP_FILE):
            say(report.stopped())
            break
    say(report.finished())
    times.steps("Training finished.")
    times.totals()
    if deck.save_energies:
        for name, chosen, errors in (
            ("train", ~problem.in_test, found.errors), ("test", problem.in_test, tested.errors)
        ):  # fmt: skip
            _write(f"energies.{name}.0", _table(problem, chosen, errors).encode("latin-1"))
        say(report.final_energies(*(report.deviations(e, problem.scale) for e in (found.errors, tested.errors))))
        times.steps("Stored energies of all structures.")
    return files


def _evaluated(problem: Problem, weights: np.ndarray) -> networks.Evaluation:
    """Errors of the training set, and their gradient on request."""
    found = problem.model.evaluate(weights)
    if not np.isfinite(found.loss):
        raise AenetError("the energies of the networks are not finite; use the networks of an earlier epoch")
    return found


def _row(problem: Problem, number: int, found: Evaluation, tested: Evaluation) -> str:
    train, test = (report.deviations(each.errors, problem.scale) for each in (found, tested))
    if problem.deck.alpha is None:
        return report.epoch(number, train, test)
    of_forces = (float("nan") if each.forces is None else each.forces / problem.scale for each in (found, tested))
    return report.epoch(number, train, test, tuple(of_forces))


def _with_weights(problem: Problem, weights: np.ndarray) -> tuple[PotentialFile, ...]:
    ends = np.cumsum([len(file.network.weights) for file in problem.files])
    parts = np.split(weights, ends[:-1])
    pairs = zip(problem.files, parts, strict=True)
    return tuple(replace(file, network=replace(file.network, weights=part)) for file, part in pairs)


def _table(problem: Problem, chosen: np.ndarray, errors: np.ndarray) -> str:
    """The table of energies of chosen structures, (n,) bool; errors : of their normalised energies per atom."""
    header, structures = problem.data.training_set.header, problem.data.training_set.structures
    owners = np.repeat(np.arange(len(chosen)), np.diff(structures.starts))
    counts = np.zeros((len(chosen), len(header.types)), dtype=int)
    np.add.at(counts, (owners, structures.atoms.types), 1)
    entries, counts = [structures.entries[i] for i in np.flatnonzero(chosen)], counts[chosen]
    rows = [report.table_header(header.types)]
    for entry, error, row in zip(entries, errors.tolist(), counts.tolist(), strict=True):
        shift = entry.n_atoms * header.shift
        reference = entry.energy / header.scale + shift
        predicted = (entry.energy - error * entry.n_atoms) / header.scale + shift
        rows.append(report.table_row(entry.path, reference, predicted, entry.n_atoms, row, error / header.scale, error))
    return "".join(rows)


def _store(deck: TrainxInput, files: Sequence[PotentialFile], say: Say) -> None:
    say(report.storing([network.symbol for network in deck.networks], [network.path for network in deck.networks]))
    with stale.removed([native(network.path) for network in deck.networks]):
        _write_networks(deck, files)


def _write_networks(deck: TrainxInput, files: Sequence[PotentialFile], ending: str = "") -> None:
    for given, file in zip(deck.networks, files, strict=True):
        _write(native(given.path) + ending, potential.to_binary(file))


def _write(path: str, content: bytes) -> None:
    with PendingFile(path) as file:
        file.write(content)
        file.complete(replace=True)
