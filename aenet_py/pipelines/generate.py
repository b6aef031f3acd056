"""What scripts need: make a training set, read one, evaluate potentials. The calculator for ASE is in `calculator`."""

from __future__ import annotations

import contextlib
import math
import operator
import os
import warnings
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from aenet_py.descriptors.model import model
from aenet_py.errors import AenetError, AenetWarning, InputError
from aenet_py.formats import structures as structure_files
from aenet_py.formats.frames import frame_name
from aenet_py.formats.labels import Labels
from aenet_py.formats.structures import Source
from aenet_py.formats.text import foreign
from aenet_py.formats.trainset import TrainingSet
from aenet_py.inputs import setup as setups_file
from aenet_py.pipelines.featurize import Summary, write_training_set
from aenet_py.potentials.potential import Potential, Prediction
from aenet_py.runtime.output import PendingFile, already_exists
from aenet_py.runtime.workers import Workers, processors
from aenet_py.structure import Frame, frame_of

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["Potential", "Prediction", "Summary", "TrainingSet", "generate"]


def generate(
    structures: str | os.PathLike[str] | Iterable[str | os.PathLike[str] | Frame | Atoms],
    setups: Mapping[str, str | os.PathLike[str]], atomic_energies: Mapping[str, float], output: str | os.PathLike[str],
    forces: bool | Iterable[int] = False, threads: int | None = None, energy_key: str | None = None,
    forces_key: str | None = None,
) -> Summary:  # fmt: skip
    """Make a training set, as generate.x does, with the same bytes.

    Parameters
    ----------
    structures : XSF or extended XYZ files, or frames `file#index` of the latter, with energies (eV), positions (Å)
        and forces (eV/Å); or structures of ASE whose calculator holds energy and forces.
    setups : .stp file of each species, in the order that the training set lists them.
    atomic_energies : eV, of each species.
    output : the file to write; it must not exist.  Gradients of the features (1/Å) go to ``output + ".forces"``.
    forces : whether to write the gradients of all structures, or the numbers (from 0) of those whose to write.
    threads : default all processors; the bytes do not depend on it.
    energy_key, forces_key : key of the energy and column of the forces in extended XYZ, where frames have several.

    Returns how many structures were included and the statistics of their energies per atom (eV).  AenetError says
    what is wrong with the input; nothing is written then.
    """
    _check_mapping("setups", setups, "the .stp file of each species")
    _check_mapping("atomic_energies", atomic_energies, "the energy of each species, eV")
    wrong = {s: e for s, e in atomic_energies.items() if not isinstance(e, Real) or not math.isfinite(e)}
    if wrong:
        raise AenetError(f"found atomic_energies={wrong!r}; expected finite numbers")
    if threads is not None and not (isinstance(threads, Integral) and threads >= 0):
        raise AenetError(f"found threads={threads!r}; expected a number of threads")
    output = _path(output, "output")
    if not setups:
        raise AenetError("found no setups; expected one for each species")
    missing = [symbol for symbol in setups if symbol not in atomic_energies]
    if missing:
        raise AenetError(f"found no atomic energy of {' and '.join(missing)}; expected one for each species")
    if os.path.exists(output):
        raise already_exists(output)
    read = []
    for symbol, path in setups.items():
        path = _path(path, "setups")
        read.append(setups_file.read(path, lambda message: None))  # noqa: ARG005
        if read[-1].atom_type != symbol:
            raise InputError(path, f"this set-up is for {read[-1].atom_type!r}; expected one for {symbol!r}")
    together = model(tuple(setups), [atomic_energies[symbol] for symbol in setups], read)
    given = _sources(structures, Labels(energy_key, forces_key))
    chosen = _chosen(forces, structure_files.n_structures(given))
    with contextlib.ExitStack() as stack:
        train = stack.enter_context(PendingFile(output))
        gradients = stack.enter_context(PendingFile(output + ".forces")) if forces is not False else None
        summary = write_training_set(
            together, given, chosen, train, gradients, lambda text: None,  # noqa: ARG005
            lambda batch: None, Workers(int(threads or processors())),  # noqa: ARG005
        )  # fmt: skip
        train.complete(replace=False)
        if gradients is not None:
            gradients.complete(replace=True)
    if summary.warning is not None:
        warnings.warn(summary.warning, AenetWarning, stacklevel=2)
    return summary


def _check_mapping(name: str, given: Any, what: str) -> None:
    if not isinstance(given, Mapping):
        raise AenetError(f"found {type(given).__name__} for {name}; expected a dictionary with {what}")


def _path(given: Any, name: str) -> str:
    path = os.fspath(given) if isinstance(given, str | os.PathLike) else None
    if not isinstance(path, str):
        raise AenetError(f"found {given!r} for {name}; expected the path of a file")
    return path


def _sources(given: Any, labels: Labels) -> list[Source]:
    """Files and structures in the order given; labels : which energies and forces to take from frames."""
    if isinstance(given, str | os.PathLike | Frame) or hasattr(given, "get_chemical_symbols"):
        given = [given]
    if not isinstance(given, Iterable):
        raise AenetError(f"found {type(given).__name__} for structures; expected files or structures of ASE")
    listed = list(given)
    if not listed:
        raise AenetError("found no structures; expected at least one")
    paths = [foreign(_path(each, "structures")) for each in listed if isinstance(each, str | os.PathLike)]
    files = iter(structure_files.sources(paths, labels))
    found = []
    for number, each in enumerate(listed):
        if isinstance(each, str | os.PathLike):
            found.append(next(files))
        else:
            frame = frame_of(each, frame_name("structures", number))
            found.append(Source(frame.path, "", structure=frame.structure()))
    return found


def _chosen(forces: Any, n_structures: int) -> frozenset[int]:
    """Numbers, from 1, of the structures whose gradients are written."""
    if isinstance(forces, bool):
        return frozenset(range(1, n_structures + 1) if forces else ())
    try:
        wanted = [operator.index(number) for number in forces]
    except TypeError:
        raise AenetError(f"found forces={forces!r}; expected True, False or numbers of structures") from None
    wrong = [number for number in wanted if not 0 <= number < n_structures]
    if wrong:
        raise AenetError(f"found structure {wrong[0]} under forces; expected numbers below {n_structures}")
    return frozenset(number + 1 for number in wanted)
