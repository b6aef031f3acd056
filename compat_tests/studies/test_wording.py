"""Numbers as text."""

from __future__ import annotations

import numpy as np
import pytest

from aenet_py.studies import wording


@pytest.mark.parametrize(("value", "text"), [
    (2.345, "2.35"), (0.0123, "0.0123"), (78.04, "78.0"), (1234.5, "1234"), (0, "0"), (-4.181, "-4.18"),
    (2.5e-5, "2.50e-05"), (np.nan, ""), (np.inf, ""),
])  # fmt: skip
def test_shown(value, text):
    assert wording.shown(value) == text


@pytest.mark.parametrize(("values", "text"), [
    ([78.0, 80.0, 82.0], "80.0 ± 2.0"), ([540, 560, 500], "533 ± 31"), ([2.1, 2.2, 2.0], "2.10 ± 0.10"),
    ([117.40, 117.44], "117.42 ± 0.03"), ([250.0, 250.0], "250 ± 0"), ([0.4 * 574] * 3, "230 ± 0"), ([3.5], "3.50"),
    ([2.31, np.nan, 2.33], "2.320 ± 0.014 (2 of 3)"), ([np.nan], ""), ([], ""),
])  # fmt: skip
def test_mean(values, text):
    digits = 4 if 2.31 in values else 3
    assert wording.mean(np.array(values, dtype=float), digits) == text


def test_p_values():
    assert [wording.p_value(p) for p in (0.0321, 2.4e-5, np.nan)] == ["p = 0.032", "p = 2.4e-05", "p unknown"]
