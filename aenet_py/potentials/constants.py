"""Constants of networks that the kernels and the trainers share."""

LINEAR, TANH, SIGMOID, MTANH, TWIST = 0, 1, 2, 3, 4  # as in formats.potential
A, B, C = 1.7159, 0.666666666666667, 0.1  # ff_activate

# The universal screening function of Ziegler, Biersack and Littmark: sum of AMOUNTS[k] exp(-DECAYS[k] r / a)
AMOUNTS, DECAYS = (0.18175, 0.50986, 0.28022, 0.02817), (3.19980, 0.94229, 0.40290, 0.20162)
# Columns of the table of a repulsion: radii in Å, 1 / a in 1/Å, Z Z' e²/(4 pi eps0) in eV Å, terms of the switching
INNER, OUTER, SCREENING, STRENGTH, SHIFT, CUBIC, QUARTIC = range(7)
N_REPULSION = 7
