"""Minimal files of electronic structure codes that ASE reads, with the structures of `made`."""

from __future__ import annotations

import dataclasses

import numpy as np
from ase.units import create_units

from aenet_py.structure import Structure

CODATA = create_units("2006")  # constants of ASE's reader of Quantum ESPRESSO
CELL = np.array([[4.0, 0.0, 0.0], [0.5, 4.2, 0.0], [0.0, 0.25, 4.4]])


def made(n: int = 3) -> list[Structure]:
    """Displaced ions of rock salt; positions, energies and forces have 6 digits."""
    generator = np.random.default_rng(7)
    places = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0], [0, 0.5, 0]]) @ CELL
    return [
        Structure(
            path=f"#{i}",
            symbols=("Mg", "S"),
            species=np.array([0, 0, 1, 1]),
            positions=np.round(places + generator.uniform(0.0, 0.2, (4, 3)), 6),
            cell=CELL,
            pbc=(True, True, True),
            energy=-20.5 - 0.125 * i,
            forces=np.round(generator.normal(0.0, 1.0, (4, 3)), 6),
        )
        for i in range(n)
    ]


def without(frame: Structure, *names: str) -> Structure:
    """A structure without energy, forces."""
    return dataclasses.replace(frame, **dict.fromkeys(names))


def _rows(values: np.ndarray) -> list[str]:
    return [" ".join(f"{value:13.6f}" for value in row) for row in values]


def outcar(frames: list[Structure]) -> str:
    """OUTCAR of VASP: the energy is extrapolated to zero smearing, the free energy is 0.25 eV lower."""
    lines = [" POTCAR:    PAW_PBE Mg 13Apr2007", " POTCAR:    PAW_PBE S 06Sep2000"] * 2
    lines += ["   ISPIN  =      1    spin polarized calculation?", "   ions per type =               2   2"]
    lines += [
        "   k-points           NKPTS =      1   k-points in BZ     NKDIM =      1   number of bands    NBANDS=      8"
    ]
    lines += [" k-points in reciprocal lattice and weights: ", "   0.00000000  0.00000000  0.00000000       1.000", ""]
    for number, frame in enumerate(frames, 1):
        lines += [f"----------------------- Iteration {number:6d}(   1)  ---------------------------------------"]
        lines += ["      direct lattice vectors                 reciprocal lattice vectors"]
        lines += [f"{row} {zero}" for row, zero in zip(_rows(frame.cell), _rows(np.zeros((3, 3))), strict=True)]
        lines += [" POSITION                                       TOTAL-FORCE (eV/Angst)", " " + "-" * 83]
        lines += [f"{a} {b}" for a, b in zip(_rows(frame.positions), _rows(frame.forces), strict=True)]
        lines += [" " + "-" * 83, "  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)", "  " + "-" * 51]
        lines += [f"  free  energy   TOTEN  = {frame.energy - 0.25:18.8f} eV", ""]
        lines += [
            f"  energy  without entropy= {frame.energy + 0.25:17.8f}  energy(sigma->0) = {frame.energy:17.8f}",
            "",
        ]
    return "\n".join(lines)


def vasprun(frames: list[Structure]) -> str:
    """vasprun.xml of VASP, with the energies of `outcar`."""

    def varray(name: str, values: np.ndarray) -> str:
        return f'<varray name="{name}">' + "".join(f"<v>{row}</v>" for row in _rows(values)) + "</varray>"

    def structure(frame: Structure, name: str) -> str:
        scaled = np.linalg.solve(frame.cell.T, frame.positions.T).T
        places = "".join("<v>" + " ".join(f"{value:.16f}" for value in row) + "</v>" for row in scaled)
        return (
            f"<structure{name}><crystal>{varray('basis', frame.cell)}</crystal>"
            f'<varray name="positions">{places}</varray></structure>'
        )

    def calculation(frame: Structure) -> str:
        free = f'<i name="e_fr_energy">{frame.energy - 0.25:.8f}</i><i name="e_wo_entrp">0</i>'
        energy = f'<energy>{free}<i name="e_0_energy">{frame.energy:.8f}</i></energy>'
        return (
            f"<calculation><scstep>{energy}</scstep>{structure(frame, '')}"
            f"{varray('forces', frame.forces)}{energy}</calculation>\n"
        )

    atoms = "".join(f"<rc><c>{name}</c><c>1</c></rc>" for name in frames[0].names())
    points = varray("kpointlist", np.zeros((1, 3))) + '<varray name="weights"><v>1.0</v></varray>'
    head = f'<atominfo><array name="atoms"><set>{atoms}</set></array></atominfo><kpoints>{points}</kpoints>\n'
    steps = "".join(map(calculation, frames))
    initial = structure(frames[0], ' name="initialpos"')
    return f'<?xml version="1.0" encoding="ISO-8859-1"?>\n<modeling>\n{head}{initial}\n{steps}</modeling>\n'


def espresso(frames: list[Structure]) -> str:
    """Relaxation with Quantum ESPRESSO: energies in Ry, forces in Ry/bohr."""
    bohr, rydberg = CODATA["Bohr"], CODATA["Rydberg"]
    first, alat = frames[0], 4.0 / bohr
    lines = [
        "     Program PWSCF v.6.8 starts on  1Jan2024 at 12: 0: 0 ",
        "     bravais-lattice index     =            0",
    ]
    lines += [
        f"     lattice parameter (alat)  = {alat:11.8f}  a.u.",
        f"     number of atoms/cell      = {first.n_atoms:12d}",
    ]
    lines += ["     number of atomic types    =            2"]
    lines += [f"     celldm(1)={alat:11.8f}  celldm(2)=   0.000000  celldm(3)=   0.000000", ""]
    lines += ["     crystal axes: (cart. coord. in units of alat)"]
    rows = [" ".join(f"{value:12.8f}" for value in row) for row in first.cell / 4.0]
    lines += [f"               a({i}) = ( {row} )  " for i, row in enumerate(rows, 1)]
    lines += ["", "   Cartesian axes", "", "     site n.     atom                  positions (alat units)"]
    places = zip(first.names(), first.positions / 4.0, strict=True)
    for i, (name, place) in enumerate(places, 1):
        row = "  ".join(f"{value:12.9f}" for value in place)
        lines += [f"     {i:5d}           {name:<3} tau({i:4d}) = ( {row}  )"]
    lines += [""]
    for number, frame in enumerate(frames):
        if number:
            lines += ["ATOMIC_POSITIONS (angstrom)"]
            lines += [f"{n:<3} {row}" for n, row in zip(frame.names(), _rows(frame.positions), strict=True)] + [""]
        lines += [f"!    total energy              = {frame.energy / rydberg:20.12f} Ry", ""]
        lines += ["     Forces acting on atoms (cartesian axes, Ry/au):", ""]
        for i, force in enumerate(frame.forces * bohr / rydberg, 1):
            row = " ".join(f"{value:16.12f}" for value in force)
            lines += [f"     atom {i:4d} type  1   force = {row}"]
        lines += [
            "",
            f"     Total force = {np.linalg.norm(frame.forces):12.6f}     Total SCF correction =     0.000001",
            "",
        ]
    return "\n".join(lines) + "\n"


def aims(frames: list[Structure]) -> str:
    """Molecular dynamics without a cell with FHI-aims."""
    lines = ["          Invoking FHI-aims ...", "", "  | Number of atoms                   :        4"]
    lines += [
        "  | Number of spin channels           :        1",
        "  The structure contains        4 atoms,  and a total of  56.000 electrons.",
    ]
    lines += [
        "  | Number of Kohn-Sham states (occupied + empty):       40",
        "  Input geometry:",
        "  | No unit cell requested.",
    ]
    lines += ["  | Atomic structure:", "  |       Atom                x [A]            y [A]            z [A]"]
    for i, (name, row) in enumerate(zip(frames[0].names(), _rows(frames[0].positions), strict=True), 1):
        lines += [f"  | {i:4d}: Species {name:<4} {row}"]
    lines += [
        "",
        "  Complete information for previous time-step:",
        "  Begin self-consistency loop: Initialization.",
        "",
    ]
    for number, frame in enumerate(frames):
        if number:
            lines += ["  Begin self-consistency loop: Re-initialization.", ""]
        lines += ["  Begin self-consistency iteration #    1", "", "  Self-consistency cycle converged."]
        lines += [f"  | Electronic free energy            : {frame.energy:22.14f} eV", ""]
        lines += ["  Total atomic forces (unitary forces cleaned) [eV/Ang]:"]
        lines += [f"  | {i:4d} {row}" for i, row in enumerate(_rows(frame.forces), 1)] + [""]
        lines += ["  Atomic structure (and velocities) as used in the preceding time step:"]
        lines += ["                         x [A]             y [A]             z [A]            Atom"]
        for name, row in zip(frame.names(), _rows(frame.positions), strict=True):
            lines += [f"            atom {row}  {name}", "            velocity 0.0 0.0 0.0"]
        lines += [""]
    return "\n".join(
        [*lines, "          Have a nice day.", "------------------------------------------------------------", ""]
    )
