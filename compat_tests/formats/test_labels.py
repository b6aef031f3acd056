"""Energies and forces of the same source, in ænet's units: chosen, or refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aenet_py.formats import units
from aenet_py.formats.labels import Labels, choices, source

WORDS = st.sampled_from(["", "REF_", "dft_", "MACE_", "pbe0-", "wB97x."])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("energy", ()),
        ("Energy", ()),
        ("free_energy", ()),
        ("forces", ()),
        ("force", ()),
        ("REF_energy", ("ref",)),
        ("ref-forces", ("ref",)),
        ("DFT_free_energy", ("dft",)),
        ("energy_pbe", ("pbe",)),
        ("total_energy", ("total",)),
        ("energy_eV", ()),
        ("forces_eV_per_Ang", ()),
        ("energy_Ha", None),
        ("forces_hartree_bohr", None),
        ("energy_std", None),
        ("force_weights", None),
        ("config_energy_weight", None),
        ("energy_per_atom", None),
        ("energies", None),
        ("stress", None),
    ],
)
def test_sources(name, expected):
    assert source(name) == expected


@pytest.mark.parametrize(
    ("energies", "forces", "wanted", "expected"),
    [
        (("energy", "free_energy"), ("forces",), Labels(), ["energy with forces"]),
        (("free_energy",), ("force",), Labels(), ["free_energy with force"]),
        (("energy", "REF_energy"), ("REF_forces",), Labels(), ["REF_energy with REF_forces"]),
        (("pbe_energy", "total_energy"), ("forces_pbe",), Labels(), ["pbe_energy with forces_pbe"]),
        (("REF_energy", "energy"), ("REF_forces", "forces"), Labels(),
         ["energy with forces", "REF_energy with REF_forces"]),
        (("energy",), ("forces", "force"), Labels(), ["energy with forces", "energy with force"]),
        (("energy",), (), Labels(), ["energy"]),
        (("energy", "dft_energy"), (), Labels(), ["energy", "dft_energy"]),
        (("cutoff_energy", "REF_energy"), (), Labels(), ["REF_energy"]),
        (("cutoff_energy",), (), Labels(), []),
        ((), ("dft_force",), Labels(), ["dft_force"]),
        (("formation_energy",), ("forces",), Labels(), ["forces"]),
        (("energy", "REF_energy"), ("forces", "REF_forces"), Labels("ref_energy"), ["REF_energy with REF_forces"]),
        (("energy", "REF_energy"), ("forces", "REF_forces"), Labels(forces="forces"), ["energy with forces"]),
        (("E0", "energy"), ("forces",), Labels("e0", "Forces"), ["E0 with forces"]),
        (("E0", "energy"), ("forces",), Labels("E0"), ["E0"]),
        (("energy",), ("forces",), Labels("REF_energy", "forces"), ["forces"]),
        (("Energy", "energy"), ("forces",), Labels("energy", "forces"), ["energy with forces"]),
        (("Energy", "eNergy"), ("forces",), Labels("energy", "forces"), ["Energy with forces", "eNergy with forces"]),
    ],
)  # fmt: skip
def test_choices(energies, forces, wanted, expected):
    assert [str(pair) for pair in choices(energies, forces, wanted)] == expected


@pytest.mark.parametrize(
    ("energies", "forces"),
    [
        (("dft_total_energy", "mace_energy"), ("dft_forces", "mace_forces")),
        (("energy", "energy_dft_total"), ("forces", "forces_dft")),
        (("REF_energy", "total_energy"), ("REF_forces", "forces")),
    ],
)
def test_another_pair_that_is_named_differently(energies, forces):
    with pytest.raises(ValueError, match="may belong together; choose with --energy and --forces"):
        choices(energies, forces, Labels())
    assert len(choices(energies, forces, Labels(energies[0], forces[0]))) == 1


@pytest.mark.parametrize("name", ["energy_Ha", "E_kcal", "energy_per_atom", "forces_hartree_bohr"])
def test_a_choice_does_not_convert_units(name):
    with pytest.raises(ValueError, match=f"found {name}; expected total energies in eV"):
        choices((name,), (name,), Labels(name, None))
    assert choices(("Au_energy",), ("atomic_forces",), Labels("Au_energy", "atomic_forces"))


@given(WORDS, WORDS)
def test_energy_and_forces_of_different_sources_are_never_combined(one, other):
    energy, forces = f"{one}energy", f"{other}forces"
    try:
        pairs = choices((energy,), (forces,), Labels())
    except ValueError as error:
        assert f"found {energy}, {forces}" in str(error)  # noqa: PT017 - both ends are right
        assert one != other
    else:
        assert all((pair.energy is None or pair.forces is None) == (one != other) for pair in pairs)


KEYS = [
    "energy_unit",
    "energy-unit",
    "units_energy",
    "unit.energy",
    "E_unit",
    "energyUnit",
    "energyunits",
    "EnergyUnit",
]


@pytest.mark.parametrize("key", KEYS)
def test_units_of_energy(key):
    assert units.is_key(key)
    for value in ("eV", "EV", "electronvolt", " ev "):
        units.check(key, value)
    for value in ("Ha", "hartree", "kcal/mol", "meV", "eV/atom", "27.2114", "", "Å", "eV/Å", "unknown"):
        with pytest.raises(ValueError, match=f"found {key}="):
            units.check(key, value)


ANGSTROMS = ("Å", "A", "ang", "Angstrom", "\u212b", "Ångström")
FORCES = ("eV/Å", "eV/Ang", "ev / a", "eV*Å^-1", "eV Å⁻¹", "eV_per_Angstrom", "eV per Å")
SETS = ("eV", "metal", "ASE", "eV, Å, eV/Å", "energy: eV, length: Å", "eV and Angstrom", "4", "2.0")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[(f"{name}_unit", value) for name in ("pos", "positions", "length", "lattice") for value in ANGSTROMS],
        *[("force-units", value) for value in FORCES],
        *[("units", value) for value in SETS],
        ("unit_system", "metal"),
        *[(key, "4") for key in ("formula_units", "Z_units", "n_units", "units_per_cell", "formula_units_per_cell")],
        *[("unit_cell", value) for value in ("primitive", "4 0 0 0 4 0 0 0 4", "bohr")],
        ("unitcell", "conventional"), ("unitCell", "1"), ("formula_unit", "Au"), ("community", "hartree"),
        *[("stress_unit", value) for value in ("GPa", "hartree/bohr3")],
        ("time_units", "fs"), ("dipole-unit", "au"), ("virial_unit", "Ha"), ("velocity_units", "bohr"),
    ],
)  # fmt: skip
def test_units_that_change_nothing(key, value):
    units.check(key, value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("Units", "Ha"), ("units", "kcal/mol"), ("unit", "atomic"), ("units", "real"), ("UNITS", "eV, bohr"),
        ("unit_style", "real"), ("orca_units", "Eh"), ("calculator_unit", "a.u."), ("my_units", "Bohr"),
        ("pos_unit", "nm"), ("pos-unit", "bohr"), ("positions_unit", "eV"), ("cell_units", "a0"),
        ("unit_cell_units", "bohr"),
        ("force_unit", "hartree/bohr"), ("force_unit", "eV"), ("forces.unit", "eV/nm"), ("unit_forces", "kcal/mol/Å"),
    ],
)  # fmt: skip
def test_other_units_are_refused(key, value):
    with pytest.raises(ValueError, match="expected energies in eV, lengths in Å, forces in eV/Å"):
        units.check(key, value)
