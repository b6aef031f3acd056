"""The description on PyPI: README.md with the names of pages, since relative links lead nowhere there."""

import sys
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "docs"))

from links import named  # noqa: E402

NOTE = "\nThe pages named here, such as `docs/install.md`, are in the source distribution.\n"

setup(
    long_description=named((ROOT / "README.md").read_text(encoding="utf-8"), ROOT).rstrip() + "\n" + NOTE,
    long_description_content_type="text/markdown",
)
