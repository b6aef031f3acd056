"""The report of ``aenet-py info``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

WIDTH = 16


def report(found: dict[str, Any]) -> str:
    """The description of a file (`describe.describe`) in words."""
    form = f", {found['form']}" if "form" in found else ""
    lines = [f"{found['file']}: {found['kind']}{form}, {found['bytes']:,} bytes"]
    lines += _OF_KIND.get(found["kind"], _deck)(found)
    if "checked" in found:
        counts = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in found["checked"].items())
        lines += ["", _row("checked", f"{counts}: no errors")]
    return "\n".join(lines) + "\n"


def _row(name: str, text: str) -> str:
    return f"  {name.ljust(WIDTH)}{text}".rstrip()


def _whole_trainset(found: dict[str, Any]) -> list[str]:
    lines = _trainset(found)
    for setup in found["setups"]:
        lines += ["", *_setup(setup)]
    return lines


def _gradients(found: dict[str, Any]) -> list[str]:
    return [
        _row("structures", f"{found['structures']:,} announced"),
        _row("neighbours", f"{found['most_neighbors']} at most"),
    ]


def _potential(found: dict[str, Any]) -> list[str]:
    lines = [*_network(found["network"]), "", *_setup(found["setup"])]
    return [*lines, "", _row("trained on", found["training_set"]["file"]), *_trainset(found["training_set"])]


def _trainset(found: dict[str, Any]) -> list[str]:
    atomic = ", ".join(f"{symbol} {energy:.6f}" for symbol, energy in found["atomic_energies"].items())
    energies = next(value for key, value in found.items() if key.endswith("energy_per_atom"))
    scaled = f"yes, (E - shift) scale with shift {found['energy_shift']:.6f} eV, scale {found['energy_scale']:.6f} /eV"
    return [
        _row("species", f"{' '.join(found['species'])} (energies in eV: {atomic})"),
        _row("structures", f"{found['structures']:,}"),
        _row("atoms", f"{found['atoms']:,}"),
        _row("energy per atom", f"{energies['min']:.6f} to {energies['max']:.6f}, average {energies['mean']:.6f} eV"),
        _row("normalised", scaled if found["normalised"] else "no"),
    ]


def _setup(found: dict[str, Any]) -> list[str]:
    around = " ".join(found["environment"])
    lines = [
        _row("features of", f"{found['species']}, surrounded by {around}"),
        _row("basis", f"{found['basis']}, {found['features']} features"),
    ]
    if "radial_order" in found:
        radial = f"radial to {found['radial_cutoff']:g} Å, order {found['radial_order']:g}"
        angular = f"angular to {found['angular_cutoff']:g} Å, order {found['angular_order']:g}"
        lines.append(_row("", f"{radial}; {angular}"))
    lines += [
        _row("distances", f"{found['smallest_distance']:g} to {found['largest_cutoff']:g} Å"),
    ]
    lines += [_row("atoms", f"{found['atoms']:,}")] if "atoms" in found else []
    return lines + [_row("description", line.strip()) for line in found["description"].split("$$")[:1] if line.strip()]


def _network(found: dict[str, Any]) -> list[str]:
    layers = " - ".join(map(str, found["nodes"]))
    return [_row("network", f"{layers} ({', '.join(found['activations'])}), {found['weights']:,} weights")]


def _table(found: dict[str, Any]) -> list[str]:
    lines = [_row("structures", f"{found['structures']:,}"), _row("atoms", f"{found['atoms']:,}")]
    if "largest_force" in found:
        lines.append(_row("largest force", f"{found['largest_force']:.6f} eV/Å"))
        what, unit = "components", "eV/Å"
    else:
        lines.append(_row("energy per atom", f"{_range(found['cohesive_energy_per_atom'])} eV, cohesive"))
        what, unit = "energies", "eV/atom"
    errors = found["errors"]
    shown = f"RMSE {errors['rmse']:.6f}, MAE {errors['mae']:.6f}, largest {errors['max']:.6f} {unit}"
    return [*lines, _row("errors", f"{shown}, of {what}")]


def _errors(found: dict[str, Any]) -> list[str]:
    lines = [_row("lines", f"{found['lines']:,}")]
    for name in ("last", "best"):
        lines += _epoch(f"{name} epoch", found[name])
    return lines


def _epoch(name: str, found: dict[str, Any], force: str = "force components") -> list[str]:
    """RMSE of an epoch; None where nothing was measured."""
    lines = []
    for kind, text, unit in (("energy", "energies", "eV/atom"), ("force", force, "eV/Å")):
        pair = [found.get(f"{kind}_{part}") for part in ("train", "test")]
        shown = [f"{part} {value:.6f}" for part, value in zip(("training", "test"), pair, strict=True) if value]
        if shown:
            lines.append(f"RMSE of {text} ({unit}): {', '.join(shown)}")
    return [_row(name, str(found["epoch"])), *(_row("", line) for line in lines)]


def _state(found: dict[str, Any]) -> list[str]:
    if found["contents"] == "batches":
        return [
            _row("batches", "saved for LOAD_BATCHES"),
            *(_row(str(k), str(v)) for k, v in found["settings"].items()),
        ]
    optimizer = found["optimizer"]
    settings = f"lr {optimizer['learning_rate']:g}, weight decay {optimizer['weight_decay']:g}"
    steps = "" if optimizer["steps"] is None else f", {optimizer['steps']:,} steps"
    lines = [_row("network", " - ".join(map(str, nodes))) for nodes in found["networks"]]
    lines += [
        _row("weights", f"{found['weights']:,}"),
        _row("optimizer", f"{optimizer['method'] or 'not started'}, {settings}{steps}"),
    ]
    lines += [_row("transfer", "yes")] if found["transfer"] else []
    if "settings" in found:
        given = ", ".join(f"{name} {value}" for name, value in found["settings"].items() if value is not None)
        lines.append(_row("last run", f"{found['structures']:,} structures, trained on or tested; {given}"))
    kept = [text for name, text in (("average", "average (EMA)"), ("best", "best (PATIENCE)")) if found[name]]
    lines += [_row("more weights", ", ".join(kept))] if kept else []
    if found["finished"]:
        return [*lines, _row("training", "finished; the same command continues from these weights")]
    lines.append(_row("training", f"unfinished: {found['epochs']} epochs and {found['batches']} batches are complete"))
    return lines + (_epoch("last epoch", found["last"], "force vectors") if "last" in found else [])


def _structures(found: dict[str, Any]) -> list[str]:
    n = found["structures"]
    species = ", ".join(f"{symbol} {count:,}" for symbol, count in found["species"].items())
    lines = [_row("structures", f"{n:,}, of which {found['periodic']:,} periodic"), _row("atoms", species)]
    if "atoms_per_structure" in found:
        ends = found["atoms_per_structure"]
        lines.append(_row("per structure", f"{_range(ends, ',')} atoms"))
    energies = {kind: found.get(f"{kind}_energy_per_atom") for kind in ("total", "cohesive")}
    lines += [_row("energy per atom", f"{_range(ends)} eV, {kind}") for kind, ends in energies.items() if ends]
    return lines + [_row(what, f"of {found[f'with_{what}']:,} structures") for what in ("energy", "forces")]


def _range(ends: dict[str, float], form: str = ".6f") -> str:
    low, high = (format(ends[name], form) for name in ("min", "max"))
    return low if low == high else f"{low} to {high}"


def _only_setup(found: dict[str, Any]) -> list[str]:
    return _setup(found["setup"])


def _deck(found: dict[str, Any]) -> list[str]:
    """The settings of an input file, one a line."""
    lines = []
    for name, value in found.items():
        if name in ("file", "kind", "bytes") or value is None:
            continue
        if isinstance(value, dict):
            shown = "; ".join(f"{key} {' '.join(map(str, of))}" for key, of in value.items())
        elif isinstance(value, list):
            shown = " ".join(map(str, value))
        else:
            shown = ("no", "yes")[value] if isinstance(value, bool) else format(value, "g" * isinstance(value, float))
        lines.append(_row(name.replace("_", " "), shown))
    return lines


_OF_KIND: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "training set": _whole_trainset,
    "gradients": _gradients,
    "potential": _potential,
    "energies of a training": _table,
    "forces of a training": _table,
    "errors of a training": _errors,
    "state of a training": _state,
    "structure in XSF": _structures,
    "structures in extended XYZ": _structures,
    "structures in a database of ASE": _structures,
    "set-up of features": _only_setup,
}
