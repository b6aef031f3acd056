"""Chebyshev features of ænet before 2.0.4, which expanded the cosine of an angle on [0, pi] instead of [-1, 1]."""

from __future__ import annotations

import math
from typing import Literal

from aenet_py.descriptors.setup import Setup
from aenet_py.formats.trainset import FeatureStatistics

LEGACY_DOMAIN = (0.0, 3.14159265358979)  # with the digits of sfbasis

AngularDomain = Literal["corrected", "before 2.0.4", "unknown"]


def angular_domain(setup: Setup, statistics: FeatureStatistics) -> AngularDomain:
    """Which of the two a potential was trained on, told from the averages of its angular features.

    These are sums of T_k(x) with weights that are not negative.  With x the cosine, |T_k| is at most 1, so that no
    average exceeds that of T_0.  On the old domain x = (2 cos - pi) / pi is at most (2 - pi) / pi, and with it the
    average of T_1 over that of T_0.
    """
    if setup.basis.strip().lower() != "chebyshev" or setup.parameters.shape[1] < 4:
        return "unknown"
    radial_order, angular_order = setup.parameters[0, [1, 3]].tolist()
    if not (0 <= radial_order < setup.n_features and 1 <= angular_order < setup.n_features):
        return "unknown"
    first = int(radial_order) + 1
    averages = statistics.mean[first : first + int(angular_order) + 1]
    if len(averages) < 2 or not averages[0] > 0:
        return "unknown"
    if abs(averages[1:]).max() > 1.000001 * averages[0]:
        return "before 2.0.4"
    return "corrected" if averages[1] > (2 - math.pi) / math.pi * averages[0] else "unknown"
