"""Labels that another program computed: read its output, and check that it is of the same atoms.

labelled.extxyz    energy and forces in extended XYZ, from any script
OUTCAR, vasprun.xml, espresso.pwo, aims.out, gpaw.txt
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from xml.etree import ElementTree

import numpy as np

from aenet_py.errors import AenetError, InputError
from aenet_py.formats.read import read
from aenet_py.labelling.compute import Failure, Label, checked
from aenet_py.structure import Structure

NEAR = 1e-4  # Å
VOIGT = ([0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1])
SORT = "ase-sort.dat"  # of VASP's calculator in ASE: place in the input, and in the output, of each atom
CHOOSE = ", choose another format with --format"  # an option for other files than these
NOT_CONVERGED = Failure("not converged")


@dataclass(frozen=True)
class Output:
    """The output of a program.

    Parameters
    ----------
    format_name
        ASE's name of the format; None detects it.
    failed
        What it says if it has not converged.
    converged
        What it says if it has.
    """

    format_name: str | None = None
    failed: bytes = b""
    converged: bytes = b""


def result_in(folder: str, wanted: Structure, name: str | None = None) -> Label | Failure:
    """Read the label of a structure from a folder.

    Parameters
    ----------
    folder
        With the output of a program.
    wanted
        The structure.
    name
        Of the output file; None tries the known ones.

    Returns
    -------
    Label or Failure
        The failure says what is missing or wrong in which file.
    """
    names = KNOWN if name is None else {name: KNOWN.get(name, Output())}
    for each, output in names.items():
        path = os.path.join(folder, each)
        if os.path.isfile(path):
            found = _result(path, output, wanted)
            return replace(found, place=path) if isinstance(found, Failure) else found
    return Failure("no results", os.path.join(folder, name) if name else folder)


def says_not_converged(folder: str) -> bool:
    """Whether the output of a program in a folder says so."""
    for name, output in KNOWN.items():
        path = os.path.join(folder, name)
        if output.failed and os.path.isfile(path):
            with open(path, "rb") as file:
                return output.failed in file.read()
    return False


def _result(path: str, output: Output, wanted: Structure) -> Label | Failure:
    try:
        with open(path, "rb") as file:
            content = file.read()
        if output.failed and output.failed in content:
            return NOT_CONVERGED
        found = read(path, -1, output.format_name)
        if output.converged not in content or (output.format_name == "vasp-xml" and _took_all_steps(content)):
            return NOT_CONVERGED
        order = _order(os.path.dirname(path), found.n_atoms)
    except ElementTree.ParseError:
        return Failure("incomplete; the calculation may still be running")
    except OSError as error:
        return Failure(f"cannot be read: {error.strerror}")
    except AenetError as error:
        reason = str(error).removeprefix(f"{path}: ").removesuffix(CHOOSE)
        return Failure(" ".join(reason.split()))
    difference = differs(found, wanted, order)
    if difference is not None:
        return Failure(difference)
    if found.energy is None or found.forces is None:
        missing = "energy" if found.energy is None else "forces"
        return Failure(f"no {missing} found; the calculation may still be running")
    if found.n_unknown_forces:
        return Failure("forces of fixed atoms are zero; expected those of get_forces(apply_constraint=False)")
    stress = found.stress[VOIGT] if found.stress is not None and all(wanted.pbc) else None
    return checked(found.energy, found.forces[order], stress, wanted.n_atoms)


def differs(found: Structure, wanted: Structure, order: np.ndarray) -> str | None:
    """What is different in another structure; None if it is the same within 1e-4 Å.

    Parameters
    ----------
    found
        The structure of a result, whose atoms may be in other periodic images.
    wanted
        The structure to label.
    order
        (n_atoms,) places in `found` of the atoms of `wanted`.

    Returns
    -------
    str or None
        The first difference, in words.
    """
    if found.n_atoms != wanted.n_atoms:
        return f"found {found.n_atoms} atoms; expected {wanted.n_atoms}"
    names = found.names()
    for k, (place, expected) in enumerate(zip(order, wanted.names(), strict=True)):
        if names[place] != expected:
            return f"found {names[place]} as atom {k + 1}; expected {expected}"
    if wanted.cell is not None and any(wanted.pbc):
        if found.cell is None:
            return "found no cell; expected a periodic structure"
        shift = np.abs(found.cell - wanted.cell).max()
        if shift > NEAR:
            return f"found a cell that differs by {shift:.2g} Å; expected that of the structure"
    moved = found.positions[order] - wanted.positions
    if wanted.cell is not None and any(wanted.pbc):
        images = np.round(np.linalg.lstsq(wanted.cell.T, moved.T, rcond=None)[0].T) * np.array(wanted.pbc)
        moved = moved - images @ wanted.cell
    shifts = np.linalg.norm(moved, axis=1)
    worst = int(np.argmax(shifts))
    if shifts[worst] > NEAR:
        return f"found atom {worst + 1} displaced by {shifts[worst]:.2g} Å; expected the positions of the structure"
    return None


def _order(folder: str, n_atoms: int) -> np.ndarray:
    """Places in the output of the atoms of the input."""
    path = os.path.join(folder, SORT)
    if not os.path.isfile(path):
        return np.arange(n_atoms)
    try:
        order = np.loadtxt(path, dtype=np.int64, ndmin=2)[:, 1]
    except (OSError, ValueError, IndexError):
        order = np.empty(0, dtype=np.int64)
    if sorted(order) != list(range(n_atoms)):
        raise InputError(path, f"not the order of {n_atoms} atoms")
    return order


def _took_all_steps(content: bytes) -> bool:
    """Whether the last calculation in a vasprun.xml took all electronic steps that NELM allows."""
    root = ElementTree.fromstring(content)
    most, last = root.find(".//i[@name='NELM']"), root.findall("calculation")[-1:]
    return most is not None and bool(last) and len(last[0].findall("scstep")) >= int(most.text or 0)


KNOWN = {
    "labelled.extxyz": Output(),
    "OUTCAR": Output("vasp-out", converged=b"aborting loop because EDIFF is reached"),
    "vasprun.xml": Output("vasp-xml"),
    "espresso.pwo": Output("espresso-out", failed=b"convergence NOT achieved"),
    "aims.out": Output("aims-output", converged=b"Self-consistency cycle converged"),
    "gpaw.txt": Output("gpaw-out", failed=b"Did not converge"),
}
