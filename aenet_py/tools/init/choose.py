"""What suits a set of structures, from its figures: features, networks, and how they are trained.

The numbers come from short trainings on TiO2, on clusters of metals with water, and on alloys (docs/init.md).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from aenet_py.inputs.generate import FIT, ISOLATED, AtomicEnergy
from aenet_py.inputs.repulsion import AUTO, atomic_number
from aenet_py.tools.init.figures import RADII, Figures

CUTOFFS, DENSE_CUTOFFS = (8.0, 5.0), (6.0, 4.0)  # Å, radial and angular; the latter for more neighbours or little data
DENSE = 100.0  # neighbours within 8 Å, as in crystals, where shorter cutoffs were as accurate and cost less
ORDERS, FEW_ORDERS = (20, 6), (10, 4)  # many features describe more, but few extrapolate better from little data
FEW, FEW_NODES = 100, 15  # trajectories, or structures if none are named, below which data are little; nodes for these
SPACE = 1.0  # Å beyond the largest distance in isolated structures, for those of simulations
LEAST_RADIAL = 4.0  # Å; at least the angular cutoff, or else features depend on the order of neighbours
R_MIN = 0.5  # of the shortest distance; simulations come closer than any structure
TRAJECTORIES = ("trajectory", "traj", "trajectory_id", "traj_id", "run", "run_id", "md_run", "relaxation")
KEYS = (*TRAJECTORIES, "system_name", "group", "name", "config_type")
LEAST_GROUPS, LARGEST_GROUP = 10, 0.2  # values of a key, and share of the most frequent one, that a split requires
HELD = 10.0  # percent for testing, and for validation
LEAST_TESTED, LEAST_VALIDATED = 10, 100  # structures of which some are tested, and validated
PASSES = 5_000_000  # atoms in all epochs: a minute or two, as an atom takes some 20 µs
FEWEST, MOST = 20, 1000  # epochs
BATCHES, LEAST_BATCH, MOST_BATCH = 30, 4, 32  # batches in an epoch, where batches of these sizes permit it
NODES = ((10_000, 30), (0, 20))  # atoms, and nodes in each of two layers for at least so many
RATE = 0.003  # 0.01 was better in short trainings, but worse in those of this length, and for small sets
ALPHA = 0.3  # 0.1 raised the errors of forces by a third, 0.5 those of energies
TRANSFER_RATE = 0.001  # as in docs/transfer-learning.md
MOST_PACKED = 8e9  # bytes of gradients that are kept in memory
PACKED = 4.0  # bytes per feature, neighbour and atom


@dataclass(frozen=True)
class Choices:
    """What to write.

    Parameters
    ----------
    radial, angular : tuple of float and int
        Cutoff, Å, and order.
    r_min : float
        Shortest distance to expect, Å.
    atomic_energies : tuple
        Of the species of `Figures.atoms`: ``fit``, ``isolated`` or 0.
    nodes : tuple of int
        Nodes of the hidden layers.
    epochs, batch : int
        Number of epochs, and of structures in a batch.
    rate : float
        Learning rate at the beginning.
    alpha : float or None
        Weight of the forces, None without.
    forces_percent : float
        Percentage of the structures whose forces are used.
    test, validation : float
        Percentages of the structures.
    group : str
        Key whose values stay together, empty for none.
    patience : int or None
        Epochs without a smaller error of validation, None without validation.
    repulsion : str or None
        Repulsion at short distances; a fine-tuning keeps that of its source.
    reasons : tuple of tuple of str
        What was chosen, its value, and why.
    """

    radial: tuple[float, int]
    angular: tuple[float, int]
    r_min: float
    atomic_energies: tuple[AtomicEnergy, ...]
    nodes: tuple[int, ...]
    epochs: int
    batch: int
    rate: float
    alpha: float | None
    forces_percent: float
    test: float
    validation: float
    group: str
    patience: int | None
    repulsion: str | None
    reasons: tuple[tuple[str, str, str], ...]


def choose(figures: Figures, source: Mapping[str, float] | None = None) -> Choices:
    """What suits a set of structures.

    Parameters
    ----------
    figures : Figures
        Of the set.
    source : mapping of str to float, optional
        Atomic energies of the potentials from which a training continues, eV; it keeps their features and networks.

    Returns
    -------
    Choices
    """
    energies, why_energies = _atomic_energies(figures, source)
    test, validation, group, why_test = _held_out(figures)
    by_trajectory = group.lower() in TRAJECTORIES
    n_independent = figures.groups[group][0] if by_trajectory else figures.n_structures
    radial, angular, why_features = _features(figures, n_independent)
    nodes = next(nodes for least, nodes in NODES if figures.n_atoms >= least) if n_independent >= FEW else FEW_NODES
    amount = f"{n_independent:,} {'trajectories' if by_trajectory else 'structures'}, {figures.n_atoms:,} atoms"
    batch = _batch(figures.n_structures * (1 - (test + validation) / 100))
    percent, why_percent = _forces(figures, radial, angular)
    epochs = min(max(PASSES // figures.n_atoms, FEWEST), MOST)
    patience = max(epochs // 2, 1) if validation else None
    rate = TRANSFER_RATE if source is not None else RATE
    held = f"{test:g} % tested, {validation:g} % validated" + (f", by {group}" if group else "")
    reasons = [
        ("radial", f"{radial[0]:g} Angstrom, order {radial[1]}", why_features),
        ("angular", f"{angular[0]:g} Angstrom, order {angular[1]}", why_features),
        ("networks", f"{nodes}:tanh {nodes}:tanh", amount),
    ] if source is None else [("features, networks", "those of the source", "their weights assume them")]  # fmt: skip
    reasons += [
        ("atomic energies", " ".join(dict.fromkeys(map(str, energies))), why_energies),
        ("forces", f"weight {ALPHA:g}, {percent:g} % of them" if figures.has_forces else "none", why_percent),
        ("held out", held, why_test),
        ("batches", f"{batch} structures", f"about {BATCHES} in an epoch, each of {LEAST_BATCH} to {MOST_BATCH}"),
        ("learning rate", f"{rate:g}, cosine", "fine-tuning" if source is not None else "the best of those tried"),
        ("epochs", f"{epochs:,}", "some minutes" if epochs > FEWEST else "fewer would not be enough"),
    ]
    repels = source is None and all(atomic_number(symbol) is not None for symbol in figures.atoms)
    if repels:
        reasons.append(("repulsion", "zbl auto", "keeps atoms apart where there are no data"))
    if patience is not None:
        reasons.append(("patience", f"{patience:,} epochs", "stops if the validation errors only rise"))
    return Choices(
        radial=radial, angular=angular, r_min=_r_min(figures), atomic_energies=energies, nodes=(nodes, nodes),
        epochs=epochs, batch=batch, rate=rate, alpha=ALPHA if figures.has_forces else None, forces_percent=percent,
        test=test, validation=validation, group=group, patience=patience, repulsion=AUTO if repels else None,
        reasons=tuple(reasons),
    )  # fmt: skip


def _features(figures: Figures, n_independent: int) -> tuple[tuple[float, int], tuple[float, int], str]:
    """Radial and angular cutoff and order, and why."""
    near, few = figures.neighbors[max(CUTOFFS)], n_independent < FEW
    orders = FEW_ORDERS if few else ORDERS
    radial, angular = DENSE_CUTOFFS if few or near > DENSE else CUTOFFS
    why = "little data" if few else f"{near:.0f} neighbours within {max(CUTOFFS):g} Angstrom"
    if figures.extent + SPACE < radial:
        whole, radial = radial, max(LEAST_RADIAL, math.ceil(2 * (figures.extent + SPACE)) / 2)
        orders = math.ceil(orders[0] * radial / whole), orders[1]
        why = f"atoms are at most {figures.extent:.1f} Angstrom apart"
    return (radial, orders[0]), (min(angular, radial), orders[1]), why


def _r_min(figures: Figures) -> float:
    if not math.isfinite(figures.shortest):
        return R_MIN
    return max(0.1, math.floor(20 * R_MIN * figures.shortest) / 20)


def _atomic_energies(figures: Figures, source: Mapping[str, float] | None) -> tuple[tuple[AtomicEnergy, ...], str]:
    if source is not None:
        return tuple(source.get(symbol, FIT) for symbol in figures.atoms), "those of the source"
    if figures.cohesive:
        return (0.0,) * len(figures.atoms), "the energies are cohesive energies"
    if figures.free.issuperset(figures.atoms):
        return (ISOLATED,) * len(figures.atoms), "there is a free atom of each species"
    return (FIT,) * len(figures.atoms), "the data do not have a free atom of each species"


def _held_out(figures: Figures) -> tuple[float, float, str, str]:
    """Percentages for testing and validation, the key of groups, and why."""
    n = figures.n_structures
    if n < LEAST_TESTED:
        return 0.0, 0.0, "", "too few structures"
    validation = HELD if n >= LEAST_VALIDATED else 0.0
    for key in sorted(filter(_is_group, figures.groups), key=lambda key: KEYS.index(key.lower())):
        n_values, largest = figures.groups[key]
        if LEAST_GROUPS <= n_values <= n / 2 and largest <= LARGEST_GROUP * n:
            return HELD, validation, key, f"{n_values:,} values of {key}"
    return HELD, validation, "", "at random, as no key tells what belongs together"


def _is_group(key: str) -> bool:
    return key.lower() in KEYS


def _batch(n_trained: float) -> int:
    """A power of two."""
    wanted = max(n_trained / BATCHES, 1.0)
    return int(min(max(2 ** round(math.log2(wanted)), LEAST_BATCH), MOST_BATCH))


def _forces(figures: Figures, radial: tuple[float, int], angular: tuple[float, int]) -> tuple[float, str]:
    """Percentage of the structures whose forces are used, and why."""
    if not figures.has_forces:
        return 100.0, "the structures have none"
    n_features = (radial[1] + angular[1] + 2) * (2 if len(figures.atoms) > 1 else 1)
    size = PACKED * n_features * figures.neighbors[max(RADII)] * figures.n_atoms
    if size <= MOST_PACKED:
        return 100.0, "all have forces"
    return max(1.0, math.floor(100 * MOST_PACKED / size)), "the gradients of all do not fit into usual memory"
