"""Subsets of large sets of structures, in two passes.

    shards ──survey──> a few numbers of each frame ──stratified──> chosen ──write──> frames, table, report, figures

Both passes read the files frame by frame.  Selected frames are written with the bytes they have in their files.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aenet_py.elements import NUMBER
from aenet_py.errors import AenetError, AenetWarning
from aenet_py.formats.labels import Labels
from aenet_py.formats.skipped import Skipped
from aenet_py.runtime.output import PendingFile
from aenet_py.selection import choice, criteria, report, shards, subset
from aenet_py.selection.subset import Names
from aenet_py.selection.survey import Numbers, Survey, survey

Progress = Callable[[int, str], contextlib.AbstractContextManager[Callable[[int], object]]]


@dataclass(frozen=True)
class Selection:
    """Outcome of `select`.

    Parameters
    ----------
    structures : tuple of str
        Selected frames as ``file#index``, counted from 0, in the order of their files.
    numbers : Numbers
        Their energy per atom (eV), largest force (eV/Å) and number of atoms, as arrays (n,).
    elements : Counter
        Number of selected frames that contain each element.
    survey : Survey
        The same for all frames, and which of them match.
    seed : int
        Seed of the draw.
    skipped : Skipped
        Number of invalid frames that were skipped, and the first reasons.
    files : Names
        Names of the files.
    report : str
        The report.
    """

    structures: tuple[str, ...]
    numbers: Numbers
    elements: Counter[str]
    survey: Survey
    seed: int
    skipped: Skipped
    files: Names
    report: str


@contextlib.contextmanager
def _silent(total: int, unit: str) -> Iterator[Callable[[int], object]]:  # noqa: ARG001
    yield lambda n: None  # noqa: ARG005


def select(
    sources: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    any_of: str | Iterable[str] = (),
    all_of: str | Iterable[str] = (),
    only: str | Iterable[str] = (),
    anomalies: str | os.PathLike[str] | Mapping[str, bool] | None = None,
    n: int | None = None,
    seed: int | None = None,
    strata: int = 100,
    energy: str | None = None,
    forces: str | None = None,
    skip_bad: bool = False,
    figures: bool = True,
    progress: Progress = _silent,
    publishing: Callable[[], contextlib.AbstractContextManager] = contextlib.nullcontext,
) -> Selection:
    """Select structures from large sets of extended XYZ, as ``aenet-py select`` does.

    Frames are selected by their elements and systems, and drawn at random so that their energies per atom are
    distributed as in the whole set (stratified sampling, Cochran 1977).

    Parameters
    ----------
    sources : path or list of paths
        Files ``.extxyz`` or ``.xyz`` (also ``.xz``, ``.gz``), or folders with such files.
    output : path
        New file for the selected frames; its name also determines those of the list of systems, the table, the report
        and the figures (docs/structures.md).
    any_of : list of str, or str such as "Cu,Au"
        Elements of which at least one must be present.
    all_of : list of str, or str such as "Cu,Au"
        Elements that must all be present.
    only : list of str, or str such as "Cu,Au"
        Elements besides which no others may be present.
    anomalies : path or mapping, optional
        Leave out the systems that are anomalous in this table, or in this mapping from system id to bool.
    n : int, optional
        Number of frames to draw; by default all that match.
    seed : int, optional
        Seed of the draw; random by default.
    strata : int
        Number of parts of equal size along the energy per atom from which frames are drawn.
    energy : str, optional
        Name of the energy in the files, such as ``REF_energy``.
    forces : str, optional
        Name of the forces in the files, such as ``REF_forces``.
    skip_bad : bool
        Skip invalid frames instead of raising an error.
    figures : bool
        Draw figures, which requires matplotlib.
    progress : callable
        Called with the total and its unit for each pass; returns a context manager of a function that is called with
        the increments.
    publishing : callable
        Returns a context manager, within which the files get their names.

    Returns
    -------
    Selection
        The selected frames, with statistics of these and of all frames.

    Raises
    ------
    AenetError
        For invalid input, files that exist already, and if no frame matches.

    Warns
    -----
    AenetWarning
        If fewer than n frames match.

    References
    ----------
    W. G. Cochran, Sampling Techniques (1977), chapter 5.

    Examples
    --------
    >>> import os, tempfile
    >>> frame = "1\\nProperties=species:S:1:pos:R:3:forces:R:3 energy=-1\\n{} 0 0 0 0 0 0\\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "all.extxyz")
    ...     with open(path, "w") as file:
    ...         _ = file.write("".join(frame.format(symbol) for symbol in ["Cu", "Au"] * 5))
    ...     selection = select(path, os.path.join(folder, "gold.extxyz"), only="Au", n=3, seed=1, figures=False)
    ...     sorted(os.listdir(folder))
    ['all.extxyz', 'gold-report.txt', 'gold.csv', 'gold.extxyz']
    >>> len(selection.structures), int(selection.survey.matches.sum()), dict(selection.elements)
    (3, 5, {'Au': 3})
    """
    for name, value in (("n", n), ("strata", strata)):
        if value is not None and value < 1:
            raise AenetError(f"{name} must be at least 1, not {value}")
    elements = (_elements(any_of), _elements(all_of), _elements(only))
    to = subset.names(os.fspath(output))
    given = shards.find(
        [os.fspath(each) for each in ([sources] if isinstance(sources, str | os.PathLike) else sources)]
    )
    if isinstance(anomalies, str | os.PathLike):
        anomalies = criteria.read_anomalies(os.fspath(anomalies))
    seed = int.from_bytes(os.urandom(4), "little") if seed is None else seed
    bad, labels = Skipped(), Labels(energy, forces)
    with progress(sum(os.path.getsize(shard.path) for shard in given), "B") as advance:
        wanted = criteria.Criteria(*elements, anomalies)
        everything = survey(given, wanted, bad.add if skip_bad else None, advance, labels)
    chosen = _chosen(everything, n, strata, seed)
    if n is not None and n > len(chosen):
        warnings.warn(f"only {len(chosen):,} structures match, fewer than {n:,}", AenetWarning, stacklevel=2)
    drawn = report.drawn(len(chosen) if len(chosen) < everything.matches.sum() else None, strata, seed)
    text = ""

    @contextlib.contextmanager
    def publish(selected: subset.Subset) -> Iterator[None]:
        nonlocal text
        text = report.text(to.frames, everything, selected, drawn, bad)
        with PendingFile(to.report) as file, publishing():
            file.write(text.encode())
            yield
            file.complete(replace=False)
            if figures:
                subset.draw(everything, selected, to)

    with progress(len(chosen), " structures") as advance:
        selected = subset.write(given, everything, chosen, to, advance, publish, labels)
    return Selection(selected.structures, selected.numbers, selected.elements, everything, seed, bad, to, text)


def _elements(given: str | Iterable[str]) -> frozenset[str]:
    symbols = frozenset(symbol.strip() for symbol in (given.split(",") if isinstance(given, str) else given))
    unknown = sorted(symbols - NUMBER.keys())
    if unknown:
        raise AenetError(f"unknown element {unknown[0]!r}; give symbols such as Cu,Au")
    return symbols


def _chosen(everything: Survey, n: int | None, strata: int, seed: int) -> np.ndarray:
    """Ascending indices of n of the matching frames, of all if there are not more or n is None."""
    matching = np.flatnonzero(everything.matches)
    if len(matching) == 0:
        raise AenetError(f"none of {len(everything.numbers):,} structures matches; relax the criteria")
    if n is None or n >= len(matching):
        return matching
    return matching[choice.stratified(everything.numbers.energy_per_atom[matching], n, strata, seed)]
