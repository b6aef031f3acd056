"""Analysis of a trajectory: interatomic distances, and temperature and energy over time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import TextIOWrapper
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from ase import Atoms, units
from ase.io import iread

from aenet_py.analysis import figures
from aenet_py.analysis.distances import Distribution, distribution
from aenet_py.errors import AenetError, in_a_line
from aenet_py.simulation.dynamics import degrees_of_freedom

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class History:
    """Times (n,) ps, temperatures (n,) K, potential and total energies (n,) eV; NaN where frames lack them."""

    times: np.ndarray
    temperatures: np.ndarray
    potential: np.ndarray
    total: np.ndarray


def frames(path: str, skip: float = 0.0, advance: Callable[[int], object] = lambda n: None) -> Iterator[Atoms]:  # noqa: ARG005
    """The structures of a trajectory; AenetError for other files.

    skip : ps at the start that are left out, for trajectories with times; advance : called with the number of bytes
    read.
    """
    number = position = n_left = 0
    if path.endswith((".xz", ".gz")):
        raise AenetError(f"{path}: compressed trajectories are not supported; decompress it first")
    with _opened(path) as file:
        reader = iread(TextIOWrapper(file, encoding="utf-8"), ":", format="extxyz")
        while True:
            try:
                atoms = next(reader)
            except StopIteration:
                break
            except Exception as error:  # ASE's reader raises various types
                reason = in_a_line(error)
                raise AenetError(f"{path}: frame {number + 1} cannot be read: {reason}") from None
            number += 1
            advance(file.tell() - position)
            position = file.tell()
            time = atoms.info.get("time_ps")
            if time is None and skip > 0:
                raise AenetError(f"{path}: frame {number} has no time_ps, which skipping requires")
            if time is None or time >= skip:
                n_left += 1
                yield atoms
    if not number:
        raise AenetError(f"{path}: this trajectory is empty")
    if not n_left:
        raise AenetError(f"{path}: this trajectory ends before {skip:g} ps; skip less")


def _opened(path: str) -> BinaryIO:
    try:
        return open(path, "rb")
    except FileNotFoundError:
        raise AenetError(f"{path}: no such file") from None
    except OSError as error:
        raise AenetError(f"{path}: cannot be read: {error.strerror}") from None


def examine(
    path: str, skip: float, r_max: float, width: float, advance: Callable[[int], object] = lambda n: None  # noqa: ARG005
) -> tuple[Distribution, History | None]:  # fmt: skip
    """Distances and history of a trajectory, which is read once; arguments as for `frames` and `distribution`.

    The history is None if frames have no `time_ps`, as in trajectories of other programs.
    """
    rows: list[tuple[float, float, float, float]] = []

    def visit(atoms: Atoms) -> None:
        kinetic = atoms.get_kinetic_energy() if atoms.has("momenta") else np.nan
        potential = atoms.get_potential_energy() if atoms.calc is not None else np.nan
        temperature = 2.0 * kinetic / (max(degrees_of_freedom(atoms), 1) * units.kB)
        rows.append((atoms.info.get("time_ps", np.nan), temperature, potential, potential + kinetic))

    try:
        distances = distribution(frames(path, skip, advance), r_max, width, visit)
    except AenetError as error:
        raise error if str(error).startswith(path) else AenetError(f"{path}: {error}") from None
    history = History(*np.array(rows).T)
    return distances, history if np.isfinite(history.times).all() else None


def distances_figure(distances: Distribution) -> Figure:
    """One panel per pair of species, with the first peak."""
    n_columns = min(3, len(distances.pairs))
    n_rows = -(-len(distances.pairs) // n_columns)
    figure, axes = figures.panels(n_rows, n_columns, sharex=True)
    for ax, pair, values, (position, height) in zip(
        axes.flat, distances.pairs, distances.values, distances.peaks, strict=False
    ):
        ax.plot(distances.r, values)
        if np.isfinite(position):
            ax.plot(position, height, "v", color=figures.COLORS[1], markersize=4)
        ax.set(title="-".join(pair) + (f", peak at {position:.2f} Å" if np.isfinite(position) else ""))
        figures.from_zero(ax)
    for ax in list(axes.flat)[len(distances.pairs) :]:
        ax.remove()
    for ax in axes[:, 0]:
        ax.set_ylabel("g(r)" if distances.normalised else "neighbours (1/Å)")
    for column in range(n_columns):
        below = [axes[row, column] for row in range(n_rows) if row * n_columns + column < len(distances.pairs)]
        below[-1].set_xlabel("distance (Å)")
        below[-1].tick_params(labelbottom=True)
    return figure


def history_figure(history: History) -> Figure:
    """Temperature, and changes of the potential and total energy, over time."""
    figure, axes = figures.panels(1, 2)
    axes[0, 0].plot(history.times, history.temperatures, linewidth=0.8)
    axes[0, 0].set(xlabel="time (ps)", ylabel="temperature (K)")
    for values, label in ((history.potential, "potential"), (history.total, "total")):
        axes[0, 1].plot(history.times, values - values[0], linewidth=0.8, label=label)
    axes[0, 1].set(xlabel="time (ps)", ylabel="change of energy (eV)")
    figures.legend_above(axes[0, 1], 2)
    return figure
