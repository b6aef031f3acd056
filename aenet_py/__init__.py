"""aenet_py: neural-network potentials with ænet's files and commands, in Python."""

__version__ = "0.1.0"
