"""Pieces of text all reports share: banners and Fortran's number formats (aeio_header, io_adjustl)."""

from __future__ import annotations

import time

WIDTH = 70


def banner(title: str, char: str = "-") -> str:
    """Title between two rules (aeio_header)."""
    rule = char * WIDTH
    title = title.strip()
    centred = (" " * ((WIDTH - len(title)) // 2) + title).ljust(WIDTH) if len(title) <= WIDTH else " " * WIDTH
    return f" {rule}\n {centred}\n {rule}\n"


def timestamp() -> str:
    return time.strftime("%Y-%m-%d  %H:%M:%S")


def fixed(value: float, digits: int = 2) -> str:
    """F50.digits, adjusted to the left."""
    text = f"{value:.{digits}f}"
    return "*" * 50 if len(text) > 50 else text


def real(value: float, width: int, digits: int) -> str:
    """F format: stars where the number does not fit; the zero before the point goes first; NaN as such."""
    if value != value:
        return "NaN".rjust(width)
    text = f"{value:{width}.{digits}f}"
    if len(text) > width:
        text = text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text
    return "*" * width if len(text) > width else text


def integer(value: int, width: int) -> str:
    """I format: stars where the number does not fit."""
    text = f"{value:{width}d}"
    return "*" * width if len(text) > width else text


def scientific(value: float, width: int, digits: int) -> str:
    """ES format: two-digit exponents, three digits without the letter; NaN as such."""
    if value != value:
        return "NaN".rjust(width)
    mantissa, _, exponent = f"{value:.{digits}E}".partition("E")
    power = int(exponent)
    text = f"{mantissa}E{power:+03d}" if abs(power) < 100 else f"{mantissa}{power:+04d}"
    return text.rjust(width) if len(text) <= width else "*" * width
