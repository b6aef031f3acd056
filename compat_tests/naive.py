"""A slow twin of the kernels: the original's arithmetic in plain Python, one number at a time.

Written for reading and for comparing bits, from the Fortran routines named in each docstring.  Vectors are lists of
three floats, sums start at 0.0 and add in the order of the index.  Atoms must not coincide where features are asked
for.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field

import numpy as np

SEARCH_MARGIN = 1.0e-3  # EPS of lcl_nbdist_cart, translation_vectors and sphere_supercell, Å
BOX_MARGIN = 2.0e-6  # EPS of geo_get_bounds, Å
SHORTEST = 1.0e-12  # EPS of sfbasis, Å
BASIS_PI = 3.14159265358979  # sfbasis writes fewer digits than geometry


# Vectors


def dot(a, b):
    """dot_product and sum(a*b)."""
    total = 0.0
    for p, q in zip(a, b, strict=True):
        total += p * q
    return total


def norm(a):
    return math.sqrt(dot(a, a))


def cross(a, b):
    """Vector product (vproduct)."""
    return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]


def minus(a, b):
    return [p - q for p, q in zip(a, b, strict=True)]


def combine(vectors, coefficients):
    """Coefficients times vectors: matmul with a matrix whose columns are the vectors."""
    return [dot([v[c] for v in vectors], coefficients) for c in range(3)]


def signed_volume(cell):
    """geo_cell_volume; the order of the six products counts."""
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = cell
    even = ax * by * cz + ay * bz * cx + az * bx * cy
    return even - az * by * cx - ax * bz * cy - ay * bx * cz


# Geometry


def bounding_box(positions):
    """Box around an isolated structure and the positions seen from its corner (geo_get_bounds)."""
    low = [min(p[c] for p in positions) for c in range(3)]
    high = [max(p[c] for p in positions) for c in range(3)]
    corner = [x - 0.5 * BOX_MARGIN for x in low]
    edges = [h - x + BOX_MARGIN for x, h in zip(low, high, strict=True)]
    box = [[edges[v] if c == v else 0.0 for c in range(3)] for v in range(3)]
    return box, [minus(p, corner) for p in positions]


def reciprocal(cell):
    """Reciprocal vectors with the factor 2 pi (geo_recip_lattice)."""
    a, b, c = cell
    volume = signed_volume(cell)
    raw = [cross(b, c), [-x for x in cross(a, c)], cross(a, b)]
    return [[x / volume * 2.0 * math.pi for x in row] for row in raw]


def to_fractional(cell, vectors):
    """Coordinates in the basis of the cell vectors (geo_init_xsf)."""
    rows = reciprocal(cell)
    return [[dot(row, v) / (2.0 * math.pi) for row in rows] for v in vectors]


def wrap(x):
    """Into [0, 1), one cell at a time (wrap_cooLatt)."""
    while x < 0.0:
        x += 1.0
    while x >= 1.0:
        x -= 1.0
    return x


# Neighbours


def heights(cell):
    """Distances between opposite faces of the cell (cell_multiples, inner_sphere)."""
    result = []
    for v in range(3):
        first, second = (cell[w] for w in range(3) if w != v)
        normal = cross(first, second)
        length = norm(normal)
        result.append(abs(dot([x / length for x in normal], cell[v])))
    return result


def divide_cell(cell, reach):
    """Numbers of linked cells along the cell vectors, and the vectors of one of them (cell_multiples)."""

    def grid(numbers):
        return [[x / float(n) for x in v] for v, n in zip(cell, numbers, strict=True)]

    tall = heights(cell)
    unit = max(min(tall), 0.5)
    numbers = [max(math.floor(h / unit), 1) for h in tall]
    radius = 0.5 * min(heights(grid(numbers)))
    if radius > 0.5 * reach:
        numbers = [math.floor(float(n) * (2.0 * radius / reach)) for n in numbers]
    return numbers, grid(numbers)


def round_half_up(x):
    """nint of a positive number: halves go up, and nothing is lost by adding one half."""
    whole = math.floor(x)
    return whole + 1 if x - whole >= 0.5 else whole


def linked_cell(fractional, numbers):
    """Which linked cell a point lies in, counted from 1 (cell_get)."""
    return tuple(min(round_half_up(x * float(n) + 0.5), n) for x, n in zip(fractional, numbers, strict=True))


def ranges(vectors, reach):
    """How many steps translations go along each vector (sphere_supercell, translation_vectors).

    The original takes rows of the matrix for its columns here, and half of the steps: thin cells lose neighbours.
    """
    rows = [[v[c] for v in vectors] for c in range(3)]
    volume = abs(signed_volume(vectors))
    pairs = [(1, 2), (0, 2), (0, 1)]
    lengths = [norm([x / volume for x in cross(rows[p], rows[q])]) for p, q in pairs]
    radius = reach + SEARCH_MARGIN
    return [math.ceil(radius * length + SEARCH_MARGIN) // 2 + 2 for length in lengths]


def translations(steps):
    """All translations but none at all, the first component fastest."""
    spans = [range(-n, n + 1) for n in reversed(steps)]
    return [(i, j, k) for k, j, i in itertools.product(*spans) if (i, j, k) != (0, 0, 0)]


def linked_offsets(grid, numbers, reach, periodic):
    """Steps to the linked cells around; in a periodic structure only one to each cell (translation_vectors)."""
    steps = [min(n, number - 1) for n, number in zip(ranges(grid, reach), numbers, strict=True)]
    offsets, targets = [], set()
    for offset in translations(steps):
        target = tuple(o % n for o, n in zip(offset, numbers, strict=True))
        if not periodic or target not in targets:
            offsets.append(offset)
            targets.add(target)
    return offsets


def candidates(atom, cells, home, numbers, offsets, periodic):
    """Atoms that may be neighbours: own cell first, then those around, each from its newest atom on (lcl_nblist)."""
    found = [other for other in cells[home] if other != atom]
    for offset in offsets:
        place = [h + o for h, o in zip(home, offset, strict=True)]
        if periodic:
            place = [(p - 1) % n + 1 for p, n in zip(place, numbers, strict=True)]
        found += [other for other in cells.get(tuple(place), []) if other not in found]
    return found


def largest_count(r_min, r_max):
    """Most neighbours the original has room for (lcl_nmax_nbdist)."""
    ball, reach = 0.5 * r_min, r_max + 0.5 * r_min
    return math.ceil(reach * reach * reach / (ball * ball * ball) * 0.7405)


def largest_candidates(grid, n_offsets, n_atoms, r_min):
    """Most candidates the original has room for, as many as fit into the cells in range (lcl_nmax_nblist)."""
    ball = 0.5 * r_min
    per_cell = math.ceil(abs(signed_volume(grid)) / (math.sqrt(32.0) * (ball * ball * ball)))
    return min(per_cell * (n_offsets + 1), n_atoms - 1)


class TooManyNeighbors(Exception):  # noqa: N818
    """The original stops at this atom, counted from 1."""


@dataclass
class Surroundings:
    """Positions and forces as they come back from fractional coordinates, and for each atom its neighbours.

    An entry of neighbors is (atom number counted from 1, vector to it, distance).
    """

    positions: list
    forces: list
    neighbors: list = field(default_factory=list)


def surroundings(cell, positions, forces, r_min, reach):
    """All neighbours of all atoms in the original's order (geo_init_xsf, lcl_init, lcl_nbdist_cart).

    cell : three vectors as rows, or None for an isolated structure.  TooManyNeighbors if r_min leaves no room for them.
    """
    positions = np.asarray(positions).tolist()
    periodic = cell is not None
    if periodic:
        cell = np.asarray(cell).tolist()
    else:
        cell, positions = bounding_box(positions)
    fractional = to_fractional(cell, positions)
    if periodic:
        fractional = [[wrap(x) for x in f] for f in fractional]

    numbers, grid = divide_cell(cell, reach)
    offsets = linked_offsets(grid, numbers, reach, periodic)
    images = translations(ranges(cell, reach)) if periodic else []
    homes = [linked_cell(f, numbers) for f in fractional]
    cells = {}
    for atom, home in enumerate(homes):
        cells.setdefault(home, []).insert(0, atom)

    result = Surroundings(
        positions=[combine(cell, f) for f in fractional],
        forces=[combine(cell, f) for f in to_fractional(cell, np.asarray(forces).tolist())],
    )
    limit = (reach + SEARCH_MARGIN) * (reach + SEARCH_MARGIN)
    most_candidates = largest_candidates(grid, len(offsets), len(positions), r_min)
    for atom, center in enumerate(result.positions):
        others = candidates(atom, cells, homes[atom], numbers, offsets, periodic)
        found = []
        for shift in images:
            step = combine(cell, [float(s) for s in shift])
            if dot(step, step) <= limit:
                image = combine(cell, [x + float(s) for x, s in zip(fractional[atom], shift, strict=True)])
                found.append(_neighbor(atom, minus(image, center)))
        for other in others:
            for shift in [(0, 0, 0), *images]:
                image = combine(cell, [x + float(s) for x, s in zip(fractional[other], shift, strict=True)])
                vector = minus(image, center)
                if dot(vector, vector) <= limit:
                    found.append(_neighbor(other, vector))
        if len(others) > most_candidates or len(found) > largest_count(r_min, reach):
            raise TooManyNeighbors(atom + 1)
        result.neighbors.append(found)
    return result


def _neighbor(atom, vector):
    return atom, vector, norm(vector)


# Chebyshev features


@dataclass
class Basis:
    """What sfb_eval knows of a set-up; weights of the species around, empty if there is only one."""

    radial_cutoff: float
    radial_order: int
    angular_cutoff: float
    angular_order: int
    weights: dict


def basis(env_types, radial_cutoff, radial_order, angular_cutoff, angular_order):
    """Weights count up through zero, which even numbers of species leave out (new_SFBasis)."""
    weights = {}
    value = -(len(env_types) // 2)
    for name in env_types:
        if value == 0 and len(env_types) % 2 == 0:
            value += 1
        weights[name] = float(value)
        value += 1
    return Basis(
        radial_cutoff, radial_order, angular_cutoff, angular_order, weights if len(env_types) > 1 else {}
    )  # fmt: skip


def fade(distance, cutoff):
    """Cutoff function (sfb_fc)."""
    return 0.0 if distance >= cutoff else 0.5 * (math.cos(BASIS_PI / cutoff * distance) + 1.0)


def fade_slope(distance, cutoff):
    """Its derivative (sfb_fc_d1)."""
    if distance >= cutoff:
        return 0.0
    frequency = BASIS_PI / cutoff
    return -(0.5 * frequency * math.sin(frequency * distance))


def rescaled(x, low, high):
    return (2.0 * x - low - high) / (high - low)


def polynomials(x, low, high, order):
    """Chebyshev polynomials of the first kind on [low, high] (chebyshev_polynomial)."""
    t = rescaled(x, low, high)
    values = [1.0, t]
    while len(values) <= order:
        values.append(2.0 * t * values[-1] - values[-2])
    return values[: order + 1]


def polynomial_slopes(x, low, high, order):
    """Their derivatives, n times the second kind of order n - 1 (chebyshev_polynomial_d1)."""
    t = rescaled(x, low, high)
    second_kind = [1.0, 2.0 * t]
    while len(second_kind) < order:
        second_kind.append(2.0 * t * second_kind[-1] - second_kind[-2])
    slopes = [0.0] + [second_kind[n - 1] * float(n) for n in range(1, order + 1)]
    return [s * 2.0 / (high - low) for s in slopes]


def radial(basis, vector, distance):
    """Terms of one neighbour and their derivatives: of the atom, of the neighbour (sfb_radial)."""
    weight = fade(distance, basis.radial_cutoff)
    slope = fade_slope(distance, basis.radial_cutoff)
    terms = polynomials(distance, 0.0, basis.radial_cutoff, basis.radial_order)
    slopes = polynomial_slopes(distance, 0.0, basis.radial_cutoff, basis.radial_order)
    along = [slope * f + weight * df for f, df in zip(terms, slopes, strict=True)]
    own = [[-(x / distance * s) for s in along] for x in vector]
    return [weight * f for f in terms], [own, [[-s for s in row] for row in own]]


def angular(basis, to_j, to_k, d_j, d_k):
    """Terms of one pair of neighbours and their derivatives: of the atom, of both neighbours (sfb_angular)."""
    cosine = dot(to_j, to_k) / (d_j * d_k)
    fade_j, fade_k = fade(d_j, basis.angular_cutoff), fade(d_k, basis.angular_cutoff)
    slope_j, slope_k = fade_slope(d_j, basis.angular_cutoff), fade_slope(d_k, basis.angular_cutoff)
    weight = fade_j * fade_k
    terms = polynomials(cosine, -1.0, 1.0, basis.angular_order)
    slopes = polynomial_slopes(cosine, -1.0, 1.0, basis.angular_order)
    square_j, square_k, product = 1.0 / (d_j * d_j), 1.0 / (d_k * d_k), 1.0 / (d_j * d_k)
    own, of_j, of_k = [], [], []
    for x, y in zip(to_j, to_k, strict=True):
        turns = (
            cosine * (x * square_j + y * square_k) - (x + y) * product,
            -(cosine * x * square_j) + y * product,
            -(cosine * y * square_k) + x * product,
        )
        fades_j, fades_k = slope_j * fade_k * x / d_j, fade_j * slope_k * y / d_k
        fadings = (-(fades_j + fades_k), fades_j, fades_k)
        for table, turn, fading in zip((own, of_j, of_k), turns, fadings, strict=True):
            table.append([fading * f + weight * df * turn for f, df in zip(terms, slopes, strict=True)])
    return [weight * f for f in terms], [own, of_j, of_k]


def atom_features(basis, neighbors, symbols):
    """Features of one atom and their derivatives, [component][feature], of itself and each neighbour (sfb_eval).

    symbols : species of all atoms of the structure.
    """
    n_radial, n_angular = basis.radial_order + 1, basis.angular_order + 1
    plain = n_radial + n_angular
    size = 2 * plain if basis.weights else plain
    values = [0.0] * size
    own, *others = ([[0.0] * size for _ in range(3)] for _ in range(1 + len(neighbors)))

    def add(first, weight, terms, slopes, tables):
        for n, term in enumerate(terms):
            values[first + n] += weight * term
        for table, rows in zip(tables, slopes, strict=True):
            for c, n in itertools.product(range(3), range(len(terms))):
                table[c][first + n] += weight * rows[c][n]

    weight_j = 1.0
    for j, (atom_j, to_j, d_j) in enumerate(neighbors):
        if SHORTEST < d_j <= basis.radial_cutoff:
            found = (*radial(basis, to_j, d_j), [own, others[j]])
            add(0, 1.0, *found)
            if basis.weights:
                # Only set here: beyond the radial cutoff the pairs below take the weight of an earlier neighbour.
                weight_j = basis.weights[symbols[atom_j]]
                add(plain, weight_j, *found)
        if d_j > basis.angular_cutoff:
            continue
        for k in range(j + 1, len(neighbors)):
            atom_k, to_k, d_k = neighbors[k]
            if d_k > basis.angular_cutoff or d_k < SHORTEST:
                continue
            found = (*angular(basis, to_j, to_k, d_j, d_k), [own, others[j], others[k]])
            add(n_radial, 1.0, *found)
            if basis.weights:
                add(plain + n_radial, weight_j * basis.weights[symbols[atom_k]], *found)
    return values, own, others


def flat_gradients(own, others):
    """One atom's derivatives as pyo_write_atom_sf_info orders them: [component][feature], then [..][..][neighbour]."""
    size = len(own[0])
    numbers = [x for row in own for x in row]
    numbers += [other[c][f] for c in range(3) for f in range(size) for other in others]
    return np.array(numbers, dtype=float)


# Statistics


@dataclass
class Running:
    """Minimum, maximum, average and average square of each feature over the atoms seen (stp_eval)."""

    count: int = 0
    low: list = field(default_factory=list)
    high: list = field(default_factory=list)
    mean: list = field(default_factory=list)
    square: list = field(default_factory=list)

    def add(self, values):
        if self.count == 0:
            self.low, self.high, self.mean = list(values), list(values), list(values)
            self.square = [x * x for x in values]
        else:
            before, after = float(self.count), float(self.count + 1)
            for f, x in enumerate(values):
                self.low[f] = min(self.low[f], x)
                self.high[f] = max(self.high[f], x)
                self.mean[f] = (before * self.mean[f] + x) / after
                self.square[f] = (before * self.square[f] + x * x) / after
        self.count += 1
