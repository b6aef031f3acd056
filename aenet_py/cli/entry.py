"""Entry points of the programs: set up signals and launchers before any slow import."""

import _signal as signal  # type: ignore[import-not-found]  # signal itself takes ten times as long to import
import sys


def generate() -> int:
    return _start("generate")  # runs under MPI


def train() -> int:
    return _start_alone("train", "train.x")


def predict() -> int:
    return _start_alone("predict", "predict.x")


def aenet_pytorch() -> int:
    _ended_by_interrupts()
    from aenet_py.runtime import launch

    if launch.by_torchrun():
        return _start("aenet_pytorch")
    return _start_alone("aenet_pytorch", "aenet_pytorch.py", "; use torchrun to start several")


def trainbin2ascii() -> int:
    return _start_alone("trainbin2ascii", "trainbin2ASCII.x")


def trnset2ascii() -> int:
    return _start_alone("trnset2ascii", "trnset2ASCII.x")


def nnascii2bin() -> int:
    return _start_alone("nnascii2bin", "nnASCII2bin.x")


def aenet() -> int:
    return _start_alone("aenet", "aenet-py")


def is_spare(program: str, hint: str = "") -> bool:
    """Whether a launcher started this process in addition to rank 0, which does all the work and prints a warning.

    Removes the launcher's variables from the environment of programs that this one starts.
    """
    from aenet_py.runtime import launch

    place = launch.place()
    launch.forget()
    if place is None or not place.direct:  # a script decides itself what each of its processes does
        return False
    if place.rank == 0 and place.size is not None and place.size > 1:
        message = f"{program} runs in one of the {place.size} processes only; the others end at once{hint}"
        print(f"Warning: {message}", file=sys.stderr)
    return place.rank > 0


def _start_alone(module: str, program: str, hint: str = "") -> int:
    _ended_by_interrupts()
    return 0 if is_spare(program, hint) else _start(module)


def _start(module: str) -> int:
    _ended_by_interrupts()
    import gc
    import importlib

    status = importlib.import_module(f"aenet_py.cli.{module}").main()
    gc.freeze()  # otherwise, the interpreter looks for garbage in all modules before it ends
    return status


def _ended_by_interrupts() -> None:
    """Let Ctrl-C end the process without a traceback, as SIGTERM does, until `common.run` takes over."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
