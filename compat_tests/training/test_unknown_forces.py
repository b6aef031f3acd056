"""Training on slabs whose lower atoms are fixed: forces that constraints set to zero do not count."""

from __future__ import annotations

import dataclasses
import math
import shutil
import warnings
from pathlib import Path
from types import SimpleNamespace

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import fcc111
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms, FixCartesian

import aenet_py
from aenet_py.analysis import runs
from aenet_py.analysis.runs import FORCE
from aenet_py.cli import aenet, generate
from aenet_py.errors import AenetWarning
from aenet_py.formats import trained
from aenet_py.inputs import repulsion
from aenet_py.inputs import train as inputs
from aenet_py.structure import as_structure
from aenet_py.training import committee, fisher, loop, model, preparation
from aenet_py.training.data import batches
from aenet_py.training.events import Events
from aenet_py.training.ranks import ALONE
from aenet_py.training.secondorder import jacobian, methods

SETUP = """DESCR
END DESCR
ATOM {}
ENV 2
Cu
Au
RMIN 0.5d0
BASIS type=Chebyshev
radial_Rc = 5.0  radial_N = 6 angular_Rc = 4.0  angular_N = 3
"""
DECK = """TYPES
2
Cu 0.0
Au 0.0
SETUPS
Cu Cu.stp
Au Au.stp
FILES
1
{name}
TESTPERCENT 0
ITERATIONS 3
BATCHSIZE 100
FORCES
alpha=0.3
METHOD
method=adamw lr=0.01
NETWORKS
Au Au.nn 1 6:tanh
Cu Cu.nn 1 6:tanh
"""
TYPES = ("Cu", "Au")
SETTINGS = {
    "setups": {symbol: Path(f"{symbol}.stp") for symbol in TYPES}, "atomic_energies": dict.fromkeys(TYPES, 0.0),
    "forces_weight": 0.3, "lr": 0.01, "test_percent": 0, "batch_size": 100, "iterations": 4, "torch_seed": 3,
}  # fmt: skip
NETWORKS = {symbol: [(5, "tanh")] for symbol in TYPES}
SETTINGS_OF: dict[str, dict[str, float]] = {
    "lm": {"damping": 0.1, "adjust": 10.0},
    "ekf": {"lambda": 0.99, "lambda0": 0.999, "state": 0.1, "pnoise": 0.0, "wgroup": 100},
    "lbfgs": {},
}
TOLD = ".*forces that are zero because constraints hold atoms fixed"


def slabs(n: int = 6) -> list[Atoms]:
    """Slabs of three layers, with energies and forces at random."""
    rng, made = np.random.default_rng(2), []
    for _ in range(n):
        atoms = fcc111("Cu", (2, 2, 3), vacuum=5.0)
        atoms.arrays.pop("tags")
        atoms.info = {}
        atoms.symbols[rng.random(len(atoms)) < 0.4] = "Au"
        atoms.rattle(0.1, rng=rng)
        labels = {"energy": rng.normal(), "forces": rng.normal(size=(len(atoms), 3))}
        atoms.calc = SinglePointCalculator(atoms, **labels)
        made.append(atoms)
    return made


def fixed(given: list[Atoms], whole: int | None = None) -> list[Atoms]:
    """Copies with a fixed layer, and one where atoms of the next keep their height, with what `get_forces` says.

    whole : of this structure, all atoms are fixed.
    """
    made = []
    for number, atoms in enumerate(given):
        other = atoms.copy()
        held = [FixAtoms(range(12 if number == whole else 4))]
        other.set_constraint([*held, FixCartesian([4, 5], (False, False, True))] if number == 0 else held)
        other.calc = atoms.calc
        labels = {"energy": atoms.get_potential_energy(), "forces": other.get_forces()}
        other.calc = SinglePointCalculator(other, **labels)
        made.append(other)
    return made


def prepared(name: str, **changes):
    """Networks, a batch of all structures of a file, scales and data."""
    Path("train.in").write_text(DECK.format(name=name))
    deck = dataclasses.replace(inputs.read("train.in"), **changes)
    data, draw, _ = preparation.prepare(deck, ALONE, Events())
    torch.manual_seed(1)
    networks = model.draw([setup.n_features for setup in data.setups], deck.networks, torch.device("cpu"))
    scales = [torch.from_numpy(scale) for scale in data.feature_scales]
    return networks, batches.assemble(data, draw.train, trained=True)[0], scales, data


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for symbol in TYPES:
        Path(f"{symbol}.stp").write_text(SETUP.format(symbol))
    given = slabs()
    ase.io.write("true.xyz", given)
    ase.io.write("fixed.xyz", fixed(given))
    for name, constrained in (("held.xyz", fixed(given)), ("bare.xyz", fixed(given))):
        for atoms, other in zip(constrained, given, strict=True):
            if name == "bare.xyz":
                atoms.set_constraint()
            else:
                atoms.calc = other.calc
        ase.io.write(name, constrained)


def weights_of(result) -> np.ndarray:
    return np.concatenate([file.network.weights for file in result.potential().files])


def train(name, **changes):
    settings = {**SETTINGS, "folder": f"{name}.run" if isinstance(name, str) else "run", **changes}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", TOLD, AenetWarning)
        return aenet_py.train(name, NETWORKS, **settings)


def references(batch, symbols: tuple[str, ...] = ("Au", "Cu")) -> tuple[np.ndarray, np.ndarray]:
    """Forces and which of them are known, (n_atoms, 3), atom by atom as the batch has them; from the structures.

    symbols : of the networks.
    """
    forces, known = [], []
    for path in batch.paths:
        (frame,) = aenet_py.read(path)
        order = np.argsort([symbols.index(name) for name in frame.names()], kind="stable")
        forces.append(frame.forces[order])
        unknown = np.zeros((frame.n_atoms, 3), bool) if frame.unknown_forces is None else frame.unknown_forces
        known.append(~unknown[order])
    return np.concatenate(forces), np.concatenate(known)


@pytest.mark.parametrize("mode", ["cpu", "recompute"])
@pytest.mark.parametrize("huber", [None, 0.7])
@torch.no_grad()
def test_the_loss_is_that_of_known_forces(mode, huber):
    """A twin of the loss, in NumPy, and its derivative by finite differences."""
    networks, batch, scales, data = prepared("fixed.xyz", memory_mode=mode)
    if huber is not None:
        batch = dataclasses.replace(batch, huber=(math.inf, huber * data.training.scale))
    forces, known = references(batch)
    assert known.sum() == 6 * 36 - 6 * 12 - 2
    scale, n_atoms, shares = data.training.scale, batch.n_atoms.numpy(), loop.Shares(0.3)

    def twin(values: torch.Tensor) -> float:
        found = loop.evaluate(networks.like(values), batch, scales)
        errors = (found.forces.numpy() - scale * forces.astype(np.float32).astype(np.float64))[known]
        limit = math.inf if huber is None else huber * scale
        squares = np.where(abs(errors) <= limit, errors**2, limit * (2 * abs(errors) - limit) if huber else 0.0)
        energies = (found.energies.numpy() - batch.energies.numpy()) / n_atoms
        return 0.7 * np.sqrt(np.mean(energies**2)) + 0.3 * np.sqrt(3 * np.mean(squares))

    found = loop.evaluate(networks, batch, scales)
    terms = loop.terms(batch, found, ALONE)
    assert np.isclose(loop.Sums().plus(terms).errors(shares).total, twin(networks.values), rtol=1e-6)
    gradient, rng = loop.gradient(networks, batch, found, terms, scales, shares), torch.Generator().manual_seed(4)
    for _ in range(3):
        along = torch.randn(len(gradient), generator=rng, dtype=torch.float64)
        steps = ((1, 8), (-1, -8), (2, -1), (-2, 1))
        wanted = sum(weight * twin(networks.values + 1e-4 * n * along) for n, weight in steps) / 12e-4
        assert np.isclose(float(gradient @ along), wanted, rtol=1e-5, atol=1e-7 * float(gradient.abs().max()))


@pytest.mark.parametrize("method", ["lm", "ekf", "lbfgs", "gradient"])
@torch.no_grad()
def test_what_is_written_there_does_not_matter(method):
    """With any numbers in place of the zeros, a step is the same to the last bit."""
    networks, batch, scales, _ = prepared("fixed.xyz")
    _, known = references(batch)
    other = batch.forces.clone()
    other[torch.from_numpy(~known)] = torch.randn(int((~known).sum()), dtype=torch.float64) * 10
    steps = []
    for forces in (batch.forces, other):
        changed, shares = dataclasses.replace(batch, forces=forces), loop.Shares(0.3)
        found = loop.evaluate(networks, changed, scales)
        terms = loop.terms(changed, found, ALONE)
        if method == "gradient":
            steps.append(loop.gradient(networks, changed, found, terms, scales, shares))
            continue
        state = methods.start(method, SETTINGS_OF[method], networks, None)
        steps.append(methods.step(state, networks, changed, found, terms, scales, shares, ALONE))
    assert torch.equal(*steps)
    assert method == "gradient" or not torch.equal(steps[0], networks.values)


@torch.no_grad()
def test_least_squares_have_the_gradient_of_the_loss():
    networks, batch, scales, _ = prepared("fixed.xyz")
    found = loop.evaluate(networks, batch, scales)
    terms = loop.terms(batch, found, ALONE)
    wanted = loop.gradient(networks, batch, found, terms, scales, loop.Shares(0.3))
    errors = loop.Sums().plus(terms).errors(loop.Shares(0.3))
    weights = jacobian.weights_of(0.3, errors.energy, errors.force, terms.energy_weight, terms.force_weight)
    step, squares = torch.zeros_like(wanted), jacobian.roots(batch, weights) ** 2
    for places, rows in jacobian.blocks(networks, batch, found, scales, 50):
        step += rows.T @ (squares * jacobian.errors(batch, found))[places]
    torch.testing.assert_close(
        -step / (errors.energy * terms.energy_weight), wanted, rtol=1e-5, atol=1e-6 * float(wanted.abs().max())
    )


@torch.no_grad()
def test_the_fisher_information_is_that_of_known_forces(monkeypatch):
    """Against finite differences of the energies per atom and the known forces that a transfer's source predicts."""
    captured, information = [], fisher.information

    def capture(*arguments):
        captured.append((arguments, information(*arguments)))
        return captured[-1][1]

    monkeypatch.setattr(fisher, "information", capture)
    train("true.xyz", iterations=1)
    settings = {"freeze": 0, "fisher": "fixed.xyz", "anchor": 0.1, "iterations": 1, "folder": "new"}
    with pytest.warns(AenetWarning, match=TOLD):
        aenet_py.transfer("true.xyz", "true.xyz.run", **{**SETTINGS, **settings})
    [((networks, data, alpha), found)] = captured
    scales = [torch.from_numpy(scale) for scale in data.feature_scales]
    (batch,) = batches.assemble(data, [(list(range(6)), [])], False)
    _, known = references(dataclasses.replace(batch, paths=[Path(path).name for path in batch.paths]), TYPES)
    mask = torch.from_numpy(known)

    def predicted(values: torch.Tensor) -> torch.Tensor:
        evaluation = loop.evaluate(networks.like(values), batch, scales)
        energies = evaluation.energies / batch.n_atoms * ((1.0 - alpha) / 6) ** 0.5
        return torch.cat([energies, evaluation.forces[mask] * (3 * alpha / int(known.sum())) ** 0.5])

    for place in range(0, len(found), 7):
        step = torch.zeros_like(networks.values)
        step[place] = 1e-5
        derivatives = (predicted(networks.values + step) - predicted(networks.values - step)) / 2e-5
        assert float(found[place]) == pytest.approx(float((derivatives**2).sum()), rel=1e-5, abs=1e-9)
    assert not torch.allclose(information(networks, dataclasses.replace(data, known=None), alpha), found, rtol=1e-2)


@torch.no_grad()
def test_parts_of_a_batch_add_up():
    """As several processes share it."""
    networks, batch, scales, data = prepared("fixed.xyz")
    whole = loop.terms(batch, loop.evaluate(networks, batch, scales), ALONE)
    sums, taken = torch.zeros(4, dtype=torch.float64), []

    def add(values: torch.Tensor) -> torch.Tensor:
        sums.add_(values)
        return values

    for rank in range(2):
        ranks = SimpleNamespace(rank=rank, size=2, threads=1, sum=add)
        part = batches.join(data, range(6), [], ranks, True)
        terms = loop.terms(part, loop.evaluate(networks, part, scales), ranks)
        assert terms.force_weight == whole.force_weight == pytest.approx((6 * 36 - 74) / 3)
        taken += part.paths
    assert sorted(taken) == sorted(batch.paths)
    assert float(sums[2]) == pytest.approx(float(whole.force_error) ** 2 * whole.force_weight, rel=1e-12)


@pytest.mark.parametrize("mode", ["cpu", "recompute"])
def test_forces_that_are_known_count_as_without_constraints(mode):
    """A file with the true forces of fixed atoms: the same bits as of one without constraints."""
    wanted, found = (train(name, memory_mode=mode, save_forces=True) for name in ("true.xyz", "held.xyz"))
    assert np.array_equal(weights_of(wanted), weights_of(found))
    assert np.array_equal(wanted.forces["train"].reference, found.forces["train"].reference)
    assert Path("true.xyz.run/train.error").read_bytes() == Path("held.xyz.run/train.error").read_bytes()


def test_zeros_without_constraints_are_trained_on():
    assert np.abs(weights_of(train("bare.xyz")) - weights_of(train("fixed.xyz"))).max() > 1e-4


def test_sources_of_structures_agree():
    """Extended XYZ, a database, atoms and structures give the same bits."""
    given = ase.io.read("fixed.xyz", ":")
    assert aenet.main(["convert", "fixed.xyz", "fixed.db"]) == 0
    wanted = weights_of(train("fixed.xyz"))
    assert np.array_equal(weights_of(train("fixed.db")), wanted)
    assert np.array_equal(weights_of(train(given, folder="atoms")), wanted)
    structures = [as_structure(atoms, f"a#{n}", reference=True) for n, atoms in enumerate(given)]
    assert np.array_equal(weights_of(train(structures, folder="structures")), wanted)


@pytest.mark.parametrize("method", [{}, {"method": "lbfgs", "lr": None, "batch_size": None}])
def test_a_structure_of_fixed_atoms_counts_with_its_energy(method):
    """As with a weight of zero for its forces."""
    given = slabs()
    masked = fixed(given, whole=2)
    ase.io.write("masked.xyz", masked)
    for number, atoms in enumerate(masked):
        atoms.info["f"] = 0.0 if number == 2 else 1.0
        if number == 2:
            atoms.set_constraint()
            atoms.calc = given[number].calc
    ase.io.write("weighted.xyz", masked)
    found = weights_of(train("masked.xyz", **method))
    assert np.abs(found - weights_of(train("weighted.xyz", weights="forces=f", **method))).max() < 1e-7
    assert np.abs(found - weights_of(train("fixed.xyz", **method))).max() > 1e-5


def test_only_ratios_of_weights_count():
    given = ase.io.read("fixed.xyz", ":")
    for atoms in given:
        atoms.info["f"] = 3.0
    ase.io.write("weighted.xyz", given)
    found = weights_of(train("weighted.xyz", weights="forces=f"))
    assert np.abs(found - weights_of(train("fixed.xyz"))).max() < 1e-9


def test_errors_are_those_of_known_forces():
    """Of the trainer, its tables, and `evaluate`, against NumPy."""
    result = train("fixed.xyz", test_percent=50, save_forces=True, save_energies=True, iterations=2)
    potential, squares = result.potential(), []
    table = trained.read_forces("fixed.xyz.run/forces.test")
    for path, begin, end in zip(table.paths, table.starts[:-1], table.starts[1:], strict=True):
        (frame,) = aenet_py.read(Path(path).name)
        predicted = potential.energy_forces(frame).forces
        known = ~frame.unknown_forces
        squares.append((predicted - frame.forces)[known] ** 2)
        order = np.argsort([("Cu", "Au").index(name) for name in frame.names()], kind="stable")
        assert np.array_equal(~np.isnan(table.reference[begin:end]), known[order])
        assert np.allclose(table.predicted[begin:end], predicted[order], atol=1e-5)
        head = next(line for line in Path("fixed.xyz.run/forces.test").read_text().splitlines() if line.endswith(path))
        assert float(head.split()[2]) == pytest.approx(3 * np.sqrt(squares[-1].sum()) / known.sum(), abs=2e-6)
    wanted = float(np.sqrt(np.mean(np.concatenate(squares))))
    assert result.force_rmse == pytest.approx(wanted, rel=1e-5)
    assert runs.qualities(runs.read("fixed.xyz.run"))[FORCE, "test"].rmse == pytest.approx(wanted, rel=1e-4)
    assert result.learning_curve.forces[-1, 1] == pytest.approx(wanted, rel=1e-4)
    found = aenet_py.evaluate(potential, "fixed.xyz", training="fixed.xyz.run").errors()
    assert found[FORCE, "test", "all"].rmse == pytest.approx(wanted, rel=1e-5)
    assert found[FORCE, "test", "all"].n == sum(map(len, squares))


def test_a_committee_is_judged_by_known_forces():
    result = train("fixed.xyz", committee=2, test_percent=50, iterations=2)
    errors = []
    for number in (1, 2):
        table = trained.read_forces(f"fixed.xyz.run/{number}/forces.test")
        errors.append((table.predicted - table.reference)[~np.isnan(table.reference)])
    for found, each in zip(result.member_errors, errors, strict=True):
        assert found.force == pytest.approx(float(np.sqrt(np.mean(each**2))), rel=1e-12)
    mean, spread = np.mean(errors, axis=0), np.std(errors, axis=0)
    assert result.force_rmse == pytest.approx(float(np.sqrt(np.mean(mean**2))), rel=1e-12)
    wanted = float(np.sqrt(np.mean(mean**2) / np.mean(spread**2)))
    assert result.calibration.force_factor == pytest.approx(wanted, rel=1e-12)
    assert result.calibration.n_atoms == len(np.unique(np.flatnonzero(~np.isnan(table.reference)) // 3))
    assert committee.factor(np.full((2, 9, 3), 1.0)) is None  # too few atoms


def test_it_is_said_once():
    with pytest.warns(AenetWarning) as told:
        aenet_py.train("fixed.xyz", NETWORKS, **SETTINGS)
    assert [str(each.message) for each in told] == [
        "fixed.xyz: forces that are zero because constraints hold atoms fixed are not known: 74 components in 6 "
        "structures, such as fixed.xyz#0; training and errors leave them out"
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        aenet_py.train("held.xyz", NETWORKS, **{**SETTINGS, "folder": "held"})
        aenet_py.train("fixed.xyz", NETWORKS, **{**SETTINGS, "folder": "energies", "forces_weight": None})


def test_a_repulsion_leaves_them_unknown():
    *_, data = prepared("fixed.xyz")
    structures = dataclasses.replace(
        inputs.read("train.in").structures, repulsion=repulsion.parse(["zbl", "inner=2", "outer=4"])
    )
    *_, repelled = prepared("fixed.xyz", structures=structures)
    assert np.array_equal(repelled.known, data.known)
    assert np.array_equal(repelled.structures.forces == 0, ~data.known)
    assert np.abs(repelled.structures.forces - data.structures.forces)[data.known].min() > 0


def test_a_training_resumes_with_the_same_forces_only():
    """A state of a version that learnt the zeros is continued as that of another training."""
    shutil.copyfile("bare.xyz", "a.xyz")
    train("a.xyz", iterations=6, on_epoch=lambda epoch, _: epoch == 2)
    shutil.copyfile("fixed.xyz", "a.xyz")
    with pytest.warns(AenetWarning, match="cannot be resumed in epoch 3 with other batches, energies, known forces or"):
        train("a.xyz", iterations=6)


def test_training_sets_cannot_say_it(capfd):
    deck = "OUTPUT set.train\nFORCES\nFORCESPERCENT 100\nFORCESSEED 1\n" + DECK.partition("TESTPERCENT")[0]
    for name, n_warnings in (("fixed.xyz", 1), ("held.xyz", 0), ("bare.xyz", 0)):
        for path in Path().glob("set.train*"):
            path.unlink()
        Path("generate.in").write_text(deck.format(name=name))
        assert generate.main(["generate.in"]) == 0
        told = [line for line in capfd.readouterr().err.splitlines() if "constraints" in line]
        assert len(told) == n_warnings
        if told:
            assert told[0] == (
                "Warning: forces that are zero because constraints hold atoms fixed are not known: 74 components in 6 "
                "structures, such as fixed.xyz#0; a training set cannot say so, and a training on its forces would "
                "learn zeros; train on the structures themselves (FILES in train.in), or compute true forces "
                "(aenet-py label)"
            )
    setups = {symbol: f"{symbol}.stp" for symbol in TYPES}
    with pytest.warns(AenetWarning, match="74 components in 6 structures.*a training set cannot say so"):
        aenet_py.generate("fixed.xyz", setups, dict.fromkeys(TYPES, 0.0), "other.train")


def test_recompute_warns_of_what_a_training_set_cannot_say():
    """It reads the structures again, but trains on the forces of the set."""
    setups = {symbol: f"{symbol}.stp" for symbol in TYPES}
    settings = {key: value for key, value in SETTINGS.items() if key not in ("setups", "atomic_energies")}
    for name in ("fixed", "held"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AenetWarning)
            aenet_py.generate(f"{name}.xyz", setups, dict.fromkeys(TYPES, 0.0), f"{name}.train")
    with pytest.warns(AenetWarning) as told:
        aenet_py.train("fixed.train", NETWORKS, memory_mode="recompute", **{**settings, "iterations": 1})
    (text,) = [str(each.message) for each in told if "constraints" in str(each.message)]
    assert text.startswith("fixed.train: forces that are zero because constraints hold atoms fixed are not known: ")
    assert ": 74 components in 6 structures, such as fixed.xyz#0; a training set cannot say so" in text
    Path("held").mkdir()
    shutil.copyfile("held.xyz", "held/held.xyz")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        more = {"iterations": 1, "folder": "held"}
        aenet_py.train("held.train", NETWORKS, memory_mode="recompute", **{**settings, **more})
