"""Sets of potentials: a mapping, a folder, a single file; ambiguous ones are errors."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from aenet_py.errors import AenetError
from aenet_py.formats import xsf
from aenet_py.formats.potential_files import files_of
from aenet_py.interfaces.ase import ANNCalculator
from aenet_py.potentials.potential import Potential
from compat_tests.interfaces.test_ase import CLUSTER, NETWORKS, OTHERS, SPECIES, as_atoms, networks

STRUCTURE = CLUSTER / "xsf" / "s001.xsf"


@pytest.fixture
def folder(tmp_path) -> Path:
    for path in NETWORKS.glob("*.nn*"):
        shutil.copyfile(path, tmp_path / path.name)
    (tmp_path / "Cu.pytorch.nn-00010").write_text("of another epoch")
    return tmp_path


def test_a_folder(folder):
    wanted = {symbol: str(folder / f"{symbol}.pytorch.nn") for symbol in SPECIES}
    assert files_of(str(folder)) == files_of(folder) == wanted
    assert files_of({symbol: Path(path) for symbol, path in wanted.items()}) == wanted
    assert files_of(folder / "Cu.pytorch.nn") == {"Cu": wanted["Cu"]}
    for path in wanted.values():
        Path(path).unlink()
    assert files_of(folder) == {symbol: f"{path}.ascii" for symbol, path in wanted.items()}


def test_names_do_not_matter(folder):
    for number, path in enumerate(sorted(folder.glob("*.nn.ascii"))):
        path.rename(folder / f"{number}.nn.ascii")
    for path in folder.glob("*.pytorch.nn"):
        path.unlink()
    assert set(files_of(folder)) == set(SPECIES)


def test_folders_are_taken_by_every_interface(folder):
    expected = Potential.load(networks()).energy_forces(xsf.read(str(STRUCTURE))).energy
    assert Potential.load(folder).energy_forces(xsf.read(str(STRUCTURE))).energy == expected
    atoms = as_atoms(STRUCTURE)
    atoms.calc = ANNCalculator(str(folder))
    assert atoms.get_potential_energy() == pytest.approx(expected, rel=1e-13)
    atoms.calc = ANNCalculator([folder, networks(OTHERS)])
    assert atoms.get_potential_energy() != pytest.approx(expected, rel=1e-13)
    assert atoms.calc.results["energy_std"] > 0


def test_different_potentials_for_a_species(folder):
    shutil.copyfile(OTHERS / "Au.pytorch.nn.ascii", folder / "Au.pytorch.nn.ascii")
    message = "Au.pytorch.nn.ascii: this potential for Au differs from that of Au.pytorch.nn; name the file"
    with pytest.raises(AenetError, match=message):
        Potential.load(folder)
    shutil.copyfile(OTHERS / "Au.pytorch.nn", folder / "Au.old.nn")
    with pytest.raises(AenetError, match=r"Au.pytorch.nn: this potential for Au differs from that of Au.old.nn"):
        ANNCalculator(folder)


@pytest.mark.parametrize("interface", [Potential.load, ANNCalculator])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "potentials must be a folder of potentials or the file of each species, .*, not NoneType"),
        (5, "potentials must be .* not int"),
        ({"Cu": None}, "potentials must be .*, not NoneType"),
        ({1: "Cu.nn"}, "potentials must be .*, not int"),
        ("nowhere", "nowhere: no such file"),
        (str(CLUSTER / "xsf"), "no potentials .* in this folder"),
        (str(STRUCTURE), "s001.xsf"),
        ({}, "no potentials given"),
    ],
)
def test_what_is_no_set_of_potentials(interface, given, message):
    with pytest.raises(AenetError, match=message):
        interface(given)


def test_lists():
    paths = networks()
    with pytest.raises(AenetError, match=r"potentials must be a folder of .*, not list"):
        Potential.load(list(paths.values()))
    with pytest.raises(AenetError, match="is a committee, whose members need the same species, not Cu and Au"):
        ANNCalculator(list(paths.values()))
    with pytest.raises(AenetError, match="the same species, not Cu Au O H and Cu"):
        ANNCalculator([paths, {"Cu": paths["Cu"]}])
