"""Constants that the kernels of the descriptors and their callers share."""

N_PARAMETERS = 4  # room for each basis function's parameters (sfsetup NSFPARAM)
N_ENVIRONMENT = 2  # species that one basis function can name (sfsetup NENV_MAX)

PI = 3.14159265358979  # the digits of sfbasis and symmfunc

COINCIDENT = 1.0e-12  # Å, of Chebyshev features (sfbasis EPS)
COINCIDENT_BEHLER = 1.0e-8  # Å, of symmetry functions

BLOCK = 128  # pairs of neighbours whose polynomials are computed together
POLYNOMIALS = 34  # rows of the scratch array of `chebyshev_kernels` before the polynomials
ROWS = 18  # of the scratch array of `moments_kernels`
