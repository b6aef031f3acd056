"""Constants of networks that the kernels and the trainers share."""

LINEAR, TANH, SIGMOID, MTANH, TWIST = 0, 1, 2, 3, 4  # as in formats.potential
A, B, C = 1.7159, 0.666666666666667, 0.1  # ff_activate
