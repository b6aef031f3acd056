"""Steps of a Kalman filter that are left out."""

from __future__ import annotations

from aenet_py.errors import counted


def warning(n_steps: int) -> str:
    """A warning of steps that cannot be computed."""
    steps = counted(n_steps, "step")
    return f"the Kalman filter diverged: {steps} left out, its covariance begins anew; increase lambda or state"
