"""Files of frames with lists of their systems, as in OC20: `N.extxyz.xz` and `N.txt.xz`, one line per frame.

random2181546,frame18,-123.45          system, frame in its trajectory, reference energy (not used)
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aenet_py.errors import AenetError, InputError
from aenet_py.formats import extxyz, frames
from aenet_py.formats.folders import files_in
from aenet_py.formats.frames import COMPRESSED, RawFrame, Skip
from aenet_py.formats.labels import ANY, Labels
from aenet_py.formats.source import Advance, unwatched
from aenet_py.structure import Structure

WHAT = "a file .extxyz or .xyz (also .xz, .gz), or a folder with such files"
LABELS = "a list 'system,frame,energy', one line per frame"


@dataclass(frozen=True)
class Shard:
    """A file of frames, and the list of their systems or None."""

    path: str
    labels: str | None


@dataclass(frozen=True)
class Labelled:
    """A frame with its text, and where known its system, its step in the system's trajectory, and the line of the list.

    system and step are "" and label is None if unknown.
    """

    raw: RawFrame
    frame: Structure
    system: str
    step: str
    label: bytes | None


def find(given: Sequence[str]) -> list[Shard]:
    """The shards in files and folders; AenetError if one is present twice, compressed and not."""
    shards: dict[str, Shard] = {}
    for path in files_in(given, frames.is_frames, WHAT):
        if not frames.is_frames(path):
            raise AenetError(f"{path}: unsupported kind of file; give {WHAT}")
        plain = frames.plain_name(path)
        if plain in shards:
            raise AenetError(f"{path}: {shards[plain].path} has the same frames; remove one of them")
        stem = os.path.splitext(plain)[0]
        labels = [stem + ".txt" + ending for ending in ("", *COMPRESSED) if os.path.isfile(stem + ".txt" + ending)]
        shards[plain] = Shard(path, labels[0] if labels else None)
    return list(shards.values())


def read(shard: Shard, skip: Skip | None, labels: Labels = ANY, advance: Advance = unwatched) -> Iterator[Labelled]:
    """The frames of a shard that have energy and forces; skip : as in `frames.good`; labels : which to use;
    advance : as in `frames.read`.

    InputError if the list of systems and the shard differ in length.
    """
    systems = _Systems(shard)
    for raw, frame in extxyz.read(shard.path, skip=skip, labels=labels, advance=advance):
        yield systems.put(raw, frame)
    if skip is None:  # the last frames may be skipped
        systems.finish()


def pick(shard: Shard, indices: Sequence[int], labels: Labels = ANY) -> Iterator[Labelled]:
    """Frames of a shard by ascending 0-based indices; InputError for one that no longer exists."""
    systems = _Systems(shard)
    wanted = iter(indices)
    index = next(wanted, None)
    if index is None:
        return
    for raw in frames.read(shard.path):
        if raw.index == index:
            frame = extxyz.parse(raw, True, labels)
            frame.check_reference()
            yield systems.put(raw, frame)
            index = next(wanted, None)
            if index is None:
                return
    raise InputError(
        shard.path, f"frame {index} has disappeared since the first reading; do not change files meanwhile"
    )


class _Systems:
    """The list of a shard's systems, read in step with its frames."""

    def __init__(self, shard: Shard):
        self._shard = shard
        self._lines = None if shard.labels is None else frames.lines_of(shard.labels, LABELS)
        self._next = 0

    def put(self, raw: RawFrame, frame: Structure) -> Labelled:
        """A frame with its label; frames come in the order of the file, with gaps."""
        if self._lines is None or self._shard.labels is None:
            return Labelled(raw, frame, frame.system or "", "", None)
        line = next(itertools.islice(self._lines, raw.index - self._next, None), None)
        if line is None:
            raise InputError(self._shard.labels, f"there is no line for {raw.name}; expected {LABELS}")
        self._next = raw.index + 1
        words = [word.strip() for word in line.decode("latin-1").split(",")]
        if len(words) < 2 or not words[0]:
            message = f"found {line.decode('latin-1')!r}; expected 'system,frame,energy'"
            raise InputError(self._shard.labels, message, raw.index + 1)
        return Labelled(raw, frame, words[0], words[1], line)

    def finish(self) -> None:
        """InputError if there are more lines than frames."""
        if self._lines is not None and self._shard.labels is not None and any(line.strip() for line in self._lines):
            raise InputError(self._shard.labels, f"found more than {self._next} lines; expected one for each frame")
