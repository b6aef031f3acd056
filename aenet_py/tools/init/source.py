"""The source of a fine-tuning: set-ups and networks of its potentials."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from aenet_py.descriptors.setup import Setup
from aenet_py.errors import AenetError, InputError
from aenet_py.formats import potential, potential_files
from aenet_py.formats.potential import ACTIVATIONS
from aenet_py.inputs import repulsion
from aenet_py.inputs.train import NetworkInput

ENDINGS = {".transfered.ascii": "model.transfered.restart", ".ascii": "", "": ""}  # of potentials, and source= for them


@dataclass(frozen=True)
class Source:
    """What a fine-tuning takes over.

    Parameters
    ----------
    path : str
        A folder, or the state in it that belongs to the potentials.
    setups : mapping of str to Setup
        Set-up of each species.
    networks : tuple of NetworkInput
        Network of each species.
    atomic_energies : mapping of str to float
        Energy of the free atom of each species that has a potential in the source, eV.
    """

    path: str
    setups: Mapping[str, Setup]
    networks: tuple[NetworkInput, ...]
    atomic_energies: Mapping[str, float]


def read(folder: str, species: Sequence[str]) -> Source:
    """The potentials in a folder, for these species.

    Parameters
    ----------
    folder : str
        Folder of a finished training.
    species : sequence of str
        Species of the structures.

    Returns
    -------
    Source

    Raises
    ------
    AenetError
        If there are no potentials, they have symmetry functions, or their set-ups lack a species.
    """
    if not os.path.isdir(folder):
        raise AenetError(f"{folder}: no such folder; expected that of a finished training")
    paths = potential_files.files_of(folder)
    known = {symbol: potential.read(path) for symbol, path in paths.items() if symbol in species}
    if not known:
        raise AenetError(f"{folder}: has potentials for {' '.join(paths)}, but the structures have {' '.join(species)}")
    first_symbol, first = next(iter(known.items()))
    if not first.setup.is_chebyshev:
        message = "has symmetry functions; only Chebyshev features can be written to set-ups"
        raise InputError(paths[first_symbol], message)
    repelled = repulsion.of_setups([file.setup for file in known.values()])
    setups: dict[str, Setup] = {}
    networks: list[NetworkInput] = []
    for symbol in species:
        file = known.get(symbol, first)
        env = tuple(each.strip() for each in file.setup.env_types)
        if symbol not in env:
            message = f"was trained with {' '.join(env)}, but the structures also have {symbol}"
            raise InputError(paths[first_symbol], f"{message}; train on these from scratch")
        setups[symbol] = replace(file.setup, atom_type=symbol, env_types=env)
        if symbol not in known:
            setups[symbol] = repulsion.given(setups[symbol], repelled)
        name, _ = _split(os.path.basename(paths.get(symbol, f"{symbol}.nn")))
        *_, last = range(len(file.network.nodes) - 1)
        networks.append(
            NetworkInput(
                symbol, name, tuple(file.network.nodes[1:-1].tolist()),
                tuple(ACTIVATIONS[number] for number in file.network.activations[:last].tolist()),
            )
        )  # fmt: skip
    state = _split(paths[first_symbol])[1]
    energies = {
        symbol: dict(zip(file.training.types, file.training.atomic_energies, strict=True))[symbol]
        for symbol, file in known.items()
    }
    return Source(os.path.join(folder, state) if state else folder, setups, tuple(networks), energies)


def _split(path: str) -> tuple[str, str]:
    """Name of a potential in NETWORKS, and of the state that belongs to it unless that is model.restart."""
    ending = next(ending for ending in ENDINGS if path.endswith(ending))
    return path.removesuffix(ending), ENDINGS[ending]
