"""Which of the processes that a launcher started this one is: mpirun, srun, torchrun.

Told by the environment and, since programs that such a process starts inherit it, by the processes above this one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

# The variables with a process's rank and with the number of processes; whether MPI can be started there.
VARIABLES = (
    ("OMPI_COMM_WORLD_RANK", ("OMPI_COMM_WORLD_SIZE",), True),  # Open MPI
    ("PMI_RANK", ("PMI_SIZE",), True),  # MPICH, Intel MPI, srun --mpi=pmi2
    ("MV2_COMM_WORLD_RANK", ("MV2_COMM_WORLD_SIZE",), True),  # MVAPICH
    ("PMIX_RANK", ("OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS"), True),  # srun --mpi=pmix
    ("SLURM_PROCID", ("SLURM_STEP_NUM_TASKS",), False),  # srun; batch scripts have the first one, too
)
TORCHRUN = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
# Launchers that may have been started by another one, whose variables they have then.
PROXIES = ("hydra_pmi_proxy", "hydra_bstrap_pr", "pmi_proxy", "mpiexec.hydra", "mpiexec", "mpirun", "orterun", "orted",
           "prterun", "prted", "prte", "slurmstepd", "srun")  # fmt: skip
STANDING_ASIDE = ("timeout", "time")  # start what they are told, and are no scripts


@dataclass(frozen=True)
class Launch:
    """The place of this process.

    rank, size : its number, and how many there are (None: unknown); mpi : whether MPI can be started; direct : whether
    the launcher started this program itself, and no script in between.
    """

    rank: int
    size: int | None
    mpi: bool
    direct: bool


def found() -> Launch | None:
    """Where this process stands among those of mpirun or srun.

    None if no launcher started it, or if it was started by a program that uses MPI: what the launcher gave is taken.
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
    place = found()
    return place is not None and place.mpi and place.size != 1


def by_torchrun() -> bool:
    """Whether this process is one of several that train together."""
    return all(name in os.environ for name in TORCHRUN) and os.environ["WORLD_SIZE"] != "1"


def forget() -> None:
    """Let programs that this one starts not take themselves for processes of its launcher."""
    for variable, sizes, mpi in VARIABLES:
        if mpi:
            for name in (variable, *sizes):
                os.environ.pop(name, None)


def _number(variable: str) -> int | None:
    text = os.environ.get(variable, "")
    return int(text) if text.isdecimal() else None


def _between(variable: str) -> list[int]:
    """The processes between the launcher and this one, from the parent on: those that were started with a variable."""
    found: list[int] = []
    process = os.getppid()
    while process > 1 and _name(process) not in PROXIES and _started_with(process, variable):
        if _name(process) not in STANDING_ASIDE:
            found.append(process)
        process = _parent(process)
    return found


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
    """What the system says of a process; nothing where it does not."""
    try:
        with open(f"/proc/{process}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""


def _is_closed(variable: str) -> bool:
    """Whether a variable names a connection to the launcher that is not open here."""
    connection = _number(variable)
    if connection is None:
        return False
    try:
        os.fstat(connection)
    except (OSError, OverflowError):
        return True
    return False
