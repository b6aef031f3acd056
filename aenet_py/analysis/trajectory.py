"""What a trajectory says: distances, and temperature and energy over time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import TextIOWrapper
from typing import BinaryIO

import numpy as np
from ase import Atoms, units
from ase.io import iread
from matplotlib.figure import Figure

from aenet_py.analysis import figures
from aenet_py.analysis.distances import Distribution, distribution
from aenet_py.errors import AenetError, in_a_line
from aenet_py.simulation.dynamics import degrees_of_freedom


@dataclass(frozen=True)
class History:
    """times (n,) ps; temperatures (n,) K and energies (n,) eV, potential and total, NaN where the frames lack them."""

    times: np.ndarray
    temperatures: np.ndarray
    potential: np.ndarray
    total: np.ndarray


def frames(path: str, skip: float = 0.0, advance: Callable[[int], object] = lambda n: None) -> Iterator[Atoms]:  # noqa: ARG005
    """The structures of a trajectory, of one of `md` without those of the first skip ps; AenetError for anything else.

    advance : called with the number of bytes read.
    """
    number = place = n_left = 0
    if path.endswith((".xz", ".gz")):
        raise AenetError(f"{path}: this is compressed; expected plain extended XYZ, as md writes it")
    with _opened(path) as file:
        reader = iread(TextIOWrapper(file, encoding="utf-8"), ":", format="extxyz")
        while True:
            try:
                atoms = next(reader)
            except StopIteration:
                break
            except Exception as error:  # which ASE's reader raises is not settled
                reason = in_a_line(error)
                raise AenetError(f"{path}: frame {number + 1} cannot be read: {reason}") from None
            number += 1
            advance(file.tell() - place)
            place = file.tell()
            time = atoms.info.get("time_ps")
            if time is None and skip > 0:
                raise AenetError(f"{path}: found no time_ps in frame {number}; expected it, as some time is left out")
            if time is None or time >= skip:
                n_left += 1
                yield atoms
    if not number:
        raise AenetError(f"{path}: found no frames; expected a trajectory")
    if not n_left:
        raise AenetError(f"{path}: found no frame after {skip:g} ps; expected some behind the time that is left out")


def _opened(path: str) -> BinaryIO:
    try:
        return open(path, "rb")
    except FileNotFoundError:
        raise AenetError(f"{path}: no such file; expected a trajectory") from None
    except OSError as error:
        raise AenetError(f"{path}: cannot be read: {error.strerror}; expected a trajectory") from None


def examine(
    path: str, skip: float, r_max: float, width: float, advance: Callable[[int], object] = lambda n: None  # noqa: ARG005
) -> tuple[Distribution, History | None]:  # fmt: skip
    """Distances and history of a trajectory, read once; the arguments as those of `frames` and `distribution`.

    No history where frames have no `time_ps`, as those of other programs.
    """
    rows: list[tuple[float, float, float, float]] = []

    def seen(atoms: Atoms) -> None:
        kinetic = atoms.get_kinetic_energy() if atoms.has("momenta") else np.nan
        potential = atoms.get_potential_energy() if atoms.calc is not None else np.nan
        temperature = 2.0 * kinetic / (max(degrees_of_freedom(atoms), 1) * units.kB)
        rows.append((atoms.info.get("time_ps", np.nan), temperature, potential, potential + kinetic))

    try:
        found = distribution(frames(path, skip, advance), r_max, width, seen)
    except AenetError as error:
        raise error if str(error).startswith(path) else AenetError(f"{path}: {error}") from None
    history = History(*np.array(rows).T)
    return found, history if np.isfinite(history.times).all() else None


def distances_figure(found: Distribution) -> Figure:
    """A panel a pair of species, with the first peak."""
    n_columns = min(3, len(found.pairs))
    n_rows = -(-len(found.pairs) // n_columns)
    figure, axes = figures.panels(n_rows, n_columns, sharex=True)
    for ax, pair, values, (place, height) in zip(axes.flat, found.pairs, found.values, found.peaks, strict=False):
        ax.plot(found.r, values)
        if np.isfinite(place):
            ax.plot(place, height, "v", color=figures.COLORS[1], markersize=4)
        ax.set(title="-".join(pair) + (f": {place:.2f} Å" if np.isfinite(place) else ""), ylim=(0, None))
    for ax in list(axes.flat)[len(found.pairs) :]:
        ax.remove()
    for ax in axes[:, 0]:
        ax.set_ylabel("g(r)" if found.normalised else "neighbours (1/Å)")
    for column in range(n_columns):
        below = [axes[row, column] for row in range(n_rows) if row * n_columns + column < len(found.pairs)]
        below[-1].set_xlabel("r (Å)")
        below[-1].tick_params(labelbottom=True)
    return figure


def history_figure(found: History) -> Figure:
    """Temperature, potential and total energy over time."""
    figure, axes = figures.panels(1, 2)
    axes[0, 0].plot(found.times, found.temperatures, linewidth=0.8)
    axes[0, 0].set(xlabel="time (ps)", ylabel="temperature (K)")
    reference = found.potential[0]
    for values, label in ((found.potential, "potential"), (found.total, "total")):
        axes[0, 1].plot(found.times, values - reference, linewidth=0.8, label=label)
    axes[0, 1].set(xlabel="time (ps)", ylabel=f"energy (eV) above {reference:.3f}")
    axes[0, 1].legend(frameon=False, fontsize=8)
    return figure
