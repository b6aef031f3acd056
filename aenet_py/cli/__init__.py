"""The commands."""

import os

# No command uses the threads of NumPy's linear algebra, and starting them takes 0.07 s.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
