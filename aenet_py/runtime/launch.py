"""The rank of this process among those that mpirun, srun or torchrun started.

Launchers set environment variables.  Programs that a launched process starts inherit them, so the ancestors of this
process are examined, too.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

# Variables with the rank and with the number of processes, and whether MPI can be started there.
VARIABLES = (
    ("OMPI_COMM_WORLD_RANK", ("OMPI_COMM_WORLD_SIZE",), True),  # Open MPI
    ("PMI_RANK", ("PMI_SIZE",), True),  # MPICH, Intel MPI, srun --mpi=pmi2
    ("MV2_COMM_WORLD_RANK", ("MV2_COMM_WORLD_SIZE",), True),  # MVAPICH
    ("PMIX_RANK", ("OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS"), True),  # srun --mpi=pmix
    ("SLURM_PROCID", ("SLURM_STEP_NUM_TASKS",), False),  # srun; batch scripts also have the first one
)
TORCHRUN = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
# Launchers may be started by another launcher and then have its variables.
PROXIES = ("hydra_pmi_proxy", "hydra_bstrap_pr", "pmi_proxy", "mpiexec.hydra", "mpiexec", "mpirun", "orterun", "orted",
           "prterun", "prted", "prte", "slurmstepd", "srun")  # fmt: skip
STANDING_ASIDE = ("timeout", "time")  # run a given command, unlike scripts


@dataclass(frozen=True)
class Launch:
    """The place of this process among those of a launcher.

    rank : its number; size : the number of processes, None if unknown; mpi : whether MPI can be started; direct :
    whether the launcher started this program directly, without a script in between.
    """

    rank: int
    size: int | None
    mpi: bool
    direct: bool


def place() -> Launch | None:
    """The place of this process among those of mpirun or srun.

    None if no launcher started it, or if a program did that uses MPI: it has taken the launcher's connection.
    """
    for variable, sizes, mpi in VARIABLES:
        rank = _number(variable)
        if rank is None:
            continue
        between = _between(variable)
        if any(map(_uses_mpi, between)) or _is_closed("PMI_FD"):
            return None
        size = next((number for number in map(_number, sizes) if number is not None), None)
        return Launch(rank, size, mpi, not between)
    return None


def launched() -> bool:
    """Whether this process is one of several that can use MPI together."""
    launch = place()
    return launch is not None and launch.mpi and launch.size != 1


def by_torchrun() -> bool:
    """Whether torchrun started this process as one of several."""
    return all(name in os.environ for name in TORCHRUN) and os.environ["WORLD_SIZE"] != "1"


def forget() -> None:
    """Keep programs that this one starts from taking themselves for processes of its launcher."""
    for variable, sizes, mpi in VARIABLES:
        if mpi:
            for name in (variable, *sizes):
                os.environ.pop(name, None)


def _number(variable: str) -> int | None:
    text = os.environ.get(variable, "")
    return int(text) if text.isdecimal() else None


def _between(variable: str) -> list[int]:
    """Processes between the launcher and this one, from the parent on: those that were started with a variable."""
    between: list[int] = []
    process = os.getppid()
    while process > 1 and _name(process) not in PROXIES and _started_with(process, variable):
        if _name(process) not in STANDING_ASIDE:
            between.append(process)
        process = _parent(process)
    return between


def _name(process: int) -> str:
    return _read(process, "comm").strip().decode("latin-1")


def _started_with(process: int, variable: str) -> bool:
    return any(each.startswith(f"{variable}=".encode()) for each in _read(process, "environ").split(b"\0"))


def _parent(process: int) -> int:
    fields = _read(process, "stat").rpartition(b")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def _uses_mpi(process: int) -> bool:
    return b"/libmpi" in _read(process, "maps")


def _read(process: int, name: str) -> bytes:
    """A file of /proc about a process; empty if it cannot be read."""
    try:
        with open(f"/proc/{process}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""


def _is_closed(variable: str) -> bool:
    """Whether a variable names a connection to the launcher that is not open in this process."""
    connection = _number(variable)
    if connection is None:
        return False
    try:
        os.fstat(connection)
    except (OSError, OverflowError):
        return True
    return False
