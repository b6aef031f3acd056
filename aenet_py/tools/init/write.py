"""The texts of a folder: set-ups, input files of the programs, and the commands to run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aenet_py.descriptors.setup import Setup, chebyshev_setup
from aenet_py.errors import AenetError
from aenet_py.formats.labels import Labels
from aenet_py.inputs import generate, setup
from aenet_py.inputs.generate import GenerateInput
from aenet_py.inputs.structures import NamedFile, StructureInput, lines
from aenet_py.inputs.train import NetworkInput
from aenet_py.tools.init.choose import Choices
from aenet_py.tools.init.source import Source

SEED = 11  # of FORCESSEED, as NPSEED by default
MOST_CHECKPOINTS = 20
COMMENT = ("!", "#", "%")


@dataclass(frozen=True)
class Data:
    """Structures as the programs and the commands name them, relative to the folder.

    Parameters
    ----------
    files : tuple of str
        Entries of FILES (latin-1, one character per byte).
    examples : tuple of str
        Some of the structures, likewise.
    labels : Labels
        Which energies and forces of extended XYZ to read.
    checked, evaluated : tuple of str
        Arguments of ``aenet-py check``, and of ``aenet-py evaluate`` after the potential.
    zeros : bool
        Whether the files have zeros in place of unknown forces.
    """

    files: tuple[str, ...]
    examples: tuple[str, ...]
    labels: Labels
    checked: tuple[str, ...]
    evaluated: tuple[str, ...]
    zeros: bool


def texts(species: Sequence[str], choices: Choices, data: Data, source: Source | None) -> dict[str, str]:
    """Texts of all files, by name.

    Parameters
    ----------
    species : sequence of str
        Species in the order of the atomic energies.
    choices : Choices
        What to write.
    data : Data
        The structures.
    source : Source or None
        What a fine-tuning takes over.

    Returns
    -------
    dict of str to str
        Latin-1, one character per byte.

    Raises
    ------
    AenetError
        If the path of the source has blanks, which an input file cannot hold.
    """
    setups = _setups(species, choices) if source is None else source.setups
    networks = _networks(species, choices) if source is None else source.networks
    structures = StructureInput(
        tuple(species), choices.atomic_energies, tuple(NamedFile(f"{each}.stp") for each in species),
        tuple(NamedFile(_entry(each)) for each in data.files), data.labels, repulsion=choices.repulsion,
    )  # fmt: skip
    ending = ".ascii" if source is None else ".transfered.ascii"
    potentials = {each.symbol: each.path + ending for each in networks}
    return {
        **{f"{symbol}.stp": setup.to_text(each) for symbol, each in setups.items()},
        "generate.in": _generate(structures, choices),
        "train.in": _train(structures, choices, networks, data, source),
        "predict.in": _predict(potentials, data, choices.alpha is not None),
        "README.md": _readme(data, potentials, choices),
    }


def _entry(path: str) -> str:
    """An entry of FILES, which would be a comment if it began like one."""
    return f"./{path}" if path.startswith(COMMENT) else path


def _setups(species: Sequence[str], choices: Choices) -> dict[str, Setup]:
    description = "written by aenet-py init"
    return {
        symbol: chebyshev_setup(
            description, symbol, tuple(species), choices.r_min, "Chebyshev", *choices.radial, *choices.angular
        )
        for symbol in species
    }


def _networks(species: Sequence[str], choices: Choices) -> tuple[NetworkInput, ...]:
    activations = ("tanh",) * len(choices.nodes)
    return tuple(NetworkInput(symbol, f"{symbol}.nn", choices.nodes, activations) for symbol in species)


def _generate(structures: StructureInput, choices: Choices) -> str:
    has_forces = choices.alpha is not None
    return generate.to_text(
        GenerateInput(
            path="generate.in", output="set.train", types=structures.types,
            atomic_energies=structures.atomic_energies, setups=tuple(each.path for each in structures.setups),
            structures=tuple(each.path for each in structures.files), labels=structures.labels, forces=has_forces,
            forces_percent=choices.forces_percent, forces_list=None, forces_seed=SEED if has_forces else None,
            timing=False, debug=False, quiet=False, repulsion=structures.repulsion,
        )
    )  # fmt: skip


def _train(
    structures: StructureInput, choices: Choices, networks: Sequence[NetworkInput], data: Data, source: Source | None
) -> str:
    deck = [
        "! written by aenet-py init", f"TESTPERCENT {choices.test:g}",
        f"ITERATIONS {choices.epochs}", f"BATCHSIZE {choices.batch}", "SAVE_ENERGIES",
    ]  # fmt: skip
    if choices.validation:
        deck += [f"VALIDATIONPERCENT {choices.validation:g}", f"PATIENCE {choices.patience}"]
    if choices.group:
        deck.append(f"SPLIT group={choices.group}")
    deck.append(f"CHECKPOINT {max(choices.epochs // MOST_CHECKPOINTS, 1)}")
    deck += ["METHOD", f"method=adamw lr={choices.rate:g}", "SCHEDULE cosine"]
    if choices.alpha is not None:
        deck += ["SAVE_FORCES", "FORCES", f"alpha={choices.alpha:g}"]
        if choices.forces_percent < 100:
            deck.append(f"FORCESPERCENT {choices.forces_percent:g}")
    elif data.zeros:
        deck.append("! no FORCES: those in structures.extxyz are zeros, because they are unknown")
    if source is not None:
        if len(source.path.split()) != 1:
            raise AenetError(f"{source.path}: an input file cannot name a source with blanks; rename the folder")
        new = "" if len(source.atomic_energies) == len(networks) else " new=random"
        deck += ["MODE transfer", "TRANSFER", f"source={source.path} freeze=0{new}"]
    deck.append("NETWORKS")
    deck += [f"{each.symbol} {each.path} {len(each.nodes)} {' '.join(each.layers)}" for each in networks]
    return "\n".join([*deck, *lines(structures)]) + "\n"


def _predict(potentials: Mapping[str, str], data: Data, with_forces: bool) -> str:
    deck = ["TYPES", str(len(potentials)), *potentials, "NETWORKS"]
    deck += [f"{symbol} {path}" for symbol, path in potentials.items()]
    deck += ["FORCES"] if with_forces else []
    return "\n".join([*deck, "FILES", str(len(data.examples)), *map(_entry, data.examples)]) + "\n"


def _readme(data: Data, potentials: Mapping[str, str], choices: Choices) -> str:
    commands = (["check", *data.checked], ["evaluate", ".", *data.evaluated])
    check, evaluate = (shlex.join(["aenet-py", *words]) for words in commands)
    listed = ", ".join(f"`{path}`" for path in potentials.values())
    table = "\n".join(f"| {what} | {value} | {why} |" for what, value, why in choices.reasons)
    parts = "energies and forces" if choices.alpha is not None else "energies"
    return f"""# A potential for {", ".join(potentials)}

Written by `aenet-py init`. Run in this folder:

```sh
{check}
aenet_pytorch.py train.in > train.out
{evaluate}
predict.x predict.in > predict.out
```

1. `check` lists faults of the structures; its status is 2 if there are any.
2. `aenet_pytorch.py` trains, and writes {listed}. `train.error` has the errors by epoch; the last line on
   the terminal has those of the test set. Ctrl-C saves, and the same command resumes.
3. `evaluate` compares the potential with all structures, those that it was trained on apart.
4. `predict.x` prints {parts} of the structures in `predict.in`; name others there.

`aenet-py md STRUCTURE --potential . --time 10` simulates 10 ps; `aenet-py md --help` lists temperature and the like.

`generate.x generate.in` writes the same features to `set.train`, for trainers that read such a file: in `train.in`,
`TRAININGSET set.train` then takes the place of `TYPES`, `SETUPS`, `FILES`{" and `SPLIT`" if choices.group else ""}.

| chosen | value | why |
| --- | --- | --- |
{table}
"""
