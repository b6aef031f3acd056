"""The version, which pyproject.toml reads without importing anything."""

__version__ = "0.2.0"
