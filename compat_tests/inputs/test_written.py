"""Decks are read as they were written."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aenet_py.formats.labels import Labels
from aenet_py.inputs import generate, setup, train
from aenet_py.inputs.held_out import HeldOut
from aenet_py.inputs.loss import LossInput
from aenet_py.inputs.structures import NamedFile, StructureInput
from aenet_py.inputs.weights import WeightInput
from compat_tests.cli.cases import FIXTURES, golden_files, name_of

WORDS = st.text("abcXYZ019._-/", min_size=1, max_size=12)
NUMBERS = st.floats(0, 1e6, allow_subnormal=False)
POSITIVE = st.integers(1, 10**6)
NATURAL = st.integers(0, 2**31)
ABOVE_0 = st.floats(1e-6, 1e6)


SHARES = st.integers(0, 99).map(lambda n: n / 100)


def optional(some: st.SearchStrategy) -> st.SearchStrategy:
    return st.none() | some


def networks() -> st.SearchStrategy:
    layers = st.lists(st.tuples(POSITIVE, st.sampled_from(train.ACTIVATIONS)), min_size=1, max_size=3)
    one = layers.map(lambda of: (tuple(n for n, _ in of), tuple(name for _, name in of)))
    return st.lists(one, min_size=1, max_size=4).map(
        lambda many: tuple(train.NetworkInput(f"X{n}", f"nets/X{n}", *of) for n, of in enumerate(many))
    )


SCHEDULES = st.builds(train.Schedule, st.just("plateau"), st.floats(0.01, 0.99), POSITIVE, st.just(0.0)) | st.builds(
    lambda least: train.Schedule("cosine", least=least), st.just(1e-9)
)
TRANSFERS = st.builds(
    train.Transfer, WORDS, st.sampled_from([train.HIDDEN, 0, 1, 2]), st.sampled_from(train.ENERGIES), st.booleans()
)
DECKS = st.builds(
    train.TrainInput,
    path=st.just("train.in"), training_set=WORDS, test_fraction=st.integers(0, 99999).map(lambda n: n / 1000 / 100),
    epochs=NATURAL, write_every=POSITIVE, batch_size=POSITIVE, max_energy=optional(st.floats(-1e6, -1e-6) | ABOVE_0),
    max_forces=optional(ABOVE_0), alpha=optional(st.floats(0, 1)), numpy_seed=NATURAL, torch_seed=NATURAL,
    memory_mode=st.sampled_from(train.MEMORY_MODES[:3]), method=st.sampled_from(train.METHODS), learning_rate=ABOVE_0,
    regularization=NUMBERS, save_energies=st.booleans(), save_forces=st.booleans(), verbose=st.booleans(),
    mode=st.just("train"), save_batches=st.booleans(), load_batches=st.booleans(), checkpoint=optional(POSITIVE),
    patience=optional(POSITIVE), schedule=optional(SCHEDULES), average=optional(st.floats(0, 0.9999)),
    networks=networks(), transfer=st.none(),
)  # fmt: skip


RECOMPUTED = st.fixed_dictionaries({"forces_percent": st.floats(0, 100), "forces_seed": optional(NATURAL)})


def structures_of(names: list[str], energies: list[float], labels: Labels, forces_list: str | None) -> StructureInput:
    types = tuple(f"X{n}"[:2] for n in range(len(energies)))
    files = tuple(NamedFile(f"{name}.xsf") for name in names)
    setups = tuple(NamedFile(f"a folder/{symbol}.stp") for symbol in types)
    return StructureInput(types, tuple(energies), setups, files, labels, forces_list and NamedFile(forces_list))


STRUCTURES = st.builds(
    structures_of, st.lists(st.text("abc 19_-/", min_size=1).map("x{}y".format), min_size=2, max_size=4),
    st.lists(NUMBERS, min_size=1, max_size=4), st.builds(Labels, optional(WORDS), optional(WORDS)), optional(WORDS),
)  # fmt: skip


HELD = st.builds(HeldOut, every=st.just(0) | st.integers(2, 99), validation=SHARES) | st.builds(
    HeldOut, group=WORDS, validation=SHARES
)


@given(DECKS, RECOMPUTED, STRUCTURES, HELD, st.booleans(), st.booleans())
def test_any_train_in_that_holds_out_structures(tmp_path_factory, deck, chosen, structures, held, tests, validates):
    path = tmp_path_factory.getbasetemp() / "train.in"
    if tests and not (held.every or held.group):
        structures = dataclasses.replace(structures, test=(NamedFile("test.xyz"),))
    if validates and not held.validation:
        structures = dataclasses.replace(structures, validation=(NamedFile("valid.xyz"),))
    names = structures.test + structures.validation
    deck = dataclasses.replace(
        deck, path=str(path), training_set=str(path), structures=structures, save_batches=False, load_batches=False,
        held_out=held if held != HeldOut() or names else None, **chosen,
    )  # fmt: skip
    if held.every or structures.test:
        deck = dataclasses.replace(deck, test_fraction=0.0)
    path.write_text(train.to_text(deck), encoding="latin-1")
    assert train.read(str(path)) == deck


LOSSES = st.builds(
    LossInput, st.just(0.0) | st.floats(1e-9, 0.5), st.just(math.inf) | ABOVE_0, st.just(math.inf) | ABOVE_0
)


@given(DECKS, RECOMPUTED, STRUCTURES, LOSSES, optional(ABOVE_0))
def test_any_train_in_with_structures(tmp_path_factory, deck, chosen, structures, loss, temperature):
    batches = {"save_batches": False, "load_batches": False}
    if deck.method not in ("lm", "ekf"):
        if loss.stress or loss.huber_forces < math.inf:
            batches["alpha"] = 0.5
        if loss.stress:
            batches["memory_mode"] = "auto"
        batches["loss"] = loss
        batches["weights"] = temperature and WeightInput(temperature=temperature)
    path = tmp_path_factory.getbasetemp() / "train.in"
    deck = dataclasses.replace(deck, path=str(path), training_set=str(path), structures=structures, **batches, **chosen)
    path.write_text(train.to_text(deck), encoding="latin-1")
    assert train.read(str(path)) == deck


@given(DECKS, optional(TRANSFERS), optional(RECOMPUTED))
def test_any_train_in(tmp_path_factory, deck, transfer, recomputed):
    if transfer is not None:
        deck = dataclasses.replace(deck, mode="transfer", transfer=transfer)
    if recomputed is not None:
        batches = {"save_batches": False, "load_batches": False}
        deck = dataclasses.replace(deck, memory_mode="recompute", **batches, **recomputed)
    path = tmp_path_factory.getbasetemp() / "train.in"
    path.write_text(train.to_text(deck), encoding="latin-1")
    assert dataclasses.replace(train.read(str(path)), path="train.in") == deck


@pytest.mark.parametrize("path", golden_files("*/train-*/train.in"), ids=name_of)
def test_train_in_of_the_original(path, tmp_path):
    deck = train.read(str(path))
    (tmp_path / "train.in").write_text(train.to_text(deck), encoding="latin-1")
    assert dataclasses.replace(train.read(str(tmp_path / "train.in")), path=deck.path) == deck


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"output": "a name.train", "timing": True, "debug": True, "quiet": True},
        {"forces": False, "forces_percent": 33.3, "forces_seed": -7},
        {"forces_list": "a list.txt", "forces_seed": 5},
        {"labels": Labels("REF_energy", "REF_forces")},
        {"labels": Labels(forces="pbe/d3 forces")},
        {"setups": ("Cu 1.stp", "Au.stp", "O.stp", "H.stp"), "structures": ("a structure.xsf",) * 2},
    ],
)
def test_generate_in(changes, tmp_path, monkeypatch):
    monkeypatch.chdir(FIXTURES / "cluster-cuau-h2o")
    deck = dataclasses.replace(generate.read("generate.in", pytest.fail), **changes)
    monkeypatch.chdir(tmp_path)
    for path in {*deck.setups, *deck.structures, *([deck.forces_list] if deck.forces_list else [])}:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / "generate.in").write_text(generate.to_text(deck), encoding="latin-1")
    assert generate.read("generate.in", pytest.fail) == deck


def test_set_ups(tmp_path):
    paths = golden_files("*/*.stp")
    n_read = 0
    for path in paths:
        wanted = setup.read(str(path), [].append)
        if not wanted.is_chebyshev:
            continue
        (tmp_path / "X.stp").write_text(setup.to_text(wanted), encoding="latin-1")
        found = setup.read(str(tmp_path / "X.stp"), pytest.fail)
        for name, value in vars(wanted).items():
            assert (vars(found)[name] == value).all() if name in ("functions", "parameters", "environment") else (
                vars(found)[name] == value
            ), (path, name)  # fmt: skip
        n_read += 1
    assert n_read > 10


def test_other_parameters():
    wanted = setup.read(str(FIXTURES / "cluster-cuau-h2o/Cu.stp"), pytest.fail)
    found = setup.with_parameters(wanted, {"radial_N": 3, "angular_Rc": 9.5})
    assert setup.chebyshev_parameters(found) == {"radial_Rc": 8.0, "radial_N": 3, "angular_Rc": 9.5, "angular_N": 5}
    assert (found.n_features, found.r_max) == (2 * (4 + 6), 9.5)
    assert (found.description, found.env_types, found.r_min) == (wanted.description, wanted.env_types, wanted.r_min)
