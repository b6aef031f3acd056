"""generate.x and predict.x with extended XYZ under FILES: the same bytes as with an XSF file for each frame.

XSF files may have any name, so that the twin's are called what frames are: `a.extxyz#0`.  Names agree then, too.
"""

from __future__ import annotations

import re
import shutil
import tracemalloc
from pathlib import Path

import pytest

from aenet_py.cli.generate import main
from aenet_py.cli.predict import main as predict
from aenet_py.errors import AenetError
from aenet_py.formats import extxyz, frames, structures, xsf
from aenet_py.pipelines import featurize
from aenet_py.pipelines.generate import generate
from compat_tests.cli.test_generate_bad_input import FILES, check_refused
from compat_tests.cli.test_predict import CLUSTER, prepare
from compat_tests.structures import as_text, make_frames, write

SETTINGS = FILES["generate.in"].partition("FILES")[0]
MADE = make_frames(23)
TEXT = "".join(as_text(frame) for frame in MADE)


def fill(folder: Path, names: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name in ("Cu.stp", "O.stp"):
        (folder / name).write_text(FILES[name])
    deck = "\n".join([SETTINGS + "FORCESSEED 1", "FILES", str(len(names)), *names]) + "\n"
    (folder / "generate.in").write_text(deck)
    return folder


def products(folder: Path, monkeypatch, capfdbinary, threads: int = 1) -> tuple[bytes, bytes, bytes]:
    """Training set, gradients and report, without the date."""
    monkeypatch.chdir(folder)
    status = main(["generate.in", "--threads", str(threads)])
    printed = capfdbinary.readouterr()
    assert status == 0, printed.err
    report = re.sub(rb" *\d{4}-\d\d-\d\d.*", b"", printed.out)
    return (folder / "new.train").read_bytes(), (folder / "new.train.forces").read_bytes(), report


def xsf_twin(folder: Path, source: Path, numbers: list[int]) -> Path:
    """The frames of a file as XSF files of their own."""
    fill(folder, [f"{source.name}#{number}" for number in numbers])
    raw = list(frames.read(str(source)))
    for number in set(numbers):
        (folder / f"{source.name}#{number}").write_bytes(xsf.text(extxyz.parse(raw[number])))
    return folder


@pytest.mark.parametrize("ending", ["", ".xz", ".gz"])
@pytest.mark.parametrize("threads", [1, 4])
def test_as_from_xsf_files(tmp_path, monkeypatch, capfdbinary, ending, threads):
    monkeypatch.setattr(featurize, "BATCH_BYTES", 1500)  # several structures a batch, several batches
    name = f"a.extxyz{ending}"
    ours = fill(tmp_path / "ours", [name])
    source = write(ours / name, TEXT)
    twin = xsf_twin(tmp_path / "twin", source, list(range(23)))
    expected = products(twin, monkeypatch, capfdbinary)
    assert products(ours, monkeypatch, capfdbinary, threads) == expected
    assert len(expected[0]) > 10_000
    assert len(expected[1]) > 10_000


def test_files_and_single_frames_in_any_order(tmp_path, monkeypatch, capfdbinary):
    ours = fill(
        tmp_path / "ours", ["a.xyz#5", "b.xsf", "a.xyz#7", "a.xyz#7", "a.xyz#2", "a.xyz", "c.xyz.gz", "a.xyz#0"]
    )
    write(ours / "a.xyz", TEXT)
    write(ours / "c.xyz.gz", as_text(MADE[3]))
    (ours / "b.xsf").write_text(FILES["b.xsf"])
    twin = xsf_twin(tmp_path / "twin", ours / "a.xyz", list(range(23)))
    xsf_twin(twin, ours / "c.xyz.gz", [0])
    shutil.copy(ours / "b.xsf", twin)
    whole = [f"a.xyz#{number}" for number in range(23)]
    fill(twin, ["a.xyz#5", "b.xsf", "a.xyz#7", "a.xyz#7", "a.xyz#2", *whole, "c.xyz.gz#0", "a.xyz#0"])
    assert products(ours, monkeypatch, capfdbinary, 3) == products(twin, monkeypatch, capfdbinary)


def test_a_file_is_read_once_for_frames_in_its_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.xyz", TEXT)
    given = structures.sources([f"a.xyz#{number}" for number in (0, 3, 4, 9, 22)])
    opened, read = [], frames.read
    monkeypatch.setattr(frames, "read", lambda path: opened.append(path) or read(path))
    assert [item.raw.index for item in structures.items(given)] == [0, 3, 4, 9, 22]
    assert opened == ["a.xyz"]


def test_scripts_may_name_frames(tmp_path, monkeypatch):
    monkeypatch.chdir(fill(tmp_path / "case", []))
    write(Path("a.extxyz.xz"), TEXT)
    setups, energies = {"Cu": "Cu.stp", "O": "O.stp"}, {"Cu": -1308.9, "O": -432.5}
    assert generate(["a.extxyz.xz"], setups, energies, "all.train", forces=[22]).n_included == 23
    assert generate(["a.extxyz.xz#22", "a.extxyz.xz#1"], setups, energies, "two.train").n_included == 2
    with pytest.raises(AenetError, match="forces has the index 23; there are 23 structures, from 0 to 22"):
        generate(["a.extxyz.xz"], setups, energies, "more.train", forces=[23])


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.xyz", TEXT.replace("energy", "E", 2), "a.xyz#0: no energy found; expected a total energy in eV"),
        ("a.xyz", as_text(MADE[0]) + "1\n\nCu 0 0 0\n", "a.xyz#1: no energy found; expected a total energy in eV"),
        ("a.xyz", TEXT[:-30], "a.xyz#22:"),
        ("a.xyz#23", TEXT, "a.xyz#23: there is no such frame; expected a number from 0 to 22"),
        ("b.xyz#0", TEXT, "generate.in:18: found 'b.xyz', which does not exist"),
        ("a.xyz#-1", TEXT, "generate.in:18: found 'a.xyz#-1', which does not exist"),
        ("a.xyz", "", "a.xyz: this file is empty; expected an extended XYZ file"),
        ("a.xyz", "nonsense", "a.xyz#0:1: found 'nonsense'; expected the number of atoms of a frame"),
    ],
)
@pytest.mark.parametrize("threads", [1, 3])
def test_errors_name_the_frame(tmp_path, monkeypatch, capsys, name, content, expected, threads):
    monkeypatch.chdir(fill(tmp_path / "case", [name]))
    write(Path("a.xyz"), content)
    check_refused(Path(), capsys, expected, threads)


def test_an_error_in_the_atoms_names_their_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(fill(tmp_path / "case", ["a.xyz"]))
    second = as_text(make_frames(1, elements="Zn")[0])
    write(Path("a.xyz"), as_text(MADE[0]) + second)
    line = as_text(MADE[0]).count("\n") + 3
    check_refused(Path(), capsys, f"a.xyz#1:{line}: found species 'Zn'")


def test_a_file_that_changes_under_way_is_noticed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.xyz", TEXT)
    given = structures.sources(["a.xyz"])
    write(tmp_path / "a.xyz", as_text(MADE[0]))
    with pytest.raises(AenetError, match="frame 1 has disappeared since the frames were counted"):
        list(structures.items(given))


@pytest.mark.memory
def test_memory_does_not_grow_with_the_frames(tmp_path, monkeypatch):
    monkeypatch.setattr(frames, "BLOCK_BYTES", 1 << 16)
    peaks = []
    for n in (200, 2000):
        monkeypatch.chdir(fill(tmp_path / str(n), []))
        write(Path("a.xyz.gz"), as_text(MADE[0]) * n)
        tracemalloc.start()
        generate(["a.xyz.gz"], {"Cu": "Cu.stp", "O": "O.stp"}, {"Cu": 0, "O": 0}, "a.train", threads=1)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


def test_predict_takes_frames_without_energies(tmp_path, monkeypatch, capfdbinary):
    folder = prepare(CLUSTER / "predict.in", tmp_path)
    monkeypatch.chdir(folder)
    read = [xsf.read_frame(f"../xsf/s{number:03d}.xsf") for number in (1, 2, 4)]
    bare = "".join(f"{f.n_atoms}\n\n" + "".join(atom_line(f, i) for i in range(f.n_atoms)) for f in read)
    write(Path("a.xyz"), bare)

    def report(*arguments: str) -> bytes:
        assert predict(["predict.in", *arguments]) == 0
        return re.sub(rb" *\d{4}-\d\d-\d\d.*", b"", capfdbinary.readouterr().out)

    ours, last = report("a.xyz"), report("a.xyz#2")
    for number in range(3):
        Path(f"a.xyz#{number}").write_bytes(xsf.text(read[number]))
    assert ours == report(*[f"a.xyz#{number}" for number in range(3)])
    assert last == report("a.xyz#2")


def atom_line(frame, i: int) -> str:
    return f"{frame.symbols[frame.species[i]]} " + " ".join(map(repr, frame.positions[i].tolist())) + "\n"
