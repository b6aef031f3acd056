"""Kernels of the neighbour search: fractional coordinates, linked cells, neighbours in the original's order.

The order of every sum and product follows ænet 2.0.4 (routines named at each function), because neighbours are
summed in the order found and a coordinate that moves by one unit in the last place moves every feature.
"""

import math
from fractions import Fraction

from numba.core import types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin

from aenet_py.neighbors.constants import (
    BOX_MARGIN,
    COMPLETE,
    CUTOFF_MARGIN,
    FAR_ATOM,
    FLAT_CELL,
    ISOLATED,
    LATTICES,
    N_REASONS,
    TOO_MANY_CELLS,
    UNCOUNTABLE,
)
from aenet_py.runtime.accelerate import jit
from aenet_py.runtime.signatures import f8, i4, i8, out

TWO_PI = 2.0 * 3.141592653589793
MAX_WRAPS = 1.0e6  # lattice vectors an atom may lie away from the cell


@jit
def cross(a, i, j, row, out):
    """Vector product of two columns (or rows, with row=True) of the 3x3 matrix a."""
    for k in range(3):
        p, q = (k + 1) % 3, (k + 2) % 3
        if row:
            out[k] = a[i, p] * a[j, q] - a[i, q] * a[j, p]
        else:
            out[k] = a[p, i] * a[q, j] - a[q, i] * a[p, j]


@jit
def signed_volume(a):
    """geo_cell_volume: the determinant, terms in the original's order."""
    return (
        a[0, 0] * a[1, 1] * a[2, 2]
        + a[1, 0] * a[2, 1] * a[0, 2]
        + a[2, 0] * a[0, 1] * a[1, 2]
        - a[2, 0] * a[1, 1] * a[0, 2]
        - a[0, 0] * a[2, 1] * a[1, 2]
        - a[1, 0] * a[0, 1] * a[2, 2]
    )


@jit
def multiply(matrix, vector, out):
    """matmul(matrix, vector): sums start at zero and run over the columns."""
    for i in range(3):
        out[i] = ((0.0 + matrix[i, 0] * vector[0]) + matrix[i, 1] * vector[1]) + matrix[i, 2] * vector[2]


def fused(a, b, c):
    """a b + c, rounded once."""
    return float(Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c)))


@infer_global(fused)
class _Fused(AbstractTemplate):
    key = fused

    def generic(self, arguments, _keywords):
        return signature(types.float64, *arguments)


@lower_builtin(fused, types.float64, types.float64, types.float64)
def _fused_code(_context, builder, _given, values):
    return builder.fma(*values)


@jit
def multiply_fused(matrix, vector, out):
    """As `multiply`, with every product and sum rounded once: matmul of gfortran's library."""
    for i in range(3):
        out[i] = fused(matrix[i, 2], vector[2], fused(matrix[i, 1], vector[1], matrix[i, 0] * vector[0]))


@jit
def norm(v):
    return math.sqrt(((0.0 + v[0] * v[0]) + v[1] * v[1]) + v[2] * v[2])


@jit
def bounding_box(positions, lattice):
    """geo_get_bounds: a box slightly larger than the isolated structure; positions move to its origin."""
    for i in range(3):
        low = positions[0, i]
        high = positions[0, i]
        for atom in range(positions.shape[0]):
            low = min(low, positions[atom, i])
            high = max(high, positions[atom, i])
        for j in range(3):
            lattice[i, j] = 0.0
        lattice[i, i] = high - low + BOX_MARGIN
        shift = low - 0.5 * BOX_MARGIN
        for atom in range(positions.shape[0]):
            positions[atom, i] = positions[atom, i] - shift


@jit
def reciprocal(lattice, work, out):
    """geo_recip_lattice: rows are the reciprocal vectors times 2 pi."""
    volume = signed_volume(lattice)
    for row, (i, j, sign) in enumerate(((1, 2, 1.0), (0, 2, -1.0), (0, 1, 1.0))):
        cross(lattice, i, j, False, work)
        for k in range(3):
            out[row, k] = (sign * work[k]) / volume * 2.0 * 3.141592653589793


@jit
def wrap(x):
    """wrap_cooLatt: into [0, 1) by whole steps, each rounded."""
    while x < 0.0:
        x = x + 1.0
    while x >= 1.0:
        x = x - 1.0
    return x


@jit
def heights(lattice, work, out):
    """Distances between opposite faces of the cell (cell_multiples)."""
    for k, (i, j) in enumerate(((1, 2), (0, 2), (0, 1))):
        cross(lattice, i, j, False, work)
        length = norm(work)
        total = 0.0
        for c in range(3):
            total = total + work[c] / length * lattice[c, k]
        out[k] = abs(total)


@jit
def star_extent(lattice, radius, work, out):
    """sphere_supercell and translation_vectors: how many cells to look at in each direction.

    The original takes the rows of the matrix whose columns are the cell vectors, and halves the result; very small
    or very skewed cells therefore miss neighbours, here as there.
    """
    volume = abs(signed_volume(lattice))
    for k, (i, j) in enumerate(((1, 2), (0, 2), (0, 1))):
        cross(lattice, i, j, True, work)
        for c in range(3):
            work[c] = work[c] / volume
        steps = radius * norm(work) + 0.001
        out[k] = math.ceil(steps if steps < UNCOUNTABLE else UNCOUNTABLE) // 2 + 2


@jit
def widen(lattice, radius, work, height, out):
    """At least as many cells in each direction as reach the radius."""
    heights(lattice, work, height)
    for k in range(3):
        steps = radius / height[k]
        out[k] = max(out[k], math.floor(steps if steps < UNCOUNTABLE else UNCOUNTABLE) + 1)


@jit
def place(
    mode, r_min, r_max, cell, positions, forces, lattice, fractional, cartesian, forces_out, grid, others, work
):  # fmt: skip
    """One structure of `place_atoms`; returns 0 or what is wrong with it."""
    n_atoms = positions.shape[0]
    periodic = mode != ISOLATED
    if periodic:
        for i in range(3):
            for j in range(3):
                lattice[i, j] = cell[j, i]
    else:
        bounding_box(positions, lattice)
    vector = work[0]
    lengths = 1.0
    for k in range(3):
        for c in range(3):
            vector[c] = lattice[c, k]
        lengths = lengths * norm(vector)
    if not abs(signed_volume(lattice)) > 1.0e-9 * lengths:
        return FLAT_CELL

    inverse = work[1:4]
    reciprocal(lattice, vector, inverse)
    for atom in range(n_atoms):
        multiply(inverse, positions[atom], fractional[atom])
        multiply(inverse, forces[atom], vector)
        for i in range(3):
            fractional[atom, i] = fractional[atom, i] / TWO_PI
            vector[i] = vector[i] / TWO_PI
            if periodic:
                if not abs(fractional[atom, i]) < MAX_WRAPS:
                    return FAR_ATOM
                fractional[atom, i] = wrap(fractional[atom, i])
        multiply(lattice, fractional[atom], cartesian[atom])
        multiply(lattice, vector, forces_out[atom])

    # cell_multiples
    height = work[4]
    heights(lattice, vector, height)
    shortest = max(min(height[0], min(height[1], height[2])), 0.5)
    cells = grid[0:3]
    box = work[1:4]
    for k in range(3):
        if not height[k] / shortest < UNCOUNTABLE:
            return TOO_MANY_CELLS
        cells[k] = max(math.floor(height[k] / shortest), 1)
        for c in range(3):
            box[c, k] = lattice[c, k] / float(cells[k])
    heights(box, vector, height)
    radius = 0.5 * min(height[0], min(height[1], height[2]))
    if radius > 0.5 * r_max:
        for k in range(3):
            if not cells[k] * (2.0 * radius / r_max) < UNCOUNTABLE:
                return TOO_MANY_CELLS
            cells[k] = math.floor(cells[k] * (2.0 * radius / r_max))
            for c in range(3):
                box[c, k] = lattice[c, k] / float(cells[k])
    reach = r_max + CUTOFF_MARGIN
    extent = grid[3:6]
    star_extent(box, reach, vector, extent)
    images = grid[6:9]
    images[0] = 0
    images[1] = 0
    images[2] = 0
    if periodic:
        star_extent(lattice, reach, vector, images)
    if mode == COMPLETE:
        widen(box, reach, vector, height, extent)
        widen(lattice, reach, vector, height, images)
    heights(lattice, vector, height)
    visited = 1
    offsets, share, copies = 1.0, 1.0, 1.0
    for k in range(3):
        extent[k] = min(extent[k], cells[k] - 1)
        visited = visited * (min(2 * extent[k] + 1, cells[k]) if periodic else 2 * extent[k] + 1)
        offsets = offsets * (2.0 * extent[k] + 1.0)
        share = share * min((2.0 * extent[k] + 1.0) / cells[k], 1.0)
        if periodic:
            copies = copies * (1.0 + 2.0 * min(float(images[k]), reach / height[k]))
    others[0] = offsets + (1.0 + n_atoms * share) * copies
    # lcl_nmax_cell and lcl_nmax_nblist: what a close packing with the minimal distance could hold
    per_atom = math.sqrt(32.0) * (0.5 * r_min * (0.5 * r_min) * (0.5 * r_min))
    per_cell = abs(signed_volume(box)) / per_atom
    grid[9] = n_atoms - 1
    if per_cell < UNCOUNTABLE:
        grid[9] = int(min(float(math.ceil(per_cell)) * visited, float(n_atoms - 1)))
    return 0


def place_atoms(
    r_min: f8, r_max: f8, starts: i8[:], modes: i8[:], cells: f8[:, 3, 3], positions: out(f8[:, 3]), forces: f8[:, 3],
    cartesian: out(f8[:, 3]), forces_out: out(f8[:, 3]), grids: out(i8[:, 10]), others: out(f8[:]),
    work: out(f8[:, 3]),
):  # fmt: skip
    """Fractional and Cartesian coordinates and forces as the original keeps them, and the grids of linked cells.

    Sources: geo_init_xsf, cooCart, forCart (geometry); lcl_init, cell_multiples, cell_assign_atoms (lclist).

    starts (n_structures + 1): where the atoms of each structure begin; modes (n_structures): ISOLATED, PERIODIC or
    COMPLETE; cells (n_structures, 3, 3): rows are cell vectors, Å, read unless isolated; positions (n_atoms, 3) Å,
    shifted in place if isolated; forces (n_atoms, 3).
    Writes cartesian and forces_out (n_atoms, 3); grids (n_structures, 10): cells along each vector, cell offsets to
    visit (plus and minus), images to visit, largest number of candidates; others (n_structures): about how many atoms,
    images and linked cells are looked at for each atom; work (LATTICES + 3 * n_structures + n_atoms, 3): scratch, the
    lattices (columns are the cell vectors), fractional coordinates.
    Returns 0, or the number (from 0) of the first structure that cannot be searched times N_REASONS, plus the reason.
    """
    n_structures = len(modes)
    fractional = work[LATTICES + 3 * n_structures :]
    for s in range(n_structures):
        begin, end = starts[s], starts[s + 1]
        failed = place(
            modes[s], r_min, r_max, cells[s], positions[begin:end], forces[begin:end],
            work[LATTICES + 3 * s : LATTICES + 3 * s + 3], fractional[begin:end], cartesian[begin:end],
            forces_out[begin:end], grids[s], others[s : s + 1], work[:LATTICES],
        )  # fmt: skip
        if failed != 0:
            return N_REASONS * s + failed
    return 0


@jit
def keep_position(vectors, number, position):
    if vectors.shape[0] > 4:
        vectors[4, number], vectors[5, number], vectors[6, number] = position[0], position[1], position[2]


@jit
def search_structure(
    periodic, r_max, most_neighbors, total, capacity, lattice, fractional, cartesian, grid, integers, work,
    first, index, vectors,
):  # fmt: skip
    """One structure of `search`; total neighbours were found before. Returns the new total, or -1 - atom."""
    n_atoms = cartesian.shape[0]
    moved, there, reach = work[0], work[1], work[2]
    cells, extent, images, most_candidates = grid[0:3], grid[3:6], grid[6:9], grid[9]
    n1, n2, n3 = cells[0], cells[1], cells[2]
    n_cells = n1 * n2 * n3
    head, seen = integers[:n_cells], integers[n_cells : 2 * n_cells]
    following = integers[2 * n_cells : 2 * n_cells + n_atoms]
    cell_of = integers[2 * n_cells + n_atoms : 2 * n_cells + 4 * n_atoms]
    offsets = integers[2 * n_cells + 4 * n_atoms :]
    x, y, z = vectors[0], vectors[1], vectors[2]

    for c in range(n_cells):
        head[c] = 0
        seen[c] = 0
    for atom in range(n_atoms):
        for k in range(3):
            # cell_get: nint rounds halves away from zero; the argument is at least 0.5
            place = math.floor(fractional[atom, k] * float(cells[k]) + 0.5 + 0.5)
            cell_of[3 * atom + k] = min(int(place), cells[k]) - 1
        c = (cell_of[3 * atom + 2] * n2 + cell_of[3 * atom + 1]) * n1 + cell_of[3 * atom]
        following[atom] = head[c]
        head[c] = atom + 1

    n_offsets = 0
    for i3 in range(-extent[2], extent[2] + 1):
        for i2 in range(-extent[1], extent[1] + 1):
            for i1 in range(-extent[0], extent[0] + 1):
                if i1 == 0 and i2 == 0 and i3 == 0:
                    continue
                if periodic:
                    c = ((i3 % n3) * n2 + i2 % n2) * n1 + i1 % n1
                    if seen[c] != 0:
                        continue
                    seen[c] = 1
                offsets[3 * n_offsets] = i1
                offsets[3 * n_offsets + 1] = i2
                offsets[3 * n_offsets + 2] = i3
                n_offsets += 1

    limit = (r_max + CUTOFF_MARGIN) * (r_max + CUTOFF_MARGIN)
    # Images further away than this along one cell vector cannot lie within the cutoff.
    heights(lattice, moved, there)
    for k in range(3):
        reach[k] = min((r_max + CUTOFF_MARGIN) / there[k] * (1.0 + 1.0e-9) + 1.0e-9, UNCOUNTABLE)

    for atom in range(n_atoms):
        first[atom] = total
        x0, y0, z0 = cartesian[atom, 0], cartesian[atom, 1], cartesian[atom, 2]
        if periodic:
            low1, high1 = max(-images[0], -int(reach[0])), min(images[0], int(reach[0]))
            low2, high2 = max(-images[1], -int(reach[1])), min(images[1], int(reach[1]))
            low3, high3 = max(-images[2], -int(reach[2])), min(images[2], int(reach[2]))
            for i3 in range(low3, high3 + 1):
                for i2 in range(low2, high2 + 1):
                    for i1 in range(low1, high1 + 1):
                        if i1 == 0 and i2 == 0 and i3 == 0:
                            continue
                        moved[0], moved[1], moved[2] = float(i1), float(i2), float(i3)
                        multiply(lattice, moved, there)
                        squared = ((0.0 + there[0] * there[0]) + there[1] * there[1]) + there[2] * there[2]
                        if squared > limit:
                            continue
                        if total < capacity:
                            for k in range(3):
                                moved[k] = fractional[atom, k] + moved[k]
                            multiply(lattice, moved, there)
                            x[total], y[total], z[total] = there[0] - x0, there[1] - y0, there[2] - z0
                            index[total] = atom
                            keep_position(vectors, total, there)
                        total += 1

        n_candidates = 0
        a0, b0, c0 = cell_of[3 * atom], cell_of[3 * atom + 1], cell_of[3 * atom + 2]
        for visit_number in range(-1, n_offsets):
            a, b, c = a0, b0, c0
            if visit_number >= 0:
                a = a0 + offsets[3 * visit_number]
                b = b0 + offsets[3 * visit_number + 1]
                c = c0 + offsets[3 * visit_number + 2]
                if periodic:
                    a, b, c = a % n1, b % n2, c % n3
                elif a < 0 or b < 0 or c < 0 or a >= n1 or b >= n2 or c >= n3:
                    continue
            other = head[(c * n2 + b) * n1 + a] - 1
            while other >= 0:
                if other != atom:
                    n_candidates += 1
                    if n_candidates > most_candidates:
                        return -1 - atom
                    dx = cartesian[other, 0] - x0
                    dy = cartesian[other, 1] - y0
                    dz = cartesian[other, 2] - z0
                    if ((0.0 + dx * dx) + dy * dy) + dz * dz <= limit:
                        if total < capacity:
                            x[total], y[total], z[total] = dx, dy, dz
                            index[total] = other
                            keep_position(vectors, total, cartesian[other])
                        total += 1
                    if periodic:
                        d1 = fractional[atom, 0] - fractional[other, 0]
                        d2 = fractional[atom, 1] - fractional[other, 1]
                        d3 = fractional[atom, 2] - fractional[other, 2]
                        low1 = max(-images[0], math.ceil(d1 - reach[0]))
                        low2 = max(-images[1], math.ceil(d2 - reach[1]))
                        low3 = max(-images[2], math.ceil(d3 - reach[2]))
                        high1 = min(images[0], math.floor(d1 + reach[0]))
                        high2 = min(images[1], math.floor(d2 + reach[1]))
                        high3 = min(images[2], math.floor(d3 + reach[2]))
                        for i3 in range(low3, high3 + 1):
                            for i2 in range(low2, high2 + 1):
                                for i1 in range(low1, high1 + 1):
                                    if i1 == 0 and i2 == 0 and i3 == 0:
                                        continue
                                    moved[0] = fractional[other, 0] + float(i1)
                                    moved[1] = fractional[other, 1] + float(i2)
                                    moved[2] = fractional[other, 2] + float(i3)
                                    multiply(lattice, moved, there)
                                    dx, dy, dz = there[0] - x0, there[1] - y0, there[2] - z0
                                    if ((0.0 + dx * dx) + dy * dy) + dz * dz <= limit:
                                        if total < capacity:
                                            x[total], y[total], z[total] = dx, dy, dz
                                            index[total] = other
                                            keep_position(vectors, total, there)
                                        total += 1
                other = following[other] - 1
        if total - first[atom] > most_neighbors:
            return -1 - atom
    return total


def search(
    r_max: f8, most_neighbors: i8, starts: i8[:], modes: i8[:], cartesian: f8[:, 3], grids: i8[:, 10],
    work: out(f8[:, 3]), integers: out(i4[:]), first: out(i8[:]), index: out(i4[:]), vectors: out(f8[:, :]),
):  # fmt: skip
    """Neighbours of every atom within r_max + 1e-3 Å, in the order of the original's linked cells.

    Sources: lcl_nblist and lcl_nbdist_cart (lclist).  Images of the atom itself come first, then the atoms of its own
    cell (latest first), then those of the other cells; of each atom first the one in the home cell, then its images.

    starts, modes, cartesian, grids, work: as `place_atoms` took and wrote them; integers: scratch, for each structure
    twice its cells, four times its atoms and three times its offsets.  Writes first (n_atoms + 1): where each atom's
    neighbours begin; index (capacity): atoms of their structure, from 0; vectors (n_rows, capacity): x, y, z
    from the atom to the neighbour and their distance, Å, and, with seven rows, x, y, z of the neighbour's position.
    Returns the number of neighbours, which may exceed capacity (call again with more), or -1 - atom if an atom has more
    than most_neighbors, or more candidates than the grid allows.
    """
    n_structures, n_atoms, capacity = len(modes), len(cartesian), len(index)
    fractional = work[LATTICES + 3 * n_structures :]
    total = 0
    for s in range(n_structures):
        begin, end = starts[s], starts[s + 1]
        total = search_structure(
            modes[s] != ISOLATED, r_max, most_neighbors, total, capacity, work[LATTICES + 3 * s : LATTICES + 3 * s + 3],
            fractional[begin:end], cartesian[begin:end], grids[s], integers, work[:LATTICES], first[begin:end], index,
            vectors,
        )  # fmt: skip
        if total < 0:
            return total - begin
    first[n_atoms] = total
    x, y, z, distance = vectors[0], vectors[1], vectors[2], vectors[3]
    for n in range(min(total, capacity)):
        distance[n] = math.sqrt(((0.0 + x[n] * x[n]) + y[n] * y[n]) + z[n] * z[n])
    return total


def recenter(starts: i8[:], work: f8[:, 3], first: i8[:], cartesian: out(f8[:, 3]), vectors: out(f8[7, :])):
    """Take vectors and distances from where predict.x sees the atom in the middle (get_energy), rounded otherwise.

    Arguments as `search` took and wrote them, vectors with positions; cartesian is written, too.
    """
    n_structures = len(starts) - 1
    fractional = work[LATTICES + 3 * n_structures :]
    for s in range(n_structures):
        lattice = work[LATTICES + 3 * s : LATTICES + 3 * s + 3]
        for atom in range(starts[s], starts[s + 1]):
            center = cartesian[atom]
            multiply_fused(lattice, fractional[atom], center)
            for k in range(first[atom], first[atom + 1]):
                for i in range(3):
                    vectors[i, k] = vectors[4 + i, k] - center[i]
                vectors[3, k] = norm(vectors[:3, k])
    return 0
