"""Constants of packed gradients that the kernels and their callers share."""

PAIR_ROWS = 4  # rows of a block with radial features before these: direction (3) and weight

# What `packing_kernels.pack` returns where it cannot pack an atom.
OTHER_FORM, OTHER_BYTES = -1, -2

# Bytes of features in single precision, above which they are in double precision only while they are used.
LARGE = 128e6
