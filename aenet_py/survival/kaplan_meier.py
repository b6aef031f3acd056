"""Survival curves of runs, some of which end before anything happens to them (Kaplan and Meier)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.stats import CensoredData, ecdf

LEVEL = 0.95  # of all confidence intervals


@dataclass(frozen=True)
class Survival:
    """A survival curve, constant from each of its times to the next.

    Parameters
    ----------
    times
        (n,) 0 and the distinct times at which runs ended, ps.
    at_risk
        (n,) runs that had not ended before.
    failed
        (n,) runs that became unphysical at this time.
    probability
        (n,) of a run to survive longer than this time.
    low, high
        (n,) pointwise confidence interval of the probability.
    """

    times: np.ndarray
    at_risk: np.ndarray
    failed: np.ndarray
    probability: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def median(self) -> tuple[float, float, float]:
        """The time after which at most half of the runs survive, and its interval, ps; infinite if not reached.

        The interval is where that of the probability contains a half [1]_.

        References
        ----------
        .. [1] R. Brookmeyer and J. Crowley, Biometrics 38, 29 (1982).
        """
        at, low, high = (self._first(values) for values in (self.probability, self.low, self.high))
        return at, low, high

    def _first(self, values: np.ndarray) -> float:
        below = np.flatnonzero(values <= 0.5)
        return float(self.times[below[0]]) if len(below) else np.inf


def survival(times: np.ndarray, failed: np.ndarray, level: float = LEVEL) -> Survival:
    """Estimate a survival curve [1]_, with Greenwood's variance and intervals from log(-log) of the probability [2]_.

    Where the probability is 1 or 0, these intervals do not exist, and the exact binomial ones [3]_ are used.

    Parameters
    ----------
    times
        (n_runs,) at which the runs ended, ps.
    failed
        (n_runs,) whether they ended because they became unphysical.  The others might have gone on (censored).
    level
        Confidence level.

    Returns
    -------
    Survival

    References
    ----------
    .. [1] E. L. Kaplan and P. Meier, J. Am. Stat. Assoc. 53, 457 (1958).
    .. [2] J. D. Kalbfleisch and R. L. Prentice, The Statistical Analysis of Failure Time Data, 2nd ed., Wiley 2002,
       section 1.4.
    .. [3] C. J. Clopper and E. S. Pearson, Biometrika 26, 404 (1934).
    """
    times, failed = np.asarray(times, dtype=float), np.asarray(failed, dtype=bool)
    curve = ecdf(CensoredData(uncensored=times[failed], right=times[~failed])).sf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # intervals that do not exist
        interval = curve.confidence_interval(level, method="log-log")
    distinct, probability = curve.quantiles, curve.probabilities
    low, high = interval.low.probabilities, interval.high.probabilities
    if distinct[0] > 0:
        distinct = np.append(0.0, distinct)
        probability, low, high = (np.append(1.0, values) for values in (probability, low, high))
    at_risk = (times >= distinct[:, None]).sum(axis=1)
    n_failed = (times[failed] == distinct[:, None]).sum(axis=1)
    tail = 0.5 * (1.0 - level)
    none, every = n_failed.cumsum() == 0, probability == 0
    low, high = np.where(none, tail ** (1.0 / at_risk), low), np.where(none, 1.0, high)
    low, high = np.where(every, 0.0, low), np.where(every, 1.0 - tail ** (1.0 / max(failed.sum(), 1)), high)
    return Survival(distinct, at_risk, n_failed, probability, low, high)
