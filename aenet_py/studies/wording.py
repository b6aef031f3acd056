"""Numbers as text, as the tables and figures of a study show them."""

from __future__ import annotations

import math

import numpy as np

MOST = 4  # decimals of means
ROUNDING = 1e-9  # smallest standard deviation that is not zero, in units of the mean


def shown(value: float, digits: int = 3) -> str:
    """A number with this many significant digits and all before the point; empty if it is not finite."""
    if not math.isfinite(value):
        return ""
    if value != 0 and abs(value) < 1e-3:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{_decimals(value, digits)}f}"


def mean(values: np.ndarray, digits: int = 3) -> str:
    """Mean ± sample standard deviation of the values that are known, and how many if some are missing."""
    known = values[np.isfinite(values)]
    if not len(known):
        return ""
    missing = f" ({len(known)} of {len(values)})" if len(known) < len(values) else ""
    if len(known) == 1:
        return shown(float(known[0]), digits) + missing
    average, spread = float(known.mean()), float(known.std(ddof=1))
    if spread <= ROUNDING * abs(average):
        return f"{shown(average, digits)} ± 0{missing}"
    decimals = min(max(_decimals(average, digits), _decimals(spread, 1)), MOST)
    return f"{average:.{decimals}f} ± {spread:.{decimals}f}{missing}"


def p_value(p: float) -> str:
    """``p = 0.03``, or that it is unknown."""
    return f"p = {p:.2g}" if p == p else "p unknown"


def _decimals(value: float, digits: int) -> int:
    return max(0, digits - 1 - math.floor(math.log10(abs(value)))) if value else 0


def count(value: float) -> str:
    """A number of things; empty for NaN."""
    return f"{value:,.0f}" if value == value else ""


def average(values: np.ndarray) -> float:
    """Mean of the values that are known; NaN without any."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else np.nan
