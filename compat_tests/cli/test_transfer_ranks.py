"""Decks of the transfer's authors in two processes: the results of one, also of a second run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from aenet_py.cli.aenet_pytorch import main
from compat_tests.cli.test_train_ranks import WITHIN, ended, start
from compat_tests.cli.test_transfer_decks import FIXTURES, STATE, prepare

CASES = ("target-freeze", "target-energies", "resumed-thawed")


def prepared(name: str, folder: Path) -> Path:
    run = prepare(FIXTURES / name, folder / name)
    if name.startswith("resumed"):
        shutil.copyfile(FIXTURES / "target-freeze" / "expected" / STATE, run / STATE)
    return run


@pytest.mark.slow
@pytest.mark.mpi
def test_two_processes_transfer_as_one(tmp_path, monkeypatch):
    singles, folders = ([prepared(name, tmp_path / number) for name in CASES] for number in ("one", "two"))
    statuses, said, errors = ended(start(*folders))
    assert statuses == [0, 0], errors
    assert said[1] == errors[1] == ""
    for folder, single in zip(folders, singles, strict=True):
        monkeypatch.chdir(single)
        assert main([]) == 0
        for name in ("train.error", "energies.train", "energies.test"):
            assert (folder / name).read_text() == (single / name).read_text(), (folder.parent.name, name)
        ours, theirs = (torch.load(where / STATE, weights_only=True) for where in (folder, single))
        for name, weights in theirs["model"].items():
            assert abs(ours["model"][name] - weights).max() <= WITHIN * abs(weights).max(), name
        assert ours["optimizer"]["param_groups"] == theirs["optimizer"]["param_groups"]
        assert {path.name for path in folder.iterdir()} == {path.name for path in single.iterdir()}
