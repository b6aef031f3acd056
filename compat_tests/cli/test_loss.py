"""STRESS and HUBER: gradients by finite differences, elastic constants of copper, and messages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import write

from aenet_py.cli.aenet_pytorch import main
from aenet_py.inputs import train as inputs
from aenet_py.interfaces.ase import ANNCalculator
from aenet_py.training import loop, model, preparation, run
from aenet_py.training.data import batches, pairs
from aenet_py.training.events import Events
from aenet_py.training.ranks import ALONE
from compat_tests.cli.test_train import interrupt_after

SETUP = """DESCR
  Copper
END DESCR

ATOM Cu

ENV 1
Cu

RMIN 0.5d0

BASIS type=Chebyshev
radial_Rc = 5.5  radial_N = 8 angular_Rc = 4.0  angular_N = 4
"""
DECK = """TYPES
1
Cu 0.0

SETUPS
Cu Cu.stp

FILES
1
copper.xyz

TESTPERCENT 10
ITERATIONS 3
BATCHSIZE 20
FORCES
alpha=0.3
MEMORY_MODE recompute
METHOD
method=adamw lr=0.01
NETWORKS
Cu Cu.nn 1 6:tanh
"""


def strained(rng: np.random.Generator, n: int, size: float = 0.04):
    """Deformed and disordered crystals of copper, labelled by EMT."""
    for _ in range(n):
        atoms = bulk("Cu", cubic=True)
        strain = rng.uniform(-size, size, (3, 3))
        atoms.set_cell(atoms.cell @ (np.eye(3) + strain), scale_atoms=True)
        atoms.rattle(rng.uniform(0, 0.08), rng=rng)
        atoms.calc = EMT()
        atoms.get_stress()
        yield atoms


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("Cu.stp").write_text(SETUP)
    frames = list(strained(np.random.default_rng(1), 12))
    for number in (3, 7):
        del frames[number].calc.results["stress"]
    write("copper.xyz", frames, format="extxyz", write_results=True)


def with_lines(*lines: str) -> str:
    return DECK.replace("MEMORY_MODE", "\n".join([*lines, "MEMORY_MODE"]))


def prepared(*lines: str):
    """A deck with more lines, and a batch of all its structures to train on."""
    Path("train.in").write_text(with_lines(*lines).replace("TESTPERCENT 10", "TESTPERCENT 0"))
    deck = inputs.read("train.in")
    data, draw, _ = preparation.prepare(deck, ALONE, Events())
    (batch,) = batches.assemble(data, draw.train, trained=True)
    torch.manual_seed(2)
    networks = model.draw([14], deck.networks, torch.device("cpu"))
    return deck, data, batch, networks, [torch.from_numpy(scale) for scale in data.feature_scales]


@pytest.mark.parametrize(
    "lines",
    [
        ("STRESS beta=0.4",),
        ("HUBER energy=0.05 forces=0.4",),
        ("HUBER energy=0.05 forces=0.4", "STRESS beta=0.2"),
    ],
)
def test_the_gradient_is_that_of_the_loss(lines):
    deck, _, batch, networks, scales = prepared(*lines)
    shares = loop.shares_of(deck)

    def loss(values: torch.Tensor) -> float:
        changed = loop.evaluate(networks.like(values), batch, scales)
        return loop.Sums().plus(loop.terms(batch, changed, ALONE)).errors(shares).total

    found = loop.evaluate(networks, batch, scales)
    gradient = loop.gradient(networks, batch, found, loop.terms(batch, found, ALONE), scales, shares)
    rng = np.random.default_rng(3)
    for _ in range(5):
        direction, step = torch.from_numpy(rng.normal(size=len(networks.values))), 1e-5
        numeric = loss(networks.values + step * direction) - loss(networks.values - step * direction)
        assert (gradient @ direction).item() == pytest.approx(numeric / (2 * step), rel=1e-5)


def test_virials_are_those_of_the_potential():
    """The trained potential gives them, but for the trainer's averages of the features in single precision."""
    Path("train.in").write_text(with_lines("STRESS beta=0.2").replace("TESTPERCENT 10", "TESTPERCENT 0"))
    assert main([]) == 0
    _, data, batch, networks, scales = prepared("STRESS beta=0.2")
    state = torch.load("model.restart", weights_only=True)["model"]
    values = torch.cat([value.flatten() for value in state.values()])
    found = loop.evaluate(networks.like(values), batch, scales).virials.numpy() / data.training.scale
    calculator = ANNCalculator({"Cu": "Cu.nn.ascii"})
    for place, path in enumerate(batch.paths):
        number = int(path.split("#")[1])
        atoms = list(strained(np.random.default_rng(1), 12))[number]
        atoms.calc = calculator
        wanted = atoms.get_stress(voigt=False) * atoms.get_volume()
        np.testing.assert_allclose(found[place], wanted, rtol=0, atol=1e-3 * abs(wanted).max())


def test_the_error_is_that_of_virials_per_atom():
    deck, data, batch, networks, scales = prepared("STRESS beta=0.4")
    errors = run.errors(networks, [batch], scales, ALONE, loop.shares_of(deck))
    predicted = loop.evaluate(networks, batch, scales).virials.numpy()
    squares = []
    for place, path in enumerate(batch.paths):
        number = int(path.split("#")[1])
        if number in (3, 7):  # without stress
            continue
        atoms = list(strained(np.random.default_rng(1), 12))[number]
        virial = atoms.get_stress(voigt=False) * atoms.get_volume() * data.training.scale
        squares.append(((predicted[place] - virial) ** 2).sum() / 16)
    assert len(squares) == 10
    assert errors.virial == pytest.approx(np.sqrt(np.mean(squares)), rel=1e-6)
    weight = np.float32(0.3).item()
    total = (1 - weight - 0.4) * errors.energy + weight * errors.force + 0.4 * errors.virial
    assert errors.total == pytest.approx(total, rel=1e-12)


def test_a_huber_loss_with_wide_limits_is_the_usual_one():
    for name, lines in (("plain", []), ("wide", ["HUBER energy=1e3 forces=1e3"])):
        Path("train.in").write_text(with_lines(*lines))
        assert main([]) == 0
        Path("train.error").rename(name)
        Path("model.restart").unlink()
    assert np.allclose(np.loadtxt("plain"), np.loadtxt("wide"), rtol=0, atol=2e-6)


def test_outliers_count_less_with_a_huber_loss():
    """An energy that is wrong by 4 eV spoils a linear fit of squares, not this one."""
    errors = {}
    frames = list(strained(np.random.default_rng(4), 60))
    frames[5].calc.results["energy"] += 4.0
    write("copper.xyz", frames, format="extxyz", write_results=True)
    for name, lines in (("squares", []), ("huber", ["HUBER energy=0.005"])):
        text = (
            with_lines(*lines)
            .replace("FORCES\nalpha=0.3\n", "")
            .replace("MEMORY_MODE recompute\n", "")
            .replace("6:tanh", "1:linear")
        )
        text = text.replace("ITERATIONS 3", "ITERATIONS 150\nSAVE_ENERGIES").replace("adamw lr=0.01", "lbfgs")
        text = text.replace("6:tanh", "1:linear")
        Path("train.in").write_text(text.replace("TESTPERCENT 10", "TESTPERCENT 0"))
        assert main([]) == 0
        rows = [line.split() for line in Path("energies.train").read_text().splitlines()]
        good = [float(row[3]) - float(row[4]) for row in rows if not row[-1].endswith("#5")]
        errors[name] = np.sqrt(np.mean(np.square(good)))
        Path("model.restart").unlink()
    assert errors["huber"] < 0.5 * errors["squares"]


def stiffness(calculator) -> np.ndarray:
    """C11, C12 and C44 of fcc copper at the lattice constant of EMT, eV/Å³, by central differences of the stress."""
    found, step = [], 2e-3
    for strain in (np.diag([step, 0, 0]), np.array([[0, 0, 0], [0, 0, step / 2], [0, step / 2, 0]])):
        ends = []
        for sign in (1, -1):
            atoms = bulk("Cu", a=3.59, cubic=True)
            atoms.set_cell(atoms.cell @ (np.eye(3) + sign * strain), scale_atoms=True)
            atoms.calc = calculator
            ends.append(atoms.get_stress())
        found.append((ends[0] - ends[1]) / (2 * step))
    return np.array([found[0][0], found[0][1], found[1][3]])


@pytest.mark.slow
def test_elastic_constants_of_copper():
    """With stress in the loss they are close to those of EMT; without, forces say less about them."""
    write("copper.xyz", list(strained(np.random.default_rng(5), 40)), format="extxyz", write_results=True)
    wanted, found = stiffness(EMT()), {}
    for name, lines in (("without", []), ("with", ["STRESS beta=0.3"])):
        text = (
            with_lines(*lines, "SCHEDULE cosine").replace("ITERATIONS 3", "ITERATIONS 400").replace("6:tanh", "12:tanh")
        )
        Path("train.in").write_text(text)
        assert main([]) == 0
        found[name] = stiffness(ANNCalculator({"Cu": "Cu.nn.ascii"}))
        Path("model.restart").unlink()
    errors = {name: abs(values / wanted - 1).max() for name, values in found.items()}
    assert errors["with"] < 0.1
    assert errors["with"] < 0.3 * errors["without"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "ITERATIONS 3",
            "ITERATIONS 3\nSTRESS",
            "train.in:14: found no value after STRESS; expected beta=",
        ),
        (
            "ITERATIONS 3",
            "ITERATIONS 3\nSTRESS 2",
            "train.in:14: found '2' after STRESS; expected beta=number",
        ),
        ("ITERATIONS 3", "ITERATIONS 3\nSTRESS beta=0", "train.in:14: found 'beta=0' after STRESS; expected b"),
        ("ITERATIONS 3", "ITERATIONS 3\nSTRESS beta=0.8", "train.in:14: found alpha=0.3 and beta=0.8; expected at mo"),
        ("FORCES\nalpha=0.3", "STRESS beta=0.8", "train.in:15: found STRESS without FORCES; expected both"),
        (
            "MEMORY_MODE recompute",
            "MEMORY_MODE cpu\nSTRESS beta=0.1",
            "found STRESS with MEMORY_MODE cpu; exp",
        ),
        ("adamw lr=0.01", "ekf\nSTRESS beta=0.1", "found STRESS with method=ekf; expected it with another method"),
        ("adamw lr=0.01", "lm\nHUBER energy=0.1", "found HUBER with method=lm; expected it with another method"),
        ("FORCES\nalpha=0.3", "HUBER forces=0.8", "train.in:15: found HUBER forces= without FORCES; expected both"),
        (
            "ITERATIONS 3",
            "ITERATIONS 3\nHUBER energy=x",
            "found 'energy=x' after HUBER; expected energy=n",
        ),
    ],
)
def test_messages(old, new, message, capsys):
    Path("train.in").write_text(DECK.replace(old, new))
    before = sorted(Path().iterdir())
    assert main([]) == 1
    assert message in capsys.readouterr().err
    assert sorted(Path().iterdir()) == before


def test_structures_without_stress(capsys):
    frames = list(strained(np.random.default_rng(1), 12))
    for atoms in frames:
        del atoms.calc.results["stress"]
    write("copper.xyz", frames, format="extxyz", write_results=True)
    Path("train.in").write_text(with_lines("STRESS beta=0.1"))
    assert main([]) == 1
    assert "train.in:17: found STRESS, but no structure has one; expected stress or virial" in capsys.readouterr().err


def test_features_that_need_gradients(capsys, monkeypatch):
    monkeypatch.setattr(pairs, "applies", lambda *_: False)
    Path("train.in").write_text(with_lines("STRESS beta=0.1"))
    assert main([]) == 1
    assert "train.in:17: found STRESS; expected it with Chebyshev features whose angular" in capsys.readouterr().err


def test_a_structure_that_is_too_large(capsys, monkeypatch):
    monkeypatch.setattr(pairs, "MOST_MEMBERS", 20)
    Path("train.in").write_text(with_lines("STRESS beta=0.1"))
    assert main([]) == 1
    assert "a structure has more than 20 atoms and images within reach; STRESS needs less" in capsys.readouterr().err


def test_an_interrupted_training_resumes(monkeypatch):
    """Bit for bit, in the middle of an epoch."""
    Path("train.in").write_text(
        with_lines("STRESS beta=0.2", "HUBER energy=0.02").replace("BATCHSIZE 20", "BATCHSIZE 3")
    )
    assert main([]) == 0
    wanted = [Path(name).read_bytes() for name in ("train.error", "Cu.nn.ascii")]
    Path("model.restart").unlink()
    with monkeypatch.context() as patched:
        interrupt_after(5, patched)
        assert main([]) == 0
    assert main([]) == 0
    assert [Path(name).read_bytes() for name in ("train.error", "Cu.nn.ascii")] == wanted
