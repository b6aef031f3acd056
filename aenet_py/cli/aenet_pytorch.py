"""aenet_pytorch.py: train potentials."""

from __future__ import annotations

import resource
import sys
import time

from aenet_py import __version__
from aenet_py.cli import common

DESCRIPTION = """Train neural-network potentials on a training set of generate.x, one network a species. The input file
is the train.in of aenet-PyTorch; the training set may be the binary .train or the .train.ascii."""


def main(argv: list[str] | None = None) -> int:
    parser = common.Parser(prog="aenet_pytorch.py", description=DESCRIPTION)
    parser.add_argument("input", nargs="?", default="train.in", help="input file (default: train.in)")
    parser.add_argument("--version", action="version", version=f"aenet_py {__version__}")
    options = parser.parse_args(argv)
    return common.run(lambda: train(options.input))


def train(path: str) -> None:
    """Do what the deck at path asks for, with the report on standard output."""
    from aenet_py.inputs import train as inputs

    deck = inputs.read(path)
    # What is wrong with the deck should not wait for torch, which takes a second to import.
    import numpy as np
    import torch

    from aenet_py.report import train as report
    from aenet_py.training import batches as batching
    from aenet_py.training import dataset, loop, results
    from aenet_py.training.model import Networks

    def say(text: str, always: bool = False) -> None:
        if deck.verbose or always:
            print(text, end="", flush=True)

    say(report.opening(), always=True)
    say(report.parameters(deck))
    torch.manual_seed(deck.torch_seed)
    np.random.seed(deck.numpy_seed)  # noqa: NPY002 - the original's generator
    say(report.reading())
    data = dataset.read(deck)
    n_force = len(data.with_forces)
    say(report.data(data.training, n_force + len(data.energies_only), n_force, data.n_removed))
    say(report.preparing())
    batches = batching.prepare(data, deck.batch_size, deck.test_fraction)
    say(report.batches(deck.batch_size, len(batches.train), batches.energy_size, batches.force_size))
    inputs_of = [setup.n_features for setup in data.setups]
    networks = Networks(inputs_of, deck.networks)
    optimizer = loop.OPTIMIZERS[deck.method](
        networks.parameters(), lr=deck.learning_rate, weight_decay=deck.regularization
    )
    restarted = results.load(networks, optimizer)
    say(report.networks(deck, inputs_of, restarted))
    say(report.details(deck, "cpu"))
    say(report.table_head())
    alpha = deck.alpha or 0.0
    table: list[tuple[int, list[float]]] = []
    began = time.time()
    for number in range(deck.epochs):
        trained = loop.epoch(networks, batches.train, data.feature_scales, alpha, optimizer)
        if number % deck.write_every:
            continue
        tested = loop.epoch(networks, batches.test, data.feature_scales, alpha, None)
        pairs = zip(vars(trained).values(), vars(tested).values(), strict=True)
        table.append((number, [error / data.training.scale for pair in pairs for error in pair]))
        say(report.table_line(*table[-1]), always=True)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    say(report.resources(time.time() - began, memory, 0.0), always=True)
    files: list[tuple[str, bytes]] = []
    for name, part in (("train", batches.train), ("test", batches.test)):
        if deck.save_energies:
            files.append((f"energies.{name}", results.energies(networks, part, data).encode("latin-1")))
        if deck.save_forces and deck.alpha is not None:
            files.append((f"forces.{name}", results.forces(networks, part, data).encode("latin-1")))
    say(report.saving(deck))
    files += [results.restart(networks, optimizer), *results.potentials(deck, data, networks)]
    files.append(("train.error", report.error_lines(table, deck.alpha is not None).encode()))
    results.write(files)
    say(report.closing(), always=True)


if __name__ == "__main__":
    sys.exit(main())
