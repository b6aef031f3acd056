"""Checks of every value in model.restart and tmp_batches, and of relations between values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from aenet_py.descriptors.constants import N_ENVIRONMENT, N_PARAMETERS
from aenet_py.training import schema
from aenet_py.training.schema import (
    DamagedError,
    array,
    each,
    flag,
    items,
    number,
    optional,
    record,
    several,
    text,
    whole,
)

INT, FLOAT, DOUBLE, BOOL = torch.int64, torch.float32, torch.float64, torch.bool
MOST_SINGLE = torch.finfo(FLOAT).max  # of values that are rounded to single precision
_DOUBLES, _INTS = array(DOUBLE, (None,)), array(INT, (None,))
_MOMENT, _SQUARE = array(DOUBLE, infinite=True), array(DOUBLE, low=0, infinite=True)
_POSITIVE, _SUM, _SWITCH = number(0), number(0, infinite=True), optional(flag)
_DECAY = number(0, math.nextafter(1, 0))  # of moments: torch divides by 1 - decay**step


def _step(value: Any, place: str) -> None:
    """A number of steps, in torch's default precision."""
    is_double = isinstance(value, torch.Tensor) and value.dtype is DOUBLE
    array(DOUBLE if is_double else FLOAT, (), low=0)(value, place)


_ARRAYS = {
    "exp_avg": _MOMENT, "exp_avg_sq": _SQUARE, "exp_inf": _SQUARE, "square_avg": _SQUARE, "acc_delta": _SQUARE,
    "sum": _SQUARE,
}  # fmt: skip
_SETTINGS = {
    "betas": items(_DECAY, _DECAY), "eps": _POSITIVE, "rho": number(0, 1), "lr_decay": _POSITIVE,
    "initial_accumulator_value": _POSITIVE, "amsgrad": flag, "maximize": flag, "capturable": flag,
    "differentiable": flag, "decoupled_weight_decay": flag, "foreach": _SWITCH, "fused": _SWITCH,
}  # fmt: skip
_OF_TORCH = record(
    {
        "state": each(whole(), record({"step": _step}, _ARRAYS)),
        "param_groups": items(record({"lr": _POSITIVE, "weight_decay": _POSITIVE}, _SETTINGS)),
    }
)
_ARRAY32, _MOMENTS = array(torch.int32, (None,)), array(DOUBLE, (None,), infinite=True)
_LBFGSB = record(
    {
        "m": whole(1, 1000), "n": whole(1), "task": text, "line_task": text, "work": _MOMENTS,
        "indices": _ARRAY32, "logicals": _ARRAY32, "integers": _ARRAY32, "reals": _MOMENTS,
    }
)  # fmt: skip
_SECOND_ORDER = record(
    {"method": text, "settings": each(text, number(0))},
    {"covariance": array(DOUBLE, (None, None, None)), "lbfgsb": _LBFGSB},
)


def _optimizer(value: Any, place: str) -> None:
    """The state of torch's optimizers, or that of METHOD lbfgs, lm and ekf."""
    of_ours = isinstance(value, dict) and "method" in value
    (_SECOND_ORDER if of_ours else _OF_TORCH)(value, place)


_WATCH = record({"smallest": _SUM, "since": whole()})
_SUMS = record(
    {"energy": _SUM, "force": _SUM, "n_energies": _SUM, "n_forces": _SUM}, {"virial": _SUM, "n_virials": _SUM}
)
_TRAINING = record(
    {
        "learning_rate": _POSITIVE, "epoch": whole(), "batch": whole(), "sums": _SUMS,
        "table": several(items(whole(), items(*[schema.real] * 6))),
    }
)  # fmt: skip
_PROGRESS = record(
    {
        "batches": text, "averaged": optional(_DOUBLES), "best": optional(_DOUBLES), "early_stopping": _WATCH,
        "plateau": _WATCH,
    },
    {"training": _TRAINING},
)  # fmt: skip
_SETTING = optional(number())


def _number_or_text(value: Any, place: str) -> None:
    """A setting of any keyword."""
    if not isinstance(value, str):
        _SETTING(value, place)


_SPLIT = record(
    {
        "settings": each(text, _number_or_text), "n_last": whole(), "structures": _INTS, "energies": _DOUBLES,
        "tested": array(BOOL, (None,)),
    }
)  # fmt: skip
_LIMITS, _AVERAGES = array(DOUBLE, (None,), infinite=True), array(DOUBLE, (None,), -MOST_SINGLE, MOST_SINGLE)
_STATISTICS = record({"count": whole(), "low": _LIMITS, "high": _LIMITS, "mean": _AVERAGES, "square": _AVERAGES})
_SCALE = number(math.ulp(0), MOST_SINGLE)
_TRANSFER = record(
    {
        "settings": record({"source": text, "energy": text, "new": flag, "NETWORKS": text}), "paths": several(text),
        "statistics": several(_STATISTICS), "scale": _SCALE, "shifts": several(number()),
        "references": several(optional(number())), "added": several(optional(number())), "error": optional(number()),
    }
)  # fmt: skip
_STATE = record(
    {"model": each(text, array(DOUBLE)), "optimizer": _optimizer},
    {"progress": _PROGRESS, "split": _SPLIT, "transfer": _TRANSFER},
)

_SETUP = record(
    {
        "description": text, "atom_type": text, "env_types": several(text), "r_min": number(), "r_max": number(),
        "basis": text, "functions": array(torch.int32, (None,)), "parameters": array(DOUBLE, (None, N_PARAMETERS)),
        "environment": array(torch.int32, (None, N_ENVIRONMENT)),
    }
)  # fmt: skip
_LAYOUT = record(
    {
        "columns": _INTS, "n_radial": whole(), "n_weighted": whole(), "n_dense": whole(), "closed": flag,
        "weights": array(DOUBLE, (None,), undefined=True),
    }
)  # fmt: skip
_STRUCTURES = record(
    {
        "paths": several(text), "energies": _DOUBLES, "first_atoms": _INTS, "forces": array(FLOAT, (None, 3)),
        "features": several(array(FLOAT, (None, None))), "rows": array(INT, (None, None)),
        "with_forces": array(BOOL, (None,)),
    }
)  # fmt: skip
_GRADIENTS = record(
    {
        "layouts": several(_LAYOUT), "starts": array(INT, (None,), low=-1), "words": array(INT, (None, 2), low=0),
        "length": whole(), "checksum": whole(),
    }
)  # fmt: skip
_NORMALISATION = record(
    {
        "path": text, "normalized": flag, "scale": _SCALE, "shift": number(), "types": several(text),
        "atomic_energies": several(number()), "n_atoms": whole(), "n_structures": whole(), "low": number(),
        "high": number(), "mean": number(),
    }
)  # fmt: skip
_DRAWN = several(items(several(whole()), several(whole())))
_BATCHES = record(
    {
        "form": whole(),
        "settings": record(
            {
                "TRAININGSET": text, "TESTPERCENT": number(), "BATCHSIZE": whole(), "NPSEED": whole(),
                "MAXENERGY": _SETTING, "MAXFORCES": _SETTING, "FORCES": flag, "NETWORKS": text,
            }
        ),
        "structures": _STRUCTURES, "gradients": optional(_GRADIENTS),
        "data": record({"n_removed": whole(), "training": _NORMALISATION}), "setups": several(_SETUP),
        "statistics": several(_STATISTICS),
        "draw": record({"train": _DRAWN, "test": _DRAWN, "energy_size": whole(), "force_size": whole()}),
    }
)  # fmt: skip


def check_state(stored: Any) -> None:
    """DamagedError unless this is the content of a model.restart."""
    _STATE(stored, "")
    split, transfer = stored.get("split"), stored.get("transfer")
    if split is not None:
        n = len(split["structures"])
        _require(n == len(split["energies"]) == len(split["tested"]) >= split["n_last"], "split has lists that differ")
        _require(n == len(torch.unique(split["structures"])), "split has a structure twice")
    if transfer is not None:
        names = ("paths", "statistics", "shifts", "references", "added")
        _require(len({len(transfer[name]) for name in names}) == 1, "transfer has lists that differ")
        for network, statistics in enumerate(transfer["statistics"]):
            _check_statistics(statistics, len(statistics["mean"]), f"transfer.statistics[{network}]")


def check_batches(stored: Any) -> None:
    """DamagedError unless this is the content of tmp_batches/batches; kernels do not check its numbers."""
    _BATCHES(stored, "")
    structures, setups, statistics = stored["structures"], stored["setups"], stored["statistics"]
    paths, first_atoms, features, rows = (structures[name] for name in ("paths", "first_atoms", "features", "rows"))
    n, n_networks = len(paths), len(features)
    _require(len(structures["energies"]) == len(structures["with_forces"]) == n > 0, "structures have other numbers")
    _require(len(first_atoms) == n + 1 and tuple(rows.shape) == (n + 1, n_networks), "structures have other numbers")
    _require(
        torch.equal(rows.sum(1), first_atoms) and not first_atoms[0] and bool((rows.diff(dim=0) >= 0).all())
        and bool((first_atoms.diff() > 0).all()) and int(first_atoms[-1]) == len(structures["forces"]),
        "structures have other numbers of atoms",
    )  # fmt: skip
    _require(len(setups) == len(statistics) == n_networks > 0, "setups, statistics and features differ in number")
    for network, (setup, values) in enumerate(zip(setups, statistics, strict=True)):
        n_features = len(setup["functions"])
        shape = tuple(features[network].shape)
        _require(shape == (int(rows[-1, network]), n_features), f"structures.features[{network}] has shape {shape}")
        _require(
            len(setup["parameters"]) == len(setup["environment"]) == n_features > 0,
            f"setups[{network}] has lists that differ",
        )
        _check_statistics(values, n_features, f"statistics[{network}]")
    training = stored["data"]["training"]
    _require(
        len(training["types"]) == len(training["atomic_energies"]) == n_networks, "data.training has other species"
    )
    _check_gradients(stored["gradients"], structures, [len(setup["functions"]) for setup in setups])
    _check_draw(stored["draw"], structures["with_forces"])


def _check_gradients(gradients: Mapping[str, Any] | None, structures: Mapping[str, Any], sizes: list[int]) -> None:
    used, first_atoms = structures["with_forces"], structures["first_atoms"]
    if gradients is None:
        _require(not bool(used.any()), "gradients are missing")
        return
    layouts, starts, words = (gradients[name] for name in ("layouts", "starts", "words"))
    _require(len(layouts) == len(sizes), "gradients.layouts are of other networks")
    for network, (layout, n_features) in enumerate(zip(layouts, sizes, strict=True)):
        n_radial, n_weighted = layout["n_radial"], layout["n_weighted"]
        _require(
            torch.equal(layout["columns"].sort().values, torch.arange(n_features))
            and n_radial + n_weighted + layout["n_dense"] == n_features and n_weighted in (0, n_radial)
            and len(layout["weights"]) == len(sizes),
            f"gradients.layouts[{network}] is of other features",
        )  # fmt: skip
    _require(len(starts) == int(first_atoms[-1]) and len(words) == len(used), "gradients are of other structures")
    begins, ends = (torch.repeat_interleave(bound, first_atoms.diff()) for bound in words.T)
    _require(
        bool((words[:, 0] <= words[:, 1]).all()) and int(words.max()) <= gradients["length"],
        "gradients.words are beyond the gradients",
    )
    inside = (begins <= starts) & (starts < ends)
    _require(
        bool((inside | (starts == -1)).all()) and bool(inside[torch.repeat_interleave(used, first_atoms.diff())].all()),
        "gradients.starts are beyond the structures",
    )


def _check_draw(draw: Mapping[str, Any], with_forces: torch.Tensor) -> None:
    n, seen = len(with_forces), torch.zeros(len(with_forces), dtype=INT)
    for name in ("train", "test"):
        for batch, parts in enumerate(draw[name]):
            for part, wanted in zip(parts, (True, False), strict=True):
                place = f"draw.{name}[{batch}]"
                _require(all(one < n for one in part), f"{place} has a structure beyond the {n} there are")
                numbers = torch.tensor(part, dtype=INT)
                _require(bool((with_forces[numbers] == wanted).all()), f"{place} has forces of other structures")
                seen.index_add_(0, numbers, torch.ones_like(numbers))
    _require(bool((seen == 1).all()), "draw does not have every structure once")
    _require(any(part for batch in draw["train"] for part in batch), "draw.train has no structure")


def _check_statistics(values: Mapping[str, Any], n_features: int, place: str) -> None:
    lengths = {len(values[name]) for name in ("low", "high", "mean", "square")}
    _require(lengths == {n_features}, f"{place} has other features")


def _require(met: bool, otherwise: str) -> None:
    if not met:
        raise DamagedError(otherwise)
