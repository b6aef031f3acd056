"""The runs of a scan: combinations by brute force, decks of the fixtures, shared training sets."""

from __future__ import annotations

import itertools
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aenet_py.errors import AenetError
from aenet_py.inputs import generate, setup
from aenet_py.inputs import scan as inputs
from aenet_py.scan import plan as plans
from compat_tests.cli.cases import FIXTURES, ROOT, copy_case
from compat_tests.cli.test_transfer_decks import prepare as prepare_transfer

VALUES = st.dictionaries(
    st.sampled_from(inputs.SCANNED), st.lists(st.integers(0, 5), min_size=1, max_size=3, unique=True), max_size=4
)
DECK = """\
GENERATE generate.in
TRAIN train-forces-adamw/train.in
"""


@pytest.fixture
def case(tmp_path, monkeypatch) -> Path:
    folder = copy_case(FIXTURES / "cluster-cuau-h2o", tmp_path / "case")
    shutil.copyfile(FIXTURES / "cluster-cuau-h2o/generate.in", folder / "generate.in")
    monkeypatch.chdir(folder)
    return folder


def runs(text: str) -> list[plans.Run]:
    Path("SCAN.in").write_text(text)
    return plans.plan(inputs.read("SCAN.in"), pytest.fail)


@given(VALUES, st.fixed_dictionaries({name: st.integers(0, 5) for name in inputs.SCANNED}))
def test_combinations(values, base):
    values, base = ({name: given[name] for name in inputs.SCANNED if name in given} for given in (values, base))
    found = [tuple(settings.items()) for settings in plans.combinations(values, base, "grid")]
    every = itertools.product(*(values.get(name, [base[name]]) for name in inputs.SCANNED))
    assert sorted(found) == sorted(tuple(zip(inputs.SCANNED, chosen, strict=True)) for chosen in every)
    found = [tuple(settings.items()) for settings in plans.combinations(values, base, "each")]
    all_values = [sorted({*values.get(name, ()), base[name]}) for name in inputs.SCANNED]
    near = [
        chosen
        for chosen in itertools.product(*all_values)
        if sum(value != base[name] for name, value in zip(inputs.SCANNED, chosen, strict=True)) <= 1
    ]
    assert sorted(found) == sorted(tuple(zip(inputs.SCANNED, chosen, strict=True)) for chosen in near)
    assert found[0] == tuple(base.items())


@pytest.mark.usefixtures("case")
def test_decks_of_the_runs():
    found = runs(
        DECK + "radial_rc 6.0d0 8\nANGULAR_N 3 5\nmethod ADAM adamw\nlr 1e-3 0.01\nregularization 0 0.5\nalpha 0 1\n"
        "nodes 3:tanh,4:sigmoid 7:linear\nseeds 1 2:5\n"
    )
    assert len(found) == 2**8
    assert len({run.folder for run in found}) == 2**8
    assert len({run.features.folder for run in found}) == 4
    for run in found:
        deck, settings = run.deck, run.settings
        assert (deck.method, deck.learning_rate) == (settings["method"], settings["lr"])
        assert (deck.regularization, deck.alpha) == (settings["regularization"], settings["alpha"])
        assert {",".join(network.layers) for network in deck.networks} == {settings["nodes"]}
        assert (deck.epochs, deck.batch_size, deck.test_fraction) == (40, 6, 0.2)
        assert deck.save_energies
        assert deck.save_forces
    seeds = [run.seed for run in found]
    assert seeds == [(1, 1), (2, 5)] * 2**7
    assert {run.features.n_features for run in found} == {2 * (15 + 1 + 3 + 1), 44}


def test_what_the_folders_hold(case):
    (first, second) = runs(DECK + "RADIAL_RC 6 8\nFOLDER a/b\n")
    for run, cutoff in ((first, 6.0), (second, 8.0)):
        folder = Path(run.features.folder)
        folder.mkdir(parents=True)
        for name, content in run.features.files.items():
            (folder / name).write_bytes(content)
        os.chdir(folder)
        deck = generate.read("generate.in", pytest.fail)
        os.chdir(case)
        assert deck.output == os.path.basename(run.features.path)
        assert [os.path.realpath(folder / path) for path in deck.structures] == [
            str(case / f"xsf/s{n:03}.xsf") for n in range(14)
        ]
        assert (deck.forces, deck.forces_percent, deck.forces_seed) == (True, 50, 1)
        for path in deck.setups:
            parameters = setup.chebyshev_parameters(setup.read(str(folder / path), pytest.fail))
            assert parameters == {"radial_Rc": cutoff, "radial_N": 15, "angular_Rc": 5.0, "angular_N": 5}
        training_set = os.path.join(run.folder, run.deck.training_set)
        assert os.path.normpath(training_set) == os.path.normpath(run.features.path)
    assert first.features.folder.startswith("a/b/features/")
    assert first.folder.startswith("a/b/runs/")


@pytest.mark.usefixtures("case")
def test_a_training_set_that_is_there():
    shutil.copyfile("expected/cluster.train.ascii", "cluster.train.ascii")
    found = runs("TRAIN train-energy-adam/train.in\nLR 0.1 0.01\n")
    assert [run.deck.learning_rate for run in found] == [0.1, 0.01]
    assert {os.path.normpath(os.path.join(run.folder, run.deck.training_set)) for run in found} == {
        "cluster.train.ascii"
    }
    assert found[0].features.n_features == 44
    assert found[0].settings["radial_N"] == 15
    assert found[0].settings["alpha"] is None


@pytest.mark.usefixtures("case")
def test_a_name_does_not_depend_on_the_other_values():
    few = {run.folder for run in runs(DECK + "LR 0.1 0.01\n")}
    many = {run.folder for run in runs(DECK + "MODE each\nLR 0.01 0.1 1\nRADIAL_N 2\nSEEDS 3:5 1\n")}
    assert few < many
    Path("train-forces-adamw/train.in").write_text(
        Path("train-forces-adamw/train.in").read_text().replace("ITERATIONS 40", "ITERATIONS 41")
    )
    assert not few & {run.folder for run in runs(DECK + "LR 0.1 0.01\n")}


@pytest.mark.usefixtures("case")
def test_species_that_differ():
    text = Path("Au.stp").read_text()
    Path("Au.stp").write_text(text.replace("radial_N = 15", "radial_N = 9"))
    found = runs(DECK + "MODE each\nRADIAL_N 9 15\nRADIAL_RC 6\n")
    assert [run.settings["radial_N"] for run in found] == ["15 9 15 15", "15 9 15 15", 9, 15]
    assert [run.features.sizes for run in found] == [(44, 32, 44, 44)] * 2 + [(32,) * 4, (44,) * 4]


@pytest.mark.usefixtures("case")
def test_what_has_changed():
    found = runs(DECK + "RADIAL_N 8 15\n")
    assert plans.changed_since(found) is None
    for run in found:
        Path(run.features.folder).mkdir(parents=True)
        Path(run.features.path).touch()
    assert plans.changed_since(found) is None
    later = os.stat(found[0].features.path).st_mtime_ns + 10**9
    os.utime("xsf/s007.xsf", ns=(later, later))
    assert plans.changed_since(found).startswith(f"xsf/s007.xsf has changed since {found[0].features.path}")


BAD = {
    "": "SCAN.in: this file is empty",
    "LR 0.1\n": "SCAN.in: no TRAIN found",
    "TRAIN\nLR 1\n": "SCAN.in:1: found no value after TRAIN",
    "TRAIN nothing\nLR 1\n": "nothing: no such file",
    "TRAIN a b\nLR 1\n": "SCAN.in:1: found 2 values after TRAIN",
    DECK: "SCAN.in: no values to scan found",
    f"{DECK}LR\n": "SCAN.in:3: found no value after LR; expected learning rates, at least 0",
    f"{DECK}LR 0.1 ! 0.2\nLR 0.2\n": "SCAN.in:4: found LR again; expected it once, in line 3",
    f"{DECK}LR 0.1 a\n": "SCAN.in:3: found 'a' after LR",
    f"{DECK}LR 0.1 -1\n": "SCAN.in:3: found '-1' after LR",
    f"{DECK}LR nan\n": "SCAN.in:3: found 'nan' after LR",
    f"{DECK}LR 0.1 1e-1\n": "SCAN.in:3: found '1e-1' twice after LR",
    f"{DECK}\n! text\nRADIAL_N 1.5\n": "SCAN.in:5: found '1.5' after RADIAL_N; expected orders, at least 0",
    f"{DECK}RADIAL_RC inf\n": "SCAN.in:3: found 'inf' after RADIAL_RC",
    f"{DECK}ANGULAR_RC 5 0\nRADIAL_RC 0 2\n": "SCAN.in:3: both cutoffs are 0",
    f"{DECK}METHOD sgd\n": "SCAN.in:3: found 'sgd' after METHOD; expected some of adam, adadelta",
    f"{DECK}ALPHA 0.5 1.5\n": "SCAN.in:3: found '1.5' after ALPHA; expected weights of the force error, from 0 to 1",
    f"{DECK}NODES 10,10:tanh\n": "SCAN.in:3: found '10,10:tanh' after NODES",
    f"{DECK}NODES 10:relu\n": "SCAN.in:3: found '10:relu' after NODES",
    f"{DECK}NODES 0:tanh\n": "SCAN.in:3: found '0:tanh' after NODES",
    f"{DECK}SEEDS 1 1:1\n": "SCAN.in:3: found '1:1' twice after SEEDS",
    f"{DECK}SEEDS 1:2:3\n": "SCAN.in:3: found '1:2:3' after SEEDS; expected whole numbers, at least 0, or NPSEED",
    f"{DECK}LR 1\nMODE some\n": "SCAN.in:4: found 'some' after MODE; expected grid or each",
    f"{DECK}LR 1\nJOBS 0\n": "SCAN.in:4: found '0' after JOBS",
    f"{DECK}LR 1\nSORT best\n": "SCAN.in:4: found 'best' after SORT; expected energy or force",
    f"{DECK}RADIALRC 1\n": "SCAN.in:3: found 'RADIALRC'; expected a keyword, did you mean RADIAL_RC?",
    "TRAIN train-energy-adam/train.in\nGENERATE generate.in\nALPHA 0.1\n": "SCAN.in:3: ALPHA requires FORCES",
    "TRAIN train-energy-adam/train.in\nLR 1\n": "cluster.train.ascii: no such file",
}  # fmt: skip


@pytest.mark.usefixtures("case")
@pytest.mark.parametrize("text", BAD)
def test_bad_decks(text):
    with pytest.raises(AenetError) as caught:
        runs(text)
    assert str(caught.value).startswith(BAD[text])
    assert "\n" not in str(caught.value)
    assert not Path("scan").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("MODE transfer", "train.in: a scan requires MODE train, not MODE transfer; run each transfer in a folder of"),
        ("MODE transfer\nTRANSFER source=..", "train.in: a scan requires MODE train, not MODE transfer"),
        ("MODE batches", "train.in: a scan requires MODE train, not MODE batches$"),
        ("LOAD_BATCHES", "train.in: remove LOAD_BATCHES and SAVE_BATCHES"),
        ("TYPES\n1\nCu 0\nSETUPS\nCu Cu.stp", "train.in: a scan requires TRAININGSET; give TYPES, SETUPS and FILES in"),
        ("TESTPERCENT 0", "train.in: set TESTPERCENT above 0"),
        (
            "SCHEDULE cosine min_lr=0.0005",
            "SCAN.in:3: LR must be at least min_lr=0.0005 of train-forces-adamw/train.in",
        ),
    ],
)
@pytest.mark.usefixtures("case")
def test_training_decks_that_cannot_be_scanned(line, message):
    path = Path("train-forces-adamw/train.in")
    path.write_text(path.read_text().replace("NPSEED", f"{line}\nNPSEED"))
    with pytest.raises(AenetError, match=message):
        runs(DECK + "LR 0.0001 0.01\n")


def test_transfer_decks_of_the_authors_cannot_be_scanned(tmp_path, monkeypatch):
    folder = prepare_transfer(ROOT / "fixtures/golden-transfer/target-freeze", tmp_path)
    monkeypatch.chdir(folder)
    with pytest.raises(AenetError, match=r"^train.in: a scan requires MODE train, not MODE transfer; run each"):
        runs("TRAIN train.in\nLR 0.1 0.01\n")
    assert not (folder / "scan").exists()


@pytest.mark.usefixtures("case")
def test_features_without_what_they_need():
    shutil.copyfile("expected/cluster.train.ascii", "cluster.train.ascii")
    with pytest.raises(AenetError, match=r"SCAN.in:2: RADIAL_N requires GENERATE"):
        runs("TRAIN train-energy-adam/train.in\nRADIAL_N 3\n")
    text = Path("Cu.stp").read_text()
    Path("Cu.stp").write_text(text[: text.index("BASIS")] + "SYMMFUNC type=Behler2011\n1\nG=1 type2=Cu Rc=5.0\n")
    with pytest.raises(
        AenetError, match=r"SCAN.in:3: RADIAL_N requires the Chebyshev basis in all set-ups of generate.in"
    ):
        runs(DECK + "RADIAL_N 3\n")
    (run,) = runs(DECK + "LR 0.01\n")
    assert run.features.files["Cu.stp"] == Path("Cu.stp").read_bytes()
    assert (run.features.sizes, run.settings["radial_N"]) == ((1, 44, 44, 44), None)
    deck = Path("generate.in").read_text()
    Path("generate.in").write_text(deck.replace("FORCES\n", "").replace("FORCESPERCENT 50\n", ""))
    with pytest.raises(AenetError, match=r"generate.in: add FORCES, which train-forces-adamw/train.in requires"):
        runs(DECK + "LR 0.01\n")


@pytest.mark.usefixtures("case")
def test_an_angular_cutoff_above_the_radial_one():
    """One warning per pair of cutoffs, however many combinations have it."""
    warnings: list[str] = []
    Path("SCAN.in").write_text(DECK + "radial_rc 4 8\nangular_n 2 3\n")
    plans.plan(inputs.read("SCAN.in"), warnings.append)
    assert [message.partition(":")[0] for message in warnings] == ["SCAN.in"] * 4
    assert "SCAN.in: angular_Rc = 5 of Cu is above radial_Rc = 4: such potentials work in predict.x" in warnings[0]
