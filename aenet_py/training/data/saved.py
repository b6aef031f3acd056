"""Batches saved for other trainings: the folder tmp_batches (SAVE_BATCHES, LOAD_BATCHES, MODE batches).

``batches`` holds arrays and plain values only, written by torch.save and read with weights_only; ``gradients`` the
packed gradients as they are.  The original pickles objects there, which neither its own torch.load nor ours accepts.
"""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from dataclasses import replace
from typing import Any

import torch

from aenet_py.descriptors.setup import FeatureStatistics, Setup
from aenet_py.errors import AenetError, InputError, in_a_line
from aenet_py.formats.potential import Training
from aenet_py.inputs.train import TrainInput
from aenet_py.runtime.output import PendingFile
from aenet_py.training import contents
from aenet_py.training.data.dataset import Data, Structures
from aenet_py.training.data.gradients import Gradients, Store
from aenet_py.training.data.packing import Layout
from aenet_py.training.data.splits import Draw
from aenet_py.training.schema import DamagedError
from aenet_py.training.serialisation import from_dict, to_dict

FOLDER = "tmp_batches"
_BATCHES, _GRADIENTS = os.path.join(FOLDER, "batches"), os.path.join(FOLDER, "gradients")
FORM = 3  # version of these files


def _settings(deck: TrainInput) -> dict[str, Any]:
    """Settings that the batches depend on, by keyword."""
    return {
        "TRAININGSET": deck.training_set, "TESTPERCENT": 100 * deck.test_fraction, "BATCHSIZE": deck.batch_size,
        "NPSEED": deck.numpy_seed, "MAXENERGY": deck.max_energy, "MAXFORCES": deck.max_forces,
        "FORCES": deck.alpha is not None, "NETWORKS": " ".join(deck.symbols),
    }  # fmt: skip


def save(deck: TrainInput, data: Data, draw: Draw) -> None:
    """Write the folder; existing files are replaced."""
    try:
        os.makedirs(FOLDER, exist_ok=True)
    except OSError as error:
        raise AenetError(f"{FOLDER}: cannot create this folder: {error.strerror}") from None
    gradients = data.structures.gradients
    stored: dict[str, Any] = {
        "form": FORM,
        "settings": _settings(deck),
        "structures": {**to_dict(data.structures), "gradients": None},
        "gradients": None,
        "data": {"n_removed": data.n_removed, "training": to_dict(data.training)},
        "setups": [to_dict(replace(setup, environment=setup.environment + 1)) for setup in data.setups],
        "statistics": [to_dict(values) for values in data.statistics],
        "draw": {name: value for name, value in to_dict(draw).items() if name != "held"},
    }
    with PendingFile(_GRADIENTS) as packed, PendingFile(_BATCHES) as batches:
        if gradients is not None:
            assert isinstance(gradients, Gradients)
            assert isinstance(gradients.store, Store)
            stored["gradients"] = {
                "layouts": [to_dict(layout) for layout in gradients.layouts],
                "starts": torch.from_numpy(gradients.starts),
                "words": torch.from_numpy(gradients.words),
                "length": gradients.store.length,
                "checksum": 0,
            }
            for part in gradients.store.parts():
                packed.write(part)
                stored["gradients"]["checksum"] = zlib.crc32(part, stored["gradients"]["checksum"])
        content = io.BytesIO()
        torch.save(stored, content)
        batches.write(content.getbuffer())
        packed.complete(replace=True)
        batches.complete(replace=True)


def load(deck: TrainInput) -> tuple[Data, Draw]:
    """Read the folder; AenetError if it is missing, damaged, or was saved with other settings."""
    try:
        # Kernels do not check these numbers, so damage must be detected here.
        with zipfile.ZipFile(_BATCHES) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f"{damaged} is damaged")
        stored = torch.load(_BATCHES, weights_only=True)
        if stored["form"] != FORM:
            raise ValueError(f"form {stored['form']}")
        contents.check_batches(stored)
        data, draw = _restored(stored, deck)
    except FileNotFoundError:
        raise AenetError(f"{_BATCHES}: no such file; save the batches with SAVE_BATCHES first") from None
    except AenetError:
        raise
    except DamagedError as error:
        raise AenetError(f"{_BATCHES} is damaged: {error}; save the batches again") from None
    except Exception as error:  # torch raises many kinds of errors for other files
        raise AenetError(
            f"{_BATCHES}: not a file that SAVE_BATCHES wrote ({in_a_line(error)}); save the batches again"
        ) from None
    for keyword, value in _settings(deck).items():
        if stored["settings"][keyword] != value:
            raise InputError(
                deck.path,
                f"{keyword} is {value}, but {FOLDER} was saved with {stored['settings'][keyword]}; use the same value, "
                "or no LOAD_BATCHES",
            )
    return data, draw


def _restored(stored: dict[str, Any], deck: TrainInput) -> tuple[Data, Draw]:
    gradients = None
    if stored["gradients"] is not None:
        saved = stored["gradients"]
        layouts = tuple(from_dict(Layout, layout) for layout in saved["layouts"])
        store = Store.opened(_GRADIENTS, saved["length"], deck.memory_mode == "disk")
        checksum = 0
        for part in store.parts():
            checksum = zlib.crc32(part, checksum)
        if checksum != saved["checksum"]:
            raise AenetError(f"{_GRADIENTS}: does not belong to {_BATCHES}; save the batches again")
        gradients = Gradients(store, layouts, saved["starts"].numpy(), saved["words"].numpy())
    structures = from_dict(Structures, {**stored["structures"], "gradients": gradients})
    training = from_dict(Training, stored["data"]["training"])
    setups = [from_dict(Setup, setup) for setup in stored["setups"]]
    setups = [replace(setup, environment=setup.environment - 1) for setup in setups]  # files count species from 1
    statistics = [from_dict(FeatureStatistics, values) for values in stored["statistics"]]
    shifts = (training.shift,) * len(setups)
    data = Data(structures, stored["data"]["n_removed"], setups, statistics, training, shifts)
    return data, from_dict(Draw, stored["draw"])
