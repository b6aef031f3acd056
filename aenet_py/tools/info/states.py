"""Files that training writes with torch: model.restart, and the batches of SAVE_BATCHES."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Any

from aenet_py.errors import InputError
from aenet_py.formats.source import Advance
from aenet_py.formats.torchfile import Tensor, TorchFile

_WEIGHT = re.compile(r"functions\.(\d+)\.\w+\.weight")
_METHODS = {"exp_inf": "adamax", "exp_avg_sq": "adam", "acc_delta": "adadelta", "sum": "adagrad"}


def state(path: str, _: Advance) -> dict[str, Any]:
    """Contents of a file of torch; InputError if no training wrote it."""
    with TorchFile(path) as file:
        try:
            return _described(file)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            raise InputError(path, "the file contains neither the state nor the batches of a training") from None


def _described(file: TorchFile) -> dict[str, Any]:
    values = file.values
    if "settings" in values:
        return {"contents": "batches", "settings": dict(values["settings"])}
    networks = _networks(values["model"])
    described: dict[str, Any] = {
        "contents": "networks and optimizer",
        "networks": networks,
        "weights": sum((a + 1) * b for nodes in networks for a, b in itertools.pairwise(nodes)),
        "optimizer": _optimizer(file, values["optimizer"]),
        "transfer": "transfer" in values,
    }
    if "split" in values:
        split = values["split"]
        described |= {"structures": int(split["n_last"]), "settings": dict(split["settings"])}
    return described | _progress(values.get("progress", {}))


def _networks(parameters: Mapping[str, Tensor]) -> list[list[int]]:
    """Nodes of each layer of each network, in the order of the species in train.in."""
    nodes: dict[int, list[int]] = {}
    for name, tensor in parameters.items():
        match = _WEIGHT.fullmatch(name)
        if match is not None:
            n_out, n_in = tensor.shape
            nodes.setdefault(int(match[1]), [n_in]).append(n_out)
    return [nodes[species] for species in sorted(nodes)]


def _optimizer(file: TorchFile, stored: Mapping[str, Any]) -> dict[str, Any]:
    if "method" in stored:
        return {"method": stored["method"], "settings": dict(stored["settings"])}
    (group,) = stored["param_groups"]
    kept = stored["state"].get(0, {})
    name = next((method for array, method in _METHODS.items() if array in kept), None)
    if name == "adam" and group.get("decoupled_weight_decay"):
        name = "adamw"
    counted = [each["step"] for each in stored["state"].values() if isinstance(each.get("step"), Tensor)]
    steps = max((int(file.number(step)) for step in counted), default=None)  # frozen layers have fewer
    return {
        "method": name, "learning_rate": float(group["lr"]), "weight_decay": float(group["weight_decay"]),
        "steps": steps,
    }  # fmt: skip


def _progress(progress: Mapping[str, Any]) -> dict[str, Any]:
    """Progress of an unfinished training, and the errors of the last epoch in its table, eV/atom and eV/Å."""
    training = progress.get("training")
    described: dict[str, Any] = {"finished": training is None}
    described["average"], described["best"] = (progress.get(name) is not None for name in ("averaged", "best"))
    if training is None:
        return described
    described |= {"epochs": int(training["epoch"]), "batches": int(training["batch"])}
    if training["table"]:
        epoch, errors = training["table"][-1]
        names = ("total_train", "total_test", "energy_train", "energy_test", "force_train", "force_test")
        pairs = zip(names, map(float, errors), strict=True)
        described["last"] = {"epoch": int(epoch), **{name: error or None for name, error in pairs}}
    return described
