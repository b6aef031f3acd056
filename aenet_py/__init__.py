"""Neural-network potentials with ænet's files and commands, in Python.

========================  ======================================================================
`read`                    structures from any file
`check`                   faults in structures, energies and forces (aenet-py check)
`init`                    set-ups and input files for a training on structures (aenet-py init)
`generate`                structures to a training set of features (generate.x)
`TrainingSet`             the values in a training set
`train`, `transfer`       potentials from a training set (aenet_pytorch.py)
`Potential`               energies, forces and virial of structures
`ANNCalculator`           the same in ASE
`evaluate`                errors of a potential for structures with known energies and forces (aenet-py evaluate)
`simulate`                molecular dynamics that stop when they become unphysical (aenet-py md)
`calibrate`               how uncertain forces are (aenet-py calibrate)
`stability`               how long simulations stay physical, by many of them (aenet-py stability)
`label`                   energies and forces of structures from any calculator of ASE (aenet-py label)
`CalculatorSpec`          such a calculator by name and options
`learn`                   a potential from few labels, chosen by a committee (aenet-py learn)
`select`                  subsets of large sets of structures (aenet-py select)
`Structure`               atoms in a cell, with energy and forces
`AenetError`              the error that everything here raises for bad input
`AenetWarning`            the warning for results that need attention
========================  ======================================================================

Structures are given as `ase.Atoms`, as paths or as `Structure`, potentials as a folder or as a mapping from species to
file.  A name is imported when it is first used, so that torch, ASE and Numba are loaded only by what needs them.
"""

from __future__ import annotations

from aenet_py._version import __version__ as __version__

TYPE_CHECKING = False  # importing typing takes longer than all the rest here
if TYPE_CHECKING:
    from aenet_py.active.learn import learn
    from aenet_py.errors import AenetError, AenetWarning
    from aenet_py.evaluation.calibrate import calibrate
    from aenet_py.evaluation.evaluate import evaluate
    from aenet_py.formats.read import read
    from aenet_py.formats.trainset import TrainingSet
    from aenet_py.interfaces.ase import ANNCalculator
    from aenet_py.labelling.calculators import CalculatorSpec
    from aenet_py.labelling.label import label
    from aenet_py.pipelines.generate import generate
    from aenet_py.potentials.potential import Potential
    from aenet_py.selection.select import select
    from aenet_py.simulation.simulate import simulate
    from aenet_py.structure import Structure
    from aenet_py.survival.stability import stability
    from aenet_py.tools.check import check
    from aenet_py.tools.init import init
    from aenet_py.training.train import train, transfer

__all__ = [
    "ANNCalculator", "AenetError", "AenetWarning", "CalculatorSpec", "Potential", "Structure", "TrainingSet",
    "calibrate", "check", "evaluate", "generate", "init", "label", "learn", "read", "select", "simulate", "stability",
    "train", "transfer",
]  # fmt: skip

_MODULES = {
    "ANNCalculator": "interfaces.ase",
    "AenetError": "errors",
    "AenetWarning": "errors",
    "CalculatorSpec": "labelling.calculators",
    "Potential": "potentials.potential",
    "Structure": "structure",
    "TrainingSet": "formats.trainset",
    "calibrate": "evaluation.calibrate",
    "check": "tools.check",
    "evaluate": "evaluation.evaluate",
    "generate": "pipelines.generate",
    "init": "tools.init",
    "label": "labelling.label",
    "learn": "active.learn",
    "read": "formats.read",
    "select": "selection.select",
    "simulate": "simulation.simulate",
    "stability": "survival.stability",
    "train": "training.train",
    "transfer": "training.train",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
