"""What a set-up says of itself."""

from __future__ import annotations

import dataclasses

import numpy as np

from aenet_py.descriptors.setup import behler_setup
from compat_tests.compare import setup


def test_chebyshev():
    given = setup("H", ("H", "He"), (4.5, 4), (3.5, 5))
    for name in ("Chebyshev", " CHEBYSHEV  "):
        named = dataclasses.replace(given, basis=name)
        assert (named.kind, named.is_chebyshev) == ("chebyshev", True)
    assert (given.radial_cutoff, given.radial_order, given.angular_cutoff, given.angular_order) == (4.5, 4, 3.5, 5)
    assert (given.n_features, given.weighted) == (22, True)
    for column, value in ((1, np.nan), (3, -np.inf)):
        given.parameters[0, column] = value
    assert (given.radial_order, given.angular_order) == (-1, -1)


def test_behler():
    given = behler_setup("", "H", ("H",), 0.5, "Behler2011", [(1, (6.0,), (0,)), (2, (5.0, 0.0, 1.0), (0,))])
    assert (given.kind, given.is_chebyshev) == ("behler2011", False)
    assert (given.n_features, given.weighted) == (2, False)
