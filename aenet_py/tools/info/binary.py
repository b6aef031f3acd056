"""Training sets, gradients and potentials, binary or text."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from aenet_py.descriptors.legacy import angular_domain
from aenet_py.descriptors.setup import FeatureStatistics, Setup
from aenet_py.errors import InputError
from aenet_py.formats import gradients, identify, potential, records, trainset
from aenet_py.formats.identify import FileType
from aenet_py.formats.records import RecordReader
from aenet_py.formats.source import Advance, ByteSource
from aenet_py.inputs import repulsion

NEAR, MOST = 1e-6, 1.01  # train.x stores normalised energies in potentials, from -1 to 1; the trainer eV


def describe(path: str, check: bool, advance: Advance) -> dict[str, Any]:
    """Contents from header and footer and, with check, from every value; AenetError if the file is invalid.

    Energies in eV, lengths in Å; advance : told the bytes read.
    """
    with trainset.open_source(path) as source:
        kind = identify.identify(
            source, f"{identify.EXPECTED}, tables or the state of a training, structures, an input file"
        )
        form = "binary" if isinstance(source, RecordReader) else "text"
        described: dict[str, Any] = {"file": path, "kind": kind.value, "form": form, "bytes": source.window.size}
        checked = {"checked": _check(source, kind, advance)} if check else {}
        source.reset((0, 0))
        return described | _OF_KIND[kind](source) | checked


def _of_trainset(source: ByteSource) -> dict[str, Any]:
    header = trainset.read_header(source)
    footer = trainset.footer_ahead(source, header)
    energies = dataclasses.asdict(footer.energies)
    if header.normalized:
        energies = _in_ev(source, energies, header.scale, header.shift)
    return {
        "species": list(header.types),
        "atomic_energies": dict(zip(header.types, header.atomic_energies, strict=True)),
        "structures": header.n_structures,
        "atoms": footer.n_atoms,
        "cohesive_energy_per_atom": {"mean": energies["mean"], "min": energies["low"], "max": energies["high"]},
        "normalised": header.normalized,
        "energy_scale": header.scale,
        "energy_shift": header.shift,
        "setups": [of_setup(*both) for both in zip(footer.setups, footer.statistics, strict=True)],
    }


def _in_ev(source: ByteSource, energies: dict[str, float], scale: float, shift: float) -> dict[str, float]:
    """Normalised energies per atom, converted to eV."""
    if not abs(scale) > 0:
        raise InputError(source.path, f"found {scale:g} as the scale of normalised energies; the header is damaged")
    return {name: value / scale + shift for name, value in energies.items()}


def _of_gradients(source: ByteSource) -> dict[str, Any]:
    assert isinstance(source, RecordReader)
    n_structures = gradients.read_header(source)
    start = source.from_end(1)
    last = bytes(source.window.view(source.window.size if start is None else start, records.record_size(4)))
    if len(last) != records.record_size(4):
        for _ in gradients.read(source):  # reports what is wrong, and where
            pass
    return {"structures": n_structures, "most_neighbors": records.MARKER.unpack(last[4:8])[0]}


def _of_potential(source: ByteSource) -> dict[str, Any]:
    content = potential.read_from(source)
    source.finish()
    network, training = content.network, content.training
    energies = {"mean": training.mean, "min": training.low, "max": training.high}
    if training.normalized and abs(training.low + 1) < NEAR and training.high < MOST:
        energies = _in_ev(source, energies, training.scale, training.shift)
    return {
        "network": {
            "nodes": network.nodes.tolist(),
            "activations": [potential.ACTIVATIONS[number] for number in network.activations],
            "weights": len(network.weights),
        },
        "setup": of_setup(content.setup, content.statistics),
        "angular_domain": angular_domain(content.setup, content.statistics),
        "training_set": {
            "file": training.path,
            "species": list(training.types),
            "atomic_energies": dict(zip(training.types, training.atomic_energies, strict=True)),
            "structures": training.n_structures,
            "atoms": training.n_atoms,
            "energy_per_atom": energies,
            "normalised": training.normalized,
            "energy_scale": training.scale,
            "energy_shift": training.shift,
        },
    }


_OF_KIND: dict[FileType, Callable[[ByteSource], dict[str, Any]]] = {
    FileType.TRAINING_SET: _of_trainset,
    FileType.GRADIENTS: _of_gradients,
    FileType.POTENTIAL: _of_potential,
}


def of_setup(setup: Setup, statistics: FeatureStatistics | None = None) -> dict[str, Any]:
    """A set-up; with statistics, also the number of atoms that they are taken from."""
    wanted = repulsion.of_description(setup.description)
    described: dict[str, Any] = {
        "species": setup.atom_type,
        "description": setup.description if wanted is None else setup.description.partition("$$")[2],
        **({} if wanted is None else {"repulsion": wanted.words}),
        "environment": list(setup.env_types),
        "basis": setup.basis,
        "features": setup.n_features,
        "smallest_distance": setup.r_min,
        "largest_cutoff": setup.r_max,
    }
    if statistics is not None:
        described["atoms"] = statistics.count
    if setup.is_chebyshev:
        names = ("radial_cutoff", "radial_order", "angular_cutoff", "angular_order")
        described |= dict(zip(names, setup.parameters[0].tolist(), strict=False))
    return described


def _check(source: ByteSource, kind: FileType, advance: Advance) -> dict[str, int]:
    """Read and check the whole file; returns counts of its contents."""
    counts = {"structures": 0, "with_gradients": 0} if kind is FileType.GRADIENTS else {"structures": 0}
    for step in identify.walk(source, kind):
        if isinstance(step, trainset.StructureBatch):
            counts["structures"] += len(step.entries)
        elif isinstance(step, gradients.GradientEntry):
            counts["structures"] += 1
            counts["with_gradients"] += step.selected
        advance(source.advanced())
    advance(source.advanced())
    if kind is FileType.POTENTIAL:
        counts = {}
    return counts | {"records" if isinstance(source, RecordReader) else "lines": source.number}
