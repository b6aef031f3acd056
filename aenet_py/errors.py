"""Errors and warnings that are part of the product: one sentence, the place, what was found, what was expected."""

from __future__ import annotations


class AenetError(Exception):
    """Something the user can mend: bad input, a missing file, a full disk.

    Commands print the message on standard error and exit with status 1; nothing else is shown.
    """


class InputError(AenetError):
    """Bad content of a file, with the place it was found at."""

    def __init__(self, path: str, message: str, line: int | None = None):
        self.path = str(path)
        self.line = line
        place = self.path if line is None else f"{self.path}:{line}"
        super().__init__(f"{place}: {message}")


class AenetWarning(UserWarning):
    """Results that are not what they seem: the numbers exist, but the user should know how they came about.

    Library functions raise it through `warnings.warn`; commands print it as one line on standard error, always.
    """


def in_a_line(error: Exception) -> str:
    """The first line of what another library's error says, or its kind if it says nothing."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def counted(n: int, what: str) -> str:
    """``1 value``, ``2,000 values``."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"
