"""Reading text files line by line, with the errors every text format shares.

The original copies bytes whatever they mean.  Text from files is therefore kept as latin-1, a character for a byte.
"""

from __future__ import annotations

import os

from aenet_py.errors import AenetError, InputError

LINE_LENGTH = 1024
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # some editors begin text with it
BLANKS = " \t"


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
    content = content.removeprefix(BYTE_ORDER_MARK)
    if not content.strip():
        raise InputError(path, f"this file is empty; expected {what}")
    return content.decode("latin-1")


def split_lines(text: str) -> list[str]:
    """Lines without their ends and at most 1024 characters of each, as the original's formatted reads see them."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line[:LINE_LENGTH] for line in lines] if len(max(lines, key=len)) > LINE_LENGTH else lines


def native(text: str) -> str:
    """A path found in a file, for the operating system."""
    return os.fsdecode(text.encode("latin-1"))


def foreign(path: str) -> str:
    """A path of the operating system, for files and reports: its bytes as latin-1."""
    return os.fsencode(path).decode("latin-1")
