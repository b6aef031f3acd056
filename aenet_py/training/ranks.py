"""The processes that train together: sums over them, and what they have to agree on.

The gradient of all weights is written out as one array (model.py), so there is nothing for the hooks of torch's
DistributedDataParallel: sums are taken by torch.distributed itself, by gloo in memory and by NCCL on CUDA devices.
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
TIMEOUT = datetime.timedelta(minutes=30)  # until a process that does not answer counts as lost


class SharedError(AenetError):
    """An error that every process knows of; the first one says it."""


class LostError(SharedError):
    """Another process has ended, or does not answer."""

    def __init__(self, message: str = "another process of this training has ended or does not answer"):
        super().__init__(message)


@dataclass(frozen=True)
class Ranks:
    """The processes of a training, this one among them; all methods but `threads` and `device` wait for the
    others.

    rank, size : this one's number, and how many there are; local_rank, local_size : the same on this machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def threads(self) -> int:
        """How many of the machine's processors are this process's."""
        return max(1, processors() // self.local_size)

    def device(self) -> torch.device:
        """What this process trains on; AenetError if there are devices, but not one for each process."""
        import torch

        if not torch.cuda.is_available():
            return torch.device("cpu")
        if torch.cuda.device_count() < self.local_size:
            found = f"found {self.local_size} processes and {torch.cuda.device_count()} CUDA devices"
            raise AenetError(f"{found} on this machine; expected a device for each, or CUDA_VISIBLE_DEVICES=")
        torch.cuda.set_device(self.local_rank)
        return torch.device("cuda", self.local_rank)

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """The sum over all processes, the same bits in each; LostError if one is gone, and so below."""
        if self.size == 1:
            return values
        from torch import distributed

        with _noticing():
            distributed.all_reduce(values)
        return values

    def gathered(self, value: T) -> list[T]:
        """What each process has."""
        found: list[Any] = [value] * self.size
        if self.size > 1:
            from torch import distributed

            with _noticing():
                distributed.all_gather_object(found, value)
        return found

    def together(self, work: Callable[[], T]) -> T:
        """Do what may fail; SharedError in all processes, with the first error, if it fails in any."""
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
        for rank, found in enumerate(failures):
            if found is not None:
                where = "" if rank == 0 else f" (process {rank} of 0 to {self.size - 1})"
                raise SharedError(found + where)
        return results[0]

    def agree(self, what: str, value: Callable[[], object]) -> None:
        """SharedError unless what `value` gives, by its repr, is the same in all processes; one alone need not ask."""
        if self.size == 1:
            return
        import torch
        from torch import distributed

        number = zlib.crc32(repr(value()).encode())
        ends = torch.tensor([number, -number])
        with _noticing():
            distributed.all_reduce(ends, distributed.ReduceOp.MAX)  # of objects takes ten times as long
        if ends[0] != -ends[1]:
            raise SharedError(f"the processes have different {what}; expected the same in all")

    def outlast(self) -> None:
        """Wait, in any process but the first, until that one has left."""
        import torch
        from torch import distributed

        if self.rank:
            with _ended_by_signals(), contextlib.suppress(RuntimeError):
                distributed.recv(torch.zeros(1), src=0)


ALONE = Ranks()


@contextlib.contextmanager
def joined() -> Iterator[Ranks]:
    """The processes that torchrun has started, joined; one alone without it.  AenetError if they do not meet."""
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
        raise AenetError(f"the {size} processes have not met: {str(error).strip().splitlines()[0]}") from None
    try:
        yield Ranks(rank, size, local_rank, local_size)
    finally:
        distributed.destroy_process_group()


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Signals end this process at once: Python's handlers would not be called while torch waits."""
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
    """LostError where torch raises one of its many kinds."""
    try:
        yield
    except RuntimeError:
        raise LostError from None
