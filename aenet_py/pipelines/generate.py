"""`generate`: training sets from structures, as generate.x makes them, for use in Python."""

from __future__ import annotations

import contextlib
import operator
import os
import warnings
from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import TYPE_CHECKING, Any

from aenet_py.errors import AenetError, AenetWarning
from aenet_py.formats import structures as structure_files
from aenet_py.formats.labels import Labels
from aenet_py.formats.structures import StructureSource
from aenet_py.formats.text import foreign
from aenet_py.inputs.keywords import nobody
from aenet_py.pipelines import arguments, repulsions
from aenet_py.pipelines import atomic_energies as atomic_energies_of
from aenet_py.pipelines.featurize import Summary, read_model, write_training_set
from aenet_py.runtime.output import PendingFile, already_exists, complete_together
from aenet_py.runtime.workers import Workers, processors
from aenet_py.structure import Structure

if TYPE_CHECKING:
    from ase import Atoms


def generate(
    structures: str | os.PathLike[str] | Iterable[str | os.PathLike[str] | Structure | Atoms],
    setups: Mapping[str, str | os.PathLike[str]], atomic_energies: str | Mapping[str, float | str],
    output: str | os.PathLike[str],
    forces: bool | Iterable[int] = False, threads: int | None = None, energy_key: str | None = None,
    forces_key: str | None = None, repulsion: str | None = None,
) -> Summary:  # fmt: skip
    """Compute features of structures and write them to a training set.

    The files have the same bytes as those of generate.x.  Nothing is written if an error occurs.

    Parameters
    ----------
    structures : path, ase.Atoms, structure of this package, or iterable of these
        Structures with total energy (eV), positions (Å) and forces (eV/Å); kinds may be mixed.  A path is an XSF
        file, an extended XYZ file with all its frames, or one frame of it, ``file#index``.  ``ase.Atoms`` need a
        calculator that holds energy and forces for their current positions; the training set calls them
        ``structures#index``.
    setups : mapping of str to path
        The set-up file (``.stp``) of each species.  The training set lists the species in this order.
    atomic_energies : mapping of str to float or str, or str
        Atomic reference energy of each species (eV), subtracted from the total energies.  ``"fit"`` for a species, or
        for all of them, fits it to the energies of the structures by their compositions; ``"isolated"`` takes it from
        single atoms among them.  The training set stores the numbers.
    output : path
        The training set; the file must not exist.  Gradients of the features (1/Å) are written to
        ``output + ".forces"``, which is replaced if it exists.
    forces : bool or iterable of int, default False
        Whether to write gradients for all structures, or 0-based indices of the structures to write them for.
    threads : int, optional
        Number of threads, by default one per processor.  The bytes do not depend on it.
    energy_key : str, optional
        Key of the energy in extended XYZ files that have several.
    forces_key : str, optional
        Column of the forces in extended XYZ files that have several.
    repulsion : str, optional
        Short-range repulsion that is left out of energies and forces, as after REPULSION: ``"zbl auto"``, or
        ``"zbl inner=0.9 outer=1.4"`` (Å).

    Returns
    -------
    Summary
        Number of structures included, and statistics of their cohesive energies per atom (eV).

    Raises
    ------
    AenetError
        If an argument is invalid, a file cannot be read or written, or `output` exists.
    InputError
        If a file or structure is invalid; the message gives its name and, if possible, the line.

    Warns
    -----
    AenetWarning
        If the energies in extended XYZ files have different names and may come from different sources, or if the atomic
        energies leave more than 100 eV per atom.

    Examples
    --------
    Structures of one species, with gradients for the first and the last:

    >>> from pathlib import Path
    >>> import aenet_py
    >>> paths = sorted(Path("structures").rglob("*.xsf"))
    >>> summary = aenet_py.generate(paths, {"Si": "Si.stp"}, {"Si": -157.72}, "Si.train", forces=[0, 7])
    >>> summary.n_included
    8
    >>> print(f"{summary.energies.low:.3f} to {summary.energies.high:.3f} eV per atom")
    -1.971 to -0.780 eV per atom
    >>> sorted(path.name for path in Path().glob("Si.train*"))
    ['Si.train', 'Si.train.forces']
    """
    energies = arguments.atomic_energies(setups, atomic_energies)
    wanted = repulsions.given(repulsion, "repulsion")
    if threads is not None and not (isinstance(threads, Integral) and threads >= 0):
        raise AenetError(f"threads must be a number of threads or None, not {threads!r}")
    output = arguments.path(output, "output")
    if os.path.exists(output):
        raise already_exists(output)
    paths = [arguments.path(path, "setups") for path in setups.values()]
    n_threads = int(threads or processors())
    model = read_model(tuple(setups), atomic_energies_of.numbers(energies), paths, nobody)
    given = _sources(structures, Labels(energy_key, forces_key))
    model, _ = repulsions.of_files(model, wanted, given, n_threads)
    if not atomic_energies_of.are_given(energies):
        model, _ = atomic_energies_of.of_files(model, energies, given, n_threads)
    chosen = _chosen(forces, structure_files.n_structures(given))
    with contextlib.ExitStack() as stack:
        train = stack.enter_context(PendingFile(output))
        gradients = stack.enter_context(PendingFile(output + ".forces")) if forces is not False else None
        summary = write_training_set(
            model, given, chosen, train, gradients, nobody,
            lambda batch: None, Workers(n_threads),  # noqa: ARG005
        )  # fmt: skip
        complete_together(train, [] if gradients is None else [gradients])
    for warning in (*summary.warnings, atomic_energies_of.warning(summary.energies, model.atomic_energies)):
        if warning is not None:
            warnings.warn(warning, AenetWarning, stacklevel=2)
    return summary


def _sources(given: Any, labels: Labels) -> list[StructureSource]:
    """Files and structures in the given order."""
    listed = arguments.structures(given)
    files = iter(structure_files.sources([foreign(each) for each in listed if isinstance(each, str)], labels))
    return [
        next(files) if isinstance(each, str) else StructureSource(foreign(each.path), "", structure=each)
        for each in listed
    ]


def _chosen(forces: Any, n_structures: int) -> frozenset[int]:
    """0-based indices of the structures whose gradients are written."""
    if isinstance(forces, bool):
        return frozenset(range(n_structures) if forces else ())
    try:
        wanted = [operator.index(number) for number in forces]
    except TypeError:
        raise AenetError(f"forces must be True, False or indices of structures, not {forces!r}") from None
    wrong = [number for number in wanted if not 0 <= number < n_structures]
    if wrong:
        raise AenetError(
            f"forces has the index {wrong[0]}; there are {n_structures} structures, from 0 to {n_structures - 1}"
        )
    return frozenset(wanted)
