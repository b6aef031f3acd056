"""Calculators for tests, which other processes import."""

from __future__ import annotations

import os
import subprocess
import time

from ase.calculators.emt import EMT


class Counting(EMT):
    """Writes a letter to a file for each calculation."""

    def __init__(self, path, **options):
        super().__init__(**options)
        self.path = path

    def calculate(self, *arguments, **options):
        with open(self.path, "a", encoding="utf-8") as file:
            file.write("x")
        super().calculate(*arguments, **options)


class Slow(Counting):
    """Takes its time for structures of more than one species."""

    def __init__(self, path, seconds, **options):
        super().__init__(path, **options)
        self.seconds = seconds

    def calculate(self, atoms=None, *arguments, **options):
        if len(set(atoms.symbols)) > 1:
            time.sleep(self.seconds)
        super().calculate(atoms, *arguments, **options)


class Dying(EMT):
    """Ends its process for structures of more than one species."""

    def calculate(self, atoms=None, *arguments, **options):
        if len(set(atoms.symbols)) > 1:
            os.abort()
        super().calculate(atoms, *arguments, **options)


class Talking(EMT):
    """Says what it does."""

    def __init__(self, **options):
        print("built")
        super().__init__(**options)

    def calculate(self, *arguments, **options):
        print("calculated")
        super().calculate(*arguments, **options)


class Waiting(EMT):
    """Waits for another program, whose number it writes to a file, for structures of more than one species."""

    def __init__(self, path, **options):
        super().__init__(**options)
        self.path = path

    def calculate(self, atoms=None, *arguments, **options):
        if len(set(atoms.symbols)) > 1:
            with subprocess.Popen(["sleep", "100"]) as process, open(self.path, "w", encoding="utf-8") as file:
                file.write(f"{process.pid}")
                file.flush()
                process.wait()
        super().calculate(atoms, *arguments, **options)
