"""Constants of the methods that use second derivatives."""

MOST_VALUES = 1 << 23  # of the gradients of several structures, which are expanded together
MOST_ROWS = 1 << 11  # of a Jacobian in memory, if it has more rows than columns
