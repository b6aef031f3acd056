"""Run a LAMMPS input with potentials: python run.py in.tio2 STEPS Ti=Ti.nn O=O.nn, or the same after mpiexec -n 4.

The potentials are given in the order of LAMMPS' atom types.
"""

import sys

from lammps import lammps

from aenet_py.interfaces.lammps import attach  # loads the MPI library, too, which lammps() needs


def main(script: str, steps: str, *potentials: str) -> None:
    paths = dict(potential.split("=", 1) for potential in potentials)
    lmp = lammps()
    lmp.file(script)
    attach(lmp, paths, list(paths))
    lmp.command("thermo_style custom step temp pe etotal press f_aenet[1]")
    lmp.command(f"run {steps}")


if __name__ == "__main__":
    main(*sys.argv[1:])
