"""aenet-py label: energies and forces of structures from any calculator of ASE."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import signal
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from aenet_py.cli import common
from aenet_py.errors import AenetError, StoppedError

if TYPE_CHECKING:
    from aenet_py.labelling.calculators import CalculatorSpec, Given
    from aenet_py.labelling.label import Labelled
    from aenet_py.labelling.structures import Unlabelled

HELP = "energies and forces of structures from any calculator of ASE"
DESCRIPTION = """Compute energies, forces and stress of structures with any calculator of ASE, in parallel, and write
them as extended XYZ to train on. Labels are stored as soon as they are computed; the same command computes those that
are missing. With --queue and --collect, the calculations run elsewhere. The exit status is 2 if structures remain
without a label."""
INCOMPLETE = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "structures", nargs="+", metavar="STRUCTURES",
        help="XSF, extended XYZ, ASE databases, folders of these, or any file that ASE reads; all structures of each",
    )  # fmt: skip
    add(
        "--calculator", required=True, metavar="SPEC",
        help="NAME or NAME:OPTION=VALUE,...: a calculator that ASE knows (emt, vasp, ...), tblite, mace, nep, ..., or "
        "MODULE:CLASS; a .toml file; external for labels that are computed elsewhere",
    )  # fmt: skip
    add("-o", "--output", default="labelled.extxyz", metavar="OUT", help="file to write (default: labelled.extxyz)")
    add("--folder", metavar="FOLDER", help="where labels are stored (default: OUT with the ending .labels)")
    add("--format", metavar="NAME", help="ASE's name of the format of STRUCTURES, if ASE does not detect it")
    add(
        "--processes", type=int, metavar="N",
        help="structures at a time (default: one per processor; 1 for calculators that start other programs)",
    )  # fmt: skip
    common.add_threads(parser, "threads of each process", "1")
    add("--timeout", type=_seconds, metavar="S", help="longest time of a calculation in seconds (default: no limit)")
    add("--retry", action="store_true", help="compute failed structures again")
    add("--keep", action="store_true", help="keep the files that calculators write, not only those of failures")
    add(
        "--fmax",
        type=common.number("a force"),
        default=math.inf,
        metavar="X",
        help="leave out structures with a force above X eV/A",
    )
    queue = parser.add_mutually_exclusive_group()
    queue.add_argument("--queue", metavar="FOLDER", help="write a folder for each structure instead of computing it")
    queue.add_argument("--collect", metavar="FOLDER", help="read the results in such a folder")
    add("--result", metavar="NAME", help="with --collect: the file with the result in each folder (default: detected)")
    parser.set_defaults(left="labels so far remain; repeat the command for the rest")


def _seconds(text: str) -> float:
    seconds = common.number("a number of seconds above 0")(text)
    if seconds == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds


def run(options: argparse.Namespace) -> int:
    common.need("ase")
    from aenet_py.cli.summaries import label as report
    from aenet_py.labelling import files
    from aenet_py.labelling.calculators import calculators_of
    from aenet_py.labelling.queue import collect, enqueue
    from aenet_py.labelling.structures import from_file

    if options.result is not None and options.collect is None:
        raise AenetError("--result belongs to --collect")
    folder = _folder(options)
    calculators = calculators_of(options.calculator)
    structures = [each for path in options.structures for each in from_file(path, options.format)]
    if options.queue is not None:
        with common.progress(len(structures), "structures") as advance:
            queued = enqueue(structures, calculators, folder=folder, queue=options.queue, advance=advance)
        print(report.queued(queued, options.queue, len(structures)), end="")
        return 0
    files.check_output(options.output, folder)
    with contextlib.ExitStack() as stack:
        advance = stack.enter_context(common.progress(len(structures), "structures"))
        if options.collect is not None:
            found = collect(
                structures, calculators, folder=folder, queue=options.collect, result=options.result, advance=advance
            )
        else:
            stop = stack.enter_context(common.stopping())
            try:
                found = _labelled(options, structures, calculators, folder, _asked(stop), advance)
            except StoppedError as error:
                common.note(f"{str(error).capitalize()}; repeat the command for the rest.")
                return 128 + signal.Signals[stop() or "SIGINT"]
    n_written, n_left_out = files.write(found, options.output, folder, options.fmax)
    failures = files.write_failures(found, folder)
    paths = [*([options.output] if n_written else []), *([failures] if failures else [])]
    print(report.report(found, n_left_out, options.fmax, paths, files.kept(found, folder)), end="")
    return INCOMPLETE if found.failures else 0


def _folder(options: argparse.Namespace) -> str:
    from aenet_py.formats.frames import plain_name

    return options.folder or f"{os.path.splitext(plain_name(options.output))[0]}.labels"


def _asked(stop: Callable[[], str | None]) -> Callable[[], bool]:
    """Whether to stop; says so once."""
    told = False

    def asked() -> bool:
        nonlocal told
        if stop() is not None and not told:
            told = True
            common.note("Stopping after the running calculations; another Ctrl-C ends them at once.")
        return told

    return asked


def _labelled(
    options: argparse.Namespace, structures: Sequence[Unlabelled], calculators: CalculatorSpec | Given, folder: str,
    stop: Callable[[], bool], advance: Callable[[float], object],
) -> Labelled:  # fmt: skip
    """Labels that are computed here."""
    from aenet_py.labelling.calculators import CalculatorSpec
    from aenet_py.labelling.label import label
    from aenet_py.runtime.workers import processors

    default = 1 if isinstance(calculators, CalculatorSpec) and calculators.starts_programs else processors()
    return label(
        structures,
        calculators,
        folder=folder,
        n_processes=default if options.processes is None else options.processes,
        threads=options.threads or 1,
        timeout=options.timeout,
        retry=options.retry,
        keep=options.keep,
        stop=stop,
        advance=advance,
    )
