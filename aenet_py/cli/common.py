"""What all commands share: options, messages and exit statuses."""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib.util
import math
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from aenet_py.errors import AenetError, AenetWarning, counted
from aenet_py.runtime import launch
from aenet_py.runtime.progress import beside_progress
from aenet_py.runtime.progress import progress as progress
from aenet_py.runtime.signals import Terminated, raised
from aenet_py.runtime.signals import stopping as stopping
from aenet_py.runtime.signals import uninterrupted as uninterrupted

FAILURE = 1
NOTHING = "nothing was written"


class Parser(argparse.ArgumentParser):
    """Options of a command; a wrong one is one line on standard error, printed by one process only, and status 1."""

    def error(self, message: str) -> NoReturn:
        place = launch.place()
        is_first = place is None or not place.mpi or place.rank == 0
        self.exit(FAILURE, f"Error: {message}; see {self.prog} --help\n" if is_first else None)


def warn(message: str) -> None:
    note(f"Warning: {message}")


def warn_of_repeated(paths: Sequence[str]) -> None:
    """Name XSF files of slabs and wires whose images lie within the cutoff, as in the original."""
    if paths:
        from aenet_py.pipelines.featurize import warning_of_repeated

        warn(warning_of_repeated(paths))


def warn_of_missing(path: str, n: int, tell: Callable[[str], None] = warn) -> None:
    """Say that a training set holds n structures fewer than its header counts."""
    more = f"{counted(n, 'structure')} more than the file holds"
    tell(f"{path}: the header counts {more}, because generate.x counts skipped structures, too")


def note(message: str) -> None:
    """Print a line on standard error, in place of the progress line if there is one."""
    with beside_progress():
        print(message, file=sys.stderr)


def need(*modules: str) -> None:
    """AenetError unless these modules, which an extra installs, are installed."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise AenetError(f"this command requires {module}; install it with pip install 'aenet_py[workflow]'")


def add_labels(parser: argparse.ArgumentParser) -> None:
    """Options that choose among several energies and forces in extended XYZ."""
    parser.add_argument("--energy", metavar="KEY", help="key of the energy in extended XYZ, for example REF_energy")
    parser.add_argument("--forces", metavar="KEY", help="column of the forces in extended XYZ, for example REF_forces")


def add_threads(
    parser: argparse.ArgumentParser, what: str = "number of threads", default: str = "one per processor"
) -> None:
    """The option `--threads`, None by default."""

    def positive(text: str) -> int:
        if not text.isdecimal() or int(text) < 1:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number of threads, 1 or more")
        return int(text)

    parser.add_argument("--threads", type=positive, metavar="N", help=f"{what} (default: {default})")


def add_potentials(parser: argparse.ArgumentParser) -> None:
    """The option `--potential`, which `members` reads."""
    parser.add_argument(
        "--potential", action="append", required=True, metavar="FOLDER|EL=FILE",
        help="folder with a potential per species, or the potential of one species; a second folder, or a second "
        "potential for the same species, belongs to the second member of a committee",
    )  # fmt: skip


def add_legacy_angular(parser: argparse.ArgumentParser) -> None:
    """The option `--legacy-angular`, None by default."""
    parser.add_argument(
        "--legacy-angular", action=argparse.BooleanOptionalAction,
        help="whether the potentials were trained by aenet before 2.0.4 (default: detected)",
    )  # fmt: skip


def add_uncertainty(parser: argparse.ArgumentParser) -> None:
    """The option `--uncertainty`, None by default."""
    parser.add_argument(
        "--uncertainty", metavar="FILE",
        help="file of aenet-py calibrate for the potentials (default: uncertainty.json in their folder, if it exists)",
    )  # fmt: skip


def add_limits(parser: argparse.ArgumentParser, max_share: float) -> None:
    """What ends a simulation early; max_share : default of its option."""
    limits = parser.add_argument_group("stopping criteria")
    limits.add_argument(
        "--min-distance", type=float, metavar="A",
        help="shortest distance between atoms in Angstrom (default: 0.5 times the sum of their covalent radii)",
    )  # fmt: skip
    limits.add_argument(
        "--max-temperature", type=float, metavar="K",
        help="highest temperature (default: 5 times --temperature, at least 1500, more for few atoms)",
    )  # fmt: skip
    limits.add_argument(
        "--max-excess", type=float, default=1.0, metavar="X",
        help="how far a feature may lie outside its training range, in widths of that range (default: 1)",
    )  # fmt: skip
    limits.add_argument(
        "--max-share", type=float, default=max_share, metavar="X",
        help=f"fraction of the atoms that may exceed --max-excess (default: {max_share:g})",
    )  # fmt: skip
    limits.add_argument(
        "--max-spread", type=float, metavar="X",
        help="largest uncertainty of the force on an atom in eV/Angstrom, of a committee or a calibrated potential",
    )  # fmt: skip
    limits.add_argument("--allow-fragments", action="store_true", help="let atoms leave beyond the cutoff")


def limits(options: argparse.Namespace) -> dict[str, Any]:
    """What the options of `add_limits` are for `simulate` and `stability`."""
    names = ("min_distance", "max_temperature", "max_excess", "max_share", "allow_fragments", "max_spread")
    return {name: getattr(options, name) for name in names}


def number(what: str, most: float = math.inf) -> Callable[[str], float]:
    """The type of an option: a finite number from 0 to most; what : its name in the error."""

    def converted(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (0 <= value <= most and value < math.inf):
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
        return value

    return converted


def potential(text: str) -> str | dict[str, str]:
    """A folder or file, or the file of each species."""
    if os.path.exists(text) or "=" not in text:
        return text
    files = {}
    for item in text.split(","):
        symbol, equals, path = item.partition("=")
        if not (symbol and equals and path) or symbol in files:
            raise AenetError(f"{text}: expected a folder of potentials, or EL=FILE,EL=FILE,... with a file per species")
        files[symbol] = path
    return files


def members(given: Sequence[str]) -> list[str | dict[str, str]]:
    """The potentials of each member of a committee, from folders and EL=FILE."""
    sets: list[dict[str, str]] = []
    for item in given:
        if os.path.isdir(item):
            continue
        symbol, equals, path = item.partition("=")
        if not (symbol and equals and path):
            raise AenetError(f"--potential {item}: give a folder, or EL=FILE for the potential of a species")
        member = next((paths for paths in sets if symbol not in paths), None)
        if member is None:
            member = {}
            sets.append(member)
        member[symbol] = path
    for member in sets[1:]:
        missing = [symbol for symbol in sets[0] if symbol not in member]
        if missing:
            raise AenetError(f"fewer potentials for {' and '.join(missing)} than for others; a committee needs as many")
    return [*sets, *filter(os.path.isdir, given)]


def run(command: Callable[[], int | None], left: str = NOTHING) -> int:
    """Run a command and return its exit status; an error becomes one line on standard error.

    left : added to the message when a command is interrupted, to say what it has written.
    """
    try:
        with raised(), warnings_in_a_line():
            gc.freeze()  # modules stay, so the collector need not visit them
            status = command() or 0
            sys.stdout.flush()
    except AenetError as error:
        return fail(f"Error: {error}", FAILURE)
    except KeyboardInterrupt:
        return fail(f"Error: interrupted; {left}", 128 + signal.SIGINT)
    except Terminated:
        return fail(f"Error: terminated; {left}", 128 + signal.SIGTERM)
    except OSError as error:
        if error.filename is not None:
            raise
        # Standard output was closed by its reader; the interpreter must not try to flush it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        reason = "was closed" if isinstance(error, BrokenPipeError) else f"cannot be written: {error.strerror}"
        return fail(f"Error: standard output {reason}; {left}", FAILURE)
    except MemoryError:
        return fail(f"Error: not enough memory; {left}", FAILURE)
    return status


def fail(message: str, status: int) -> int:
    """Print the message of an error; returns the status."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    print(message, file=sys.stderr)
    return status


@contextlib.contextmanager
def warnings_in_a_line(wanted: type[Warning] = AenetWarning) -> Iterator[None]:
    """Print Python warnings of the wanted category as one line each; AenetWarnings are always shown."""
    with warnings.catch_warnings():
        shown = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any, **options: Any) -> None:
            if issubclass(category, wanted):
                warn(" ".join(str(message).split()))
            else:
                shown(message, category, *place, **options)

        warnings.showwarning = show
        warnings.simplefilter("always", AenetWarning)
        yield
