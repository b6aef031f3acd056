"""Train potentials from Python: the same files and numbers as aenet_pytorch.py, and the results as arrays."""

from __future__ import annotations

import contextlib
import os
import signal
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Union, overload

import numpy as np

from aenet_py.errors import AenetError, AenetWarning
from aenet_py.formats import trained
from aenet_py.formats.labels import ANY, Labels
from aenet_py.inputs import train as inputs
from aenet_py.inputs.structures import StructureInput
from aenet_py.inputs.train import TrainInput
from aenet_py.potentials.potential import Potential
from aenet_py.runtime.progress import Advance
from aenet_py.runtime.progress import progress as progress_line
from aenet_py.runtime.signals import stopping
from aenet_py.structure import Structure
from aenet_py.training import committee as committees
from aenet_py.training import flow, options
from aenet_py.training import ranks as processes
from aenet_py.training.committee import Calibration, TestErrors
from aenet_py.training.events import EpochErrors, Events
from aenet_py.training.options import HiddenLayers, TransferOptions

if TYPE_CHECKING:
    from ase import Atoms

    from aenet_py.training.results import EnergyTable, ForceTable

Path = str | os.PathLike[str]
Structures = Union[Path, Structure, "Atoms", Iterable[Union[Path, Structure, "Atoms"]]]
AtomicEnergies = str | Mapping[str, float | str]
OnEpoch = Callable[[int, EpochErrors], bool | None]


@dataclass(frozen=True)
class TrainingResult:
    """What a training has written, and its numbers.

    Attributes
    ----------
    potentials : dict of str to str
        Path of each species' potential.
    learning_curve : trained.LearningCurve
        Errors by epoch, as in train.error.
    energies : dict of str to EnergyTable
        Reference and predicted cohesive energy (eV) of each structure in the ``"train"`` and the ``"test"`` set and, if
        there is one, in the ``"validation"`` set.
    forces : dict of str to ForceTable
        Reference and predicted forces (eV/Å) in the same sets; empty unless ``save_forces`` was given.
    energy_rmse, force_rmse : float or None
        RMSE of the potentials for the test set: of energies per atom (eV/atom) and of force components (eV/Å); None
        if there are none.
    state : str
        Path of model.restart, from which another training in this folder resumes.
    reason : str
        Why the training ended: ``"all epochs"``, ``"patience"``, ``"caller"`` (`on_epoch` returned True) or
        ``"signal"``.
    """

    potentials: dict[str, str]
    learning_curve: trained.LearningCurve
    energies: dict[str, EnergyTable]
    forces: dict[str, ForceTable]
    energy_rmse: float | None
    force_rmse: float | None
    state: str
    reason: str

    def potential(self) -> Potential:
        """Load the potentials, ready to evaluate structures."""
        return Potential.load(self.potentials)


@dataclass(frozen=True)
class CommitteeResult:
    """What the training of a committee has written, and its errors.

    Attributes
    ----------
    folder : str
        The folder, which stands for the committee wherever potentials are given.
    potentials : tuple of dict of str to str
        Path of each species' potential, for each member.
    member_errors : tuple of TestErrors
        RMSE of each member for the test set: ``energy`` (eV/atom) and ``force`` (components, eV/Å); None without.
    energy_rmse, force_rmse : float or None
        The same of the means over the members.
    calibration : Calibration
        ``energy_factor`` and ``force_factor``: how many times the spread of the members the errors of the mean are.
    """

    folder: str
    potentials: tuple[dict[str, str], ...]
    member_errors: tuple[TestErrors, ...]
    energy_rmse: float | None
    force_rmse: float | None
    calibration: Calibration

    def potential(self) -> list[Potential]:
        """Load the members, ready to evaluate structures."""
        return [Potential.load(paths) for paths in self.potentials]


@overload
def train(
    training_set: Structures, networks: HiddenLayers | None = ..., *, committee: None = ..., **options: Any
) -> TrainingResult: ...  # fmt: skip
@overload
def train(
    training_set: Structures, networks: HiddenLayers | None = ..., *, committee: int | str, **options: Any
) -> CommitteeResult: ...  # fmt: skip
def train(
    training_set: Structures, networks: HiddenLayers | None = None, *, setups: Mapping[str, Path] | None = None,
    atomic_energies: AtomicEnergies | None = None, energy_key: str | None = None, forces_key: str | None = None,
    test_set: Structures | None = None, validation_set: Structures | None = None, repulsion: str | None = None,
    folder: Path = ".", committee: int | str | None = None, on_epoch: OnEpoch | None = None, progress: bool = False,
    **settings: Any,
) -> TrainingResult | CommitteeResult:  # fmt: skip
    """Train one neural network per species, as aenet_pytorch.py does.

    Writes the same files as the command: potentials, model.restart, train.error and, on request, tables of energies
    and forces.  If the folder holds a model.restart, training resumes from it.  Ctrl-C stops after the current batch
    with everything saved, and then raises KeyboardInterrupt as usual; the same call resumes.

    Parameters
    ----------
    training_set : path, ase.Atoms, Structure, or iterable of these
        Training set of generate.x, binary or text; or, without `networks`, an input file train.in, which then holds
        all settings; or, with `setups`, structures as `generate` takes them, whose features and gradients are computed
        in memory.
    networks : dict, optional
        Hidden layers of each species' network, each as its number of nodes and its activation function (``"tanh"``,
        ``"sigmoid"`` or ``"linear"``).  The potential of species X is written to X.nn.ascii.
    setups : mapping of str to path, optional
        The set-up file (``.stp``) of each species, of structures.
    atomic_energies : mapping of str to float or str, or str, optional
        Energy of the free atom of each species in `setups` (eV), or ``"fit"`` or ``"isolated"``, as of `generate`.
    energy_key : str, optional
        Key of the energy in extended XYZ files that have several.
    forces_key : str, optional
        Column of the forces in extended XYZ files that have several.
    test_set : path, ase.Atoms, Structure, or iterable of these, optional
        Structures that are only tested (TESTSET), beside structures to train on.
    validation_set : path, ase.Atoms, Structure, or iterable of these, optional
        Structures by which early stopping judges (VALIDATIONSET); the test set is then tested at the end only.
    repulsion : str, optional
        Short-range repulsion that is left out of what is learnt, of structures: ``"zbl auto"``, or ``"zbl inner=0.9
        outer=1.4"`` (Å).
    folder : str or path, default "."
        Where to write.  It is created if necessary, and it is the working directory while training.
    committee : int or str, optional
        Number of potentials that are trained side by side instead of one, at least 2, and further words of COMMITTEE:
        ``"4 bootstrap"``.
    on_epoch : callable, optional
        Called after each epoch with its number, counted from 0, and its errors (`EpochErrors`).  If it returns True,
        training stops; the same call resumes with the next epoch.  Not for committees.
    progress : bool, default False
        Show a progress line on standard error, if that is a terminal.
    **settings
        Settings by the names of the keywords in docs/train.md, which describes them:

        - ``iterations`` (default 100), ``test_percent`` (10), ``batch_size`` (256), ``write_every`` (1),
        - ``method`` ("adamw"; those without a learning rate with their settings, ``"ekf state=1"``), ``lr`` (0.001),
          ``regularization`` (0), ``schedule`` (None; for example ``"cosine min_lr=1e-5"``), ``ema`` (None),
          ``patience`` (None), ``checkpoint`` (None),
        - ``forces_weight`` (None, energies only; otherwise the setting ``alpha`` of FORCES, 0 to 1), ``max_energy``
          (eV/atom), ``max_forces`` (eV/Å), ``forces_percent`` and ``forces_seed`` (of structures),
        - ``split`` (None; ``"every=5"`` or ``"group=config_type"``), ``validation_percent`` (0),
        - ``weights`` (None; for example ``"energy=energy_weight forces=forces_weight"``),
        - ``stress`` (None; ``"beta=0.1"``, of structures), ``huber`` (None; ``"energy=0.01 forces=0.5"``),
        - ``numpy_seed`` (11; NPSEED), ``torch_seed`` (22; PHSEED), ``new_split`` (False),
        - ``memory_mode`` ("cpu"; "auto" for structures), ``save_energies`` (False), ``save_forces`` (False).

    Returns
    -------
    TrainingResult or CommitteeResult
        Potentials, learning curve, and reference and predicted energies and forces; of a committee, potentials and
        errors.

    Raises
    ------
    AenetError
        For wrong settings, missing or unsuitable files, too little memory, another training in the folder, or a loss
        that is not finite.

    Examples
    --------
    >>> import tempfile
    >>> from aenet_py.training.train import train
    >>> networks = {symbol: [(5, "tanh")] for symbol in ("Cu", "Au", "O", "H")}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result = train(
    ...         "fixtures/golden/cluster-cuau-h2o/expected/cluster.train", networks, iterations=3, folder=folder
    ...     )
    >>> result.learning_curve.epochs
    array([0, 1, 2])
    >>> result.energies["test"].predicted.shape
    (1,)

    Structures, without files of generate.x:

    >>> case = "fixtures/golden/cluster-cuau-h2o"
    >>> structures = [f"{case}/xsf/s00{number}.xsf" for number in range(1, 7)]
    >>> setups = {symbol: f"{case}/{symbol}.stp" for symbol in networks}
    >>> energies = {"Cu": -1290.0, "Au": -890.0, "O": -430.0, "H": -13.0}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result = train(
    ...         structures, networks, setups=setups, atomic_energies=energies, forces_weight=0.1, iterations=3,
    ...         test_percent=20, folder=folder,
    ...     )
    >>> result.forces, result.energies["train"].predicted.shape
    ({}, (5,))
    """
    keys = Labels(energy_key, forces_key)
    if networks is None and setups is None:
        if not isinstance(training_set, str | os.PathLike):
            raise AenetError("train(): structures without networks and setups; give both")
        settings = _with_committee(settings, committee)
        if settings:
            raise AenetError(f"train(): {', '.join(settings)} given without networks; set them in {training_set}")
        deck = inputs.read(os.fspath(training_set), _warn)
        if deck.mode == "batches":
            raise AenetError(f"{deck.path}: MODE batches does not train; use MODE train, or run aenet_pytorch.py")
    elif networks is None:
        raise AenetError("train(): setups without networks; give the hidden layers of each species")
    else:
        held = test_set, validation_set
        of, name = _given("train()", training_set, setups, atomic_energies, keys, folder, held, repulsion)
        deck = options.deck_of("train()", name, networks, _with_committee(settings, committee), structures=of)
    return _train(deck, folder, on_epoch, progress)


@overload
def transfer(
    training_set: Structures, source: Path, networks: HiddenLayers | None = ..., *, committee: None = ...,
    **options: Any,
) -> TrainingResult: ...  # fmt: skip
@overload
def transfer(
    training_set: Structures, source: Path, networks: HiddenLayers | None = ..., *, committee: int | str,
    **options: Any,
) -> CommitteeResult: ...  # fmt: skip
def transfer(
    training_set: Structures, source: Path, networks: HiddenLayers | None = None, *, freeze: int | str = 1,
    energy: str = "align", new: bool = False, setups: Mapping[str, Path] | None = None,
    atomic_energies: AtomicEnergies | None = None, energy_key: str | None = None, forces_key: str | None = None,
    test_set: Structures | None = None, validation_set: Structures | None = None, repulsion: str | None = None,
    replay: Structures | None = None, share: float = 0.3, replay_labels: str = "own", anchor: float = 0.0,
    fisher: Structures | None = None, rates: Sequence[float] | None = None, thaw: Sequence[int] | None = None,
    folder: Path = ".", committee: int | str | None = None, on_epoch: OnEpoch | None = None, progress: bool = False,
    **settings: Any,
) -> TrainingResult | CommitteeResult:  # fmt: skip
    """Continue the training of another set's networks on this training set (MODE transfer).

    Writes NAME.transfered.ascii and model.transfered.restart, in place of NAME.ascii and model.restart.

    Parameters
    ----------
    training_set : path, ase.Atoms, Structure, or iterable of these
        Training set of generate.x, binary or text; or, with `setups`, structures, as in `train`.
    source : str or path
        Folder of the other training, or its model.restart.
    networks : dict, optional
        As in `train`; by default the networks of the source for the species of the training set.
    freeze : int or "hidden", default 1
        Number of layers of each network, from the first, that are not trained; ``"hidden"``: all but the last.
    energy : {"align", "source", "target"}, default "align"
        Scale and shift of the energies: the source's scale with shifts fitted to this training set, both of the source,
        or both as in a training from scratch.
    new : bool, default False
        Give species without a potential in the source new networks, with random weights.
    setups : mapping of str to path, optional
        As in `train`.
    atomic_energies : mapping of str to float or str, or str, optional
        As in `train`.
    energy_key : str, optional
        As in `train`.
    forces_key : str, optional
        As in `train`.
    test_set : path, ase.Atoms, Structure, or iterable of these, optional
        As in `train`.
    validation_set : path, ase.Atoms, Structure, or iterable of these, optional
        As in `train`.
    repulsion : str, optional
        As in `train`; it must be that of the source.
    replay : path, ase.Atoms, Structure, or iterable of these, optional
        Structures of the source that are trained on as well, so that it is not forgotten; without `setups`, a training
        set of them.
    share : float, default 0.3
        Their share of the structures that are trained on.
    replay_labels : {"own", "source"}, default "own"
        Whether they have their own energies and forces or those that the source's potentials predict.
    anchor : float, default 0
        Factor of the squared distance from the source's weights, which is added to the loss.
    fisher : path, ase.Atoms, Structure, or iterable of these, optional
        Structures of the source whose Fisher information weights the squares of the anchor; their energies and forces
        do not matter.  Without `setups`, a training set of them.
    rates : sequence of float, optional
        Factor of the learning rate of each layer, from the first; the last one is that of all further layers.
    thaw : sequence of int, optional
        Epochs from which one more of the frozen layers is trained, the last one first.
    folder : str or path, default "."
        As in `train`.
    committee : int or str, optional
        As in `train`.  If the source is a committee, each member continues one of its members.
    on_epoch : callable, optional
        As in `train`.
    progress : bool, default False
        As in `train`.
    **settings
        As in `train`.

    Returns
    -------
    TrainingResult or CommitteeResult
        As of `train`.

    Raises
    ------
    AenetError
        As in `train`, and if the source does not fit the training set.

    Examples
    --------
    >>> import os, tempfile
    >>> from aenet_py.training.train import train, transfer
    >>> training_set = "fixtures/golden/cluster-cuau-h2o/expected/cluster.train"
    >>> networks = {symbol: [(5, "tanh")] for symbol in ("Cu", "Au", "O", "H")}
    >>> with tempfile.TemporaryDirectory() as source, tempfile.TemporaryDirectory() as folder:
    ...     _ = train(training_set, networks, iterations=2, folder=source)
    ...     result = transfer(training_set, source, freeze="hidden", iterations=2, folder=folder)
    ...     sorted(os.path.basename(path) for path in result.potentials.values())
    ['Au.nn.transfered.ascii', 'Cu.nn.transfered.ascii', 'H.nn.transfered.ascii', 'O.nn.transfered.ascii']
    """
    names = None
    keys, held = Labels(energy_key, forces_key), (test_set, validation_set)
    of_source = {"replay": replay, "fisher": fisher}
    of, name = _given("transfer()", training_set, setups, atomic_energies, keys, folder, held, repulsion, of_source)
    if networks is None and of is not None:
        networks, names = options.networks_of(of.types, os.fspath(source))
    elif networks is None:
        networks, names = options.of_source(options.training_set("transfer()", training_set), os.fspath(source))
    more: dict[str, Any] = {"share": share, "labels": replay_labels, "anchor": anchor}
    more |= {key: ",".join(map(str, each)) for key, each in (("rates", rates), ("schedule", thaw)) if each is not None}
    sets = {} if of is not None else {key: each for key, each in of_source.items() if each is not None}
    paths = {key: options.seen_from(folder, options.training_set("transfer()", each)) for key, each in sets.items()}
    wanted = TransferOptions(options.seen_from(folder, source), freeze, energy, new, more, paths)
    settings = _with_committee(settings, committee)
    deck = options.deck_of("transfer()", name, networks, settings, wanted, names, of)
    return _train(deck, folder, on_epoch, progress)


def _given(
    caller: str, training_set: Structures, setups: Mapping[str, Path] | None,
    atomic_energies: AtomicEnergies | None, keys: Labels, folder: Path,
    held: tuple[Structures | None, Structures | None], repulsion: str | None,
    of_source: Mapping[str, Structures | None] | None = None,
) -> tuple[StructureInput | None, str]:  # fmt: skip
    """The structures to train on, None for a training set, and their name.

    held : to test and to validate; of_source : replay and fisher of a transfer.
    """
    if setups is not None:
        return options.structures_of(
            training_set, setups, atomic_energies, keys, folder, *held, repulsion, **(of_source or {})
        )
    if (atomic_energies, *held, repulsion) != (None,) * 4 or keys != ANY:
        names = "atomic_energies, energy_key, forces_key, test_set, validation_set and repulsion"
        raise AenetError(f"{caller}: {names} are for structures; give setups, too")
    return None, options.seen_from(folder, options.training_set(caller, training_set))


class _Callbacks(Events):
    """Calls on_epoch and raises Python warnings."""

    def __init__(self, on_epoch: OnEpoch | None, progress: bool):
        self.on_epoch = on_epoch
        self.with_progress = progress

    def warn(self, text: str) -> None:
        _warn(text)

    def epoch(self, epoch: int, errors: EpochErrors) -> bool | None:
        return None if self.on_epoch is None else self.on_epoch(epoch, errors)

    def progress(self, total: float, unit: str, done: float = 0.0) -> AbstractContextManager[Advance]:
        return progress_line(total, unit, self.with_progress, done)


def _with_committee(settings: Mapping[str, Any], committee: int | str | None) -> dict[str, Any]:
    return dict(settings) if committee is None else {**settings, "committee": committee}


def _train_committee(deck: TrainInput, folder: Path, on_epoch: OnEpoch | None, progress: bool) -> CommitteeResult:
    if on_epoch is not None:
        raise AenetError("on_epoch is for a single training; the members of a committee train in other processes")
    with working_in(folder), stopping() as stop:
        outcome = committees.run(deck, _Callbacks(None, progress), lambda: stop() is not None)
        asked = stop()
    if outcome is None:
        signal.raise_signal(signal.Signals[asked or "SIGINT"])
        raise AenetError(f"{os.fspath(folder)}: the training was stopped; the same call resumes")
    return CommitteeResult(
        folder=os.path.normpath(folder),
        potentials=tuple(
            {symbol: os.path.join(folder, path) for symbol, path in zip(deck.symbols, paths, strict=True)}
            for paths in outcome.potentials
        ),
        member_errors=outcome.members,
        energy_rmse=outcome.mean.energy,
        force_rmse=outcome.mean.force,
        calibration=outcome.calibration,
    )


def _train(
    deck: TrainInput, folder: Path, on_epoch: OnEpoch | None, progress: bool
) -> TrainingResult | CommitteeResult:  # fmt: skip
    if deck.committee is not None:
        return _train_committee(deck, folder, on_epoch, progress)
    with working_in(folder), random_state_kept(), processes.joined() as ranks:
        outcome = flow.run(deck, ranks, _Callbacks(on_epoch, progress and ranks.rank == 0))
        assert outcome is not None
        if outcome.signal is not None:
            signal.raise_signal(signal.Signals[outcome.signal])  # everything is saved; now it does what it usually does
        from aenet_py.training import checkpoint, results

        training = outcome.training
        parts, networks = training.parts, training.state.result
        energies = outcome.energies or {
            name: results.energies(networks, part, training.data, ranks) for name, part in parts.items()
        }
        paths = zip(deck.symbols, results.potential_paths(deck), strict=True)
        return TrainingResult(
            potentials={symbol: os.path.normpath(os.path.join(folder, path)) for symbol, path in paths},
            learning_curve=_learning_curve(training.state.table, deck.alpha is not None),
            energies=energies,
            forces=outcome.forces,
            energy_rmse=outcome.energy_error,
            force_rmse=outcome.force_error,
            state=os.path.normpath(os.path.join(folder, checkpoint.path_of(deck))),
            reason=outcome.reason,
        )


def _learning_curve(table: list[tuple[int, list[float]]], with_forces: bool) -> trained.LearningCurve:
    epochs = np.array([epoch for epoch, _ in table], dtype=np.int64)
    total, energies, forces = np.array([errors for _, errors in table]).reshape(-1, 3, 2).transpose(1, 0, 2)
    return trained.LearningCurve(epochs, total, energies, forces if with_forces else None)


def _warn(text: str) -> None:
    warnings.warn(text, AenetWarning, stacklevel=2)


@contextlib.contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """Make this folder, if necessary, the working directory of the process for a while."""
    before = os.getcwd()
    try:
        os.makedirs(folder, exist_ok=True)
        os.chdir(folder)
    except OSError as error:
        raise AenetError(f"{os.fspath(folder)}: cannot train in this folder: {error.strerror}") from None
    try:
        yield
    finally:
        os.chdir(before)


@contextlib.contextmanager
def random_state_kept() -> Iterator[None]:
    """Leave NumPy's global generator, which the original's splits are drawn from, as it was."""
    before = np.random.get_state()  # noqa: NPY002 - the original's generator
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002
