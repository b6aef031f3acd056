"""XSF files read many at once: the structures, to the bit, and the errors of reading them one by one."""

from __future__ import annotations

import dataclasses
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aenet_py.errors import AenetError, InputError
from aenet_py.formats import structures as structure_files
from aenet_py.formats.structures import Item
from aenet_py.pipelines import reading
from aenet_py.structure import Structure

TYPES = ("Ti", "O")
HEAD = "# total energy = -19960.66173260 eV\n\nCRYSTAL\nPRIMVEC\n 5.9 0.0 0.0\n 0.0 9.2 0.25\n 0.0 0.0 4.6\nPRIMCOORD\n"
ATOM = "Ti      4.42027297     7.02709599     2.24183899     0.07592985    -0.40427630     0.69417754\n"


def same(one: Structure, other: Structure) -> bool:
    """Whether all values are equal, arrays to the bit."""
    for field in dataclasses.fields(Structure):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
            if (a.dtype, a.shape, a.tobytes()) != (b.dtype, b.shape, b.tobytes()):
                return False
        elif a != b or repr(a) != repr(b):
            return False
    return True


def check(folder, texts: list[bytes], types: tuple[str, ...] = TYPES) -> list[bool]:
    """Compare with reading one by one; returns which files the kernel has read."""
    paths = [folder / f"{number}.xsf" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_bytes(text)
    items = [Item(os.fspath(path)) for path in paths]
    expected: list[Structure] = []
    error = None
    try:
        expected.extend(structure_files.read_item(item, types=types) for item in items)
    except AenetError as raised:
        error = str(raised)
    if error is None:
        found = reading.read_items(items, types)
        assert all(map(same, found, expected))
    else:
        with pytest.raises(AenetError) as caught:
            reading.read_items(items, types)
        assert str(caught.value) == error
    usual = reading._usual(items, types)
    for one, other in zip(usual, expected, strict=False):
        assert one is None or same(one, other)
    return [each is not None for each in usual]


plain = st.builds(
    lambda value, places, sign: f"{sign}{abs(value):.{places}f}",
    st.floats(-1e4, 1e4), st.integers(0, 11), st.sampled_from(["", "-", "+"]),
)  # fmt: skip
forms = st.sampled_from([
    "0", "-0.0", "1.", ".5", "-.25", "1e2", "1.5E-3", "2e+22", "1e-22", "9007199254740992", "0.9007199254740991",
    "000000000000000000000000001.5", "1.500000000000", "4.9999999999999999", "0.1000000000000000055", "1e23", "1e-23",
    "9007199254740993", "17976931348623157e292", "1e400", "1d0", "1.5d-3", "1e", ".", "-", "1_0", "nan", "inf", "1,5",
    "1e99999999999999999999", "0x1p3", "1e5.0", "--1", "1.2.3",
])  # fmt: skip
words = st.one_of(plain, plain, plain, forms, st.floats(allow_nan=False, allow_infinity=False).map(repr))
names = st.sampled_from(["Ti", "O", "ti", "O", "H", "X", "TI", "Ti1", "22", "Carbon", "O_w", "", "é"])
gaps = st.sampled_from([" ", "  ", "      ", "\t", " ", " , "])


@st.composite
def usual_files(draw) -> bytes:
    """Files that the kernel takes."""
    number = plain
    atoms = draw(st.lists(st.tuples(st.sampled_from(["Ti", "O", "H", "xx"]), *[number] * 6), min_size=1, max_size=5))
    lines = [draw(st.sampled_from(["", "  "])) + draw(st.sampled_from([" ", "   "])).join(atom) for atom in atoms]
    rows = ["  ".join(draw(st.tuples(*[number] * 3))) for _ in range(3)]
    head = [f"# total energy = {draw(number)} eV", *draw(st.lists(st.sampled_from(["", "  "]), max_size=2))]
    if draw(st.booleans()):
        head += ["CRYSTAL", "PRIMVEC", *rows, draw(st.sampled_from(["PRIMCOORD", " PRIMCOORD "])), f" {len(lines)} 1"]
    else:
        head.append("ATOMS")
    return ("\n".join([*head, *lines]) + draw(st.sampled_from(["", "\n", "\n\n  \n"]))).encode()


@settings(max_examples=150, deadline=None)
@given(st.lists(usual_files(), min_size=1, max_size=4))
def test_usual_files(tmp_path_factory, texts):
    assert all(check(tmp_path_factory.mktemp("usual"), texts))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_odd_atoms(tmp_path_factory, data):
    texts = []
    for _ in range(data.draw(st.integers(1, 3))):
        lines = []
        for _ in range(data.draw(st.integers(1, 3))):
            row = [data.draw(names), *data.draw(st.lists(words, min_size=6, max_size=6))]
            if data.draw(st.integers(0, 9)) == 0:
                row = row[: data.draw(st.integers(1, 7))] + data.draw(st.lists(words, max_size=2))
            lines.append(data.draw(gaps).join(row) + data.draw(st.sampled_from(["", "", " ", " H", "\r", "/"])))
        n = len(lines) + data.draw(st.sampled_from([0, 0, 0, 1, -1]))
        end = data.draw(
            st.sampled_from(["\n", "", "\n\n", "\nPRIMVEC\n", "\n\n# a comment\n", "\nATOMS\n", "\n\n x\n"])
        )
        texts.append(f"{HEAD}{n} 1\n{chr(10).join(lines)}{end}".encode("latin-1"))
    check(tmp_path_factory.mktemp("odd"), texts)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_files(tmp_path_factory, data):
    """A usual file with a piece that is removed, doubled or replaced."""
    text = data.draw(usual_files())
    start = data.draw(st.integers(0, len(text)))
    stop = min(len(text), start + data.draw(st.sampled_from([0, 1, 1, 2, 7, 40])))
    piece = data.draw(
        st.sampled_from([b"", text[start:stop] * 2, b"\r", b"\0", b"\t", b"9", b"\n", b"\xff", b"CRYSTAL"])
    )
    check(tmp_path_factory.mktemp("damaged"), [text[:start] + piece + text[stop:], text])


@pytest.mark.parametrize(
    ("text", "by_kernel"),
    [
        (HEAD + "1 1\n" + ATOM, True),
        (HEAD + "2 1\n" + ATOM, False),
        (HEAD + "1\n" + ATOM, False),
        (HEAD + "1 1\n" + ATOM.replace("Ti", "22"), False),
        (HEAD + "2 1\n" + ATOM + ATOM.replace("Ti", "TI"), True),
        (HEAD + "1 1\n" + ATOM.replace("\n", "\r\n"), False),
        (HEAD.replace(" eV", " Ha") + "1 1\n" + ATOM, False),
        (HEAD.replace("total", "cohesive") + "1 1\n" + ATOM, False),
        (HEAD.replace("CRYSTAL", "SLAB") + "1 1\n" + ATOM, False),
        (HEAD + "1 1\n" + ATOM[:-1].ljust(1024) + "\n", True),
        (HEAD + "1 1\n" + ATOM[:-1].ljust(1025) + "\n", False),
        (HEAD + "1 1\n" + " " * 1000 + ATOM, False),
        ("# total energy = 1e0 eV\nATOMS\n" + ATOM, True),
        ("# total energy = 1e0 eV\nATOMS", False),
        ("# total energy = 1e0 eV\nATOMS\n", False),
        ("# total energy = 1e0 eV", False),
        ("\n", False),
        ("", False),
        (HEAD + "17 1\n" + "".join(f"Q{chr(97 + i)} 0 0 {i} 0 0 0\n" for i in range(17)), False),
        (HEAD + "16 1\n" + "".join(f"Q{chr(97 + i)} 0 0 {i} 0 0 0\n" for i in range(16)), True),
    ],
)
def test_which_files_the_kernel_reads(tmp_path, text, by_kernel):
    assert check(tmp_path, [text.encode(), (HEAD + "1 1\n" + ATOM).encode()])[:2] == [by_kernel, True]


def test_names_that_become_the_same_species(tmp_path):
    text = (HEAD + "2 1\n" + ATOM + ATOM.replace("Ti", "T")).encode()
    assert check(tmp_path, [text], types=("T", "Ti")) == [True]
    assert check(tmp_path, [text], types=("Ti",)) == [True]


def test_more_than_fits_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "_AT_ONCE", 1000)
    texts = [(HEAD + f"{n} 1\n" + n * ATOM).encode() for n in (1, 2, 8, 1, 1)]
    monkeypatch.setattr(reading, "scratch", lambda _, size, dtype: np.empty(size, dtype))
    assert check(tmp_path, texts) == [True, True, False, True, True]
    assert check(tmp_path, texts[2:3]) == [True]


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "a.xsf").write_text(HEAD + "1 1\n" + ATOM)
    good = Item(str(tmp_path / "a.xsf"))
    for other in (tmp_path, tmp_path / "missing.xsf"):
        with pytest.raises(AenetError) as one:
            structure_files.read_item(Item(str(other)))
        with pytest.raises(AenetError) as together:
            reading.read_items([good, Item(str(other))], TYPES)
        assert str(together.value) == str(one.value)


def test_the_first_invalid_file_is_named(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.xsf").write_text(HEAD + "1 1\nTi 1 2 3 4 5 six\n")
    with pytest.raises(InputError, match=r"a\.xsf:10: found 'six'"):
        reading.read_items([Item(str(tmp_path / "a.xsf")), Item(str(tmp_path / "b.xsf"))], TYPES)


def test_numbers_of_all_lengths(tmp_path):
    """Only those that a single operation rounds correctly are for the kernel."""
    rng = np.random.default_rng(1)
    texts = []
    for digits in np.repeat(np.arange(1, 20), 12).tolist():
        row = [f"{value:.{digits - 1}e}" for value in (rng.normal(size=6) * 10.0 ** rng.integers(-4, 5, 6)).tolist()]
        texts.append(f"{HEAD}1 1\nTi {' '.join(row)}\n".encode())
    by_kernel = check(tmp_path, texts)
    assert all(by_kernel[: 12 * 15])
    assert not any(by_kernel[12 * 17 :])
