"""Which structures train.in holds out: TESTSET, VALIDATIONSET, VALIDATIONPERCENT and SPLIT."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from aenet_py.errors import InputError
from aenet_py.inputs.keywords import TrainKeyword
from aenet_py.inputs.structures import NamedFile, StructureInput

KEYWORDS = ("testset", "validationset", "validationpercent", "split")


@dataclass(frozen=True)
class HeldOut:
    """How structures are held out, where the deck says more than TESTPERCENT.

    every : each so many-th structure is tested, 0 for none; group : key of extended XYZ whose values stay together;
    validation : fraction of the structures that are validated; test_set, validation_set : training sets that are tested
    and validated, beside one to train on; line : of SPLIT, if known.
    """

    every: int = 0
    group: str = ""
    validation: float = 0.0
    test_set: NamedFile | None = None
    validation_set: NamedFile | None = None
    line: int | None = field(default=None, repr=False, compare=False)


def read(
    path: str, entries: Mapping[str, TrainKeyword], validation: float, given: StructureInput | None, replays: bool
) -> tuple[HeldOut | None, StructureInput | None]:
    """What a deck holds out, None if that is only what TESTPERCENT says, and its structures with those of other files.

    validation : the value of VALIDATIONPERCENT; replays : whether a file of replay is there.  InputError with the line
    of whatever is invalid or contradictory.
    """
    named = [keyword for keyword in KEYWORDS if keyword in entries]
    if not named and not (given is not None and (given.test or given.validation or given.replay)) and not replays:
        return None, given
    held = _split(path, entries["split"]) if "split" in entries else HeldOut()
    test, valid = (
        NamedFile(entries[keyword].words[0], entries[keyword].number) if keyword in entries else None
        for keyword in ("testset", "validationset")
    )
    if given is None:
        held = replace(held, test_set=test, validation_set=valid)
    else:
        files = (given.test if test is None else (test,), given.validation if valid is None else (valid,))
        given = replace(given, test=files[0], validation=files[1])
    if validation and (valid or (given is not None and given.validation)):
        message = "found VALIDATIONPERCENT with VALIDATIONSET; expected one of them"
        raise InputError(path, message, entries["validationpercent"].number)
    if (held.every or held.group) and (test or (given is not None and given.test)):
        raise InputError(path, "found SPLIT with TESTSET; expected one of them", held.line)
    if held.group and given is None:
        message = f"found SPLIT group={held.group} with a training set; expected TYPES, SETUPS and structures"
        raise InputError(path, message, held.line)
    saving = [each.upper() for each in ("save_batches", "load_batches") if each in entries]
    if "mode" in entries and entries["mode"].words[0].lower() == "batches":
        saving.append("MODE batches")
    if saving and named:
        message = f"found {named[0].upper()} with {saving[0]}; expected one of them"
        raise InputError(path, message, entries[named[0]].number)
    return replace(held, validation=validation / 100), given


def chooses_test(held: HeldOut | None, given: StructureInput | None) -> bool:
    """Whether the test set is known without a percentage."""
    return held is not None and bool(held.every or held.test_set or (given is not None and given.test))


def _split(path: str, entry: TrainKeyword) -> HeldOut:
    word = entry.words[0] if len(entry.words) == 1 else ""
    name, _, value = word.partition("=")
    if name.lower() == "group" and value:
        return HeldOut(group=value, line=entry.number)
    if name.lower() == "every" and value.isdecimal() and int(value) > 1:
        return HeldOut(every=int(value), line=entry.number)
    found = " ".join(entry.words) or "nothing"
    raise InputError(path, f"found {found!r} after SPLIT; expected every=, 2 or more, or group=KEY", entry.number)


def lines(held: HeldOut | None, given: StructureInput | None) -> list[str]:
    """The lines from which `read` takes this."""
    found = []
    if held is not None and held.every:
        found.append(f"SPLIT every={held.every}")
    if held is not None and held.group:
        found.append(f"SPLIT group={held.group}")
    if held is not None and held.validation:
        found.append(f"VALIDATIONPERCENT {100 * held.validation:.15g}")
    if held is not None:
        named = (("TESTSET", held.test_set), ("VALIDATIONSET", held.validation_set))
        found += [f"{keyword} {file.path}" for keyword, file in named if file is not None]
    if given is not None:
        parts = (("TESTSET", given.test), ("VALIDATIONSET", given.validation))
        found += [f"{keyword} {file.path}" for keyword, files in parts for file in files if isinstance(file, NamedFile)]
    return found
