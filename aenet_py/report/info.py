"""The report of ``aenet-py info``."""

from __future__ import annotations

from typing import Any

WIDTH = 16


def report(found: dict[str, Any]) -> str:
    """The description of a file (`describe.describe`) in words."""
    lines = [f"{found['file']}: {found['kind']}, {found['form']}, {found['bytes']:,} bytes"]
    if found["kind"] == "training set":
        lines += _trainset(found)
        for setup in found["setups"]:
            lines += ["", *_setup(setup)]
    elif found["kind"] == "gradients":
        lines.append(_row("structures", f"{found['structures']:,} announced"))
        lines.append(_row("neighbours", f"{found['most_neighbors']} at most"))
    else:
        lines += [*_network(found["network"]), "", *_setup(found["setup"])]
        lines += ["", _row("trained on", found["training_set"]["file"]), *_trainset(found["training_set"])]
    if "checked" in found:
        counts = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in found["checked"].items())
        lines += ["", _row("checked", f"{counts}: no errors")]
    return "\n".join(lines) + "\n"


def _row(name: str, text: str) -> str:
    return f"  {name.ljust(WIDTH)}{text}".rstrip()


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
        _row("atoms", f"{found['atoms']:,}"),
    ]
    return lines + [_row("description", line.strip()) for line in found["description"].split("$$")[:1] if line.strip()]


def _network(found: dict[str, Any]) -> list[str]:
    layers = " - ".join(map(str, found["nodes"]))
    return [_row("network", f"{layers} ({', '.join(found['activations'])}), {found['weights']:,} weights")]
