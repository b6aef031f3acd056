"""Constants that the kernels of the neighbour search and their callers share."""

CUTOFF_MARGIN = 1.0e-3  # Å added to the cutoff in the search (lcl_nbdist_cart, translation_vectors)
BOX_MARGIN = 2.0e-6  # Å by which the box of an isolated structure exceeds its atoms (geo_get_bounds)
UNCOUNTABLE = 1.0e15  # cells, steps along a vector or neighbours: refused, since integers must not overflow

# How `kernels.place_atoms` takes a structure; COMPLETE finds the neighbours in small cells that the original misses.
ISOLATED, PERIODIC, COMPLETE = 0, 1, 2

# Why it refuses one: a cell without volume, an atom too far from the cell to be wrapped, UNCOUNTABLE cells.
FLAT_CELL, FAR_ATOM, TOO_MANY_CELLS = 1, 2, 3
N_REASONS = 4

LATTICES = 5  # rows of the scratch array of `place_atoms` before the lattices, three rows each, and the coordinates

NO_MEMBERS, NO_PAIRS, NO_CANDIDATES = 1, 2, 3  # which array of `patch_kernels.list_patches` is too short
