"""Files of an evaluation: tables of errors and of structures, and the structures with what was predicted."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np

from aenet_py.analysis import runs
from aenet_py.analysis.runs import Quality
from aenet_py.evaluation.evaluate import Evaluation
from aenet_py.evaluation.evaluated import Evaluated
from aenet_py.formats import extxyz, tables
from aenet_py.formats.frames import FramesFile
from aenet_py.structure import Structure

ERRORS, STRUCTURES, PREDICTIONS = "errors.csv", "structures.csv", "predictions.extxyz"
COLUMNS = (
    "structure", "set", "config_type", "formula", "n_atoms", "reference_energy_eV", "predicted_energy_eV",
    "energy_error_eV_per_atom", "energy_std_eV", "force_rmse_eV_per_A", "largest_force_error_eV_per_A",
    "largest_force_std_eV_per_A", "largest_uncertainty_eV_per_A", "atoms_outside",
)  # fmt: skip


def write(found: Evaluation, errors: Mapping[str, Mapping[tuple[str, str, str], Quality]], folder: str) -> list[str]:
    """Write all files into a folder that exists, in place of older ones; their paths.

    errors : by grouping, and then by quantity, set and group.
    """
    error_table, structure_table, predictions = (os.path.join(folder, n) for n in (ERRORS, STRUCTURES, PREDICTIONS))
    rows = [
        {**runs.row(quantity, part, quality), "by": by, "group": group}
        for by, some in errors.items()
        for (quantity, part, group), quality in some.items()
    ]
    tables.write(error_table, ("by", "group", *runs.COLUMNS), rows)
    tables.write(structure_table, COLUMNS, map(row, found.structures))
    with FramesFile(predictions) as file:
        for each in found.structures:
            file.write(frame(each))
        file.complete(replace=True)
    return [error_table, structure_table, predictions]


def row(each: Evaluated) -> dict[str, object]:
    """A structure as a row of the table; what is not known is missing."""
    structure, errors = each.structure, each.force_errors
    values = {
        "structure": structure.path,
        "set": each.part,
        "config_type": structure.info.get("config_type"),
        "formula": formula(structure),
        "n_atoms": structure.n_atoms,
        "reference_energy_eV": structure.energy,
        "predicted_energy_eV": each.energy,
        "energy_error_eV_per_atom": each.energy_error,
        "energy_std_eV": each.energy_std,
        "force_rmse_eV_per_A": each.force_rmse,
        "largest_force_error_eV_per_A": None
        if errors is None or np.isnan(errors).all()
        else float(np.nanmax(np.abs(errors))),
        "largest_force_std_eV_per_A": None if each.forces_std is None else float(each.forces_std.max()),
        "largest_uncertainty_eV_per_A": None if each.uncertainty is None else float(each.uncertainty.max()),
        "atoms_outside": int(np.count_nonzero(each.outside)),
    }
    return {name: value for name, value in values.items() if value is not None}


def formula(structure: Structure) -> str:
    """Number of atoms of each species, such as Cu10Au9H2O."""
    counts = np.bincount(structure.species, minlength=len(structure.symbols)).tolist()
    return "".join(f"{s}{n if n > 1 else ''}" for s, n in zip(structure.symbols, counts, strict=True) if n)


def frame(each: Evaluated) -> bytes:
    """A structure in extended XYZ: its own energy and forces, what was predicted, and the difference."""
    values: dict[str, str | float] = {"set": each.part, "predicted_energy": each.energy}
    columns = {"predicted_forces": each.forces, "features_outside": each.outside.astype(np.float64)}
    if each.energies is not None:
        values["energy_error"] = (each.energies[1] - each.energies[0]) * each.structure.n_atoms
    if each.energy_std is not None:
        values["energy_std"] = each.energy_std
    if each.force_errors is not None:
        columns["forces_error"] = each.force_errors
    if each.forces_std is not None:
        columns["forces_std"] = each.forces_std
    if each.uncertainty is not None:
        columns["uncertainty"] = each.uncertainty
    if each.stress is not None:
        values["predicted_stress"] = " ".join(map(repr, each.stress.ravel().tolist()))
    return extxyz.text(each.structure, values, columns)
