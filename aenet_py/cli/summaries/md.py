"""The report of ``aenet-py md``."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from aenet_py.errors import counted

if TYPE_CHECKING:
    from aenet_py.simulation.dynamics import SimulationResult

WIDTH = 80
LABEL = "  {:<15}"


def report(path: str, result: SimulationResult, output: str) -> str:
    """How a simulation went, in a few lines.

    path : of the structure; output : NAME of the files.
    """
    settings, log, n_atoms = result.settings, result.log, len(result.atoms)
    kind = f"NVT at {settings.temperature:g} K" if settings.ensemble == "nvt" else "NVE"
    lines = [f"{path}: {counted(n_atoms, 'atom')}, {kind}, steps of {settings.timestep:g} fs"]
    ended = (
        ("finished", result.message) if result.reason == "time" else ("stopped", f"{result.reason}: {result.message}")
    )
    lines.append(_line(*ended))
    if len(log["step"]):
        if log["step"][0] > 0:
            lines.append(_line("resumed", f"values below are from step {log['step'][0]:.0f} on"))
        outside = log["atoms_outside"]
        lines.append(_line("extrapolation", f"{outside.mean():.1f} atoms outside the training range on average"))
    lines.append(_line("stable for", f"{result.time:g} ps, {counted(result.step, 'step')}"))
    if len(log["step"]):
        temperature, energy = log["temperature_K"], log["conserved_energy_eV"]
        drift = 1000.0 * (energy[-1] - energy[0]) / n_atoms
        lines.append(_line("temperature", f"{temperature.mean():.1f} K on average, {temperature.max():.1f} K at most"))
        lines.append(_line("energy drift", f"{drift:.3f} meV/atom of the conserved energy"))
    lines.append(f"  written        {output}.extxyz, {output}.csv, {output}.restart")
    return "\n".join(lines) + "\n"


def _line(label: str, text: str) -> str:
    head = LABEL.format(label)
    return textwrap.fill(text, WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_long_words=False)
