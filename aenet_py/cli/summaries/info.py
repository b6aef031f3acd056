"""What ``aenet-py info`` prints."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable
from typing import Any

from aenet_py.errors import counted
from aenet_py.formats.identify import FileType
from aenet_py.tools.info.folders import POTENTIALS

COLUMNS, MARGIN = 80, 18  # of the terminal, and of the names of rows
TIE = "\0"  # a blank where no line may be broken
_STAGES = {  # of L-BFGS-B, by its task
    "START": "not started",
    "FG_START": "at the first evaluation",
    "FG_LNSRCH": "in a line search",
    "NEW_X": "between two iterations",
    "CONVERGENCE": "converged",
    "ABNORMAL_TERMINATION_IN_LNSRCH": "the line search failed",
}


def report(described: dict[str, Any]) -> str:
    """The description of a file (`tools.info.describe`) as a table."""
    form = f", {described['form']}" if "form" in described else ""
    lines = [f"{described['file']}: {described['kind']}{form}, {described['bytes']:,} bytes"]
    if described["kind"] == POTENTIALS:
        return "\n".join([*lines, *_folder(described)]) + "\n"
    lines += _OF_KIND.get(FileType(described["kind"]), _deck)(described)
    if "checked" in described:
        counts = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in described["checked"].items())
        lines += ["", _row("checked", f"{counts}: no errors")]
    return "\n".join(lines) + "\n"


def _row(name: str, text: str) -> str:
    wrapper = textwrap.TextWrapper(
        COLUMNS, f"  {name}".ljust(MARGIN), " " * MARGIN, break_long_words=False, break_on_hyphens=False
    )
    return wrapper.fill(text).replace(TIE, " ")


def _folder(described: dict[str, Any]) -> list[str]:
    """Potentials of a folder, and what they were trained on unless that differs."""
    potentials, lines = described["potentials"], []
    for symbol, each in potentials.items():
        path, network, setup = each["file"], each["network"], each["setup"]
        layers = " - ".join(map(str, network["nodes"]))
        cutoff = f"to {setup['largest_cutoff']:g} Å"
        lines.append(_row(symbol, f"{os.path.basename(path)}: {layers}, {setup['basis']} {cutoff}"))
    sets = [each["training_set"] for each in potentials.values()]
    names = {each["file"] for each in sets}
    first = sets[0]
    if len(names) == 1:
        lines += ["", _row("trained on", f"{first['file']}, {counted(first['structures'], 'structure')}")]
    else:
        lines += ["", _row("trained on", f"different training sets: {', '.join(sorted(names))}")]
    if "repulsion" in described:
        lines += ["", _row("repulsion", " ".join(described["repulsion"]))]
        lines += ["", "pair_style aenet of LAMMPS knows no repulsion. These lines add it:", ""]
        lines += [f"  {line}" for line in described["lammps"]]
    if all("checked" in each for each in potentials.values()):
        lines += ["", _row("checked", f"{counted(len(potentials), 'potential')}: no errors")]
    return lines


def _whole_trainset(described: dict[str, Any]) -> list[str]:
    lines = _trainset(described)
    for setup in described["setups"]:
        lines += ["", *_setup(setup)]
    return lines


def _gradients(described: dict[str, Any]) -> list[str]:
    return [
        _row("structures", f"{described['structures']:,} announced"),
        _row("neighbours", f"at most {described['most_neighbors']} per atom"),
    ]


def _potential(described: dict[str, Any]) -> list[str]:
    lines = [*_network(described["network"]), "", *_setup(described["setup"])]
    return [*lines, "", _row("trained on", described["training_set"]["file"]), *_trainset(described["training_set"])]


def _trainset(described: dict[str, Any]) -> list[str]:
    atomic = ", ".join(f"{symbol}{TIE}{energy:.6f}" for symbol, energy in described["atomic_energies"].items())
    energies = next(value for key, value in described.items() if key.endswith("energy_per_atom"))
    return [
        _row("species", " ".join(described["species"])),
        _row("atomic energies", f"in eV: {atomic}"),
        _row("structures", f"{described['structures']:,}"),
        _row("atoms", f"{described['atoms']:,}"),
        _row("energy per atom", f"{energies['min']:.6f} to {energies['max']:.6f}, average {energies['mean']:.6f} eV"),
        *_normalisation(described),
    ]


def _normalisation(described: dict[str, Any]) -> list[str]:
    if not described["normalised"]:
        return [_row("normalised", "no")]
    shift, scale = (described[f"energy_{name}"] for name in ("shift", "scale"))
    return [
        _row("normalised", "yes, as (E - shift) * scale"),
        _row("", f"shift {shift:.6f} eV, scale {scale:.6f} /eV"),
    ]


def _setup(described: dict[str, Any]) -> list[str]:
    around = " ".join(described["environment"])
    lines = [
        _row("features of", f"{described['species']}, surrounded by {around}"),
        _row("basis", f"{described['basis']}, {described['features']} features"),
    ]
    if "radial_order" in described:
        radial = f"radial to {described['radial_cutoff']:g} Å, order {described['radial_order']:g}"
        angular = f"angular to {described['angular_cutoff']:g} Å, order {described['angular_order']:g}"
        lines.append(_row("", f"{radial}; {angular}"))
    lines.append(_row("distances", f"{described['smallest_distance']:g} to {described['largest_cutoff']:g} Å"))
    lines += [_row("atoms", f"{described['atoms']:,}")] if "atoms" in described else []
    lines += [_row("repulsion", " ".join(described["repulsion"]))] if "repulsion" in described else []
    return lines + [
        _row("description", line.strip()) for line in described["description"].split("$$")[:1] if line.strip()
    ]


def _network(described: dict[str, Any]) -> list[str]:
    layers = " - ".join(map(str, described["nodes"]))
    return [_row("network", f"{layers} ({', '.join(described['activations'])}), {described['weights']:,} weights")]


def _table(described: dict[str, Any]) -> list[str]:
    lines = [_row("structures", f"{described['structures']:,}"), _row("atoms", f"{described['atoms']:,}")]
    if "largest_force" in described:
        lines.append(_row("largest force", f"{described['largest_force']:.6f} eV/Å"))
        name, unit = "force errors", "eV/Å (components)"
    else:
        lines.append(_row("energy per atom", f"{_range(described['cohesive_energy_per_atom'])} eV, cohesive"))
        name, unit = "energy errors", "eV/atom"
    errors = described["errors"]
    shown = f"RMSE {errors['rmse']:.6f}, MAE {errors['mae']:.6f}, max {errors['max']:.6f} {unit}"
    return [*lines, _row(name, shown)]


def _errors(described: dict[str, Any]) -> list[str]:
    lines = [_row("lines", f"{described['lines']:,}")]
    for name in ("last", "best"):
        lines += _epoch(f"{name} epoch", described[name])
    return lines


def _epoch(name: str, described: dict[str, Any], of: str = "components") -> list[str]:
    """RMSE of an epoch, without those that were not computed; of : forces, components or vectors."""
    lines = [_row(name, str(described["epoch"]))]
    for kind, unit in (("energy", "eV/atom"), ("force", f"eV/Å ({of})")):
        pair = [described.get(f"{kind}_{part}") for part in ("train", "test")]
        shown = [f"{part} {value:.6f}" for part, value in zip(("training", "test"), pair, strict=True) if value]
        if shown:
            lines.append(_row(f"{kind} RMSE", f"{', '.join(shown)} {unit}"))
    return lines


def _settings(optimizer: dict[str, Any]) -> list[str]:
    """Settings of an optimizer, and its steps."""
    if "settings" in optimizer:
        return [f"{name} {value:g}" for name, value in optimizer["settings"].items()]
    settings = [f"lr {optimizer['learning_rate']:g}", f"weight decay {optimizer['weight_decay']:g}"]
    return settings + ([] if optimizer["steps"] is None else [f"{optimizer['steps']:,} steps"])


def _state(described: dict[str, Any]) -> list[str]:
    if described["contents"] == "batches":
        return [
            _row("batches", "saved for LOAD_BATCHES"),
            *(_row(str(k), str(v)) for k, v in described["settings"].items()),
        ]
    optimizer = described["optimizer"]
    lines = [_row("network", " - ".join(map(str, nodes))) for nodes in described["networks"]]
    lines += [
        _row("weights", f"{described['weights']:,}"),
        _row("optimizer", ", ".join([optimizer["method"] or "not started", *_settings(optimizer)])),
    ]
    lines += [_row("transfer", "yes")] if described["transfer"] else []
    if "settings" in described:
        given = ", ".join(f"{name}{TIE}{value}" for name, value in described["settings"].items() if value is not None)
        lines.append(_row("last run", f"{described['structures']:,} training and test structures; {given}"))
    kept = [text for name, text in (("average", "average (EMA)"), ("best", "best (PATIENCE)")) if described[name]]
    lines += [_row("other weights", ", ".join(kept))] if kept else []
    if described["finished"]:
        return [*lines, _row("training", "finished; the same command continues from these weights")]
    done = f"{counted(described['epochs'], 'epoch')} and {counted(described['batches'], 'batch', 'batches')}"
    lines.append(_row("training", f"unfinished, after {done}"))
    return lines + (_epoch("last epoch", described["last"], "vectors") if "last" in described else [])


def _optimizer(described: dict[str, Any]) -> list[str]:
    lines = [_row("method", described["method"]), _row("weights", f"{described['weights']:,}")]
    if "groups" in described:
        groups = f"{counted(described['groups'], 'group')} of up to {described['weights_per_group']:,} weights"
        return [
            *lines,
            _row("covariance", f"{groups}, variances {_range(described['variances'], 'g')}"),
            _row("forgetting", f"factor {described['forgetting_factor']:g}"),
        ]
    done = f"{counted(described['evaluations'], 'evaluation')}, {counted(described['iterations'], 'iteration')}"
    stage = _STAGES.get(described["task"], described["task"])
    corrections = f"{described['corrections']} of at most {described['most_corrections']}"
    return [
        *lines,
        _row("progress", f"{done}; {stage}"),
        _row("last iteration", f"loss {described['loss']:g}, gradient at most {described['largest_gradient']:g}"),
        _row("corrections", corrections),
    ]


def _structures(described: dict[str, Any]) -> list[str]:
    n = described["structures"]
    species = ", ".join(f"{symbol} {count:,}" for symbol, count in described["species"].items())
    lines = [_row("structures", f"{n:,}, {described['periodic']:,} of them periodic"), _row("atoms", species)]
    if "atoms_per_structure" in described:
        ends = described["atoms_per_structure"]
        lines.append(_row("per structure", f"{_range(ends, ',')} atoms"))
    energies = {kind: described.get(f"{kind}_energy_per_atom") for kind in ("total", "cohesive")}
    lines += [_row("energy per atom", f"{_range(ends)} eV, {kind}") for kind, ends in energies.items() if ends]
    return lines + [_row(f"with {what}", f"{described[f'with_{what}']:,}") for what in ("energy", "forces")]


def _range(ends: dict[str, float], form: str = ".6f") -> str:
    low, high = (format(ends[name], form) for name in ("min", "max"))
    return low if low == high else f"{low} to {high}"


def _only_setup(described: dict[str, Any]) -> list[str]:
    return _setup(described["setup"])


def _deck(described: dict[str, Any]) -> list[str]:
    """The settings of an input file, one per line."""
    lines = []
    for name, value in described.items():
        if name in ("file", "kind", "bytes") or value is None:
            continue
        name = name.replace("_", " ")
        if isinstance(value, dict):
            items = [f"{key} {' '.join(map(str, of)) if isinstance(of, list) else of}" for key, of in value.items()]
            lines += [_row("" if number else name, item) for number, item in enumerate(items)]
            continue
        if isinstance(value, list):
            shown = " ".join(map(str, value))
        else:
            shown = ("no", "yes")[value] if isinstance(value, bool) else format(value, "g" * isinstance(value, float))
        lines.append(_row(name, shown))
    return lines


_OF_KIND: dict[FileType, Callable[[dict[str, Any]], list[str]]] = {
    FileType.TRAINING_SET: _whole_trainset,
    FileType.GRADIENTS: _gradients,
    FileType.POTENTIAL: _potential,
    FileType.ENERGIES: _table,
    FileType.FORCES: _table,
    FileType.ERRORS: _errors,
    FileType.STATE: _state,
    FileType.OPTIMIZER: _optimizer,
    FileType.XSF: _structures,
    FileType.FRAMES: _structures,
    FileType.DATABASE: _structures,
    FileType.SETUP: _only_setup,
}
