#!/usr/bin/env python3
"""aenet_pytorch.py from the checkout, without installation."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from aenet_py.cli.aenet_pytorch import main  # noqa: E402

sys.exit(main())
