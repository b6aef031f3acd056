"""Units named in a file: those of ænet (eV, Å, eV/Å) are accepted, others are errors."""

from __future__ import annotations

import functools
import re
import unicodedata

EXPECTED = "energies in eV, lengths in Å, forces in eV/Å"

_EV = r"(?:ev|electron[ _-]?volts?)"
_ANGSTROM = r"(?:[aå]|angs?|[aå]ngstr(?:o|oe|ö)ms?)"
_FORCE = rf"{_EV} ?(?:(?:/|_?per_?) ?{_ANGSTROM}|[ *·.]?{_ANGSTROM} ?(?:\^|\*\*)?[-\u2212]1)"
_UNITS = {"energy": re.compile(_EV), "length": re.compile(_ANGSTROM), "force": re.compile(_FORCE)}
_QUANTITIES = {
    **dict.fromkeys(("energy", "energies", "e"), "energy"),
    **dict.fromkeys(("length", "lengths", "distance", "distances", "position", "positions", "pos"), "length"),
    **dict.fromkeys(("coordinate", "coordinates", "coord", "coords", "lattice", "cell"), "length"),
    **dict.fromkeys(("force", "forces", "f"), "force"),
}
_OTHERS = frozenset((
    "stress", "stresses", "virial", "virials", "pressure", "time", "charge", "charges", "dipole", "dipoles",
    "quadrupole", "velocity", "velocities", "momentum", "momenta", "mass", "masses", "temperature", "magmom",
    "magmoms", "magnetic", "moment", "moments", "volume", "density", "frequency", "frequencies", "hessian",
    "angle", "angles", "field", "polarizability", "formula",
))  # fmt: skip
_SYSTEMS = frozenset(("metal", "ase"))
_FILLING = frozenset(("and", "in", "of", "unit", "units", "system", "style", *_QUANTITIES)) - {"e", "f"}
# Words for other units; single letters are too ambiguous.
FOREIGN = frozenset((
    "ha", "hartree", "hartrees", "eh", "ry", "ryd", "rydberg", "rydbergs", "mev", "kev", "joule", "joules",
    "kj", "kcal", "cal", "mol", "bohr", "bohrs", "au", "nm", "pm", "cm", "newton", "newtons", "atomic",
))  # fmt: skip
_PER_ATOM = frozenset(("per", "atom", "atoms"))
_NUMBER = re.compile(r"[-+]?[\d.]+(?:[ed][-+]?\d+)?", re.IGNORECASE)


def check(key: str, value: str) -> None:
    """Raise ValueError if a key sets another unit of energies, lengths or forces than ænet's."""
    if is_key(key) and _is_wrong(key, value[:80]):
        raise ValueError(f"found {key}={value[:80]}; expected {EXPECTED}")


def check_behind(number: str, word: str) -> None:
    """Raise ValueError if the word after an energy names another unit than eV, such as Ha or eV/atom."""
    check_name(f"{number} {word[:80]}")


def check_name(text: str) -> None:
    """Raise ValueError if words next to an energy name another unit than eV, or mean that it is per atom."""
    lower = text.lower()
    if _is_foreign(lower) or not _PER_ATOM.isdisjoint(re.findall(r"[a-z]+", lower)):
        raise ValueError(f"found {text}; expected energies in eV")


@functools.lru_cache(1024)
def is_key(key: str) -> bool:
    """Whether a key sets a unit: it has the word unit or units, but is not about the unit cell or units per cell."""
    words = _words(key)
    return not {"unit", "units"}.isdisjoint(words) and "per" not in words


def _words(key: str) -> list[str]:
    """The words of a key, in lower case: such as energy_unit, units-energy, energyUnit, energyunit."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).lower()
    words: list[str] = []
    for word in re.findall(r"[a-z]+", re.sub(r"unit[^a-z]*cell", "cell", apart)):
        joined = re.fullmatch(r"(.+?)(units?)", word)
        words += [joined[1], joined[2]] if joined is not None and joined[1] in _QUANTITIES else [word]
    return words


@functools.lru_cache(1024)
def _is_wrong(key: str, value: str) -> bool:
    value = unicodedata.normalize("NFKC", value).strip().lower()
    others = [word for word in _words(key) if word not in ("unit", "units", "system", "style")]
    quantities = {_QUANTITIES[word] for word in others if word in _QUANTITIES}
    if quantities:
        return not any(_UNITS[quantity].fullmatch(value) for quantity in quantities)
    if not others:
        return not (_NUMBER.fullmatch(value) or _are_ours(value))
    return _OTHERS.isdisjoint(others) and _is_foreign(value)


def _is_foreign(text: str) -> bool:
    """Whether a text in lower case contains another unit."""
    return "a.u" in text or not FOREIGN.isdisjoint(re.findall(r"[a-z]+", text))


def _are_ours(value: str) -> bool:
    """Whether a text lists units of ænet: "eV", "energy: eV, length: Å", or the name of a system with these units."""
    if any(unit.fullmatch(value) for unit in _UNITS.values()):
        return True
    words = [word for word in re.split(r"""[\s,;:={}"'()\[\]]+""", value) if word and word not in _FILLING]
    return bool(words) and all(
        word in _SYSTEMS or any(unit.fullmatch(word) for unit in _UNITS.values()) for word in words
    )
