"""Tables of a study."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np

from aenet_py.analysis.distances import Distribution
from aenet_py.formats import tables
from aenet_py.survival.results import Stability

SUMMARY = (
    "structure", "temperature_K", "runs", "finished", "uncertain", "survival", "survival_low", "survival_high",
    "median_ps", "median_low_ps", "median_high_ps", "drift_meV_per_atom_ps", "pressure_GPa", "pressure_error_GPa",
)  # fmt: skip
RUNS = (
    "structure", "temperature_K", "ensemble", "seed", "time_ps", "reason", "message", "mean_temperature_K",
    "pressure_GPa", "drift_meV_per_atom_ps",
)  # fmt: skip
SURVIVAL = ("structure", "temperature_K", "time_ps", "at_risk", "failed", "survival", "low", "high")
PAIRS = (
    "structure", "temperature_K", "a", "b", "shortest_A", "reference_shortest_A", "overlap", "reference_overlap",
)  # fmt: skip
DISTANCES = ("structure", "source", "a", "b", "r_A", "g", "neighbors_per_A")
DIMERS = (
    "a",
    "b",
    "contact_A",
    "repulsive",
    "attractive_from_A",
    "attractive_to_A",
    "barrier_eV",
    "minimum_A",
    "minimum_eV",
)
CURVES = ("a", "b", "distance_A", "energy_eV")

Row = dict[str, object]


def write(found: Stability, folder: str) -> list[str]:
    """Write all tables into a folder that exists, in place of older ones; their paths."""
    content = {
        "summary": (SUMMARY, _summary(found)),
        "runs": (RUNS, _runs(found)),
        "survival": (SURVIVAL, _survival(found)),
        "pairs": (PAIRS, _pairs(found)),
        "distances": (DISTANCES, _distances(found)),
        "dimers": (DIMERS, _dimers(found)),
        "dimer-curves": (CURVES, _curves(found)),
    }
    paths = {name: os.path.join(folder, f"{name}.csv") for name in content}
    for name, (columns, rows) in content.items():
        tables.write(paths[name], columns, map(_known, rows))
    return list(paths.values())


def _known(row: Row) -> Row:
    """Without values that do not exist: NaN, infinite or None."""
    return {k: v for k, v in row.items() if v is not None and not (isinstance(v, float) and not np.isfinite(v))}


def _summary(found: Stability) -> Iterator[Row]:
    for each in found.conditions:
        curve = each.survival
        known = not np.isnan(each.probability)
        last = [float(values[-1]) if known else None for values in (curve.probability, curve.low, curve.high)]
        drift = None if each.nve is None else each.nve.drift
        values = (
            each.name, each.temperature, len(each.runs), each.n_finished, each.n_uncertain, *last, *curve.median, drift,
            *each.pressure,
        )  # fmt: skip
        yield dict(zip(SUMMARY, values, strict=True))


def _runs(found: Stability) -> Iterator[Row]:
    for each in found.conditions:
        for outcome in (*each.runs, *([] if each.nve is None else [each.nve])):
            settings = outcome.run.settings
            values = (
                each.name, each.temperature, settings.ensemble, settings.seed, outcome.time, outcome.reason,
                outcome.message, outcome.temperature, outcome.pressure, outcome.drift,
            )  # fmt: skip
            yield dict(zip(RUNS, values, strict=True))


def _survival(found: Stability) -> Iterator[Row]:
    for each in found.conditions:
        curve = each.survival
        columns = (curve.times, curve.at_risk, curve.failed, curve.probability, curve.low, curve.high)
        for values in zip(*(column.tolist() for column in columns), strict=True):
            yield dict(zip(SURVIVAL, (each.name, each.temperature, *values), strict=True))


def _pairs(found: Stability) -> Iterator[Row]:
    for each in found.conditions:
        reference, overlap = each.reference, each.overlap
        for k, (a, b) in enumerate(each.seen.pairs):
            yield {
                "structure": each.name,
                "temperature_K": each.temperature,
                "a": a,
                "b": b,
                "shortest_A": float(each.seen.shortest[k]),
                "reference_shortest_A": None if reference is None else float(reference.distribution.shortest[k]),
                "overlap": float(overlap[k]),
                "reference_overlap": None if reference is None else float(reference.overlap[k]),
            }


def _distances(found: Stability) -> Iterator[Row]:
    for conditions in found.by_structure:
        first = conditions[0]
        shown = [(f"{each.temperature:g} K", each.distribution) for each in conditions]
        shown.append(("reference", None if first.reference is None else first.reference.distribution))
        for source, distribution in shown:
            if distribution is not None:
                for values in _bins(distribution):
                    yield {"structure": first.name, "source": source, **values}


def _bins(distribution: Distribution) -> Iterator[Row]:
    column = "g" if distribution.normalised else "neighbors_per_A"
    for (a, b), values in zip(distribution.pairs, distribution.values.tolist(), strict=True):
        for r, value in zip(distribution.r.tolist(), values, strict=True):
            yield {"a": a, "b": b, "r_A": r, column: value}


def _dimers(found: Stability) -> Iterator[Row]:
    for each in found.dimers:
        attractive = each.attractive
        values = (
            *each.pair,
            each.contact,
            attractive is None,
            *(attractive or (None, None)),
            each.barrier,
            *each.minimum,
        )
        yield dict(zip(DIMERS, values, strict=True))


def _curves(found: Stability) -> Iterator[Row]:
    for each in found.dimers:
        for values in zip(each.distances.tolist(), each.energies.tolist(), strict=True):
            yield dict(zip(CURVES, (*each.pair, *values), strict=True))
