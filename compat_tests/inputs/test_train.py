"""train.in: settings on one line or two, any numbers, input files of train.x."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aenet_py.errors import InputError
from aenet_py.inputs import train
from compat_tests.cli.cases import SHARED

METHOD = "METHOD method=adam lr=0.5"


@pytest.fixture
def read(tmp_path):
    """Read a deck of three fixed lines and these; warnings are appended to `read.warnings`."""

    def read(lines: str) -> train.TrainInput:
        path = tmp_path / "train.in"
        path.write_text(f"TRAININGSET a\nTESTPERCENT 10\nITERATIONS 5\n{lines}\nNETWORKS\nTi Ti.nn 1 3:tanh\n")
        read.warnings = []
        return train.read(str(path), read.warnings.append)

    return read


@pytest.mark.parametrize(
    "forces",
    [
        "FORCES alpha=0.1",
        "FORCES\nalpha=0.1",
        "forces\n\n! a comment\n  Alpha=0.1",
        "FORCES ! train on forces\nalpha=0.1 ! their weight",
        "FORCES T\nalpha=0.1",
    ],
)
@pytest.mark.parametrize("method", [METHOD, METHOD.replace("METHOD ", "METHOD\n# Kingma and Ba\n")])
def test_settings_on_the_line_of_the_keyword_or_the_next(forces, method, read):
    for lines in (f"{forces}\n{method}\nVERBOSE", f"{method}\n{forces}\nVERBOSE"):
        deck = read(lines)
        assert (deck.alpha, deck.method, deck.learning_rate, deck.verbose) == (0.1, "adam", 0.5, True)


def test_a_transfer_with_its_defaults(read):
    for lines in ("TRANSFER", "TRANSFER\nNPSEED 3"):
        assert read(f"MODE transfer\n{lines}\n{METHOD}").transfer == train.Transfer()


ODD = [
    ("FORCES", ":4: found FORCES without settings; expected alpha= after it or on the next line"),
    ("FORCES\nVERBOSE", ":4: found FORCES without settings; expected alpha="),
    ("FORCES 0.1\nVERBOSE", ":4: found '0.1' after FORCES; expected alpha="),
    ("FORCES\n0.1", ":5: found '0.1' after FORCES; expected alpha="),
    ("FORCES beta=1", ":4: found 'beta' after FORCES; expected alpha="),
    ("FORCES alpha = 0.1", ":4: found 'alpha' after FORCES; expected alpha= without blanks"),
    ("FORCES alpha=0.1 METHOD", ":4: found 'METHOD' after FORCES; expected alpha="),
    ("FORCES alpha=nan", ":4: found 'nan' for alpha; expected a number"),
    ("FORCES alpha=", ":4: found '' for alpha; expected a number"),
    ("REGULARIZATION\n0.1", ":4: found no value after REGULARIZATION; expected a number, at least 0, on the same"),
    ("NPSEED ! of the split", ":4: found no value after NPSEED; expected a whole number from 0"),
    ("NPSEED 4294967296", ":4: found '4294967296' after NPSEED; expected a whole number from 0 to 4294967295"),
    ("PHSEED 18446744073709551616", ":4: found '18446744073709551616' after PHSEED; expected a whole number from 0"),
    ("BATCHSIZE 0", ":4: found '0' after BATCHSIZE; expected a whole number, at least 1"),
    ("BATCHSIZE 1e3", ":4: found '1e3' after BATCHSIZE; expected a whole number, at least 1"),
    (f"BATCHSIZE {10**400}", " after BATCHSIZE; expected a whole number, at least 1"),
    ("REGULARIZATION inf", ":4: found 'inf' after REGULARIZATION; expected a number, at least 0"),
    (f"SCHEDULE plateau patience={10**400}", " for patience; expected a whole number, at least 1"),
    ("SCHEDULE plateau patience=0", "found '0' for patience; expected a whole number, at least 1"),
    ("NPSED 3", ":4: found 'NPSED'; expected a keyword, did you mean NPSEED?"),
]


@pytest.mark.parametrize(("lines", "message"), ODD)
def test_invalid_lines_are_errors_with_their_number(lines, message, read):
    with pytest.raises(InputError) as found:
        read(f"{lines}\n{METHOD}")
    assert message in str(found.value)


@pytest.mark.parametrize("method", ["METHOD", "METHOD\nVERBOSE", "METHOD\n! nothing\n"])
def test_a_method_without_settings(method, read):
    with pytest.raises(InputError, match=":4: found METHOD without settings; expected method= and lr= after it"):
        read(method)


TRAIN_X = [
    ("METHOD\nbfgs", ":5: ", "method=adamw lr=0.001 for bfgs"),
    ("METHOD\nlm batchsize=64 learnrate=0.1d0", ":5: ", "method=adamw lr=0.001 for lm"),
    ("METHOD\n\n  Online_SD alpha=0.05d0", ":6: ", "method=adamw lr=0.001 for online_sd"),
    ("METHOD EKF", ":4: ", "method=adamw lr=0.001 for ekf"),
    ("METHOD\nmethod=bfgs", ":5: ", "method=adamw lr=0.001 for bfgs"),
    ("METHOD\nadam mu=0.02 b1=0.9", ":5: ", "method=adam lr=0.02 for adam"),
    (f"{METHOD}\nREGULARIZATION\nl2=0.01", ":6: ", "REGULARIZATION 0.01 for l2=0.01"),
    (f"{METHOD}\nNETWORKS\nO O.nn 2 5:twist 5:mtanh", ":6: ", "tanh for twist"),
]


@pytest.mark.parametrize(("lines", "line", "advice"), TRAIN_X)
def test_decks_of_train_x(lines, line, advice, read):
    with pytest.raises(InputError) as found:
        read(lines)
    message = "this deck is for train.x, which runs it as it is; for aenet_pytorch.py"
    assert str(found.value).endswith(f"{line}{message}, write {advice}")


@pytest.mark.skipif(not (SHARED / "golden-trainx").exists(), reason="the decks of train.x are not at hand")
def test_golden_decks_of_train_x():
    decks = sorted((SHARED / "golden-trainx").glob("*/train.in"))
    assert decks
    for path in decks:
        with pytest.raises(InputError, match="this deck is for train"):
            train.read(str(path))


@pytest.mark.parametrize("keyword", ["TIMING", "debug", "SAMPLING random", "VERBOSITY high"])
def test_keywords_of_other_programs_have_no_effect(keyword, read):
    assert read(f"{METHOD}\n{keyword}") == read(f"{METHOD}\n! nothing")
    read(f"{METHOD}\n{keyword}")
    (warning,) = read.warnings
    assert f":5: {keyword.split()[0]} is a keyword of other programs of aenet; it has no effect here" in warning


NUMBERS = (
    st.integers().map(str)
    | st.floats().map(str)
    | st.sampled_from(["1e30", "1d5", "-0", "1_0", "0x10", "", "nan", "inf", "1e400", "9" * 400, "۳"])
    | st.text(st.characters(codec="latin-1", exclude_characters="\0\r\n"), max_size=8)
)
FIELDS = [
    *(f"{keyword.upper()} {{}}" for keyword in train.VALUES if keyword not in ("trainingset", "mode", "memory_mode")),
    "FORCES alpha={}", "METHOD method=adam lr={}", "SCHEDULE plateau factor={}", "SCHEDULE plateau patience={}",
    "SCHEDULE cosine min_lr={}", "MODE transfer\nTRANSFER freeze={}", "NETWORKS\nO O.nn {} 3:tanh",
    "NETWORKS\nO O.nn 1 {}:tanh",
]  # fmt: skip


@settings(max_examples=500)
@given(st.sampled_from(FIELDS), NUMBERS)
def test_any_number_gives_a_deck_or_a_line(tmp_path_factory, field, number):
    path = tmp_path_factory.getbasetemp() / "numbers.in"
    given = field.format(number).encode("latin-1", "replace").decode("latin-1")
    deck = f"TRAININGSET a\nTESTPERCENT 10\nITERATIONS 5\n{given}\n{METHOD}\nNETWORKS\nTi Ti.nn 1 3:tanh\n"
    path.write_text(deck, encoding="latin-1")
    try:
        found = train.read(str(path))
    except InputError as error:
        message = str(error)
    else:
        message = ""
        path.write_text(train.to_text(found), encoding="latin-1")
        train.read(str(path))
    assert "\n" not in message
