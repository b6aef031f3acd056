"""The runs of a scan, and the initial content of their folders."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from aenet_py.descriptors import chebyshev
from aenet_py.descriptors.setup import Setup
from aenet_py.errors import AenetError, InputError
from aenet_py.formats import trainset
from aenet_py.formats.structures import path_of
from aenet_py.formats.text import foreign, native
from aenet_py.inputs import generate as generate_inputs
from aenet_py.inputs import setup as setup_inputs
from aenet_py.inputs import train as train_inputs
from aenet_py.inputs.generate import GenerateInput
from aenet_py.inputs.scan import TRAINING, ScanInput, Seed, Value
from aenet_py.inputs.setup import PARAMETERS
from aenet_py.inputs.train import TrainInput, hidden_layers

TRAINING_SET = "features.train"
FORCES_SEED = 1  # if the deck sets no seed: all training sets must have gradients for the same structures
ID_LENGTH = 12
Settings = Mapping[str, Value | None]  # value of each keyword of SCANNED; None if it does not apply


@dataclass(frozen=True)
class Features:
    """A training set.

    Parameters
    ----------
    path
        Its file.
    sizes
        Number of features of each species.
    folder
        Folder in which generate.x makes it; None for an existing training set.
    files
        Initial files of the folder.
    sources
        Files that it is made from.
    """

    path: str
    sizes: tuple[int, ...]
    folder: str | None
    files: Mapping[str, bytes]
    sources: tuple[str, ...]

    @property
    def n_features(self) -> int:
        """Number of features of the species with the most."""
        return max(self.sizes, default=0)


@dataclass(frozen=True)
class ScanRun:
    """A training: its folder and deck, its training set, and the settings in which it differs from others."""

    folder: str
    deck: TrainInput
    features: Features
    settings: Settings

    @property
    def seed(self) -> Seed:
        """NPSEED and PHSEED."""
        return self.deck.numpy_seed, self.deck.torch_seed


@dataclass(frozen=True)
class Base:
    """The decks without variation.

    Parameters
    ----------
    train
        Deck of the trainer.
    generate
        Deck of generate.x with paths for the folder of a training set, except for the set-ups.
    sources
        Files that a training set is made from.
    setups
        Set-ups of each species.
    settings
        Values of the keywords that can be varied.
    """

    train: TrainInput
    generate: GenerateInput | None
    sources: tuple[str, ...]
    setups: tuple[Setup, ...]
    settings: Settings


def plan(deck: ScanInput, warn: Callable[[str], None]) -> list[ScanRun]:
    """All runs in order of combinations, then seeds; InputError for decks that cannot be scanned."""
    base = _base(deck, warn)
    _check(deck, base)
    seeds = deck.seeds or ((base.train.numpy_seed, base.train.torch_seed),)
    made: dict[tuple[Value | None, ...], Features] = {}
    notes: list[str] = []
    runs = []
    for settings in combinations(deck.values, base.settings, deck.mode):
        key = tuple(settings[name] for name in PARAMETERS)
        if key not in made:
            made[key] = _features(deck, base, settings, notes)
        runs += [_run(deck, base, made[key], settings, seed) for seed in seeds]
    for note in dict.fromkeys(notes):
        warn(f"{deck.path}: {note}")
    return runs


def combinations(values: Mapping[str, Sequence[Value]], base: Settings, mode: str) -> list[Settings]:
    """All combinations (grid), or the base and those that differ from it in one value (each)."""
    if mode == "grid":
        return [{**base, **dict(zip(values, chosen, strict=True))} for chosen in itertools.product(*values.values())]
    others = [{**base, name: value} for name, given in values.items() for value in given if value != base[name]]
    return [dict(base), *others]


def _base(deck: ScanInput, warn: Callable[[str], None]) -> Base:
    train = train_inputs.read(deck.train, warn)
    generate = None if deck.generate is None else generate_inputs.read(deck.generate, warn)
    if generate is None:
        setups = _setups_of(train.training_set)
    else:
        setups = tuple(setup_inputs.read(path, warn) for path in generate.setups)
    settings: dict[str, Value | None] = dict.fromkeys(PARAMETERS)
    if all(setup.is_chebyshev for setup in setups):
        of_species = [setup_inputs.chebyshev_parameters(setup) for setup in setups]
        settings = {name: _common(values[name] for values in of_species) for name in PARAMETERS}
    networks = [",".join(network.layers) for network in train.networks]
    of_training = (train.method, train.learning_rate, train.regularization, train.alpha, _common(networks))
    settings |= dict(zip(TRAINING, of_training, strict=True))
    if generate is None:
        return Base(train, None, (), setups, settings)
    lists = [] if generate.forces_list is None else [generate.forces_list]
    moved = _moved(generate, os.path.join(deck.folder, "features", "id"))
    return Base(train, moved, (*map(path_of, generate.structures), *lists), setups, settings)


def _moved(deck: GenerateInput, folder: str) -> GenerateInput:
    """The deck with paths for a folder of the scan."""
    lists = [] if deck.forces_list is None else _from(folder, [foreign(deck.forces_list)])
    return replace(
        deck,
        output=TRAINING_SET,
        structures=tuple(_from(folder, deck.structures)),
        forces_list=lists[0] if lists else None,
        forces_seed=FORCES_SEED if deck.forces and deck.forces_seed is None else deck.forces_seed,
    )


def _setups_of(training_set: str) -> tuple[Setup, ...]:
    path = native(training_set)
    with trainset.open_source(path) as source:
        header = trainset.read_header(source)
        trainset.check_header(path, header, "train on")
        return trainset.footer_ahead(source, header).setups


def _common(values: Iterable[Value]) -> Value | None:
    """The common value of all species; if they differ, all values in order of the species, separated by blanks."""
    given = list(values)
    if not given:
        return None
    return given[0] if len(set(given)) == 1 else " ".join(map(str, given))


def _check(deck: ScanInput, base: Base) -> None:
    """InputError for keywords that cannot be scanned with these decks."""
    train = base.train
    for name in (name for name in PARAMETERS if name in deck.values):
        keyword, line = name.upper(), deck.lines[name]
        if base.generate is None:
            raise InputError(deck.path, f"{keyword} requires GENERATE, an input file of generate.x", line)
        if base.settings[name] is None:
            message = f"{keyword} requires the Chebyshev basis in all set-ups of {deck.generate}"
            raise InputError(deck.path, message, line)
    if "alpha" in deck.values and train.alpha is None:
        message = f"ALPHA requires FORCES and alpha= in {deck.train}"
        raise InputError(deck.path, message, deck.lines["alpha"])
    if train.schedule is not None and min(_numbers(deck.values.get("lr", ())), default=1.0) < train.schedule.least:
        message = f"LR must be at least min_lr={train.schedule.least:g} of {deck.train}"
        raise InputError(deck.path, message, deck.lines["lr"])
    if train.mode != "train":
        advice = "; run each transfer in a folder of its own" if train.mode == "transfer" else ""
        raise InputError(deck.train, f"a scan requires MODE train, not MODE {train.mode}{advice}")
    if train.structures is not None:
        raise InputError(deck.train, "a scan requires TRAININGSET; give TYPES, SETUPS and FILES in its GENERATE deck")
    if train.load_batches or train.save_batches:
        raise InputError(deck.train, "remove LOAD_BATCHES and SAVE_BATCHES: each run of a scan draws its own batches")
    if train.test_fraction == 0:
        raise InputError(deck.train, "set TESTPERCENT above 0: a scan compares errors of test structures")
    if base.generate is not None and train.alpha is not None and not base.generate.forces:
        raise InputError(str(deck.generate), f"add FORCES, which {deck.train} requires")


def _numbers(values: Iterable[Value]) -> list[float]:
    return [float(value) for value in values]


def _features(deck: ScanInput, base: Base, settings: Settings, notes: list[str]) -> Features:
    """The training set for some settings; warnings are appended to notes."""
    if base.generate is None:
        notes += chebyshev.notes(base.setups)
        sizes = tuple(setup.n_features for setup in base.setups)
        return Features(native(base.train.training_set), sizes, None, {}, ())
    wanted = {name: float(settings[name] or 0) for name in PARAMETERS if settings[name] != base.settings[name]}
    setups, files = [], {}
    for symbol, path, setup in zip(base.generate.types, base.generate.setups, base.setups, strict=True):
        changed = setup_inputs.with_parameters(setup, wanted) if wanted else setup
        if changed.r_max == 0:
            line = min(deck.lines[name] for name in wanted)
            raise InputError(deck.path, "both cutoffs are 0; expected RADIAL_RC or ANGULAR_RC above 0", line)
        files[f"{symbol}.stp"] = setup_inputs.to_text(changed).encode("latin-1") if wanted else _content(path)
        setups.append(changed)
    notes += chebyshev.notes(setups)
    files["generate.in"] = generate_inputs.to_text(replace(base.generate, setups=tuple(files))).encode("latin-1")
    folder = os.path.join(deck.folder, "features", _id(files))
    sizes = tuple(setup.n_features for setup in setups)
    return Features(os.path.join(folder, TRAINING_SET), sizes, folder, files, base.sources)


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _run(deck: ScanInput, base: Base, features: Features, settings: Settings, seed: Seed) -> ScanRun:
    networks = base.train.networks
    if settings["nodes"] != base.settings["nodes"]:
        nodes, activations = hidden_layers(str(settings["nodes"]).split(","))
        networks = tuple(replace(network, nodes=nodes, activations=activations) for network in networks)
    alpha = settings["alpha"]
    (training_set,) = _from(os.path.join(deck.folder, "runs", "id"), [foreign(features.path)])
    if len(training_set.split()) > 1:
        raise AenetError(f"{native(training_set)}: TRAININGSET cannot name files with blanks; rename it")
    given = replace(
        base.train,
        training_set=training_set,
        numpy_seed=seed[0],
        torch_seed=seed[1],
        method=str(settings["method"]),
        learning_rate=float(settings["lr"] or 0),
        regularization=float(settings["regularization"] or 0),
        alpha=None if alpha is None else float(alpha),
        networks=tuple(replace(network, path=f"{network.symbol}.nn") for network in networks),
        save_energies=True,
        save_forces=base.train.alpha is not None,
    )
    content = train_inputs.to_text(given).encode("latin-1")
    return ScanRun(os.path.join(deck.folder, "runs", _id({"train.in": content})), given, features, settings)


def _from(folder: str, paths: Sequence[str]) -> list[str]:
    """Paths of a deck here, rewritten for a deck in this folder."""
    parts = [os.path.split(native(path)) for path in paths]
    target = os.path.realpath(folder)
    relative = {parent: os.path.relpath(os.path.realpath(parent), target) for parent in {parent for parent, _ in parts}}
    return [foreign(os.path.join(relative[parent], name)) for parent, name in parts]


def _id(files: Mapping[str, bytes]) -> str:
    """A folder name that identifies these files."""
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:ID_LENGTH]


def changed_since(runs: Sequence[ScanRun]) -> str | None:
    """A sentence about a source that is newer than what was made from it; None if there is none."""
    pairs = {run.features.path: run.features.sources for run in runs if run.features.folder is not None}
    for run in runs:
        if run.features.folder is None:
            pairs[os.path.join(run.folder, "energies.test")] = (run.features.path,)
    newest = {sources: max((os.stat(path).st_mtime_ns, path) for path in sources) for sources in set(pairs.values())}
    for made, sources in pairs.items():
        time, source = newest[sources]
        if os.path.exists(made) and time > os.stat(made).st_mtime_ns:
            return f"{source} has changed since {made} was made from it"
    return None
