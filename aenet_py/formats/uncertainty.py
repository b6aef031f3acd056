"""What turns distances from the training set, or the spread of a committee, into errors: ``uncertainty.json``.

The file belongs to certain potentials, of which it has digests.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from aenet_py.errors import InputError
from aenet_py.formats.potential import PotentialFile
from aenet_py.formats.potential_files import numbers_of
from aenet_py.runtime.output import PendingFile

NAME = "uncertainty.json"
FORMAT = "aenet_py uncertainty 1"
FEATURES, LAST_LAYER, COMMITTEE = "features", "last layer", "committee"
METHODS = (FEATURES, LAST_LAYER, COMMITTEE)
DIGITS = 16  # of a digest


@dataclass(frozen=True)
class Uncertainty:
    """How to estimate errors with certain potentials.

    Parameters
    ----------
    method : str
        ``"features"``: distance of an atom's normalised features from those of the training set; ``"last layer"``: the
        same of the values in the last hidden layer; ``"committee"``: the spread of forces over the members.
    members : tuple of dict
        Digest of each species' potential, for each member.
    factors : dict of str to float
        Expected force error (length of the vector, eV/Å) by species, for a distance of 1; of a committee, the
        dimensionless factor of the spread, the same for all, or none if there were too few forces.
    means : dict of str to array
        (n,) average of the values in the training set, by species; empty for a committee.
    transforms : dict of str to array
        (n, n) lower triangular; the distance of values x is the length of transform @ (x - mean), and its square is 1
        on average in the training set.
    n_atoms : int
        Atoms whose force errors fixed the factors.
    energy_factor : float or None
        Of a committee: the same of the spread of energies; None if there were too few.
    n_structures : int
        Structures whose energies fixed it, or were too few.
    """

    method: str
    members: tuple[dict[str, str], ...]
    factors: dict[str, float]
    means: dict[str, np.ndarray] = field(default_factory=dict)
    transforms: dict[str, np.ndarray] = field(default_factory=dict)
    n_atoms: int = 0
    energy_factor: float | None = None
    n_structures: int = 0

    @functools.cached_property
    def checksum(self) -> str:
        """Of all values, 16 hexadecimal digits."""
        return hashlib.sha256(to_text(self).encode()).hexdigest()[:DIGITS]


def digest(file: PotentialFile) -> str:
    """Digest of a potential, the same for all forms of its file."""
    return hashlib.sha256(numbers_of(file)).hexdigest()[:DIGITS]


def beside(given: object) -> str | None:
    """The file of the potentials in a folder, if there is one.

    Parameters
    ----------
    given : object
        A folder, a mapping from species to file, or a list of one of these.

    Returns
    -------
    str or None
        Path of an existing file.
    """
    if isinstance(given, list | tuple):
        return beside(given[0]) if len(given) == 1 else None
    if isinstance(given, Mapping):
        folders = {os.path.dirname(os.fspath(path)) for path in given.values()}
    else:
        folders = {os.fspath(given)} if isinstance(given, str | os.PathLike) else set()
    path = os.path.join(folders.pop(), NAME) if len(folders) == 1 else None
    return path if path is not None and os.path.isfile(path) else None


def write(path: str, found: Uncertainty) -> None:
    """Write a file, which appears when complete and replaces an older one."""
    with PendingFile(path) as pending:
        pending.write(to_text(found).encode())
        pending.complete(replace=True)


def to_text(found: Uncertainty) -> str:
    """The content of a file."""
    species = {
        symbol: {
            "factor": factor,
            **(
                {"mean": found.means[symbol].tolist(), "transform": _rows(found.transforms[symbol])}
                if symbol in found.means
                else {}
            ),
        }
        for symbol, factor in found.factors.items()
    }
    content = {
        "format": FORMAT, "method": found.method, "members": list(found.members), "n_atoms": found.n_atoms,
        "species": species,
    }  # fmt: skip
    if found.n_structures:
        content["energy"] = {"factor": found.energy_factor, "n_structures": found.n_structures}
    return json.dumps(content) + "\n"


def _rows(transform: np.ndarray) -> list[list[float]]:
    return [row[: number + 1].tolist() for number, row in enumerate(transform)]


def read(path: str) -> Uncertainty:
    """Read a file; InputError if it is not one."""
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise InputError(path, "not a file of aenet-py calibrate: no valid JSON") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        found = content.get("format") if isinstance(content, dict) else None
        raise InputError(path, f"found the format {found!r}; expected {FORMAT!r}, written by aenet-py calibrate")
    try:
        return _parsed(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(path, f"found invalid or missing values ({error}); calibrate again") from None


def _parsed(content: Mapping[str, Any]) -> Uncertainty:
    method, species = content["method"], content["species"]
    if method not in METHODS:
        raise ValueError(f"method {method!r}")
    members = tuple({str(k): str(v) for k, v in member.items()} for member in content["members"])
    factors = {symbol: float(values["factor"]) for symbol, values in species.items()}
    energy = content.get("energy", {"factor": None, "n_structures": 0})
    energy_factor = None if energy["factor"] is None else float(energy["factor"])
    if not all(0 <= factor < math.inf for factor in (*factors.values(), energy_factor or 0.0)):
        raise ValueError("factor")
    means, transforms = {}, {}
    for symbol, values in species.items() if method != COMMITTEE else ():
        means[symbol] = np.array(values["mean"], dtype=np.float64)
        transforms[symbol] = _triangle(values["transform"], len(means[symbol]))
    if not all(np.isfinite(array).all() for array in (*means.values(), *transforms.values())):
        raise ValueError("not finite")
    n_atoms, n_structures = int(content["n_atoms"]), int(energy["n_structures"])
    return Uncertainty(method, members, factors, means, transforms, n_atoms, energy_factor, n_structures)


def _triangle(rows: list[list[float]], size: int) -> np.ndarray:
    if [len(row) for row in rows] != list(range(1, size + 1)):
        raise ValueError("transform")
    matrix = np.zeros((size, size))
    for number, row in enumerate(rows):
        matrix[number, : number + 1] = row
    return matrix
