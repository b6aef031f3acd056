"""Constants shared with kernels."""

LEAST_ATOM = len("H 0 0 0 0 0 0\n")  # bytes
MOST_NAMES = 16  # of species in a file
MOST_POWER = 22  # the largest power of ten that is a real
MOST_WIDTH = 1024  # characters of a line
