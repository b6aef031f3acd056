"""aenet_py: neural-network potentials with ænet's files and commands, in Python."""

try:
    from aenet_py._version import __version__  # type: ignore[import-not-found,unused-ignore]  # written at installation
except ImportError:
    __version__ = "0.1.0.dev0"  # a checkout that was never installed
