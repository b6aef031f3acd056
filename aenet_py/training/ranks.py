"""The processes that train together: sums over them, and checks that they agree.

The gradient of all weights is a single array (model.py), so the hooks of torch's DistributedDataParallel have no use
here: torch.distributed computes the sums, with gloo on processors and NCCL on CUDA devices.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import signal
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from aenet_py.errors import AenetError
from aenet_py.runtime.launch import by_torchrun
from aenet_py.runtime.workers import processors

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
TIMEOUT = datetime.timedelta(minutes=30)  # after which a process that does not answer counts as lost


class SharedError(AenetError):
    """An error that all processes raise; the first one prints it."""


class LostError(SharedError):
    """Another process has ended or does not answer."""

    def __init__(self, message: str = "another process of this training has ended or does not answer"):
        super().__init__(message)


@dataclass(frozen=True)
class Ranks:
    """The processes of a training, as seen by one of them; all methods wait for the others.

    rank, size : index of this process, and number of processes; local_rank, local_size : the same on this machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def threads(self) -> int:
        """This process's share of the machine's processors."""
        return max(1, processors() // self.local_size)

    def device(self) -> torch.device:
        """The device of this process; AenetError if there are devices, but fewer than processes."""
        import torch

        if not torch.cuda.is_available():
            return torch.device("cpu")
        if torch.cuda.device_count() < self.local_size:
            counts = f"{self.local_size} processes, but {torch.cuda.device_count()} CUDA devices on this machine"
            raise AenetError(f"{counts}; start one process per device, or set CUDA_VISIBLE_DEVICES= to use processors")
        torch.cuda.set_device(self.local_rank)
        return torch.device("cuda", self.local_rank)

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """The sum over all processes, the same bits in each; LostError if one is lost, as in all methods."""
        if self.size == 1:
            return values
        from torch import distributed

        with _noticing():
            distributed.all_reduce(values)
        return values

    def gathered(self, value: T) -> list[T]:
        """The values of all processes."""
        values: list[Any] = [value] * self.size
        if self.size > 1:
            from torch import distributed

            with _noticing():
                distributed.all_gather_object(values, value)
        return values

    def together(self, work: Callable[[], T]) -> T:
        """Do work that may fail; if it fails in any process, all raise a SharedError with the first error."""
        if self.size == 1:
            return work()
        results, failure = [], None
        try:
            results.append(work())
        except SharedError:
            raise
        except AenetError as error:
            failure = str(error)
        failures = self.gathered(failure)
        for rank, message in enumerate(failures):
            if message is not None:
                where = "" if rank == 0 else f" (process {rank} of 0 to {self.size - 1})"
                raise SharedError(message + where)
        return results[0]

    def agree(self, what: str, value: Callable[[], object]) -> None:
        """SharedError unless value(), by its repr, is the same in all processes; a single process does not call it."""
        if self.size == 1:
            return
        import torch
        from torch import distributed

        number = zlib.crc32(repr(value()).encode())
        ends = torch.tensor([number, -number])
        with _noticing():
            distributed.all_reduce(ends, distributed.ReduceOp.MAX)  # all_gather_object takes ten times as long
        if ends[0] != -ends[1]:
            raise SharedError(f"the processes have different {what}; they must be the same")

    def outlast(self) -> None:
        """Wait until the first process has left; does nothing in that one."""
        import torch
        from torch import distributed

        if self.rank:
            with _ended_by_signals(), contextlib.suppress(RuntimeError):
                distributed.recv(torch.zeros(1), src=0)


ALONE = Ranks()


@contextlib.contextmanager
def joined() -> Iterator[Ranks]:
    """Connect to the other processes that torchrun has started, if any; AenetError if that fails."""
    if not by_torchrun():
        yield ALONE
        return
    import torch
    from torch import distributed

    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    local_rank, local_size = (
        int(os.environ.get(name, other)) for name, other in (("LOCAL_RANK", rank), ("LOCAL_WORLD_SIZE", size))
    )
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        with _ended_by_signals():
            distributed.init_process_group(backend, timeout=TIMEOUT)
    except (RuntimeError, ValueError) as error:
        raise AenetError(f"the {size} processes cannot connect: {str(error).strip().splitlines()[0]}") from None
    try:
        yield Ranks(rank, size, local_rank, local_size)
    finally:
        distributed.destroy_process_group()


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let signals end this process at once: Python's handlers are not called while torch waits."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _noticing() -> Iterator[None]:
    """Raise LostError in place of torch's errors."""
    try:
        yield
    except RuntimeError:
        raise LostError from None
