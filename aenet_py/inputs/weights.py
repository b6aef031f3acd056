"""WEIGHTS in train.in: how much each structure counts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from aenet_py.errors import InputError
from aenet_py.inputs import ranges
from aenet_py.inputs.keywords import TrainKeyword, content_lines
from aenet_py.inputs.structures import NamedFile, StructureInput

SETTINGS = ("energy", "forces", "key", "table", "temperature", "bootstrap")
PARSE = ranges.NON_NEGATIVE[0]  # of a weight


@dataclass(frozen=True)
class WeightInput:
    """Where the weights of energies and forces are.

    energy, forces : keys of extended XYZ with the weight of a structure, empty for none; key, table : a key whose
    values a file lists with two weights each, empty and None for none; temperature : K, at which high energies count
    as the Boltzmann factor says, infinite for none; bootstrap : seed of a draw of as many structures with replacement,
    of which each counts as often as it is drawn; line : of WEIGHTS, if known.
    """

    energy: str = ""
    forces: str = ""
    key: str = ""
    table: NamedFile | None = None
    temperature: float = math.inf
    bootstrap: int | None = None
    line: int | None = field(default=None, repr=False, compare=False)


def read(
    path: str, entries: Mapping[str, TrainKeyword], given: StructureInput | None, method: str
) -> WeightInput | None:
    """What a deck says, None without WEIGHTS; InputError with its line if it makes no sense."""
    if "weights" not in entries:
        return None
    entry = entries["weights"]
    expected = "energy=KEY and forces=KEY, or key=KEY and table=FILE, or temperature=, or bootstrap="
    found: dict[str, str] = {}
    for word in entry.words:
        name, sign, text = word.partition("=")
        if not (sign and text) or name.lower() not in SETTINGS or name.lower() in found:
            raise InputError(path, f"found {word!r} after WEIGHTS; expected {expected}", entry.number)
        found[name.lower()] = text
    if not found or ("key" in found) != ("table" in found):
        message = f"found {' '.join(entry.words) or 'nothing'!r} after WEIGHTS; expected {expected}"
        raise InputError(path, message, entry.number)
    if given is None:
        message = "found WEIGHTS with a training set; expected TYPES, SETUPS and structures"
        raise InputError(path, message, entry.number)
    if method in ("lm", "ekf"):
        raise InputError(path, f"found WEIGHTS with method={method}; expected it with another method", entry.number)
    table = NamedFile(found["table"], entry.number) if "table" in found else None
    energy, forces, key = (found.get(name, "") for name in ("energy", "forces", "key"))
    allowed = {"temperature": ranges.POSITIVE, "bootstrap": ranges.WHOLE}
    texts = {name: text for name, text in found.items() if name in allowed}
    numbers = ranges.settings(path, entry.number, texts, {"temperature": math.inf, "bootstrap": -1}, allowed)
    bootstrap = int(numbers["bootstrap"]) if "bootstrap" in found else None
    return WeightInput(energy, forces, key, table, numbers["temperature"], bootstrap, entry.number)


def read_table(table: NamedFile) -> dict[str, tuple[float, float]]:
    """Weights of energies and forces by the value of a key, from lines ``value energy_weight forces_weight``."""
    found: dict[str, tuple[float, float]] = {}
    for line in content_lines(table.path, "a table of weights"):
        *words, energy, forces = line.text.split() if len(line.text.split()) > 2 else ("", "", "")
        name = " ".join(words)
        try:
            values = PARSE(energy), PARSE(forces)
        except ValueError:
            expected = "a value of the key, and the weights of energy and forces, at least 0"
            raise InputError(table.path, f"found {line.text.strip()!r}; expected {expected}", line.number) from None
        if name in found:
            raise InputError(table.path, f"found a second line for {name!r}; expected one", line.number)
        found[name] = values
    return found


def line(given: WeightInput) -> str:
    """The line from which `read` takes this."""
    table = "" if given.table is None else given.table.path
    temperature = f"{given.temperature}" if given.temperature < math.inf else ""
    pairs = (
        ("energy", given.energy), ("forces", given.forces), ("key", given.key), ("table", table),
        ("temperature", temperature), ("bootstrap", "" if given.bootstrap is None else str(given.bootstrap)),
    )  # fmt: skip
    return " ".join(["WEIGHTS", *(f"{name}={text}" for name, text in pairs if text)])
