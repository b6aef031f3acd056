"""Expected force errors of a generation's potentials, calibrated with the test set of their training."""

from __future__ import annotations

import os
from collections.abc import Sequence

from aenet_py.errors import AenetError
from aenet_py.evaluation import trained_on
from aenet_py.evaluation.calibrate import calibrate, with_forces
from aenet_py.formats import uncertainty as files
from aenet_py.formats.uncertainty import Uncertainty
from aenet_py.potentials import uncertainty
from aenet_py.potentials.potential import Potential
from aenet_py.structure import Structure


def calibrated(members: Sequence[Potential], folder: str, structures: Sequence[Structure]) -> Uncertainty:
    """The calibration in uncertainty.json beside potentials; of a single potential, it is written first.

    The factor of a committee is that of its training.  Distances of features are those to the structures that the
    potential was trained on or validated by, and those of the test set give their factors.

    Parameters
    ----------
    members
        The potentials.
    folder
        Of their training.
    structures
        All structures of the training.

    Returns
    -------
    Uncertainty

    Raises
    ------
    AenetError
        If the test set has too few atoms with forces.
    """
    path = os.path.join(folder, files.NAME)
    if len(members) == 1:
        parts = [trained_on.names(folder, tables) for tables in (trained_on.TABLES, trained_on.TESTED)]
        seen, tested = ([each for each in structures if trained_on.name(each.path) in part] for part in parts)
        if sum(int(with_forces(each).sum()) for each in tested) >= uncertainty.LEAST:
            return calibrate(members[0], seen, tested, output=path).uncertainty
    elif os.path.exists(path):
        of_training = uncertainty.load(path, members)
        if of_training.factors:
            return of_training
    found = f"{folder}: the test set has fewer than {uncertainty.LEAST} atoms with forces"
    raise AenetError(f"{found}, too few to calibrate the uncertainty; hold out more structures (TESTPERCENT)")
