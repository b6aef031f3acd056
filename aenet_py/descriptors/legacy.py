"""Chebyshev features of ænet before 2.0.4, which expanded the cosine of an angle on [0, pi] instead of [-1, 1]."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from aenet_py.descriptors.constants import N_PARAMETERS, PI
from aenet_py.descriptors.setup import FeatureStatistics, Setup
from aenet_py.errors import InputError

LEGACY_DOMAIN = (0.0, PI)
ROUNDING = 1e-9  # of averages

HELP = "LEGACY_ANGULAR in docs/predict.md"

AngularDomain = Literal["corrected", "before 2.0.4", "unknown"]


def angular_domain(setup: Setup, statistics: FeatureStatistics) -> AngularDomain:
    """Which of the two a potential was trained on, told from the averages of its angular features.

    These are sums of T_k(x) with weights that are not negative.  With x the cosine, |T_k| is at most 1, so that no
    average exceeds that of T_0.  On the old domain x = (2 cos - pi) / pi lies between (-2 - pi) / pi and (2 - pi) / pi,
    and so does the average of T_1 divided by that of T_0.  For the same reason the average of the product of the
    distances from x to the two bounds is not negative.
    """
    averages = angular_averages(setup, statistics)
    if not averages:
        return "unknown"
    zeroth, first, *others = averages
    if max(map(abs, averages)) > 1.000001 * zeroth:
        return "before 2.0.4"
    if first > ((2 - math.pi) / math.pi + ROUNDING) * zeroth:
        return "corrected"
    square = (zeroth + others[0]) / 2 if others else 0.0  # of x, at least
    if square + 2 * first + (1 - 4 / math.pi**2) * zeroth > 0.000001 * zeroth:
        return "corrected"
    return "unknown"


def angular_averages(setup: Setup, statistics: FeatureStatistics) -> list[float]:
    """Averages of the angular features without weights, order + 1; none where no angles were trained on."""
    none: list[float] = []
    if not setup.is_chebyshev or setup.parameters.shape[1] < N_PARAMETERS:
        return none
    radial_order, angular_order = setup.radial_order, setup.angular_order
    if not (0 <= radial_order < setup.n_features and 1 <= angular_order < setup.n_features):
        return none
    first = radial_order + 1
    averages = statistics.mean[first : first + angular_order + 1].tolist()
    return averages if len(averages) > 1 and averages[0] > 0 else none


def choose(
    potentials: Mapping[str, tuple[Setup, FeatureStatistics]], requested: bool | None
) -> tuple[bool, str | None]:
    """Whether potentials, by path, are evaluated on the old domain, and what the user must be told of it, if anything.

    requested : what the user asks for; None : follow the averages.  Potentials that are used together come from one
    training, so those that cannot be told apart follow the others, and count as corrected if there are none.
    InputError if the averages contradict each other and nothing is requested.
    """
    domains = {path: angular_domain(*each) for path, each in potentials.items()}
    old, corrected = ([path for path in domains if domains[path] == each] for each in ("before 2.0.4", "corrected"))
    if requested is None:
        if old and corrected:
            reason = f"trained by ænet before 2.0.4, but {corrected[0]} by a later version"
            raise InputError(old[0], f"{reason}; expected potentials of one training ({HELP})")
        if old:
            reason = "trained by ænet before 2.0.4; evaluated with the angular features of that time"
            return True, f"{', '.join(old)}: {reason} ({HELP})"
        undecided = [path for path, each in potentials.items() if angular_averages(*each)]
        if undecided and not corrected:
            reason = "unclear whether trained by ænet before 2.0.4; evaluated as if trained by a later version"
            return False, f"{', '.join(undecided)}: {reason} ({HELP})"
        return False, None
    wrong = corrected if requested else old
    if not wrong:
        return requested, None
    state, asked = ("not trained", "that time") if requested else ("trained", "later versions")
    message = f"{state} by ænet before 2.0.4, but evaluated with the angular features of {asked}, as requested"
    return requested, f"{', '.join(wrong)}: {message}: the energies are wrong"
