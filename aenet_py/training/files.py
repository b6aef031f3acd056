"""Names of the states of trainings, and where the files of a transfer's source are."""

from __future__ import annotations

import os

from aenet_py.errors import AenetError, InputError
from aenet_py.formats.text import native
from aenet_py.inputs.train import TrainInput, Transfer

PATH, TRANSFERRED = "model.restart", "model.transfered.restart"


def state_in(folder: str) -> str | None:
    """The state of the last training in a folder, that of a transfer before that of its source; None without."""
    paths = (os.path.join(folder, name) for name in (TRANSFERRED, PATH))
    return next(filter(os.path.exists, paths), None)


def of_source(deck: TrainInput, wanted: Transfer) -> tuple[str, list[str | None]]:
    """The state of the source, which may be missing, and each network's potential, None for a new one.

    AenetError if the folder or a potential is missing.
    """
    place, restart = native(wanted.source), ""
    if os.path.isfile(place):
        place, restart = os.path.split(place)
    elif not os.path.isdir(place):
        remedy = "give the folder of another training, or its model.restart"
        raise InputError(deck.path, f"source={wanted.source}: no such folder or file; {remedy}")
    ending = ".transfered.ascii" if restart == TRANSFERRED else ".ascii"
    paths: list[str | None] = []
    for network in deck.networks:
        name = os.path.join(place, native(network.path))
        paths.append(next((path for path in (name + ending, name) if os.path.exists(path)), None))
        if paths[-1] is None and not wanted.new:
            remedy = "each species needs a potential, or new=random for a new network"
            raise AenetError(f"{name}{ending}: no such file ({network.symbol}); {remedy}")
    if not any(paths):
        raise InputError(deck.path, f"source={wanted.source}: has no potential for any species")
    return os.path.join(place, restart or PATH), paths
