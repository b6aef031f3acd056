"""train.x: the original's report, networks and state on its own decks; options and bad input."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from aenet_py.cli.train import main
from aenet_py.formats import optimizer_state, potential, records, rngstate, trainset
from aenet_py.inputs import trainx_deck
from compat_tests.cli.cases import FIXTURES, ROOT, SHARED, bad_files, run
from compat_tests.compare import assert_same_bits

GOLDEN = [
    path
    for folder in (ROOT / "fixtures", SHARED)
    if (folder / "golden-trainx").exists()
    for method in trainx_deck.METHODS
    for path in sorted((folder / "golden-trainx").glob(f"*-{method.removeprefix('online_')}"))
]
BEHLER = ROOT / "fixtures" / "golden-trainx" / "behler2011-bfgs"
ROW = re.compile(r" +(\d+)((?: +\d\.\d{6}E[+-]\d\d){4}) <$")
NUMBER = re.compile(r"-?\d+\.\d+(?:E[+-]\d\d)?")
SAME_EPOCHS = 6  # rounding differs, and training amplifies it


def prepare(case: Path, folder: Path, **changes: str) -> Path:
    """The case with its training set in a folder; changes : of the deck, by keyword."""
    shutil.copytree(case / "start", folder, copy_function=shutil.copyfile, dirs_exist_ok=True)
    deck = (case / "train.in").read_text()
    name = trainx_deck.read(str(case / "train.in")).training_set
    source = FIXTURES / case.name.rpartition("-")[0] / "expected" / name
    shared = SHARED / "golden" / case.name.rpartition("-")[0] / "expected" / name
    shutil.copyfile(source if source.exists() else shared, folder / name)
    for keyword, value in changes.items():
        deck = re.sub(rf"(?m)^{keyword}\b.*$", f"{keyword} {value}", deck)
    (folder / "train.in").write_text(deck)
    return folder


def train(folder: Path, monkeypatch, capfdbinary) -> tuple[int, str, str]:
    monkeypatch.chdir(folder)
    status = main(["train.in"])
    out, err = capfdbinary.readouterr()
    return status, out.decode("latin-1"), err.decode()


def without_dates(report: str) -> list[str]:
    return re.sub(r" +\d{4}-\d\d-\d\d +\d\d:\d\d:\d\d +", "DATE", report).splitlines()


def rows(report: str) -> dict[int, list[float]]:
    """Errors by epoch."""
    found = filter(None, map(ROW.fullmatch, report.splitlines()))
    return {int(match[1]): [float(value) for value in match[2].split()] for match in found}


@pytest.mark.parametrize("case", GOLDEN, ids=lambda path: "-".join(path.parts[-3:]))
def test_golden(case, tmp_path, monkeypatch, capfdbinary):
    status, out, err = train(prepare(case, tmp_path), monkeypatch, capfdbinary)
    assert (status, err) == (0, "")
    expected = (case / "expected" / "train.out").read_text()
    for ours, theirs in zip(without_dates(out), without_dates(expected), strict=True):
        if ROW.fullmatch(theirs) or theirs.startswith(" Final"):
            assert NUMBER.sub("", ours) == NUMBER.sub("", theirs)
        else:
            assert ours == theirs
    errors, expected_errors = rows(out), rows(expected)
    assert errors.keys() == expected_errors.keys()
    for epoch in range(SAME_EPOCHS + 1):
        np.testing.assert_allclose(errors[epoch], expected_errors[epoch], rtol=1e-4)
    for symbol in potential_symbols(case):
        for epoch in (1, 2):
            ours, theirs = (potential.read(str(f / f"{symbol}.nn-{epoch:05d}")) for f in (tmp_path, case / "expected"))
            np.testing.assert_allclose(ours.network.weights, theirs.network.weights, rtol=0, atol=1e-6)
            same = dataclasses.replace(ours.network, weights=theirs.network.weights)
            assert (
                potential.to_binary(dataclasses.replace(ours, network=same))
                == (case / "expected" / f"{symbol}.nn-{epoch:05d}").read_bytes()
            )
    for name in ("energies.train.0", "energies.test.0"):
        ours, theirs = ((folder / name).read_text().splitlines() for folder in (tmp_path, case / "expected"))
        assert ours[0] == theirs[0]
        for mine, other in zip(ours[1:], theirs[1:], strict=True):
            assert reference(mine) == reference(other)
    assert (tmp_path / "train.rngstate").read_bytes() == (case / "start" / "train.rngstate").read_bytes()
    assert (tmp_path / "train.restart").exists() == case.name.endswith(("-bfgs", "-ekf"))
    assert not bad_files(tmp_path)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("batchsize=2 learnrate=1.d-2, adjust = 5", [2.349469e-01, 3.357452e-01, 2.016360e-01, 2.085059e-01]),
        ("batchsize=4 iter=3 batchsize=1 ! batchsize=9", [6.454229e-01, 1.108484e-01, 1.036948e-01, 1.021914e-01]),
    ],
)
def test_batches_of_lm(settings, expected, tmp_path, monkeypatch, capfdbinary):
    """RMSE of the original."""
    folder = prepare(BEHLER, tmp_path, ITERATIONS="4")
    (folder / "train.in").write_text((folder / "train.in").read_text().replace("bfgs", f"lm {settings}"))
    status, out, err = train(folder, monkeypatch, capfdbinary)
    assert (status, err) == (0, "")
    np.testing.assert_allclose([rows(out)[epoch][1] for epoch in (1, 2, 3, 4)], expected, rtol=1e-4)


@pytest.mark.parametrize("sampling", ["random", "weighted", "energy"])
@pytest.mark.parametrize("learnrate", ["0.1", "1e-300"])
def test_lm_with_sampling(sampling, learnrate, tmp_path, monkeypatch, capfdbinary):
    folder = prepare(BEHLER, tmp_path, ITERATIONS=f"30\nSAMPLING {sampling}")
    settings = f"lm batchsize=3 learnrate={learnrate}"
    (folder / "train.in").write_text((folder / "train.in").read_text().replace("bfgs", settings))
    status, out, err = train(folder, monkeypatch, capfdbinary)
    assert (status, err) == (0, "")
    assert f" Sampling type               : {sampling}\n" in out
    assert np.isfinite(list(rows(out).values())).all()
    for symbol in ("Ti", "O"):
        assert np.isfinite(potential.read(str(folder / f"{symbol}.nn-00030")).network.weights).all()


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        ("random", [9.688079e-01, 9.403189e-01, 8.800441e-01]),
        ("weighted", [8.578197e-01, 7.265369e-01, 7.153352e-01]),
        ("energy", [8.568047e-01, 7.268893e-01, 7.150106e-01]),
    ],
)
def test_sampling(sampling, expected, tmp_path, monkeypatch, capfdbinary):
    """RMSE of the original, with clock_gettime replaced: its clock is the seed."""
    folder = prepare(BEHLER, tmp_path, ITERATIONS=f"3\nSAMPLING {sampling}")
    deck = (folder / "train.in").read_text()
    (folder / "train.in").write_text(deck.replace("bfgs", "online_sd gamma=0.02 alpha=0.3"))
    seed_by_clock(folder, monkeypatch)
    status, out, err = train(folder, monkeypatch, capfdbinary)
    assert (status, err) == (0, "")
    assert f" Sampling type               : {sampling}\n" in out
    assert "   Learning rate         :    2.0000000000000000E-002\n" in out
    assert "   Momentum rate         :   0.29999999999999999     \n" in out
    np.testing.assert_allclose([rows(out)[epoch][1] for epoch in (1, 2, 3)], expected, rtol=2e-6)


@pytest.mark.parametrize(
    ("settings", "sampling", "sizes", "expected"),
    [
        ("", "", (7, 1), [7.400710e-01, 6.280984e-01, 5.123957e-01]),
        ("batchsize=3", "", (7, 3), [9.870757e-01, 8.800631e-01, 7.896830e-01]),
        ("batchsize=3", "SAMPLING sequential", (7, 3), [9.809936e-01, 8.375236e-01, 7.246261e-01]),
        ("samplesize=3 batchsize=2", "SAMPLING sequential", (2, 2), [1.062073e00, 9.795831e-01, 9.029111e-01]),
    ],
)
def test_adam(settings, sampling, sizes, expected, tmp_path, monkeypatch, capfdbinary):
    """RMSE of the original, as in test_sampling."""
    folder = prepare(BEHLER, tmp_path, ITERATIONS=f"3\n{sampling}")
    deck = (folder / "train.in").read_text()
    (folder / "train.in").write_text(deck.replace("bfgs", f"adam mu=0.01 {settings}"))
    seed_by_clock(folder, monkeypatch)
    status, out, err = train(folder, monkeypatch, capfdbinary)
    assert (status, err) == (0, "")
    lines = [
        f" Sampling type               : {sampling.removeprefix('SAMPLING ') or 'random'}",
        " Learning rate               : 1.000E-02",
        " Gradient decay rate (b1)    : 0.9000",
        " Sq. gradient decay rate (b1): 0.9990",
        " Epsilon                     : 1.000E-08",
        f" Sample size                 : {sizes[0]} ({sizes[0]})",
        f" Mini-batch size             : {sizes[1]} ({sizes[1]})",
    ]
    method = "Adaptive Moment Estimation (Adam)"
    assert f" Training method         : {method}\n\n Number of iterations" in out
    assert f" epochs using the {method} method.\n\n" + "\n".join(lines) + "\n\n        |---" in out
    np.testing.assert_allclose([rows(out)[epoch][1] for epoch in (1, 2, 3)], expected, rtol=2e-6)
    assert not (folder / "train.restart").exists()


def test_adam_on_a_sample(tmp_path, monkeypatch, capfdbinary):
    folder = prepare(BEHLER, tmp_path, ITERATIONS="30")
    deck = (folder / "train.in").read_text()
    (folder / "train.in").write_text(deck.replace("bfgs", "adam mu=0.01 samplesize=3"))
    status, out, err = train(folder, monkeypatch, capfdbinary)
    assert (status, err) == (0, "")
    errors = rows(out)
    assert errors[30][1] < 0.5 * errors[0][1]


def test_a_rate_that_is_too_large(tmp_path, monkeypatch, capfdbinary):
    folder = prepare(BEHLER, tmp_path)
    (folder / "train.in").write_text((folder / "train.in").read_text().replace("bfgs", "online_sd gamma=90"))
    status, out, err = train(folder, monkeypatch, capfdbinary)
    assert status == 1
    assert list(rows(out)) == [0]
    assert err == "Error: the energies of the networks are not finite; use the networks of an earlier epoch\n"


def seed_by_clock(folder: Path, monkeypatch) -> None:
    """Random numbers of the original at a clock of 12.345 s (random_init)."""
    seed = records.integers([8]) + records.integers([12345 + 37 * i for i in range(8)])
    (folder / "seed").write_bytes(seed)
    state = rngstate.read(str(folder / "seed"))
    monkeypatch.setattr(rngstate, "fresh", lambda: state)


def potential_symbols(case: Path) -> list[str]:
    return [network.symbol for network in trainx_deck.read(str(case / "train.in")).networks]


def reference(row: str) -> list[str]:
    """What a row of energies says without the network: energies, numbers of atoms, file."""
    words = row.split()
    return [words[0], words[2], words[3], *words[7:]]


def test_the_state_is_that_of_the_original(tmp_path, monkeypatch, capfdbinary):
    train(prepare(BEHLER, tmp_path), monkeypatch, capfdbinary)
    files = (tmp_path / "train.restart", BEHLER / "expected" / "train.restart")
    ours, theirs = (optimizer_state.read_lbfgsb(str(path)) for path in files)
    assert (ours.task, ours.line_task, ours.m, ours.n) == (theirs.task, theirs.line_task, theirs.m, theirs.n)
    np.testing.assert_allclose(ours.work, theirs.work, rtol=0, atol=1e-7)
    assert_same_bits(ours.indices, theirs.indices, "indices")
    assert_same_bits(ours.logicals, theirs.logicals, "logicals")
    unit = 23  # of a Fortran file
    assert_same_bits(np.delete(ours.integers, unit), np.delete(theirs.integers, unit), "integers")
    times = slice(5, 10)
    np.testing.assert_allclose(np.delete(ours.reals, times), np.delete(theirs.reals, times), atol=1e-10)


def test_reading_and_writing_a_state_gives_the_same_bytes():
    path = BEHLER / "expected" / "train.restart"
    state = optimizer_state.read_lbfgsb(str(path))
    ours, theirs = optimizer_state.to_binary(state, 0.0, 1e-6), path.read_bytes()
    bounds = slice(172, 172 + 16 * state.n)  # not set in the original
    assert ours[: bounds.start] + ours[bounds.stop :] == theirs[: bounds.start] + theirs[bounds.stop :]


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path, monkeypatch, capfdbinary):
    _, whole, _ = train(prepare(BEHLER, tmp_path / "whole"), monkeypatch, capfdbinary)
    folder = prepare(BEHLER, tmp_path / "parts", ITERATIONS="7")
    _, first, _ = train(folder, monkeypatch, capfdbinary)
    (folder / "train.in").write_text((folder / "train.in").read_text().replace("ITERATIONS 7", "ITERATIONS 5"))
    _, second, err = train(folder, monkeypatch, capfdbinary)
    parts = list(rows(first).values()) + list(rows(second).values())[1:]
    assert parts == list(rows(whole).values())
    assert err == ""
    lines = [" Attempting restart of optimization algorithm from file: train.restart", " Restarting L-BFGS.", ""]
    assert "\n".join(lines) in second
    assert " Loading scaled training set file: behler.train.scaled\n\n" in second
    assert potential.read(str(folder / "Ti.nn-00005")).network.weights.tolist() == (
        potential.read(str(tmp_path / "whole" / "Ti.nn-00012")).network.weights.tolist()
    )


def test_a_state_of_other_networks_is_not_used(tmp_path, monkeypatch, capfdbinary):
    folder = prepare(BEHLER, tmp_path, ITERATIONS="1")
    single = ROOT / "fixtures" / "golden-trainx" / "single-species-bfgs" / "expected" / "train.restart"
    shutil.copyfile(single, folder / "train.restart")
    status, out, _ = train(folder, monkeypatch, capfdbinary)
    assert status == 0
    assert " Incompatible restart file.  Not restarting L-BFGS.\n" in out


def test_new_networks_and_test_set(tmp_path, monkeypatch, capfdbinary):
    folder = prepare(BEHLER, tmp_path, ITERATIONS="30")
    for name in ("Ti.nn", "O.nn", "train.rngstate"):
        (folder / name).unlink()
    status, out, err = train(folder, monkeypatch, capfdbinary)
    assert (status, err) == (0, "")
    assert " Creating a new Ti network\n" in out
    assert " Testing set : \n\n" in out
    assert len((folder / "train.rngstate").read_bytes()) == 52
    errors = rows(out)
    assert min(rmse for _, rmse, _, _ in errors.values()) < 0.5 * errors[0][1]
    network = potential.read(str(folder / "O.nn")).network
    assert (network.nodes.tolist(), network.activations.tolist()) == ([19, 5, 4, 1], [2, 0, 0])


def test_without_test_set(tmp_path, monkeypatch, capfdbinary):
    status, out, _ = train(prepare(BEHLER, tmp_path, ITERATIONS="1", TESTPERCENT="0"), monkeypatch, capfdbinary)
    assert status == 0
    assert out.count("    0.000000E+00             NaN <\n") == 2
    assert " Final RMSE of testing set  =      NaN meV/atom\n" in out


def test_stop_file(tmp_path, monkeypatch, capfdbinary):
    folder = prepare(BEHLER, tmp_path)
    (folder / "STOP").touch()
    status, out, _ = train(folder, monkeypatch, capfdbinary)
    assert status == 0
    assert list(rows(out)) == [0, 1]
    assert " File `STOP' detected.  Training halted.\n\n Training finished.\n" in out


def test_maxenergy(tmp_path, monkeypatch, capfdbinary):
    folder = prepare(BEHLER, tmp_path, ITERATIONS="0", TESTPERCENT="0\nMAXENERGY -1.5")
    status, out, _ = train(folder, monkeypatch, capfdbinary)
    assert status == 0
    assert " 5 high-energy structures will be removed from the scaled training set.\n" in out
    assert "   Energy scaling factor: f = 2.226358\n   Atomic energy shift  : s = -1.949164\n" in out
    scaled = trainset.read(str(folder / "behler.train.scaled"))
    assert len(scaled.structures.entries) == scaled.header.n_structures == 3
    assert (scaled.footer.energies.low, scaled.footer.n_atoms) == (-1.0, len(scaled.structures.atoms))


def test_convergence(tmp_path, monkeypatch, capfdbinary):
    folder = prepare(BEHLER, tmp_path, ITERATIONS="3000")
    status, out, _ = train(folder, monkeypatch, capfdbinary)
    assert status == 0
    assert " The optimization has converged. Training stopped.\n\n\n Training finished.\n" in out
    last = max(rows(out))
    assert 20 < last < 3000
    assert rows(out)[last][1] < 1e-4


def test_timing(tmp_path, monkeypatch, capfdbinary):
    train(prepare(BEHLER, tmp_path, ITERATIONS="1"), monkeypatch, capfdbinary)
    lines = [re.sub(r"\d+\.\d\d s", "T s", line) for line in (tmp_path / "train.time").read_text().splitlines()]
    assert lines == [
        "       T s     Training set initialized.",
        "       T s     Structures distributed over processes",
        "       T s     Optimization method (bfgs) initialized.",
        "       T s     Initial energies evaluated (before training)",
        f"       T s     Starting epoch {'1':<50}",
        "           T s Done with training iteration.",
        "           T s Done with training set energies.",
        "           T s Done with testing set energies.",
        "           T s Done with epoch 1",
        "       T s     Training finished.",
        "       T s     Total time spent for training set.",
        "       T s     Total time spent for testing set.",
        "       T s     Stored energies of all structures.",
        "       T s     Timing finished.",
    ]


@pytest.mark.parametrize(
    ("method", "n"), [("lm batchsize=2", 4), ("lm batchsize=5", 1), ("adam batchsize=3", 2), ("ekf", 1)]
)
def test_timing_of_batches(method, n, tmp_path, monkeypatch, capfdbinary):
    """A line per batch: of seven structures, those that do not fill the last one are left out, or some repeated."""
    folder = prepare(BEHLER, tmp_path, ITERATIONS="2")
    (folder / "train.in").write_text((folder / "train.in").read_text().replace("bfgs", method))
    assert train(folder, monkeypatch, capfdbinary)[0] == 0
    lines = [line.partition(" s ")[2].strip() for line in (tmp_path / "train.time").read_text().splitlines()]
    for epoch in (1, 2):
        begin = lines.index(f"Starting epoch {epoch}")
        assert lines[begin + 1 : lines.index(f"Done with epoch {epoch}")] == [
            *["Done with training iteration."] * n, "Done with training set energies.",
            "Done with testing set energies.",
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("bfgs", "bgfs", ":8: found 'bgfs' after METHOD; expected bfgs, lm, ekf, online_sd or adam"),
        ("bfgs", "online_gd", ":8: found METHOD online_gd; write online_sd"),
        ("bfgs", "online_sd gama=0.1", ":8: found 'gama=0.1' after online_sd; expected alpha=, gamma=; did you mean "
         "gamma?"),
        ("bfgs", "adam b1=1", ":8: found '1' for b1; expected a number, at least 0 and below 1"),
        ("bfgs", "adam batchsize=0", ":8: found '0' for batchsize; expected a whole number, at least 1"),
        ("bfgs", "online_sd gamma = 0.1 fast", ":8: found 'fast' after online_sd; expected alpha=, gamma="),
        ("bfgs", "online_sd gamma=", ":8: found 'nothing' for gamma; expected a number, at least 0"),
        ("METHOD\nbfgs", "METHOD online_sd gamma=-1", ":7: found '-1' for gamma; expected a number, at least 0"),
        ("bfgs", "lm batchsizes=50", ":8: found 'batchsizes=50' after lm; expected batchsize=, learnrate=, iter=, "
         "conv=, adjust=; did you mean batchsize?"),
        ("bfgs", "lm iter 3", ":8: found 'iter' after lm; expected batchsize=, learnrate=, iter=, conv=, adjust=; did "
         "you mean iter?"),
        ("bfgs", "lm batchsize=2.5", ":8: found '2.5' for batchsize; expected a whole number, at least 1"),
        ("METHOD\nbfgs", "METHOD lm iter = 0", ":7: found '0' for iter; expected a whole number, at least 1"),
        ("bfgs", "lm learnrate=0", ":8: found '0' for learnrate; expected a number above 0"),
        ("bfgs", "lm learnrate=", ":8: found 'nothing' for learnrate; expected a number above 0"),
        ("bfgs", "lm adjust=0.1", ":8: found '0.1' for adjust; expected a number, at least 1"),
        ("bfgs", "lm conv=low", ":8: found 'low' for conv; expected a number"),
        ("bfgs", "method=adamw lr=0.1", ":8: this deck is for aenet_pytorch.py; run that instead, or write METHOD "
         "bfgs"),
        ("ITERATIONS 12", "ITERATIONS many", ":3: found ITERATIONS many; expected a whole number, at least 0"),
        ("TESTPERCENT 20", "TESTPERCENT 100", ":2: found TESTPERCENT 100; expected a percentage, below 100"),
        ("TIMING", "SAMPLING sorted", ":5: found SAMPLING sorted; expected one of sequential, random, weighted, "
         "energy"),
        ("TRAININGSET", "TRAININGSETS", ":1: no TRAININGSET found; expected 'TRAININGSET <training set>'; did you mean "
         "'TRAININGSETS'?"),
        ("behler.train", "other.train", "other.train: no such file"),
        ("4:linear", "4:relu", ":12: found activation 'relu'; expected one of linear, tanh, sigmoid, mtanh, twist"),
        ("2 5:sigmoid", "3 5:sigmoid", ":12: found 2 layers; expected 3"),
        ("  O   O.nn  2 5:sigmoid 4:linear", "", "train.in: NETWORKS has no network for O, a species of behler.train"),
        ("  O   O.nn", "  N   N.nn", "train.in: NETWORKS has no network for O, a species of behler.train"),
        ("  O   O.nn", "  O   Ti.nn", ":13: found Ti.nn for a second network; expected a file for each"),
        ("  O   O.nn", "  Ti  O.nn", ":13: found a second network for Ti; expected one"),
        ("O.nn", "behler.train", "train.in: the network of O would replace the input behler.train; rename one of them"),
        ("TIMING", "MAXENERGY -9", "cannot normalise the energies: no energy per atom lies from -2.3983"),
    ],
)  # fmt: skip
def test_bad_decks(before, after, message, tmp_path, monkeypatch, capfdbinary):
    folder = prepare(BEHLER, tmp_path)
    deck = (folder / "train.in").read_text()
    assert before in deck
    (folder / "train.in").write_text(deck.replace(before, after))
    kept = sorted(path.name for path in folder.iterdir())
    status, _, err = train(folder, monkeypatch, capfdbinary)
    assert status == 1
    assert message in err
    assert len(err.splitlines()) == 1
    assert sorted(path.name for path in folder.iterdir()) in (kept, sorted([*kept, "behler.train.scaled"]))


@pytest.mark.parametrize("place", [2, 5, 14, 26, 27, 28, 37, 40])
@pytest.mark.parametrize("value", [-5, 10_000])
def test_a_damaged_state_is_an_error(place, value, tmp_path, monkeypatch, capfdbinary):
    folder = prepare(BEHLER, tmp_path, ITERATIONS="1")
    state = optimizer_state.read_lbfgsb(str(BEHLER / "expected" / "train.restart"))
    integers = state.integers.copy()
    integers[place] = value
    damaged = dataclasses.replace(state, integers=integers)
    (folder / "train.restart").write_bytes(optimizer_state.to_binary(damaged, 0.0, 1e-6))
    status, _, err = train(folder, monkeypatch, capfdbinary)
    assert status == 1
    assert err == "Error: train.restart: the state of L-BFGS-B is damaged; remove the file to begin with a new one\n"


@pytest.mark.parametrize("name", ["Ti.nn", "train.rngstate", "train.restart"])
def test_damaged_files(name, tmp_path, monkeypatch, capfdbinary):
    folder = prepare(BEHLER, tmp_path)
    shutil.copyfile(BEHLER / "expected" / "train.restart", folder / "train.restart")
    (folder / name).write_bytes((folder / name).read_bytes()[:-9])
    status, _, err = train(folder, monkeypatch, capfdbinary)
    assert status == 1
    assert err.startswith(f"Error: {name}: record ")
    assert len(err.splitlines()) == 1


def test_warnings(tmp_path, monkeypatch, capfdbinary):
    folder = prepare(BEHLER, tmp_path, ITERATIONS="0", TIMING="\nSAMPLING random\nTIMINGS")
    (folder / "train.in").write_text(
        (folder / "train.in").read_text().replace("5:sigmoid 4:linear", "6:sigmoid 4:tanh")
    )
    status, _, err = train(folder, monkeypatch, capfdbinary)
    assert status == 0
    assert err.splitlines() == [
        "Warning: train.in:7: ignoring 'TIMINGS', which is not a keyword; did you mean TIMING?",
        "Warning: Ti.nn exists; its layers are used, not those in train.in",
        "Warning: O.nn exists; its layers are used, not those in train.in",
        "Warning: SAMPLING has no effect on bfgs, which uses all structures in each epoch",
    ]


def test_a_set_that_lacks_structures(tmp_path, monkeypatch, capfdbinary):
    shutil.copyfile(FIXTURES / "edges" / "expected" / "edges.train", tmp_path / "edges.train")
    lines = ["TRAININGSET edges.train", "TESTPERCENT 30", "ITERATIONS 2", "NETWORKS", "Cu Cu.nn 1 3:w", "O O.nn 0"]
    (tmp_path / "train.in").write_text("\n".join(lines))
    status, out, err = train(tmp_path, monkeypatch, capfdbinary)
    assert status == 0
    assert list(rows(out)) == [0, 1, 2]
    assert err.startswith("Warning: edges.train: the header counts 1 structure more than the file holds")


def test_an_old_normalised_set(tmp_path, monkeypatch, capfdbinary):
    folder = prepare(BEHLER, tmp_path, ITERATIONS="0")
    train(folder, monkeypatch, capfdbinary)
    os.utime(folder / "behler.train.scaled", (1, 1))
    status, _, err = train(folder, monkeypatch, capfdbinary)
    assert status == 0
    message = "behler.train.scaled is older than behler.train; remove it to normalise the training set again"
    assert err == f"Warning: {message}\n"


def test_a_constant_feature(tmp_path, monkeypatch, capfdbinary):
    folder = prepare(BEHLER, tmp_path, ITERATIONS="2")
    given = trainset.read(str(folder / "behler.train"))
    features = given.structures.atoms.features.copy()
    features[given.structures.atoms.types == 0, 3] = 0.7
    statistics = list(given.footer.statistics)
    mean, square = statistics[0].mean.copy(), statistics[0].square.copy()
    mean[3], square[3] = 0.7, 0.7 * 0.7 * (1 + 1e-15)
    statistics[0] = dataclasses.replace(statistics[0], mean=mean, square=square)
    atoms = dataclasses.replace(given.structures.atoms, features=features)
    structures = trainset.StructureBatch(given.structures.entries, atoms)
    footer = dataclasses.replace(given.footer, statistics=tuple(statistics))
    data = [trainset.header(given.header), *trainset.structures(structures), trainset.footer(footer)]
    (folder / "behler.train").write_bytes(b"".join(data))
    status, _, err = train(folder, monkeypatch, capfdbinary)
    assert (status, err) == (0, "Warning: 1 feature of Ti did not vary in the training set; set to zero\n")
    scaled = trainset.read(str(folder / "behler.train.scaled")).structures.atoms
    assert not scaled.features[scaled.types == 0, 3].any()


def test_launcher(tmp_path):
    done = run(tmp_path, "nothing.in", program="train.x")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: nothing.in: no such file; expected an input file of train.x, train.in\n"
