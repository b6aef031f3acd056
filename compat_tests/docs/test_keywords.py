"""The documentation names the keywords that the programs know, and no others."""

from __future__ import annotations

import dataclasses
import inspect
import re
from itertools import chain

import pytest

import aenet_py
from aenet_py.cli import aenet
from aenet_py.formats.potential import ACTIVATIONS
from aenet_py.inputs import (
    generate,
    learn,
    loss,
    predict,
    scan,
    second_order,
    setup,
    train,
    trainx,
    trainx_deck,
    weights,
)
from aenet_py.training import options
from compat_tests.cli.cases import ROOT, run
from compat_tests.docs.pages import PAGES, code, names, rows

DOCS = ROOT / "docs"
MIGRATION = DOCS / "migration.md"
HERE = ("same", "changed", "not there")


def settings_of(methods) -> set[str]:
    """Names of methods and of their settings."""
    return {*methods, *chain.from_iterable(methods.values())}


FUNCTIONS = {name for groups in setup.FUNCTIONS.values() for name in chain.from_iterable(groups)}
RELAX = {"method", "steps", "F_conv", "E_conv", "dmax"}
# For each kind of input file: its pages, its keywords, and its settings, which are written in small letters.
INPUTS = {
    "generate.in": (["generate.md"], generate.SINGLE | generate.COUNTED | generate.PER_TYPE, {"fit", "isolated"}),
    "Set-ups (.stp)": (["generate.md"], set(setup.KEYWORDS), {*setup.PARAMETERS, *FUNCTIONS}),
    "train.in of train.x": (
        ["train-x.md"],
        trainx_deck.KEYWORDS,
        {*trainx_deck.METHODS, *trainx_deck.SAMPLINGS, *ACTIVATIONS}
        | settings_of(trainx_deck.SETTINGS)
        | {"P", "mnoise", "wgmax"},
    ),
    "train.in of aenet_pytorch.py": (
        ["train.md", "committees.md", "repulsion.md", "transfer-learning.md"],
        {*train.KEYWORDS, *trainx.IGNORED},
        {*train.METHODS, *train.ACTIVATIONS, *train.MODES, *train.MEMORY_MODES, *weights.SETTINGS}
        | set(chain.from_iterable(train.SETTINGS.values()))
        | settings_of(train.SCHEDULES)
        | set(chain.from_iterable(loss.FORMS.values()))
        | settings_of(second_order.METHODS),
    ),
    "predict.in": (
        ["predict.md"],
        predict.SINGLE | predict.COUNTED | predict.PER_TYPE | predict.FOLLOWED,
        RELAX,
    ),
    "aenet-py scan": (["scan.md"], set(scan.KEYWORDS), {*scan.MODES, *scan.SORTS}),
    "aenet-py learn": (
        ["learn.md"],
        set(),
        {
            field.name
            for kind in (learn.LearnInput, learn.First, learn.Explore, learn.Pick, learn.Labelling, learn.Stop)
            for field in dataclasses.fields(kind)
            if field.name != "path"
        },
    ),
}
ROWS = [(section, cells) for section, cells in rows(MIGRATION) if len(cells) == 3]
OF_INPUTS = [(section, cells) for section, cells in ROWS if section in INPUTS]


@pytest.mark.parametrize("kind", INPUTS)
def test_all_keywords_are_documented(kind):
    pages, keywords, settings = INPUTS[kind]
    documented = set().union(*(code(DOCS / page) for page in [*pages, MIGRATION.name]))
    assert {keyword for keyword in keywords if keyword.upper() not in documented} == set()
    assert {setting for setting in settings if setting not in documented} == set()


def test_sections_about_input_files_are_there():
    assert {section for section, _ in OF_INPUTS} == {kind for kind in INPUTS if not kind.startswith("aenet-py")}


@pytest.mark.parametrize(("section", "cells"), OF_INPUTS, ids=[cells[0].content for _, cells in OF_INPUTS])
def test_keywords_are_known_as_the_table_says(section, cells):
    _, keywords, settings = INPUTS[section]
    known = {keyword.upper() for keyword in keywords} | settings
    named = names(cells[0])
    if " of `" in cells[0].content:
        *named, method = named
        assert method in known
        if method in trainx_deck.SETTINGS:
            known = {*trainx_deck.SETTINGS[method], *(("P", "mnoise", "wgmax") if method == "ekf" else ())}
    assert named
    assert {name: name in known for name in named} == dict.fromkeys(named, cells[1].content != "not there")


def test_each_row_says_what_a_thing_is_here():
    assert len(ROWS) > 150
    assert {cells[1].content for _, cells in ROWS} == set(HERE)
    for _, cells in ROWS:
        assert names(cells[0]) or "ænet" in cells[0].content or "trnset2ASCII" in cells[0].content


def test_programs_and_their_options():
    for section, cells in ROWS:
        if section not in ("Programs", "Options"):
            continue
        for name in names(cells[0]):
            program, *words = name.split()
            is_here = (ROOT / "bin" / program).exists()
            if program == "aenet.ase_calculator.ANNCalculator":
                continue
            assert is_here == (cells[1].content != "not there"), name
            for option in (word for word in words if word.startswith("--") and is_here):
                assert option in run(ROOT, "--help", program=program).stdout, name


def test_settings_of_train_in_python():
    known = {*options.KEYWORDS, *options.SETTINGS, *inspect.signature(aenet_py.train).parameters}
    of_config = [cells for section, cells in ROWS if section == "TorchTrainingConfig"]
    assert len(of_config) > 15
    for cells in of_config:
        if cells[1].content == "same":
            assert set(names(cells[0])) <= known
        if cells[1].content == "changed":
            assert known & {re.split("=", name)[0] for name in (*names(cells[2]), *names(cells[0]))}, cells[0].content


def test_names_in_python_and_commands_exist():
    for page in PAGES:
        if page.name == "CHANGELOG.md":
            continue
        text = page.read_text(encoding="utf-8")
        for name, attribute in re.findall(r"`aenet_py\.(\w+)(?:\.(\w+))?", text):
            if (ROOT / "aenet_py" / name).is_dir() and name not in aenet_py.__all__:
                continue
            found = getattr(aenet_py, name)
            assert not attribute or hasattr(found, attribute), (page, name, attribute)
        for command in re.findall(r"`aenet-py (\w+)", text):
            assert command in aenet.COMMANDS, (page, command)
