"""COMMITTEE in train.in: several members, which differ in their seeds."""

from __future__ import annotations

from dataclasses import dataclass, field

from aenet_py.errors import InputError
from aenet_py.inputs.keywords import TrainKeyword

EXPECTED = "the number of members, at least 2, and, if wanted, bootstrap and processes=N"
MOST = 1000  # members


@dataclass(frozen=True)
class CommitteeInput:
    """Members of a committee.

    Parameters
    ----------
    members
        Their number.
    bootstrap
        Whether each is trained on structures that are drawn with replacement.
    processes
        How many are trained at a time; None: as many as there are processors.
    line
        Of COMMITTEE, if known.
    """

    members: int
    bootstrap: bool = False
    processes: int | None = None
    line: int | None = field(default=None, repr=False, compare=False)


def read(path: str, entry: TrainKeyword) -> CommitteeInput:
    """What a deck says; InputError with its line if it makes no sense."""
    members, bootstrap, processes = 0, False, None
    for place, word in enumerate(entry.words):
        name, sign, text = word.lower().partition("=")
        if place == 0 and word.isdecimal() and 2 <= int(word) <= MOST:
            members = int(word)
        elif place and name == "bootstrap" and not sign and not bootstrap:
            bootstrap = True
        elif place and name == "processes" and text.isdecimal() and int(text) > 0 and processes is None:
            processes = int(text)
        else:
            raise InputError(path, f"found {word!r} after COMMITTEE; expected {EXPECTED}", entry.number)
    return CommitteeInput(members, bootstrap, processes, entry.number)


def line(given: CommitteeInput) -> str:
    """The line from which `read` takes this."""
    words = [f"COMMITTEE {given.members}"]
    words += ["bootstrap"] if given.bootstrap else []
    words += [f"processes={given.processes}"] if given.processes is not None else []
    return " ".join(words)
