"""The chemical elements by period, and their places in the periodic table."""

from __future__ import annotations

import re

PERIODS = (
    "H He",
    "Li Be B C N O F Ne",
    "Na Mg Al Si P S Cl Ar",
    "K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr",
    "Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe",
    "Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn",
    "Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og",
)
SYMBOLS = tuple(symbol for period in PERIODS for symbol in period.split())
NUMBER = {symbol: number for number, symbol in enumerate(SYMBOLS, 1)}
BY_NUMBER = {str(number): symbol for symbol, number in NUMBER.items()}
# Covalent radii from H to Cm in pm: B. Cordero et al., Dalton Trans. 2008, 2832.
_COVALENT = (
    31, 28, 128, 96, 84, 76, 71, 66, 57, 58, 166, 141, 121, 111, 107, 105, 102, 106, 203, 176, 170, 160, 153, 139, 139,
    132, 126, 124, 132, 122, 122, 120, 119, 120, 120, 116, 220, 195, 190, 175, 164, 154, 147, 146, 142, 139, 145, 144,
    142, 139, 139, 138, 139, 140, 244, 215, 207, 204, 203, 201, 199, 198, 198, 196, 194, 192, 192, 189, 190, 187, 187,
    175, 170, 162, 151, 144, 141, 136, 136, 132, 145, 146, 148, 140, 150, 150, 260, 221, 215, 206, 200, 196, 190, 187,
    180, 169,
)  # fmt: skip
_OTHER_RADIUS = 1.5  # Å, of species that are not in the table
_LABEL = re.compile(r"([A-Z][a-z]?)[\d_]")


def of_label(label: str) -> str | None:
    """Element of a label: an atomic number, or a symbol followed by a digit or an underscore, as in Ti1 or C_sp3."""
    match = _LABEL.match(label)
    symbol = BY_NUMBER.get(label) if match is None else match[1]
    return symbol if symbol in NUMBER else None


def covalent_radius(species: str) -> float:
    """Covalent radius of an element or of a label such as Ti1, Å; 1.5 if it is not known."""
    number = NUMBER.get(species, NUMBER.get(of_label(species) or "", 0))
    return _COVALENT[number - 1] / 100 if 0 < number <= len(_COVALENT) else _OTHER_RADIUS


def place(symbol: str) -> tuple[int, int]:
    """Row and column of an element, counted from 1; lanthanides and actinides are in rows 8 and 9, columns 3 to 17."""
    period, members = next((n, each.split()) for n, each in enumerate(PERIODS, 1) if symbol in each.split())
    first, last = members.index(symbol), len(members) - 1 - members.index(symbol)
    if first < 2 and last > 0:
        return period, first + 1
    if period < 6 or last < 15:
        return period, 18 - last
    return period + 2, first + 1
