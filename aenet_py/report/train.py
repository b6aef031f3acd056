"""What the trainer prints, character by character (py_aeio)."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from aenet_py.formats.potential import Training
from aenet_py.inputs.second_order import METHODS as SECOND_ORDER
from aenet_py.inputs.train import EVERY, TrainInput, Transfer

WIDTH = 70
LINE, DOUBLE_LINE = "-" * WIDTH + "\n", "=" * WIDTH + "\n"


def _centered(text: str) -> str:
    left = (WIDTH - len(text) + 1) // 2
    return " " * left + text + " " * (WIDTH - len(text) - left) + "\n"


def _title(text: str) -> str:
    return LINE + _centered(text) + LINE + "\n"


def _now() -> str:
    return _centered(str(datetime.datetime.now())[:-6])


def opening() -> str:
    return (
        DOUBLE_LINE + _centered("Training with aenet-PyTorch") + DOUBLE_LINE + "\n\n" + _now() + "\n\n"
        "Developed by Jon Lopez-Zorrilla\n\n"
        "This program is distributed in the hope that it will be useful,\n"
        "but WITHOUT ANY WARRANTY; without even the implied warranty of\n"
        "MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE.  See the\n"
        "GNU General Public License in file 'LICENSE' for more details.\n\n"
    )


def parameters(deck: TrainInput) -> str:
    values = [
        ("TRAININGSET", deck.training_set),
        ("TESTPERCENT", deck.test_fraction),
        ("ITERATIONS", deck.epochs),
        ("ITERWRITE", deck.write_every),
        ("BATCHSIZE", _size(deck.batch_size)),
        ("MEMORY_MODE", deck.memory_mode),
    ]
    text = _title("Reading input information")
    text += "Reading input parameters.\nThese are the parameters selected for training:\n" + _list(values) + "\n"
    if deck.alpha is not None:
        values = [("FORCES", True), ("alpha", deck.alpha)]
        if deck.max_forces is not None:
            values.append(("maxforces", deck.max_forces))
        text += _list(values) + "\n"
    return text


def _size(batch: int) -> int | str:
    """Requested structures per batch."""
    return "all" if batch == EVERY else batch


def _list(values: Sequence[tuple[str, object]]) -> str:
    return "".join(f"        - {name + ':':<12} {value}\n" for name, value in values)


def reading() -> str:
    return _title("Reading training set information") + (
        "Training set information will be read now. If force training is\n"
        "required this proccess may take some time.\n\n"
    )


def data(training: Training, n_structures: int, n_with_forces: int, n_removed: int, transferred: bool = False) -> str:
    """transferred : energies are normalised otherwise, as `transfer` reports."""
    text = (
        ""
        if transferred
        else (
            "The network output energy will be normalized to the interval [-1,1].\n"
            f"    Energy scaling factor:  f = {training.scale: 12.6f}\n"
            f"    Atomic energy shift  :  s = {training.shift: 12.6f}\n\n"
        )
    )
    if n_removed:
        text += f"{n_removed} high-energy structures will be removed from the training set.\n"
    text += f"\nNumber of structures in the data set:        {n_structures:12d}\n"
    if n_with_forces:
        text += f"Number of structures with force information: {n_with_forces:12d}\n"
    return text + (
        f"\nAtomic species in the training set: {'  '.join(training.types)}\n\n"
        f"Average energy (eV/atom) : {training.mean:12.6f}\n"
        f"Minimum energy (eV/atom) : {training.low:12.6f}\n"
        f"Maximum energy (eV/atom) : {training.high:12.6f}\n\n"
    )


def preparing() -> str:
    return _title("Preparing batches for training") + (
        "Batches for training are being prepared now. If force training is\nrequired, this may take some time.\n\n"
        "If the number of structures is not divisible by the batch size, the actual\n"
        "batch size may be slightly changed.\n\n"
    )


def batches(requested: int, n_batches: int, energy_size: int, force_size: int) -> str:
    text = (
        f"Requested batch size: {_size(requested)}\n"
        f"Actual batch size   : {energy_size + force_size}\n"
        f"Number of batches   : {n_batches}\n\n"
    )
    if energy_size and force_size:
        text += f"Energy batch size   : {energy_size}\nForces batch size   : {force_size}\n\n"
    return text


def saving_batches() -> str:
    return _title("Saving batch information") + (
        "Information about the batches will be saved now. If in the next run\n"
        "load_batches=True and the folder 'tmp_batches' is present, \n"
        "the information will be read from there, saving time.\n\n"
        "If the batch size is changed, please remove that folder, or the training\n"
        "may fail or not work as expected.\n\n"
    )


def loading_batches() -> str:
    return _title("Loading batch information") + (
        "Loading batch information from 'tmp_batches'. If the batch size has\n"
        "been changed, the program will not work as expected.\n\n"
    )


def networks(deck: TrainInput, inputs: Sequence[int], restarted: bool) -> str:
    """restarted : whether the original says so, in a ModelTransfer if there is a model.restart."""
    text = _title("Networks")
    if restarted:
        text += "Previous run files found. The training will be restarted from\nthat checkpoint.\n"
    elif isinstance(deck.transfer, Transfer):
        text += "Training will be started from the networks of another one.\n"
    else:
        text += "Training will be started from scratch.\n"
    text += "Initializing networks:\n"
    for n_features, network in zip(inputs, deck.networks, strict=True):
        text += f"\nCreating a network for {network.symbol}\n\nNumber of layers: {len(network.nodes) + 2:4d}\n\n"
        text += f"Number of nodes and activation type per layer:\n\n    1 : {n_features:6d} \n"
        for layer, (nodes, activation) in enumerate(zip(network.nodes, network.activations, strict=True), 2):
            text += f"   {layer:2d} : {nodes:6d}   {activation}\n"
        text += f"   {len(network.nodes) + 2:2d} : {1:6d} \n\n"
    return text


def reading_source() -> str:
    return "Reading for transfer...\n"


def details(deck: TrainInput, device: str) -> str:
    settings = {"Learning rate": deck.learning_rate, "Regularization": deck.regularization}
    if deck.method in SECOND_ORDER:
        settings = dict(deck.settings)
    return _title("Training details") + (
        f"Training method : {deck.method:>12}\n"
        + "".join(f"{name:<16}: {value: 12.6f}\n" for name, value in settings.items())
        + f"\n"
        f"Training device : {device}\n"
        f"Memory mode     : {deck.memory_mode}\n\n"
    )


def transfer(
    wanted: Transfer, networks: Sequence[tuple[str, str, int, int, float, float | None]], scale: float,
    before: float | None, errors: Sequence[float],
) -> str:  # fmt: skip
    """What a transfer takes over, and how good the networks are before they are trained.

    networks : of each the symbol, the potential at the source ("" for a new one), how many layers it has and how many
    are frozen, the shift of an atom's energy and what this adds to that of the source (eV); scale : of the energies;
    before : error of the source's energies as they are, eV/atom; errors : as in `table_line`.
    """
    shifts = {
        "align": "fitted to the structures to train on",
        "source": "of the source",
        "target": "of the training set",
    }
    text = _title("Transfer learning") + (
        f"Source            : {wanted.source}\n"
        "Features          : normalised with the averages and covariances of the source\n"
        f"Energy scale      : f = {scale:.8f}, of the {'training set' if wanted.energy == 'target' else 'source'}\n"
        f"Energy shifts     : {shifts[wanted.energy]} (energy={wanted.energy})\n\n"
        "species   layers   frozen          shift (eV)    against source (eV)   from\n"
    )
    for symbol, path, n_layers, n_frozen, shift, added in networks:
        against = f"{added: 22.8f}" if added is not None else f"{'-':>22}"
        text += f"{symbol:>7}   {n_layers:6d}   {n_frozen:6d}   {shift: 17.8f} {against}   {path or 'new, random'}\n"
    if before is not None:
        text += f"\nEnergies of the training structures by the source as it is: error {before:.8f} eV/atom\n"
    text += "\nErrors before the first epoch         training        testing\n"
    for name, place in (("weighted sum", 0), ("energies (eV/atom)", 2), ("forces (eV/Angstrom)", 4)):
        shown = [f"{error: 14.8f}" if error else f"{'-':>14}" for error in errors[place : place + 2]]
        text += f"    {name:<24}    {' '.join(shown)}\n"
    return text + "\n"


def table_head() -> str:
    names = ("epoch", "ERROR(train)", "ERROR(test)", "E (train)", "E (test)", "F (train)", "F (test)")
    head = "{:>10} :  {:>12}  {:>12}   |{:>12}  {:>12}   |{:>12}  {:>12}\n".format(*names)
    rule = "     -----    ------------   -----------        ---------      --------        ---------      --------\n"
    return _title("Training process") + head + rule


def table_line(epoch: int, errors: Sequence[float], readable: bool = False) -> str:
    """errors : total, energy, force, each of the training and the test set; eV/atom, eV/Å.

    readable : show "-" in place of the zeros that the original prints for what was not measured.
    """
    shown = [f"{'-':>12}" if readable and not error else f"{error: 12.6f}" for error in errors]
    pairs = ["  ".join(shown[i : i + 2]) for i in (0, 2, 4)]
    return f"{epoch: 10d} :  {'   |'.join(pairs)}\n"


def resources(seconds: float, gigabytes: float, gpu_gigabytes: float) -> str:
    return (
        f"\nTime needed for training:  {seconds: 18.6f} s\n"
        f"Maximum CPU memory used:   {gigabytes: 18.6f} GB\n"
        f"Maximum GPU memory used:   {gpu_gigabytes: 18.6f} GB\n\n"
    )


def saving(deck: TrainInput) -> str:
    text = _title("Storing results")
    text += "saving train energy error to : energy.train\nsaving test energy error to  : energy.test\n\n"
    ending = deck.ending if isinstance(deck.transfer, Transfer) else ".ascii"  # as in the original
    lines = [f"Saving the {n.symbol} network to file : {n.path}{ending}\n" for n in deck.networks]
    return text + "".join(lines)


def closing() -> str:
    return "\n\n" + _now() + "\n\n" + DOUBLE_LINE + _centered("Neural Network training done.") + DOUBLE_LINE
