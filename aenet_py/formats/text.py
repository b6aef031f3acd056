"""Text files, with the errors that all text formats share.

The original copies bytes without decoding them.  Text from files is therefore kept as latin-1, one character per byte.
"""

from __future__ import annotations

import os

from aenet_py.errors import AenetError, InputError

LINE_LENGTH = 1024
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # at the beginning of text from some editors
BLANKS = " \t"


def read_text(path: str, what: str) -> str:
    """Content of a text file; AenetError if it is missing, empty or binary.

    what : describes the file in errors, such as "an XSF file".
    """
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
    """Lines without their ends, cut to 1024 characters as by the formatted reads of the original."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line[:LINE_LENGTH] for line in lines] if len(max(lines, key=len)) > LINE_LENGTH else lines


def native(text: str) -> str:
    """Convert a path in a file (latin-1) to one for the operating system."""
    return os.fsdecode(text.encode("latin-1"))


def foreign(path: str) -> str:
    """Convert a path of the operating system to one for files and reports: its bytes as latin-1."""
    return os.fsencode(path).decode("latin-1")
