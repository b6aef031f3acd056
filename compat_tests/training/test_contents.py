"""Damaged values in model.restart and tmp_batches: one line that names the file, or a training as good as any."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aenet_py.cli.aenet_pytorch import main
from aenet_py.errors import AenetError
from aenet_py.inputs import train as inputs
from aenet_py.training import checkpoint, contents, initialise, loop, ranks, run
from aenet_py.training.data import saved, test_set
from compat_tests.cli.test_train import CLUSTER, edited, interrupt_after, prepare

MORE = "EMA 0.9\nPATIENCE 5\nSCHEDULE plateau patience=1\nMODE batches"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Saved batches, and the state of a training interrupted in its second epoch."""
    folder = prepare(CLUSTER / "train-forces-adamw/train.in", tmp_path_factory.mktemp("contents") / "run")
    edited(folder, ("ITERATIONS 40", "ITERATIONS 3"), ("VERBOSE", MORE))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main([]) == 0
        edited(folder, ("MODE batches", "LOAD_BATCHES"))
        interrupt_after(3, patch)
        assert main([]) == 0
    return folder


def leaves(value: Any, place: tuple = ()) -> Iterator[tuple]:
    """The place of every value, containers as well."""
    if place:
        yield place
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    for name, item in pairs:
        yield from leaves(item, (*place, name))


def changed(value: Any, place: tuple, new: Any) -> Any:
    """A copy of a value with another value at a place."""
    if not place:
        return new
    kind = type(value)
    if isinstance(value, dict):
        return {name: changed(item, place[1:], new) if name == place[0] else item for name, item in value.items()}
    return kind([changed(item, place[1:], new) if n == place[0] else item for n, item in enumerate(value)])


def at(value: Any, place: tuple) -> Any:
    for name in place:
        value = value[name]
    return value


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from([2**62, 10**400, -(10**30)]),
    st.sampled_from([math.nan, math.inf, -math.inf, -1.0, 1.0, 1e300, 0.0]), st.text(max_size=3),
    st.lists(st.integers(-1, 20), max_size=3), st.just(("a", "table", "of", "strings")),
    st.just({}), st.just({"a": 1}), st.just(np.nan * torch.ones(3, dtype=torch.float64)), st.just(torch.zeros(())),
    st.just(torch.zeros(1).expand(10**12)), st.just(torch.eye(2).to_sparse()),
    st.just(torch.zeros(2, dtype=torch.complex64)),
)  # fmt: skip


@st.composite
def arrays_like(draw: st.DrawFn, value: torch.Tensor) -> torch.Tensor:
    """An array with another value, shape or type, or larger than its storage."""
    way = draw(st.sampled_from(["value", "shape", "type", "larger", "expanded"]))
    if way == "value" and value.numel():
        new, is_real = value.clone(), value.is_floating_point()
        largest = 1 if value.dtype is torch.bool else (torch.finfo if is_real else torch.iinfo)(value.dtype).max
        number = draw(st.sampled_from([-1, 0, 1, largest, *([math.nan, math.inf] if is_real else [])]))
        new.view(-1)[draw(st.integers(0, value.numel() - 1))] = number
        return new
    if way == "shape":
        return value.reshape(-1)[:-1]
    if way == "type":
        return value.to(draw(st.sampled_from([torch.float16, torch.float32, torch.int32, torch.bool])))
    return torch.cat([value.reshape(-1)] * 2) if way == "larger" else value.reshape(-1)[:1].expand(10**9)


def any_change(data: st.DataObject, stored: Any) -> tuple[tuple, Any]:
    place = data.draw(st.sampled_from(list(leaves(stored))))
    old = at(stored, place)
    forms = st.one_of(VALUES, arrays_like(old)) if isinstance(old, torch.Tensor) else VALUES
    new = data.draw(forms)
    return place, changed(copy.deepcopy(stored), place, new)


FAST = settings(max_examples=150)


@pytest.mark.slow
@FAST
@given(st.data())
def test_any_value_of_a_state_may_be_damaged(folder, monkeypatch, data):
    """It is refused, or a training resumes from it, with any result."""
    monkeypatch.chdir(folder)
    deck = inputs.read("train.in")
    stored = torch.load("model.restart", weights_only=True)
    _, damaged = any_change(data, stored)
    batches, drawn = saved.load(deck)
    error = ""
    torch.set_grad_enabled(False)
    try:
        with checkpoint.explained("model.restart"):
            contents.check_state(damaged)
        before = checkpoint.split_of(damaged)
        if before is not None:
            drawn = test_set.draw(deck, batches.structures.with_forces, batches.structures.paths, before)
        ready = initialise.initialise(deck, batches, drawn, damaged, torch.device("cpu"), ranks.ALONE, lambda _: None)
        hooks = run.Hooks(lambda: False, lambda: None, lambda *_: False)
        run.epochs(deck, ready.state, ready.train, ready.test, ready.scales, ranks.ALONE, 1.0, hooks)
        checkpoint.content(ready.state, ready.mark, ready.split, 0.1, False)
    except AenetError as found:
        error = str(found)
    finally:
        torch.set_grad_enabled(True)
    assert re.fullmatch(r"((model.restart|cluster.train|the loss is not finite).*)?", error)


@pytest.mark.slow
@FAST
@given(st.data())
def test_any_value_of_batches_may_be_damaged(folder, monkeypatch, data):
    monkeypatch.chdir(folder)
    stored = torch.load("tmp_batches/batches", weights_only=True)
    place, damaged = any_change(data, stored)
    deck, error = inputs.read("train.in"), ""
    torch.set_grad_enabled(False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "load", lambda *_, **__: damaged)
        try:
            batches, drawn = saved.load(deck)
            ready = initialise.initialise(deck, batches, drawn, None, torch.device("cpu"), ranks.ALONE, lambda _: None)
            run.errors(ready.state.networks, ready.train, ready.scales, ranks.ALONE, loop.Shares(0.1))
        except AenetError as found:
            error = str(found)
        finally:
            torch.set_grad_enabled(True)
    assert re.fullmatch(r"(tmp_batches/.*)?" if place[0] != "settings" else r"((tmp_batches/|train.in: ).*)?", error)


STATES = [
    (("optimizer", "param_groups", 0, "lr"), "fast", "optimizer.param_groups[0].lr is 'fast'; expected a number, at"),
    (
        ("optimizer", "param_groups", 0, "betas"),
        (0.9, 0.99, 0.999),
        "optimizer.param_groups[0].betas has 3 values; exp",
    ),
    (("optimizer", "param_groups", 0, "betas"), (1.0, 0.99), "optimizer.param_groups[0].betas[0] is 1.0; expected a"),
    (("progress", "training", "epoch"), "two", "progress.training.epoch is 'two'; expected a whole number, at least 0"),
    (("progress", "training", "epoch"), -1, "progress.training.epoch is -1; expected a whole number, at least 0"),
    (("progress", "training", "batch"), 99, "progress.training.batch is 99; expected at most 2"),
    (("progress", "training", "table"), [(0, ["a"] * 6)], "progress.training.table[0][1][0] is 'a'; expected a real"),
    (("progress", "averaged"), torch.zeros(3, dtype=torch.float64), "progress.averaged has 3 weights; expected "),
    (("split", "n_last"), 99, "split has lists that differ"),
]


@pytest.mark.parametrize(("place", "value", "message"), STATES)
def test_a_damaged_state(place, value, message, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    whole = Path("model.restart").read_bytes()
    torch.save(changed(torch.load("model.restart", weights_only=True), place, value), "model.restart")
    damaged = Path("model.restart").read_bytes()
    assert main([]) == 1
    assert f"Error: model.restart is damaged: {message}" in capsys.readouterr().err
    assert Path("model.restart").read_bytes() == damaged
    Path("model.restart").write_bytes(whole)


def test_weights_that_are_not_finite(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    whole = Path("model.restart").read_bytes()
    stored = torch.load("model.restart", weights_only=True)
    stored["model"]["functions.0.Linear_Sp1_F1.bias"][3] = math.nan
    torch.save(stored, "model.restart")
    assert main([]) == 1
    message = (
        "model.restart is damaged: a value of model['functions.0.Linear_Sp1_F1.bias'] is nan; expected finite numbers"
    )
    assert message in capsys.readouterr().err
    Path("model.restart").write_bytes(whole)


def damaged_draw(stored: dict[str, Any], way: str) -> str:
    train, test = stored["draw"]["train"], stored["draw"]["test"]
    first = next(part for batch in train for part in batch if part)
    other = next(part for batch in test for part in batch if part)
    if way == "beyond":
        first[0] = 10**6
        return "has a structure beyond the 14 there are"
    if way == "twice":
        first[0] = first[-1]
        return "draw does not have every structure once"
    test[0], train[0] = train[0], train[0]
    assert other
    return "draw does not have every structure once"


@pytest.mark.parametrize("way", ["beyond", "twice", "overlap"])
def test_a_damaged_draw(way, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    path = Path("tmp_batches/batches")
    whole = path.read_bytes()
    stored = torch.load(path, weights_only=True)
    message = damaged_draw(stored, way)
    torch.save(stored, path)
    assert main([]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("Error: tmp_batches/batches is damaged: draw")
    assert error.endswith(f"{message}; save the batches again")
    path.write_bytes(whole)
