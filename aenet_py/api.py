"""What scripts need: make a training set, read one, evaluate potentials. The calculator for ASE is in `calculator`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping, Sequence

from aenet_py.descriptors.model import model
from aenet_py.errors import AenetError, InputError
from aenet_py.featurize import Summary, write_training_set
from aenet_py.formats import structures as structure_files
from aenet_py.formats.output import PendingFile, already_exists
from aenet_py.formats.text import foreign
from aenet_py.formats.trainset import TrainingSet
from aenet_py.inputs import setup as setups_file
from aenet_py.potential import Potential, Prediction
from aenet_py.workers import Workers, processors

__all__ = ["Potential", "Prediction", "Summary", "TrainingSet", "generate"]


def generate(
    structures: Sequence[str], setups: Mapping[str, str], atomic_energies: Mapping[str, float], output: str,
    forces: bool | Iterable[int] = False, threads: int | None = None,
) -> Summary:  # fmt: skip
    """Make a training set, as generate.x does, with the same bytes.

    Parameters
    ----------
    structures : XSF or extended XYZ files, or frames `file#index` of the latter, with energies (eV), positions (Å)
        and forces (eV/Å).
    setups : .stp file of each species, in the order that the training set lists them.
    atomic_energies : eV, of each species.
    output : the file to write; it must not exist.  Gradients of the features (1/Å) go to ``output + ".forces"``.
    forces : whether to write the gradients of all structures, or the numbers (from 0) of those whose to write.
    threads : default all processors; the bytes do not depend on it.

    Returns how many structures were included and the statistics of their energies per atom (eV).  AenetError says
    what is wrong with the input; nothing is written then.
    """
    missing = [symbol for symbol in setups if symbol not in atomic_energies]
    if missing:
        raise AenetError(f"found no atomic energy of {' and '.join(missing)}; expected one for each species")
    if os.path.exists(output):
        raise already_exists(output)
    read = []
    for symbol, path in setups.items():
        read.append(setups_file.read(path, lambda message: None))  # noqa: ARG005
        if read[-1].atom_type != symbol:
            raise InputError(path, f"this set-up is for {read[-1].atom_type!r}; expected one for {symbol!r}")
    together = model(tuple(setups), [atomic_energies[symbol] for symbol in setups], read)
    given = structure_files.sources([foreign(path) for path in structures])
    n_structures = structure_files.n_structures(given)
    numbers = range(n_structures) if forces is True else forces or ()
    wanted = [int(number) for number in numbers]
    wrong = [number for number in wanted if not 0 <= number < n_structures]
    if wrong:
        raise AenetError(f"found structure {wrong[0]} under forces; expected numbers below {n_structures}")
    chosen = frozenset(number + 1 for number in wanted)
    with contextlib.ExitStack() as stack:
        train = stack.enter_context(PendingFile(output))
        gradients = stack.enter_context(PendingFile(output + ".forces")) if forces is not False else None
        summary = write_training_set(
            together, given, chosen, train, gradients, lambda text: None,  # noqa: ARG005
            lambda batch: None, Workers(threads or processors()),  # noqa: ARG005
        )  # fmt: skip
        train.complete(replace=False)
        if gradients is not None:
            gradients.complete(replace=True)
    return summary
