"""Choice of the energies and forces of a frame that come from the same calculation.

The names of energies and forces tell their source: energy and forces, REF_energy and REF_forces, pbe_energy and
pbe_forces.  The source is the rest of the name.  Energies and forces of different sources are never combined.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aenet_py.formats.units import FOREIGN

CHOOSE = "choose with --energy and --forces, or ENERGYKEY and FORCESKEY in generate.in"
KNOWN = ((), ("ref",), ("dft",))  # sources that may lack energies or forces, in order of preference
_UNITS = frozenset(("ev", "per", "ang", "angstrom"))
# Names with these words are not energies or forces in ænet's units.
_NO_LABEL = FOREIGN.union((
    "std", "stdev", "var", "variance", "sigma", "uncertainty", "error", "err", "mae", "rmse", "weight",
    "weights", "mask", "atom", "atoms", "unit", "units", "kinetic", "predicted",
))  # fmt: skip
_AMBIGUOUS = frozenset(("atomic", "au", "cal", "cm", "mol", "nm", "pm"))  # units, but also other words
_OTHER_UNITS = FOREIGN - _AMBIGUOUS
_LABEL = re.compile(r"(.*?)(energy|forces?)(.*)", re.DOTALL)


@dataclass(frozen=True)
class Labels:
    """Names of an energy and of forces: those in a frame, as written, or those chosen by the user, in any case.

    None means missing in a frame.  In a choice, None means that which belongs to the other name, and two None the only
    source that has both.
    """

    energy: str | None = None
    forces: str | None = None

    def __str__(self) -> str:
        return " with ".join(name for name in (self.energy, self.forces) if name is not None)


ANY = Labels()


@functools.lru_cache(1024)
def source(name: str) -> tuple[str, ...] | None:
    """The words around energy or forces in a name, in lower case; None for other names."""
    match = _LABEL.fullmatch(name.lower())
    if match is None:
        return None
    words = re.findall(r"[^\W_]+", f"{match[1]} {match[3]}")
    if not _NO_LABEL.isdisjoint(words):
        return None
    return tuple(word for word in words if word not in _UNITS and not (word == "free" and match[2] == "energy"))


def mixed(labels: Mapping[str, str]) -> str | None:
    """A warning if energies come from several sources, otherwise None; labels : the first structure of each name."""
    sources = {source(name): f"{name} in {path}" for name, path in labels.items()}
    if len(sources) < 2:
        return None
    listed = ", ".join(sources.values())
    return f"energies come from several sources ({listed}), which may differ in the level of theory; {CHOOSE}"


@functools.lru_cache(1024)
def choices(energies: tuple[str, ...], forces: tuple[str, ...], wanted: Labels) -> tuple[Labels, ...]:
    """Pairs of an energy and forces of the same source.

    There are several if several sources have both, or one source has several energies; then their values decide
    whether the choice matters.  Without any forces, or any energies, the pairs have only the other, and only known
    sources count.  ValueError for energies and forces of different sources, for names that may be a further pair, and
    for a wanted name of another unit.
    """
    for name in (wanted.energy, wanted.forces):
        if name is not None:
            _check_unit(name)
    some_energies, some_forces = _wanted(energies, wanted.energy), _wanted(forces, wanted.forces)
    if wanted.energy is not None and wanted.forces is not None:
        return tuple(Labels(e, f) for e in some_energies or (None,) for f in some_forces or (None,))
    pairs = [Labels(e, f) for e in some_energies for f in some_forces if source(e) == source(f) is not None]
    if pairs:
        if wanted == ANY:
            _check_rest(pairs, energies, forces)
        return tuple(sorted(pairs, key=_rank))
    if wanted == ANY:
        some_energies = [name for name in some_energies if source(name) in KNOWN]
        some_forces = [name for name in some_forces if source(name) in KNOWN]
        if some_energies and some_forces:
            listed = ", ".join([*some_energies, *some_forces])
            raise ValueError(f"found {listed}: energy and forces of different sources; {CHOOSE}")
    without_forces = [Labels(name, None) for name in some_energies if wanted.forces is None]
    without_energy = [Labels(None, name) for name in some_forces if wanted.energy is None]
    return tuple(sorted(without_forces or without_energy, key=_rank))


def _wanted(names: Sequence[str], wanted: str | None) -> list[str]:
    """The names that may be chosen.  If a source has energy and free_energy, as in OC20, free_energy is ignored."""
    if wanted is not None:
        same = [name for name in names if name == wanted]
        return same or [name for name in names if name.lower() == wanted.lower()]
    labels = [name for name in names if source(name) is not None]
    extrapolated = {source(name) for name in labels if "free" not in name.lower()}
    return [name for name in labels if "free" not in name.lower() or source(name) not in extrapolated]


def _check_unit(name: str) -> None:
    """Raise ValueError for a name such as energy_Ha or energy_per_atom, which cannot be a total energy in eV."""
    words = set(re.findall(r"[^\W_]+", name.lower()))
    if words & _OTHER_UNITS or {"per", "atom"} <= words:
        raise ValueError(f"found {name}; expected total energies in eV, forces in eV/Å")


def _check_rest(pairs: Sequence[Labels], energies: Sequence[str], forces: Sequence[str]) -> None:
    """Raise ValueError if other names may be a pair of different names, such as dft_total_energy and dft_forces."""
    paired = {source(pair.energy or "") for pair in pairs}
    for energy in energies:
        for force in forces:
            words = [source(energy), source(force)]
            if None in words or paired.intersection(words):
                continue
            one, other = (set(each or ()) for each in words)
            if one <= other or other <= one:
                listed = ", ".join([*energies, *forces])
                raise ValueError(f"found {listed}: {energy} and {force} may belong together; {CHOOSE}")


def _rank(pair: Labels) -> int:
    """Sort known sources first; the others keep the order of the file."""
    words = source(pair.energy or pair.forces or "")
    return KNOWN.index(words) if words in KNOWN else len(KNOWN)
