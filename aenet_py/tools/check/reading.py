"""The structures to check: of files, folders, frames `file#index`, lists FILES in input files, or in memory."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence

from aenet_py.errors import AenetError, InputError
from aenet_py.formats import identify, xsf
from aenet_py.formats import structures as structure_files
from aenet_py.formats.frames import Skip
from aenet_py.formats.identify import FileType
from aenet_py.formats.labels import Labels
from aenet_py.formats.read import is_own
from aenet_py.formats.source import Advance
from aenet_py.formats.text import foreign, native
from aenet_py.inputs.keywords import content_lines
from aenet_py.inputs.structures import sections
from aenet_py.structure import Structure
from aenet_py.tools.convert import files_of, read_all

DECKS = (FileType.GENERATE, FileType.TRAIN)


def entries(given: Sequence[str | Structure], format_name: str | None) -> list[str | Structure]:
    """Files, frames `file#index` and structures; in place of each folder and input file, what it holds or lists.

    format_name : ASE's name of the format of all files, which are then no input files.  AenetError for a file that does
    not exist or is given twice, and for an input file without FILES.
    """
    found: list[str | Structure] = []
    for each in given:
        if not isinstance(each, str) or structure_files.frame_of(foreign(each))[1] is not None:
            found.append(each)
        elif format_name is None and os.path.isfile(each) and not is_own(each) and identify.glance(each)[0] in DECKS:
            found += _listed(each)
        else:
            found += files_of([each])
    seen: set[str] = set()
    for path in (each for each in found if isinstance(each, str)):
        if os.path.realpath(path) in seen:
            raise AenetError(f"{path}: this file is given twice")
        seen.add(os.path.realpath(path))
    return found


def _listed(path: str) -> list[str | Structure]:
    deck, _ = sections(path, content_lines(path, "an input file"))
    if "files" not in deck.entries:
        raise InputError(path, "this input file lists no structures; expected FILES, or give the structures themselves")
    return [native(line.text) for line in deck.entries["files"].body]


def n_bytes(listed: Sequence[str | Structure]) -> int:
    """Size of all files; those of which single frames are listed do not count."""
    return sum(os.path.getsize(each) for each in listed if isinstance(each, str) and os.path.isfile(each))


def read(
    listed: Sequence[str | Structure], format_name: str | None, skip: Skip, labels: Labels, advance: Advance
) -> Iterator[tuple[Structure, bytes | None]]:
    """All structures, with their bytes if they are frames of extended XYZ.

    listed : as `entries` gives them; skip : called with the error of each invalid structure; the other parameters are
    those of `convert.read_all`.
    """
    for is_read, group in itertools.groupby(listed, lambda each: isinstance(each, Structure)):
        if is_read:
            yield from ((each, None) for each in group if isinstance(each, Structure))
        else:
            paths = [each for each in group if isinstance(each, str)]
            yield from read_all(paths, format_name, False, skip, labels, advance, xsf.read_frame)


def source(structure: Structure) -> str:
    """Where a structure comes from: its file or, for XSF, the folder."""
    path = structure.path.partition("#")[0]
    return os.path.dirname(path) or "." if xsf.is_xsf(path) else path


def kind(structure: Structure) -> str:
    """The source of a structure, and its config_type if it has one."""
    given = structure.info.get("config_type")
    return source(structure) if given is None else f"{source(structure)}, config_type {given}"
