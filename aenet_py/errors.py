"""Errors and warnings for users: one sentence with the place and the remedy."""

from __future__ import annotations


class AenetError(Exception):
    """An error that the user can correct: bad input, a missing file, a full disk.

    Commands print the message, and nothing else, on standard error and exit with status 1.

    Examples
    --------
    >>> from aenet_py import AenetError, read
    >>> try:
    ...     read("missing.xsf")
    ... except AenetError as error:
    ...     print(error)
    missing.xsf: no such file; expected an XSF structure file
    """


class InputError(AenetError):
    """Invalid content of a file or a structure.

    Parameters
    ----------
    path : str
        The file, or the name of the structure.
    message : str
        What is wrong.
    line : int, optional
        The line in the file, counted from 1.
    """

    def __init__(self, path: str, message: str, line: int | None = None):
        self.path = str(path)
        self.line = line
        place = self.path if line is None else f"{self.path}:{line}"
        super().__init__(f"{place}: {message}")


class StoppedError(AenetError):
    """Work was stopped on request before all of it was done; what was done is kept."""


class AenetWarning(UserWarning):
    """Results that may mislead unless the user knows how they were obtained.

    Library functions issue it with `warnings.warn`; commands always print it as one line on standard error.

    Examples
    --------
    To stop at results that need attention:

    >>> import warnings
    >>> from ase import Atoms
    >>> from aenet_py import AenetWarning, ANNCalculator
    >>> atoms = Atoms("CuAu", [[0, 0, 0], [0, 0, 1.2]])
    >>> atoms.calc = ANNCalculator("fixtures/golden/cluster-cuau-h2o/train-forces-adamw/expected")
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", AenetWarning)
    ...     try:
    ...         energy = atoms.get_potential_energy()
    ...     except AenetWarning:
    ...         print("not in the range of the training set")
    not in the range of the training set
    """


def in_a_line(error: Exception) -> str:
    """First line of another library's error message, or the name of its class if there is no message."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def counted(n: int, what: str, plural: str = "") -> str:
    """``1 value``, ``2,000 values``; plural : if it is not what with an s."""
    return f"{n:,} {what if n == 1 else plural or what + 's'}"
