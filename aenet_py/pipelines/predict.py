"""Evaluate structures one by one, relax them on request, and report (predict.x)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from aenet_py.errors import InputError
from aenet_py.formats import structures as structure_files
from aenet_py.formats.structures import StructureSource
from aenet_py.inputs.predict import PredictInput
from aenet_py.pipelines import rounding
from aenet_py.pipelines.relax import box_of, places, relax
from aenet_py.potentials.potential import Potential, Prediction
from aenet_py.report import predict as report
from aenet_py.structure import Structure


@dataclass(frozen=True)
class Predicted:
    """A structure and its prediction before any relaxation; n_steps : of the relaxation."""

    path: str
    structure: Structure
    prediction: Prediction
    n_steps: int


def load(deck: PredictInput) -> Potential:
    """The potential that a deck names."""
    return Potential.load(dict(zip(deck.types, deck.networks, strict=True)), deck.legacy_angular)


def predict(
    deck: PredictInput, given: Sequence[StructureSource], potential: Potential, say: Callable[[str], None]
) -> Iterator[Predicted]:
    """Evaluate all structures as the deck specifies; say receives the report, structure by structure.

    InputError if a structure cannot be evaluated; earlier structures have been reported by then.
    """
    n_structures = structure_files.n_structures(given)
    for number, item in enumerate(structure_files.items(given), 1):
        path, structure = item.name, structure_files.read_item(item, False, potential.types)
        symbols = structure.names()
        in_order = not deck.forces or deck.relaxation is not None
        prediction = potential.energy_forces(structure, deck.forces, in_order)
        if not in_order and not rounding.is_certain(prediction):
            prediction = potential.energy_forces(structure, in_order=True)
        _check_numbers(structure, prediction)
        box, origin = box_of(structure, potential.model.r_max)
        lattice = box if structure.lattice is None else structure.lattice
        if not deck.quiet:
            say(report.structure(number, path, structure.n_atoms, len(structure.symbols), lattice))
        energies = prediction.atomic_energies if deck.atomic_energies else None
        forces = prediction.forces if deck.forces else None
        say(report.coordinates(symbols, places(structure, prediction, box, origin), forces, energies))
        last, n_steps = prediction, 0
        if deck.relaxation is not None:
            say("" if deck.quiet else report.relaxation())
            relaxed = relax(potential, structure, prediction, deck.relaxation, lambda t: None if deck.quiet else say(t))
            last, n_steps = relaxed.prediction, relaxed.n_steps
            say("\n")
            say(report.coordinates(symbols, relaxed.positions, last.forces, None, optimized=n_steps > 0))
            forces = last.forces
        summary = None if forces is None else rounding.summary(forces)
        say(report.energy(last.cohesive_energy, last.energy, summary))
        if number < n_structures:
            say(report.between())
        yield Predicted(path, structure, prediction, n_steps)


def _check_numbers(structure: Structure, prediction: Prediction) -> None:
    if not np.isfinite(prediction.energy):
        raise InputError(structure.path, "the energy is not finite; move atoms apart")
