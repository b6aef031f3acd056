"""Where the programs begin: ready for signals, and for launchers, before anything that takes time is imported."""

import _signal as signal  # type: ignore[import-not-found]  # signal itself takes ten times as long to import
import sys


def generate() -> int:
    return _start("generate")  # which uses MPI


def predict() -> int:
    return _start_alone("predict", "predict.x")


def aenet_pytorch() -> int:
    _ended_by_interrupts()
    from aenet_py.runtime import launch

    if launch.by_torchrun():
        return _start("aenet_pytorch")
    return _start_alone("aenet_pytorch", "aenet_pytorch.py", "; torchrun starts it in several")


def trainbin2ascii() -> int:
    return _start_alone("trainbin2ascii", "trainbin2ASCII.x")


def nnascii2bin() -> int:
    return _start_alone("nnascii2bin", "nnASCII2bin.x")


def aenet() -> int:
    return _start_alone("aenet", "aenet-py")


def is_spare(program: str, hint: str = "") -> bool:
    """Whether a launcher started this process beside another one that does the work alone; rank 0 warns of it.

    Programs that this one starts no longer see the launcher's variables.
    """
    from aenet_py.runtime import launch

    place = launch.found()
    launch.forget()
    if place is None or not place.direct:  # a script may do with each of its processes what it likes
        return False
    if place.rank == 0 and place.size is not None and place.size > 1:
        message = f"{program} runs in one of the {place.size} processes that were started; the others end at once{hint}"
        print(f"Warning: {message}", file=sys.stderr)
    return place.rank > 0


def _start_alone(module: str, program: str, hint: str = "") -> int:
    _ended_by_interrupts()
    return 0 if is_spare(program, hint) else _start(module)


def _start(module: str) -> int:
    _ended_by_interrupts()
    import importlib

    return importlib.import_module(f"aenet_py.cli.{module}").main()


def _ended_by_interrupts() -> None:
    """Ctrl-C ends the process, as SIGTERM does, and not with Python's traceback; `common.run` has more to say later."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
