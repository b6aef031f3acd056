"""The repulsion that a deck wants: given as radii, or found from the shortest distances in the structures."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Sequence

from aenet_py.descriptors.model import Model
from aenet_py.errors import AenetError
from aenet_py.formats import structures as structure_files
from aenet_py.formats.structures import StructureSource
from aenet_py.inputs import repulsion as inputs
from aenet_py.inputs.repulsion import Repulsion
from aenet_py.pipelines.featurize import FeaturizeJob, jobs
from aenet_py.pipelines.reading import read_items
from aenet_py.potentials import repulsion
from aenet_py.runtime.workers import Workers
from aenet_py.structure import Structure


def given(text: str | None, name: str) -> Repulsion | str | None:
    """The repulsion in an argument of a function, such as ``"zbl auto"``; AenetError if it is invalid.

    name : of the argument.
    """
    if text is None:
        return None
    if not isinstance(text, str):
        raise AenetError(f"{name} must be {inputs.EXPECTED}, not {text!r}")
    try:
        return inputs.parse(text.split())
    except ValueError as error:
        raise AenetError(f"{name}: {error}; expected {inputs.EXPECTED}") from None


def of_files(
    model: Model, wanted: Repulsion | str | None, listed: Sequence[StructureSource], threads: int
) -> tuple[Model, str | None]:
    """As `of_structures`, of structures in files, which are read once if their distances are needed."""
    if not isinstance(wanted, str):
        return of_structures(model, wanted, ())
    with Workers(threads) as workers:
        read = workers.in_order(functools.partial(_read, model), jobs(structure_files.items(listed), frozenset()))
        return of_structures(model, wanted, itertools.chain.from_iterable(read))


def _read(model: Model, job: FeaturizeJob) -> list[Structure]:
    return read_items(job.items, model.types)


def of_structures(
    model: Model, wanted: Repulsion | str | None, structures: Iterable[Structure]
) -> tuple[Model, str | None]:
    """The model whose set-ups carry the repulsion, and the repulsion in words.

    Parameters
    ----------
    model : Model
        Its set-ups are replaced.
    wanted : Repulsion, str or None
        The repulsion, ``auto``, or none, which leaves the model as it is.
    structures : iterable of Structure
        For ``auto``; those with more species than the model are ignored, as they are not in the training set.

    Returns
    -------
    Model, str or None
        And the repulsion in words, if there is one.

    Raises
    ------
    AenetError
        If the set-ups cannot carry it, or a structure is invalid.
    """
    if wanted is not None:
        inputs.check_species(wanted, model.types)
        if isinstance(wanted, str):
            included = (structure for structure in structures if len(structure.symbols) <= len(model.types))
            wanted = repulsion.of_distances(model, repulsion.shortest_distances(model, included))
        model = repulsion.with_repulsion(model, wanted)
    used = inputs.of_setups(model.setups)
    return model, None if used is None else f"Repulsion: {' '.join(used.words)}"
