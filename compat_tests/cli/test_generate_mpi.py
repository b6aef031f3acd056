"""generate.x under MPI: the same bytes whatever the number of processes, and nothing left of a run that ended badly."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from aenet_py.cli.generate import main
from aenet_py.pipelines import featurize
from aenet_py.runtime import launch, mpi
from aenet_py.runtime.launch import launched
from aenet_py.runtime.output import PendingFile
from compat_tests.cli.cases import FIXTURES, LAUNCHER, ROOT, copy_case, listing, run
from compat_tests.cli.test_generate_bad_input import DECK, FILES
from compat_tests.cli.test_generate_frames import fill
from compat_tests.cli.test_generate_golden import check_files, without_date
from compat_tests.structures import as_text, make_frames, write

MPIRUN = shutil.which("mpirun", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
# What Open MPI wants to be told before it starts as root, or more processes than there are processors.
ENVIRONMENT = {
    **os.environ,
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}
needs_mpi = pytest.mark.skipif(
    MPIRUN is None or find_spec("mpi4py") is None, reason="needs mpirun and mpi4py: pip install mpich mpi4py"
)


LAUNCHERS = {name for rank, sizes, _ in launch.VARIABLES for name in (rank, *sizes)}


def without_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LAUNCHERS:
        monkeypatch.delenv(name, raising=False)


def mpirun(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [str(MPIRUN), *arguments]
    return subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False
    )


def generate_under_mpi(folder: Path, n: int, *options: str) -> subprocess.CompletedProcess:
    return mpirun(folder, "-n", str(n), sys.executable, str(LAUNCHER), "generate.in", *options)


def errors(done: subprocess.CompletedProcess) -> list[str]:
    """Our lines on standard error; launchers add their own."""
    return [line for line in done.stderr.splitlines() if line.startswith(("Error:", "Traceback"))]


def bad_case(folder: Path, **changes: str) -> Path:
    folder.mkdir()
    for name, text in {**FILES, **changes}.items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.mpi
@needs_mpi
@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("name", ["cluster-cuau-h2o", "selection-25", "behler2011"])
def test_golden_case(tmp_path, name, n):
    folder = copy_case(FIXTURES / name, tmp_path / "case")
    done = generate_under_mpi(folder, n, "--threads", str(1 + n % 2))
    assert done.returncode == 0, done.stderr
    assert check_files(folder) >= 1
    assert without_date(done.stdout) == without_date((folder / "expected/generate.out").read_text())
    assert not list(folder.glob(".*")), "temporary files are left"


ELSEWHERE = """
import socket, sys
from aenet_py.runtime import launch, mpi
from aenet_py.cli.generate import main
from aenet_py.runtime import output

rank = str(launch.place().rank)

def never(*_):
    raise RuntimeError("this is not the way")

if rank != "0":
    {patch}
sys.exit(main(["generate.in", "--threads", "1"]))
"""


@pytest.mark.mpi
@needs_mpi
@pytest.mark.parametrize(
    "patch",
    [
        "mpi._collect = never",
        "mpi._write_or_collect, socket.gethostname = never, lambda: 'host' + rank",
        "output._reached = lambda handle: None",
    ],
    ids=["same host", "other hosts", "same host, out of reach"],
)
def test_gradients_of_other_ranks(tmp_path, patch):
    """They write into rank 0's file themselves, or send what they computed."""
    folder = copy_case(FIXTURES / "cluster-cuau-h2o", tmp_path / "case")
    (tmp_path / "program.py").write_text(ELSEWHERE.format(patch=patch))
    environment = {**ENVIRONMENT, "PYTHONPATH": str(ROOT)}
    command = [str(MPIRUN), "-n", "3", sys.executable, str(tmp_path / "program.py")]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert check_files(folder) >= 1
    assert not list(folder.glob(".*")), "temporary files are left"


@pytest.mark.mpi
@needs_mpi
@pytest.mark.parametrize("n", [2, 3])
def test_frames_of_a_file(tmp_path, n):
    text = "".join(map(as_text, make_frames(700)))
    results = []
    for name in ("alone", "together"):
        folder = fill(tmp_path / name, ["all.extxyz", "all.extxyz#3"])
        write(folder / "all.extxyz", text)
        done = run(folder, "generate.in") if name == "alone" else generate_under_mpi(folder, n)
        assert done.returncode == 0, done.stderr
        files = [(folder / file).read_bytes() for file in ("new.train", "new.train.forces")]
        results.append((files, without_date(done.stdout)))
    assert (tmp_path / "alone/all.extxyz").stat().st_size > 3 * featurize.BATCH_BYTES, "all ranks have something to do"
    assert results[0] == results[1]


@pytest.mark.mpi
@needs_mpi
def test_bad_structure(tmp_path):
    folder = bad_case(tmp_path / "case", **{"b.xsf": FILES["b.xsf"].replace("energy", "power")})
    before = listing(folder)
    alone = run(folder, "generate.in")
    done = generate_under_mpi(folder, 3)
    assert done.returncode != 0
    assert errors(done) == alone.stderr.splitlines()
    assert listing(folder) == before


@pytest.mark.mpi
@needs_mpi
def test_ranks_in_different_folders(tmp_path):
    ours = bad_case(tmp_path / "ours")
    program = [sys.executable, str(LAUNCHER), "generate.in"]

    def refused(theirs: Path) -> str:
        before = listing(ours)
        done = mpirun(tmp_path, "-n", "1", "-wdir", str(ours), *program, ":", "-n", "1", "-wdir", str(theirs), *program)
        assert done.returncode != 0
        assert listing(ours) == before
        (message,) = errors(done)
        return message

    deck = bad_case(tmp_path / "deck", **{"generate.in": DECK + "! changed\n"})
    assert "generate.in: different on rank 1 and rank 0; all ranks must see the same folder" in refused(deck)
    setup = bad_case(tmp_path / "setup", **{"O.stp": FILES["O.stp"] + "! changed\n"})
    assert "O.stp: different on rank 1 and rank 0; all ranks must see the same folder" in refused(setup)
    (tmp_path / "empty").mkdir()
    assert "generate.in: cannot be read: No such file or directory, by rank 1" in refused(tmp_path / "empty")
    structures = bad_case(tmp_path / "structures")
    (structures / "a.xsf").unlink()
    assert "a.xsf: no such file" in refused(structures)


@pytest.mark.mpi
@needs_mpi
def test_ranks_with_different_decks(tmp_path):
    folder = bad_case(tmp_path / "case")
    shutil.copyfile(folder / "generate.in", folder / "other.in")
    before = listing(folder)
    program = [sys.executable, str(LAUNCHER)]
    done = mpirun(folder, "-n", "1", *program, "generate.in", ":", "-n", "1", *program, "other.in")
    assert done.returncode != 0
    message = "Error: rank 1 was started with 'other.in', rank 0 with 'generate.in'; they must be the same"
    assert errors(done) == [message]
    assert listing(folder) == before


@pytest.mark.mpi
@needs_mpi
def test_wrong_option_and_help_are_printed_once(tmp_path):
    folder = bad_case(tmp_path / "case")
    done = generate_under_mpi(folder, 2, "--threads", "0")
    assert done.returncode != 0
    assert errors(done) == ["Error: argument --threads: '0' is not a number of threads, 1 or more; "
                            "see generate.x --help"]  # fmt: skip
    done = generate_under_mpi(folder, 2, "--help")
    assert (done.returncode, done.stdout.count("usage:")) == (0, 1)


@pytest.mark.mpi
@needs_mpi
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_by_a_signal(tmp_path, number):
    with PendingFile(str(tmp_path / "probe"), nameless=True):
        if list(tmp_path.glob(".probe*")):
            pytest.skip("the file system has no files without names, and launchers kill without warning")
    names = "\n".join(["a.xsf", "b.xsf"] * 50_000)
    deck = DECK.replace("\n3\na.xsf\nb.xsf\na.xsf", f"\n100000\n{names}")
    folder = bad_case(tmp_path / "case", **{"generate.in": deck})
    before = listing(folder)
    command = [str(MPIRUN), "-n", "2", sys.executable, str(LAUNCHER), "generate.in"]
    with open(tmp_path / "report", "wb") as report:
        process = subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stdout=report, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while (tmp_path / "report").stat().st_size < 200_000 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait(timeout=60) != 0
    assert listing(folder) == before


def test_gradients_piece_by_piece(tmp_path, monkeypatch, capsys):
    folder = copy_case(FIXTURES / "cluster-cuau-h2o", tmp_path / "case")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(featurize, "TASK_BYTES", 100_000)
    monkeypatch.setattr(featurize, "CHUNK_BYTES", 30_000)
    assert main(["generate.in", "--threads", "2"]) == 0
    assert check_files(folder) >= 2
    assert capsys.readouterr().err == ""


def test_without_mpi4py(tmp_path, monkeypatch, capsys):
    folder = bad_case(tmp_path / "case")
    monkeypatch.chdir(folder)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)  # noqa: ARG005
    expected = "Error: running under MPI requires mpi4py; install it with pip install 'aenet_py[mpi]'\n"
    without_launcher(monkeypatch)
    assert main(["generate.in", "--mpi"]) == 1
    assert capsys.readouterr().err == expected
    monkeypatch.setenv("PMI_SIZE", "2")
    monkeypatch.setenv("PMI_RANK", "0")
    assert main(["generate.in"]) == 1
    assert capsys.readouterr().err == expected
    monkeypatch.setenv("PMI_RANK", "1")
    with pytest.raises(SystemExit):
        main(["generate.in"])
    assert capsys.readouterr().err == ""
    assert main(["generate.in", "--no-mpi"]) == 0


def test_launchers(monkeypatch):
    without_launcher(monkeypatch)
    assert not launched()
    monkeypatch.setenv("PMIX_RANK", "0")
    assert launched()
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "1")
    assert not launched(), "alone"
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "4")
    assert launched()


def test_threads_share_the_processors_of_a_host():
    every, half = frozenset(range(8)), [frozenset(range(4)), frozenset(range(4, 8))]
    assert mpi.World(None, 0, ("a", "a", "b"), (every, every, every)).threads() == [4, 4, 8]
    assert mpi.World(None, 0, ("a", "a"), tuple(half)).threads() == [4, 4], "bound by the launcher"
    one = frozenset([5])
    assert mpi.World(None, 0, ("a",) * 3, (one,) * 3).threads() == [1, 1, 1]


def test_a_run_without_mpi_imports_nothing_of_it(tmp_path):
    code = "import sys; from aenet_py.cli.generate import main; main(['generate.in', '--threads', '1']);"
    code += "sys.exit(bool({'mpi4py', 'aenet_py.runtime.mpi'} & set(sys.modules)))"
    environment = {name: value for name, value in os.environ.items() if name not in LAUNCHERS}
    environment["PYTHONPATH"] = str(ROOT)
    folder = bad_case(tmp_path / "case")
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
