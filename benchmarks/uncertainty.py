"""Cost of the uncertainty in molecular dynamics: a single potential and four, with and without a limit.

    python benchmarks/uncertainty.py [--repeat 5] [--steps 400]

CuAu as in md.py, whose small forces change no cost; `simulate` with a frame at the start and the end only, and limits
checked every 10 steps.  Ways alternate within one process, with one thread; figures are the medians of microseconds of
CPU time per atom and step, and of the ratios to the single potential of the same round.  `each step` asks a calculator
for the uncertainty at every step of a loop without checks.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from ase.md.verlet import VelocityVerlet
from md import cuau, write_potentials

from aenet_py.formats import uncertainty as uncertainty_format
from aenet_py.formats.uncertainty import FEATURES, Uncertainty
from aenet_py.interfaces.ase import ANNCalculator
from aenet_py.potentials.potential import Potential
from aenet_py.potentials.uncertainty import digests
from aenet_py.runtime import specialise
from aenet_py.simulation.dynamics import Settings, run
from aenet_py.simulation.stability import Limits

N_MEMBERS, SIZES = 4, (6, 8)
WAYS = (
    "single", "one-shot", "committee", "spread", "single, each step", "one-shot, each step", "spread, each step",
)  # fmt: skip


def calibration(potential: Potential) -> Uncertainty:
    """Of random numbers, as only the cost counts."""
    generator, means, transforms = np.random.default_rng(0), {}, {}
    for symbol, file in zip(potential.types, potential.files, strict=True):
        size = file.setup.n_features
        means[symbol], transforms[symbol] = generator.normal(size=size), np.tril(generator.normal(size=(size, size)))
    factors = dict.fromkeys(potential.types, 1e-3)
    return Uncertainty(FEATURES, digests([potential]), factors, means, transforms)


def simulated(atoms: Atoms, calculator: Calculator, way: str, steps: int) -> float:
    """CPU seconds per step."""
    atoms = atoms.copy()
    atoms.calc = calculator
    if "each step" in way:
        atoms.set_velocities(np.random.default_rng(0).normal(scale=0.02, size=(len(atoms), 3)))
        engine = VelocityVerlet(atoms, 0.5 * units.fs)
        began = time.process_time()
        for _ in range(steps):
            engine.step()
            if not way.startswith("single"):
                calculator.results["uncertainty"]
        return (time.process_time() - began) / steps
    limited = way in ("one-shot", "spread")
    limits = Limits(max_excess=1e12, fragments=True, max_spread=1e12 if limited else None)
    began = time.process_time()
    run(atoms, Settings(steps, every=10 * steps), limits)
    return (time.process_time() - began) / steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--steps", type=int, default=400)
    options = parser.parse_args()
    specialise.AFTER = 0.0
    with tempfile.TemporaryDirectory() as name:
        write_potentials(Path(name))
        members = [Potential.load(name) for _ in range(N_MEMBERS)]
        path = str(Path(name) / "uncertainty.json")
        uncertainty_format.write(path, calibration(members[0]))
        makers: dict[str, Callable[[], ANNCalculator]] = {
            "single": lambda: ANNCalculator(members[0], threads=1),
            "one-shot": lambda: ANNCalculator(members[0], threads=1, uncertainty=path),
            "committee": lambda: ANNCalculator(members, threads=1),
        }  # fmt: skip
        print(f"| atoms | {' | '.join(WAYS)} |\n| --- {'| --- ' * len(WAYS)}|")
        for size in SIZES:
            atoms = cuau(Path(name), SIZES.index(size))
            calculators = {way: makers.get(way.partition(",")[0], makers["committee"])() for way in WAYS}
            for way in WAYS:
                simulated(atoms, calculators[way], way, 30)  # compiles, once
            time.sleep(5.0)
            rounds = [
                {w: simulated(atoms, calculators[w], w, options.steps) for w in WAYS} for _ in range(options.repeat)
            ]
            cells = []
            for way in WAYS:
                cost = statistics.median(each[way] for each in rounds) / len(atoms)
                base = "single, each step" if "each step" in way else "single"
                ratio = statistics.median(each[way] / each[base] for each in rounds)
                cells.append(f"{1e6 * cost:.2f} ({ratio:.2f})")
            print(f"| {len(atoms)} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
