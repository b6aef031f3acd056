"""Constants that the kernels of pairs share with their callers."""

N_TERMS = 8  # functions of the distance for each pair of species
SHORTEST = 0.5  # of the sum of the covalent radii, below which the functions are constant
