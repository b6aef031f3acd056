"""The report of ``aenet-py md``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aenet_py.errors import counted

if TYPE_CHECKING:
    from ase import Atoms

    from aenet_py.simulation.dynamics import Run, Settings


def report(path: str, atoms: Atoms, settings: Settings, found: Run, output: str) -> str:
    """How a simulation went, in a few lines."""
    kind = f"NVT at {settings.temperature:g} K" if settings.ensemble == "nvt" else "NVE"
    lines = [f"{path}: {counted(len(atoms), 'atom')}, {kind}, steps of {settings.timestep:g} fs"]
    lines.append(f"  stable for     {found.time:g} ps, {counted(found.step, 'step')}")
    lines.append(f"  stopped        {found.reason}: {found.message}")
    if len(found.log["step"]):
        temperature, energy = found.log["temperature_K"], found.log["conserved_energy_eV"]
        outside = found.log["atoms_outside"]
        if found.log["step"][0] > 0:
            lines.append(f"  since step     {found.log['step'][0]}, where it went on:")
        lines.append(f"  temperature    {temperature.mean():.1f} K on average, {temperature.max():.1f} K at most")
        drift = 1000.0 * (energy[-1] - energy[0]) / len(atoms)
        lines.append(f"  energy drift   {drift:.3f} meV/atom, of what the ensemble conserves")
        lines.append(f"  outside        {outside.mean():.1f} atoms on average beyond the training set")
    lines.append(f"  written        {output}.extxyz, {output}.csv, {output}.restart")
    return "\n".join(lines) + "\n"
