"""Constants that kernels of several rooms and their callers share."""

LANES = 8  # numbers worked on together: one vector register, or two
