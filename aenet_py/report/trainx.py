"""The report of train.x on standard output, character for character the original's but for the date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aenet_py.formats import decimals
from aenet_py.formats.potential import Network
from aenet_py.inputs.trainx_deck import TrainxInput
from aenet_py.report.blocks import NOTICE, network_info
from aenet_py.report.layout import banner, fixed, integer, real, scientific, timestamp

PER_LINE = 8  # structures of the test set
_SETTINGS = {  # of print_training_info
    "lm": (
        ("Batch size", "batchsize"), ("Batch iterations", "iter"), ("Initial learning rate", "learnrate"),
        ("Target error", "conv"),
    ),
    "ekf": (  # the second and third titles are those of other settings
        ("Forgetting factor", "lambda"), ("Ini. state covariance", "lambda0"), ("Measuring noise", "state"),
        ("Process noise", "pnoise"), ("Adaptive EKF threshold", "adaptive"),
    ),
    "online_sd": (("Learning rate", "gamma"), ("Momentum rate", "alpha")),
}  # fmt: skip
_WHOLE = ("batchsize", "iter")  # numbers printed as integers
_HEADER = (
    "  Ref(eV)        ANN(eV)      #atoms  Ref(eV/atom)   ANN(eV/atom) Ref-ANN(eV/atom)    Cost-Func{species}"
    "    Path-of-input-file\n"
)


@dataclass(frozen=True)
class Deviations:
    """Mean absolute and root mean square error of a set, eV per atom; RMSE of an empty set is NaN."""

    mae: float
    rmse: float


def deviations(errors: np.ndarray, scale: float) -> Deviations:
    """From the errors of the normalised energies per atom, (n,), and their scale."""
    if len(errors) == 0:
        return Deviations(0.0, float("nan"))
    return Deviations(float(np.abs(errors).mean()) / scale, float(np.sqrt(np.mean(errors * errors))) / scale)


def opening() -> str:
    return banner("Training process started.", "=") + banner(timestamp(), " ") + "\n" + NOTICE


def loading(path: str) -> str:
    """ts_read_header"""
    return f" Loading scaled training set file: {path}\n\n"


def normalization(path: str, scale: float, shift: float, n_removed: int | None) -> str:
    """ts_normalize; path : of the normalised set; n_removed : structures above MAXENERGY, None without any."""
    text = (
        banner("Training set normalization") + "\n"
        " The training set will be normalized now.  Depending on its size this\n"
        " process can take a while.  The normalized data set will be written to\n"
        " another file. Load that file in future to avoid this step.\n\n"
        f" Name of the new training set file: {path}\n\n"
        " The network output energy will be normalized to the interval [-1,1].\n"
        f"   Energy scaling factor: f = {fixed(scale, 6)}\n   Atomic energy shift  : s = {fixed(shift, 6)}\n\n"
    )
    if n_removed is not None:
        text += f" {n_removed} high-energy structures will be removed from the scaled training set.\n\n"
    return text + " Training set normalization done.\n\n"


def networks() -> str:
    return banner("Networks") + "\n"


def network(symbol: str, path: str, values: Network, exists: bool) -> str:
    """init_networks; exists : whether the network was read."""
    first = f"Restarting the {symbol} network from file : {path}" if exists else f"Creating a new {symbol} network"
    return f" {first}\n\n" + network_info(values)


def timing() -> str:
    return " Timing info will be written to: train.time\n\n"


def storing(symbols: Sequence[str], paths: Sequence[str]) -> str:
    """save_all_networks"""
    lines = [f" Saving the {s} network to file : {p}\n" for s, p in zip(symbols, paths, strict=True)]
    return banner("Storing networks") + "\n" + "".join(lines) + "\n"


def settings(deck: TrainxInput) -> str:
    """The settings of a method in print_training_info."""
    text = ""
    for title, name in _SETTINGS.get(deck.method, ()):
        value = deck.settings[name]
        shown = integer(int(value), 12) if name in _WHOLE else decimals.text(value).decode()
        text += f"   {title:<22}: {shown}\n"
    return text


def details(method: str, epochs: int, in_test_set: np.ndarray, restarted: bool, settings: str) -> str:
    """print_training_info; in_test_set (n_structures,) bool; restarted : whether ``train.rngstate`` was read."""
    numbers = (np.flatnonzero(in_test_set) + 1).tolist()
    rows = [numbers[i : i + PER_LINE] for i in range(0, len(numbers), PER_LINE)]
    restart = " (restarted from previous run)" if restarted else " "
    return (
        banner("Training details")
        + f"\n Training method         : {method}\n{settings}\n Number of iterations    : {epochs}\n\n"
        f" Training structures     : {len(in_test_set) - len(numbers)}\n Testing  structures     : {len(numbers)}\n\n"
        f" Testing set{restart}: \n"
        + "".join("\n" + "".join(integer(number, 8) + " " for number in row) for row in rows)
        + "\n\n"
    )


def restart(path: str, outcome: str) -> str:
    """opt_load_state"""
    return f" Attempting restart of optimization algorithm from file: {path}\n {outcome}\n\n"


def adam(settings: Mapping[str, float], n_samples: int, batch: int) -> str:
    """opt_print_info_adam"""
    return (
        f" Learning rate               : {scientific(settings['mu'], 9, 3)}\n"
        f" Gradient decay rate (b1)    : {fixed(settings['b1'], 4)}\n"
        f" Sq. gradient decay rate (b1): {fixed(settings['b2'], 4)}\n"
        f" Epsilon                     : {scientific(settings['eps'], 9, 3)}\n"
        f" Sample size                 : {n_samples} ({n_samples})\n"
        f" Mini-batch size             : {batch} ({batch})\n"
    )


def training(method: str, epochs: int, sampling: str, settings: str, with_forces: bool = False) -> str:
    """print_training_header; with_forces : with columns of their errors, which the original lacks."""
    titles = [
        "        |------------TRAIN-----------|  |------------TEST------------|",
        " epoch             MAE          <RMSE>             MAE          <RMSE>",
    ]
    if with_forces:
        titles[0] += "  |-----------FORCES-----------|"
        titles[1] += "          <TRAIN>          <TEST>"
    return (
        banner("Training process") + f"\n Weight optimization for {epochs} epochs using the {method} method.\n\n"
        f" Sampling type               : {sampling}\n{settings}\n" + "".join(f"{title}\n" for title in titles)
    )


def epoch(number: int, train: Deviations, test: Deviations, forces: Sequence[float] = ()) -> str:
    """print_energies; forces : root mean squares of the lengths of force errors of both sets, eV/Å."""
    shown = (train.mae, train.rmse, test.mae, test.rmse, *forces)
    values = "".join(f"  {scientific(v, 14, 6)}" for v in shown)
    return f" {integer(number, 5)}{values} <\n"


def converged() -> str:
    return " The optimization has converged. Training stopped.\n\n"


def stopped() -> str:
    return " File `STOP' detected.  Training halted.\n"


def finished() -> str:
    return "\n Training finished.\n\n"


def final_energies(train: Deviations, test: Deviations) -> str:
    """save_all_energies"""
    values = [
        (f" Final {name} of {kind} set {gap}= ", 1000.0 * value)
        for name, first, second in (("MAE", train.mae, test.mae), ("RMSE", train.rmse, test.rmse))
        for kind, value, gap in (
            ("training", first, " " if name == "MAE" else ""), ("testing", second, "  " if name == "MAE" else " ")
        )
    ]  # fmt: skip
    rows = [f"{title}{real(value, 8, 1)} meV/atom\n" for title, value in values]
    return (
        banner("Storing final energies") + "\n"
        " Energies of training structures : energies.train.PROCESS\n"
        " Energies of testing structures  : energies.test.PROCESS\n"
        " (Manually concatenate the files from different processes.)\n\n" + "".join(rows[:2]) + "\n" + "".join(rows[2:])
    ) + "\n"


def table_header(symbols: Sequence[str]) -> str:
    """First line of ``energies.train.0`` and ``energies.test.0``."""
    return _HEADER.format(species=" " + "".join(f"  #{symbol}" for symbol in symbols))


def table_row(
    path: str, reference: float, predicted: float, n_atoms: int, counts: Sequence[int], error: float, cost: float
) -> str:
    """A structure: its reference energy and the network's, eV; its atoms, also per species; the error per atom, in eV
    and normalised."""
    values = (reference / n_atoms, predicted / n_atoms, error, cost)
    totals, per_atom = ("".join(scientific(v, 14, 6) + " " for v in row) for row in ((reference, predicted), values))
    return f" {totals}{integer(n_atoms, 5)} {per_atom}" + "".join(f" {integer(n, 4)}" for n in counts) + f" {path}\n"


def closing() -> str:
    return banner(timestamp(), " ") + banner("Neural Network training done.", "=")
