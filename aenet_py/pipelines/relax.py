"""Relaxation of a structure as predict.x does it: L-BFGS with steps of at most a tenth of a cell vector.

The original gives L-BFGS-B 3.0 (Byrd, Lu, Nocedal, Zhu, SIAM J. Sci. Comput. 16, 1190 (1995)) fractional coordinates
but the gradient with respect to Cartesian ones, and limits every step before evaluating it.  To arrive at the same
result, this module does so, too, which no library's interface allows.  Without bounds, L-BFGS-B is L-BFGS with the line
search of Moré and Thuente (ACM Trans. Math. Softw. 20, 286 (1994); dcsrch and dcstep of MINPACK-2).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace

import numpy as np

from aenet_py.errors import InputError
from aenet_py.inputs.predict import Relaxation
from aenet_py.neighbors.constants import BOX_MARGIN
from aenet_py.neighbors.search import search_cell
from aenet_py.pipelines.rounding import rms
from aenet_py.potentials.potential import Potential, Prediction
from aenet_py.report import predict as report
from aenet_py.structure import Structure

MEMORY = 20  # pairs of steps and gradient changes (opt_init_bfgs)
LONGEST = 0.1  # change of a fractional coordinate per step
DECREASE, CURVATURE, WIDTH = 1.0e-3, 0.9, 0.1  # conditions that end a line search (lnsrlb)
MOST_TRIALS, LARGEST = 20, 1.0e10
EPSILON = float(np.finfo(float).eps)

# A search receives (coordinates, energy, gradient) and yields the next coordinates, or None once converged.
Point = tuple[np.ndarray, float, np.ndarray]
Search = Generator[np.ndarray | None, Point, None]


@dataclass(frozen=True)
class Relaxed:
    """Result of a relaxation; positions : (n_atoms, 3) Å."""

    positions: np.ndarray
    prediction: Prediction
    n_steps: int
    converged: bool


def relax(
    potential: Potential, structure: Structure, start: Prediction, wanted: Relaxation, say: Callable[[str], None]
) -> Relaxed:
    """Relax the atoms of a structure in its fixed cell; start : its prediction; say : receives the table of steps."""
    box, origin = box_of(structure, potential.model.r_max)
    fractions = np.linalg.solve(box.T, (places(structure, start, box, origin) - origin).T).T
    prediction, search, previous = start, lbfgs(wanted.force, wanted.energy), None
    next(search)
    for number in range(1, wanted.steps + 1):
        force = rms(prediction.forces)
        change = None if previous is None else force - previous
        say(report.step(number, prediction.cohesive_energy - start.cohesive_energy, force, change))
        previous = force
        target = search.send((fractions.ravel().copy(), prediction.cohesive_energy, -prediction.forces.ravel()))
        if target is None:
            say(report.converged(number))
            return Relaxed(_printed(structure, fractions) @ box + origin, prediction, number, True)
        step = target.reshape(-1, 3) - fractions
        fractions = np.where(np.abs(step) <= LONGEST, target.reshape(-1, 3), fractions + np.sign(step) * LONGEST)
        if structure.lattice is None:
            fractions, box, origin = _fit(fractions, box, origin)
        try:
            moved = replace(structure, positions=fractions @ box + origin)
            prediction = potential.energy_forces(moved, in_order=True)
        except InputError as error:
            reason = str(error).partition(": ")[2]
            raise InputError(structure.path, f"in step {number} of the relaxation, {reason}") from None
    return Relaxed(_printed(structure, fractions) @ box + origin, prediction, wanted.steps, False)


def _printed(structure: Structure, fractions: np.ndarray) -> np.ndarray:
    """Fractional coordinates, wrapped into the cell along periodic directions."""
    return fractions if structure.lattice is None else fractions - np.where(structure.pbc, np.floor(fractions), 0.0)


def box_of(structure: Structure, r_max: float) -> tuple[np.ndarray, np.ndarray]:
    """The cell (rows) in which neighbours within r_max are searched, and its origin.

    For an isolated structure, the box around it (geo_get_bounds).
    """
    if structure.lattice is not None:
        return search_cell(structure, r_max), np.zeros(3)
    low, high = structure.positions.min(axis=0), structure.positions.max(axis=0)
    return np.diag(high - low + BOX_MARGIN), low - 0.5 * BOX_MARGIN


def places(structure: Structure, prediction: Prediction, box: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """Positions (n_atoms, 3), Å, of the evaluated atoms, wrapped into the cell along periodic directions only."""
    positions = prediction.environments.positions + origin
    if structure.lattice is None or all(structure.pbc):
        return positions
    moved = np.round((structure.positions - positions) @ np.linalg.inv(box))
    return positions + np.where(structure.pbc, 0.0, moved) @ box


def _fit(fractions: np.ndarray, box: np.ndarray, origin: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A larger box for atoms that have left theirs, and the coordinates in it (geo_update_bounds)."""
    if fractions.min() >= 0.0 and fractions.max() <= 1.0:
        return fractions, box, origin
    sides = np.diag(box)
    low, high = fractions.min(axis=0), fractions.max(axis=0)
    scale, shift = high - low + BOX_MARGIN / sides, low - 0.5 * BOX_MARGIN / sides
    return (fractions - shift) / scale, np.diag(sides * scale), origin + shift * sides


def lbfgs(most_gradient: float, least_change: float) -> Search:
    """L-BFGS as a coroutine (setulb), which receives one evaluated point after the other.

    Converged once no component of the gradient exceeds most_gradient.  The original misses this at the end of a line
    search and detects it after two more evaluations of the same point.  An energy change of less than least_change
    times the machine precision only restarts the search.
    """
    pairs: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=MEMORY)
    x = np.empty(0)
    while True:
        x, energy, gradient = yield x
        x, energy, gradient = yield x  # a search starts by evaluating its first point again
        if np.abs(gradient).max() <= most_gradient:
            yield None
        while True:
            direction = _direction(gradient, pairs)
            slope = float(gradient @ direction)
            first = not pairs and direction @ direction > 0
            trial = min(1.0 / float(np.sqrt(direction @ direction)), LARGEST) if first else 1.0
            if slope >= 0:
                if not pairs:
                    break
                pairs.clear()
                continue
            line = _line_search(energy, slope, trial)
            length, _ = next(line)
            old, old_energy, old_gradient = x, energy, gradient
            for _ in range(MOST_TRIALS):
                x, energy, gradient = yield old + length * direction
                length, done = line.send((energy, float(gradient @ direction)))
                if done:
                    break
            else:
                x, energy, gradient = old, old_energy, old_gradient
                if not pairs:
                    break
                pairs.clear()
                continue
            if np.abs(gradient).max() <= most_gradient:
                break
            if old_energy - energy <= EPSILON * least_change * max(abs(old_energy), abs(energy), 1.0):
                break
            change = gradient - old_gradient
            curvature = float(gradient @ direction - slope) * length
            if curvature > EPSILON * -slope * length:
                pairs.append((length * direction, change))


def _direction(gradient: np.ndarray, pairs: deque) -> np.ndarray:
    """Minus the approximate inverse Hessian times the gradient, by the two-loop recursion."""
    result = -gradient
    if not pairs:
        return result
    factors = []
    for step, change in reversed(pairs):
        factor = (step @ result) / (step @ change)
        factors.append(factor)
        result = result - factor * change
    step, change = pairs[-1]
    result = result * ((step @ change) / (change @ change))
    for (step, change), factor in zip(pairs, reversed(factors), strict=True):
        result = result + (factor - (change @ result) / (step @ change)) * step
    return result


def _line_search(start: float, slope: float, length: float) -> Generator[tuple[float, bool], tuple[float, float], None]:
    """Line search (dcsrch): yields lengths and whether to stop there; receives (value, slope) at the last length."""
    bracketed, first_stage = False, True
    width, double_width = LARGEST, 2.0 * LARGEST
    test = DECREASE * slope
    best = other = (0.0, start, slope)
    low, high = 0.0, length + 4.0 * length
    while True:
        value, derivative = yield length, False
        goal = start + length * test
        if first_stage and value <= goal and derivative >= 0.0:
            first_stage = False
        stuck = bracketed and (length <= low or length >= high or high - low <= WIDTH * high)
        stuck = stuck or (length == LARGEST and value <= goal and derivative <= test)
        stuck = stuck or (length == 0.0 and (value > goal or derivative >= test))
        if stuck or (value <= goal and abs(derivative) <= CURVATURE * -slope):
            yield length, True
            return
        here = (length, value, derivative)
        if first_stage and best[1] >= value > goal:
            tilted = [(a, v - a * test, d - test) for a, v, d in (best, other, here)]
            best, other, length, bracketed = _next(tilted[0], tilted[1], tilted[2], bracketed, low, high)
            best, other = [(a, v + a * test, d + test) for a, v, d in (best, other)]
        else:
            best, other, length, bracketed = _next(best, other, here, bracketed, low, high)
        if bracketed:
            if abs(other[0] - best[0]) >= 0.66 * double_width:
                length = best[0] + 0.5 * (other[0] - best[0])
            double_width, width = width, abs(other[0] - best[0])
            low, high = min(best[0], other[0]), max(best[0], other[0])
        else:
            low, high = length + 1.1 * (length - best[0]), length + 4.0 * (length - best[0])
        length = min(max(length, 0.0), LARGEST)
        if bracketed and (length <= low or length >= high or high - low <= WIDTH * high):
            length = best[0]


End = tuple[float, float, float]  # length, value, slope


def _next(best: End, other: End, here: End, bracketed: bool, low: float, high: float) -> tuple[End, End, float, bool]:
    """The interval narrowed by a trial, and the next length from cubic and quadratic fits (dcstep)."""
    (a, fa, da), (_, fo, do), (b, fb, db) = best, other, here
    opposite = db * np.sign(da) < 0.0
    if fb > fa:
        theta = 3.0 * (fa - fb) / (b - a) + da + db
        s = max(abs(theta), abs(da), abs(db))
        gamma = s * np.sqrt((theta / s) ** 2 - (da / s) * (db / s)) * (-1.0 if b < a else 1.0)
        cubic = a + ((gamma - da) + theta) / (((gamma - da) + gamma) + db) * (b - a)
        quadratic = a + ((da / ((fa - fb) / (b - a) + da)) / 2.0) * (b - a)
        length = cubic if abs(cubic - a) < abs(quadratic - a) else cubic + (quadratic - cubic) / 2.0
        bracketed = True
    elif opposite:
        theta = 3.0 * (fa - fb) / (b - a) + da + db
        s = max(abs(theta), abs(da), abs(db))
        gamma = s * np.sqrt((theta / s) ** 2 - (da / s) * (db / s)) * (-1.0 if b > a else 1.0)
        cubic = b + ((gamma - db) + theta) / (((gamma - db) + gamma) + da) * (a - b)
        secant = b + (db / (db - da)) * (a - b)
        length = cubic if abs(cubic - b) > abs(secant - b) else secant
        bracketed = True
    elif abs(db) < abs(da):
        theta = 3.0 * (fa - fb) / (b - a) + da + db
        s = max(abs(theta), abs(da), abs(db))
        gamma = s * np.sqrt(max(0.0, (theta / s) ** 2 - (da / s) * (db / s))) * (-1.0 if b > a else 1.0)
        r = ((gamma - db) + theta) / ((gamma + (da - db)) + gamma)
        cubic = b + r * (a - b) if r < 0.0 and gamma != 0.0 else (high if b > a else low)
        secant = b + (db / (db - da)) * (a - b)
        if bracketed:
            length = cubic if abs(cubic - b) < abs(secant - b) else secant
            limit = b + 0.66 * (other[0] - b)
            length = min(limit, length) if b > a else max(limit, length)
        else:
            length = cubic if abs(cubic - b) > abs(secant - b) else secant
            length = max(low, min(high, length))
    elif bracketed:
        theta = 3.0 * (fb - fo) / (other[0] - b) + do + db
        s = max(abs(theta), abs(do), abs(db))
        gamma = s * np.sqrt((theta / s) ** 2 - (do / s) * (db / s)) * (-1.0 if b > other[0] else 1.0)
        length = b + ((gamma - db) + theta) / (((gamma - db) + gamma) + do) * (other[0] - b)
    else:
        length = high if b > a else low
    if fb > fa:
        other = here
    else:
        if opposite:
            other = best
        best = here
    return best, other, float(length), bracketed
