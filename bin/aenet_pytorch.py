#!/usr/bin/env python3
"""aenet_pytorch.py from the checkout, without installation."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

from aenet_py.cli import entry  # noqa: E402

sys.exit(entry.aenet_pytorch())
