"""Reading text files line by line, with the errors every text format shares."""

from __future__ import annotations

from aenet_py.errors import AenetError, InputError


def read_text(path: str, what: str) -> str:
    """The whole of a text file that should be what, "an XSF file" say; AenetError if missing, empty or binary."""
    try:
        with open(path, "rb") as file:
            content = file.read()
    except FileNotFoundError:
        raise AenetError(f"{path}: no such file; expected {what}") from None
    except OSError as error:
        raise AenetError(f"{path}: cannot be read: {error.strerror}; expected {what}") from None
    if b"\0" in content:
        raise InputError(path, f"this is a binary file; expected {what}, which is text")
    if not content.strip():
        raise InputError(path, f"this file is empty; expected {what}")
    return content.decode("latin-1")


def split_lines(text: str) -> list[str]:
    """Lines without their ends, as Fortran's formatted read sees them."""
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[-1] == "":
        lines.pop()
    return lines
