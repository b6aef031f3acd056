"""A trained potential: energies and forces of structures. Needs neither torch nor stored gradients.

structure ─> environments ─> features ─> networks ─> atomic energies
                                 dE/dG <────┘
                                   └─> one sweep over the neighbours ─> forces, virial
"""

from __future__ import annotations

import functools
import itertools
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aenet_py.descriptors import behler, chebyshev, contraction, legacy, moments
from aenet_py.descriptors.common import CoincidenceError
from aenet_py.descriptors.model import Model, check_environments, model, species_of
from aenet_py.errors import AenetError, AenetWarning, InputError
from aenet_py.formats import potential as potential_format
from aenet_py.formats import potential_files
from aenet_py.formats.potential import PotentialFile
from aenet_py.inputs import repulsion as repulsion_inputs
from aenet_py.inputs.repulsion import Repulsion
from aenet_py.neighbors.search import Environments, environments
from aenet_py.potentials import repulsion
from aenet_py.runtime.accelerate import Kernel, MakeArray, scratch
from aenet_py.runtime.constants import LANES
from aenet_py.runtime.workers import shared
from aenet_py.structure import Structure, as_structure

if TYPE_CHECKING:
    from ase import Atoms

_evaluate = Kernel("aenet_py.potentials.kernels:evaluate")
_through_moments = Kernel("aenet_py.potentials.kernels:through_moments")
_features_through_moments = Kernel("aenet_py.potentials.kernels:features_through_moments")
PART, MOST_PARTS = 512, 16  # atoms whose forces are summed together, at least, and the number of such parts
_OF_FEATURES = ("work", "places", "ends", "filled", "accumulators", "radial", "moments", "sums")  # scratch arrays
RANGE_MARGIN = 1.0e-8  # of a feature's range: rounding is no extrapolation


@dataclass(frozen=True)
class PackedNetworks:
    """Networks of all species as the kernels take them, one row per species.

    Parameters
    ----------
    layers
        (n,) number of layers.
    nodes, functions
        (n, most layers) nodes without bias, and activation, of each layer.
    starts
        (n,) where the weights of each species begin in `weights`.
    weights
        (n_weights,) of all networks.
    means, factors, low, high
        (n, most features) normalisation and range of the features.
    energy
        (n, 3) scale, shift and atomic energy, eV.
    constant
        (n,) number of features without a scale, because they hardly vary in the training set.
    """

    layers: np.ndarray
    nodes: np.ndarray
    functions: np.ndarray
    starts: np.ndarray
    weights: np.ndarray
    means: np.ndarray
    factors: np.ndarray
    low: np.ndarray
    high: np.ndarray
    energy: np.ndarray
    constant: tuple[int, ...]

    @functools.cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """All but constant, by name: these are arguments of the kernels."""
        return {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}

    @functools.cached_property
    def by_lanes(self) -> dict[str, np.ndarray]:
        """The networks as `network_kernels.network` takes them."""
        names = ("layers", "nodes", "functions", "starts", "weights", "energy")
        normal = np.stack([self.means, self.factors, self.low, self.high], axis=1)
        return {**{name: getattr(self, name) for name in names}, "normal": normal}

    def scratch_by_lanes(self, make: MakeArray = scratch) -> dict[str, np.ndarray]:
        """Scratch arrays for these, by the names that kernels give them; make : gives the memory."""
        width, most = self.means.shape[1] * LANES, self.most_values * LANES
        return {"chain": make("chain", 4 * most).reshape(4, most), "values": make("features", width)}

    @functools.cached_property
    def most_values(self) -> int:
        """Values of all layers of the largest network."""
        return int(self.nodes.sum(axis=1).max()) + 1


@dataclass(frozen=True)
class Prediction:
    """Energies, forces and features of a structure.

    Parameters
    ----------
    atomic_energies
        (n_atoms,) eV, including the energies of the free atoms.
    atomic_references
        (n_atoms,) eV, energies of the free atoms.
    forces
        (n_atoms, 3) eV/Å.
    virial
        (3, 3) eV, derivative of the energy with respect to strain.
    outside
        (n_atoms,) number of features outside the range of the training set.
    features
        (n_atoms, largest number of features).
    environments
        Positions and neighbours; the neighbours are valid until this thread evaluates the next structure.
    """

    atomic_energies: np.ndarray
    atomic_references: np.ndarray
    forces: np.ndarray
    virial: np.ndarray
    outside: np.ndarray
    features: np.ndarray
    environments: Environments

    @property
    def energy(self) -> float:
        """Total energy, eV, atoms summed in their order (get_energy in predict)."""
        total = 0.0
        for value in self.atomic_energies.tolist():
            total = total + value
        return total

    @property
    def cohesive_energy(self) -> float:
        """Energy minus that of the free atoms, eV."""
        total = 0.0
        for value, reference in zip(self.atomic_energies.tolist(), self.atomic_references.tolist(), strict=True):
            total = total + value - reference
        return total


@dataclass(frozen=True)
class Potential:
    """Trained networks of all species, which give energies and forces.

    Use `load` to create one.

    Parameters
    ----------
    types
        Species.
    files
        Content of the potential files, in the same order.
    model
        Descriptors of the species.
    networks
        The networks, as the kernels take them.
    legacy_angular
        Whether angles are expanded as in ænet before 2.0.4.
    repulsion
        What is added to the networks at short distances, if their set-ups say so.

    Examples
    --------
    >>> from aenet_py import Potential
    >>> potential = Potential.load("fixtures/golden/cluster-cuau-h2o/train-forces-adamw/expected")
    >>> prediction = potential.energy_forces("fixtures/golden/cluster-cuau-h2o/xsf/s001.xsf")
    >>> prediction.forces.shape
    (15, 3)
    """

    types: tuple[str, ...]
    files: tuple[PotentialFile, ...]
    model: Model
    networks: PackedNetworks
    legacy_angular: bool = False
    repulsion: Repulsion | None = None

    @classmethod
    def load(cls, paths: potential_files.Given, legacy_angular: bool | None = None) -> Potential:
        """Read the potentials of all species.

        Parameters
        ----------
        paths
            A mapping from species to file (``.nn`` or ``.nn.ascii``), or a folder with a potential for each species.
        legacy_angular
            Whether the potentials were trained by ænet before 2.0.4, which expanded angles differently
            (docs/predict.md).  None decides from the averages of their features.

        Returns
        -------
        Potential
            Its species are in the order of the mapping, or of the files in the folder.

        Raises
        ------
        AenetError
            If a file is not a potential or is for another species, or if the potentials do not belong together.

        Warns
        -----
        AenetWarning
            If the potentials were trained by ænet before 2.0.4, or if the averages contradict `legacy_angular`.
        """
        if not isinstance(legacy_angular, bool | np.bool_ | None):
            raise AenetError(f"legacy_angular={legacy_angular!r}: choose True, False or None")
        paths = potential_files.files_of(paths)
        if not paths:
            raise AenetError("no potentials given; give one per species")
        files = tuple(potential_format.read(path) for path in paths.values())
        types = tuple(paths)
        for symbol, path, file in zip(types, paths.values(), files, strict=True):
            if file.setup.atom_type.strip() != symbol:
                raise InputError(path, f"this potential is for {file.setup.atom_type!r}; expected one for {symbol!r}")
            if file.network.nodes[-1] != 1:
                raise InputError(path, f"found {file.network.nodes[-1]} outputs of the network; expected 1")
            if symbol not in file.training.types:
                raise InputError(path, f"found no atomic energy of {symbol}; expected it among those of the training")
        _check_types(types, list(paths.values()), files)
        atomic_energies = [
            file.training.atomic_energies[file.training.types.index(t)] for t, file in zip(types, files, strict=True)
        ]
        of_path = {path: (file.setup, file.statistics) for path, file in zip(paths.values(), files, strict=True)}
        is_legacy, message = legacy.choose(of_path, legacy_angular)
        setups, trained = [file.setup for file in files], files[0].training.types
        together = model(types, atomic_energies, setups, is_legacy, trained)
        for reason in together.basis.refused.values():
            raise AenetError(reason)
        if message is not None:
            warnings.warn(message, AenetWarning, stacklevel=2)
        wanted = repulsion_inputs.of_setups(setups)
        return cls(types, files, together, _networks(files, atomic_energies), is_legacy, wanted)

    def energy_forces(
        self, structure: Structure | Atoms | str | os.PathLike[str], forces: bool = True, in_order: bool = False,
        threads: int = 1,
    ) -> Prediction:  # fmt: skip
        """Energies, forces and virial of a structure, with the neighbours that predict.x finds.

        Parameters
        ----------
        structure
            Structure to evaluate: ase.Atoms, a Structure, or the path of a file, which `read` reads; the last structure
            of the file counts.
        forces
            Whether forces and virial are wanted; both are zero otherwise.
        in_order
            Whether to sum in the order of predict.x, so that the last bits agree.
        threads
            Number of threads that compute the forces of a large structure, unless in order; the results do not depend
            on it.

        Returns
        -------
        Prediction
            Energies in eV, forces in eV/Å, virial in eV.

        Raises
        ------
        InputError
            For an unknown species, coinciding atoms or a flat cell.
        """
        if isinstance(structure, str | os.PathLike):
            from aenet_py.formats.read import read  # programs that read their structures themselves start faster

            structure = read(structure, index=-1)
        structure = as_structure(structure)
        types = species_of(self.model, structure)
        around = environments([structure], self.model.r_min, self.model.r_max, as_predict=True)
        check_environments(self.model, [structure], types, around)
        try:
            return self.evaluate(types, around, forces, in_order, threads)
        except CoincidenceError as error:
            raise InputError(structure.path, str(error), structure.line_of(error.atom)) from None

    def forces_together(self, structures: Sequence[Structure]) -> list[Prediction]:
        """As `energy_forces` of each structure, faster for many small ones; not for every potential (`tables`).

        The neighbours that it found are valid until this thread evaluates the next structure.
        """
        basis, tables = self.model.basis, self.tables
        if tables is None or not isinstance(basis, chebyshev.ChebyshevBasis):
            raise AenetError("this potential evaluates structures one by one")
        types = np.concatenate([species_of(self.model, structure) for structure in structures])
        around = environments(structures, self.model.r_min, self.model.r_max, as_predict=True)
        check_environments(self.model, structures, types, around)
        found = through_moments(basis, tables, self.networks, types, around)
        starts = around.starts.tolist()
        return [
            self._with_repulsion(prediction, types[begin:end])
            for prediction, (begin, end) in zip(found, itertools.pairwise(starts), strict=True)
        ]

    @functools.cached_property
    def tables(self) -> moments.Tables | None:
        """Constants of the moments; None where features do not come from them."""
        basis = self.model.basis
        return moments.tables(basis) if isinstance(basis, chebyshev.ChebyshevBasis) and moments.applies(basis) else None

    @property
    def needs_positions(self) -> bool:
        """Whether environments must hold the positions of neighbours."""
        return self.model.descriptor is behler

    def check_order(self) -> None:
        """AenetError if the energy depends on the order of neighbours, which simulations do not keep."""
        if self.tables is None and self.model.descriptor is not behler:
            reason = "an angular cutoff above the radial one makes its energy depend on the order of neighbours"
            raise AenetError(f"{reason}; use another potential (predict.x can evaluate this one)")

    def types_of(self, symbols: Sequence[str]) -> np.ndarray:
        """Index into `types` of each symbol, (n,) int64; AenetError for one that a network does not know."""
        places = {symbol: place for place, symbol in enumerate(self.types)}
        unknown = sorted(map(str, set(symbols) - set(places)))
        if unknown:
            raise AenetError(f"no potential for {' '.join(unknown)}; the potentials are for {' '.join(places)}")
        present = sorted({places[symbol] for symbol in symbols})
        for center in present:
            for other in present:
                if self.model.basis.unknown[center, other]:
                    raise AenetError(f"the potential of {self.types[center]} does not know {self.types[other]}")
        return np.array([places[symbol] for symbol in symbols], dtype=np.int64)

    def evaluate(
        self, types: np.ndarray, environments: Environments, forces: bool = True, in_order: bool = False,
        threads: int = 1,
    ) -> Prediction:  # fmt: skip
        """As `energy_forces`, of environments that are known.

        Parameters
        ----------
        types
            (n_atoms,) integers, index of each atom's species in `types`.
        environments
            Of one structure, or of its first atoms alone: energies, virial and features are then of these, and forces,
            of all atoms, are the derivatives of their energy.
        forces
            As for `energy_forces`.
        in_order
            As for `energy_forces`.
        threads
            As for `energy_forces`.

        Returns
        -------
        Prediction
            As of `energy_forces`.

        Raises
        ------
        CoincidenceError
            If two atoms coincide.
        AenetError
            If types and environments do not belong together.
        """
        types = self._checked_types(types, environments)
        n_centers = int(environments.starts[-1])
        basis, networks, references = self.model.basis, self.networks, self.networks.energy[types[:n_centers], 2]
        if forces and not in_order and self.tables is not None and isinstance(basis, chebyshev.ChebyshevBasis):
            found = through_moments(basis, self.tables, networks, types, environments, threads)[0]
            return self._with_repulsion(found, types)
        features = self.model.descriptor.features(basis, types, environments)
        energies, slopes, outside = evaluate_networks(networks, types[:n_centers], features, forces)
        if forces:
            values, virial = contraction.forces(
                self.model, types, environments, slopes, networks.factors, networks.energy
            )
        else:
            values, virial = np.zeros((len(types), 3)), np.zeros((3, 3))
        found = Prediction(energies, references, values, virial, outside, features, environments)
        return self._with_repulsion(found, types, forces)

    def features(self, types: np.ndarray, environments: Environments, threads: int = 1) -> np.ndarray:
        """Features (n_atoms, most features) of a structure, as `evaluate` returns them; arguments and errors of it."""
        basis, constants = self.model.basis, self.tables
        if constants is None or not isinstance(basis, chebyshev.ChebyshevBasis):
            return self.evaluate(types, environments, threads=threads).features
        types = self._checked_types(types, environments)
        n, networks = int(environments.starts[-1]), self.networks
        features, centers = np.zeros((n, networks.means.shape[1])), np.argsort(types[:n], kind="stable")

        def work(begin: int, end: int) -> int:
            scratches = moments.scratch_of(constants, len(basis.types), environments.most_neighbors)
            return _features_through_moments(
                begin=begin, end=end, centers=centers, types=types, **environments.neighbors, cutoffs=basis.cutoffs,
                orders=basis.orders, species=basis.weights, recurrence=constants.recurrence, norms=constants.norms,
                expansion=constants.expansion, nodes=networks.nodes, values=networks.scratch_by_lanes()["values"],
                features=features, **{name: scratches[name] for name in _OF_FEATURES},
            )  # fmt: skip

        failed = shared(work, [(start, min(start + PART, n)) for start in range(0, n, PART)], threads)
        if failed:
            raise CoincidenceError(environments.starts, failed - 1)
        return features

    @functools.cached_property
    def repulsion_table(self) -> np.ndarray | None:
        """The repulsion of each pair of species, as kernels take it; None without any."""
        return None if self.repulsion is None else repulsion.table(self.repulsion, self.types)

    def _with_repulsion(self, found: Prediction, types: np.ndarray, forces: bool = True) -> Prediction:
        """A prediction of the networks with the repulsion, added to its arrays; forces : whether they are wanted."""
        if self.repulsion_table is not None:
            values, virial = (found.forces, found.virial) if forces else (np.empty((len(types), 3)), np.empty((3, 3)))
            repulsion.add(self.repulsion_table, types, found.environments, found.atomic_energies, values, virial)
        return found

    def _checked_types(self, types: np.ndarray, environments: Environments) -> np.ndarray:
        types = np.ascontiguousarray(types)
        if types.dtype.kind not in "iu" or types.ndim != 1:
            raise AenetError("types must be integers, (n_atoms,), that index the species")
        types = types.astype(np.int64, copy=False)
        if len(types) and types.view(np.uint64).max() >= len(self.types):  # negative ones are huge
            raise AenetError(f"types must be 0 to {len(self.types) - 1}, not {types.min()} to {types.max()}")
        n_atoms = max(int(environments.starts[-1]), int(environments.index.max(initial=-1)) + 1)
        if len(environments.starts) != 2 or len(types) < n_atoms:
            given = f"{len(types)} types, environments of {len(environments.starts) - 1} structures and {n_atoms} atoms"
            raise AenetError(f"one structure and a type for each of its atoms are needed, not {given}")
        if self.needs_positions and len(environments.vectors) < 7:
            raise AenetError("environments lack the positions of neighbours; search them with with_positions=True")
        return types


def evaluate_networks(
    networks: PackedNetworks, types: np.ndarray, features: np.ndarray, slopes: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Atomic energies (n,), slopes (n, most features), features out of range (n,).

    slopes : whether those of the networks' output by their normalised input are wanted.
    """
    n, width = features.shape
    energies, outside = np.empty(n), np.empty(n, dtype=np.int64)
    derivatives = np.empty((n if slopes else 0, width))
    most_nodes = int(networks.nodes.max())
    _evaluate(
        types=types, features=features, **networks.arrays, values=scratch("values", networks.most_values),
        slopes_of=scratch("slopes", networks.most_values),
        products=scratch("products", 2 * most_nodes * width).reshape(2, most_nodes, width), energies=energies,
        slopes=derivatives, outside=outside,
    )  # fmt: skip
    return energies, derivatives, outside


def excess(networks: PackedNetworks, types: np.ndarray, features: np.ndarray) -> np.ndarray:
    """How far the farthest feature of each atom lies outside its range in the training set.

    Features that do not vary in the training set do not count, as the networks ignore them.

    Parameters
    ----------
    networks
        Networks of all species, with the ranges of their features.
    types
        (n_atoms,) species of each atom.
    features
        (n_atoms, most features) feature values.

    Returns
    -------
    numpy.ndarray
        (n_atoms,) excess in widths of the range; 0 within the range.
    """
    width = networks.high - networks.low
    inverse = np.divide(1.0, width, out=np.zeros_like(width), where=(networks.factors > 0) & (width > 0))
    beyond = np.maximum(networks.low[types] - features, features - networks.high[types]) * inverse[types]
    return np.maximum(beyond.max(axis=1), 0.0)


def through_moments(
    basis: chebyshev.ChebyshevBasis,
    constants: moments.Tables,
    networks: PackedNetworks,
    types: np.ndarray,
    environments: Environments,
    threads: int = 1,
) -> list[Prediction]:
    """As `Potential.evaluate` of each structure, at a cost linear in the neighbours of an atom.

    The sums of a single structure are those of parts of its atoms, whatever the number of threads.
    """
    n, n_structures, width = int(environments.starts[-1]), len(environments.starts) - 1, networks.means.shape[1]
    features, energies, outside = np.zeros((n, width)), np.empty(n), np.empty(n, dtype=np.int64)
    size = max(PART, -(-n // MOST_PARTS)) if n_structures == 1 else n
    parts = [(start, min(start + size, n)) for start in range(0, max(n, 1), max(size, 1))]
    owners = np.repeat(np.arange(n_structures), np.diff(environments.starts))
    by_type = [start + np.argsort(types[start:end], kind="stable") for start, end in parts]
    centers = np.concatenate(by_type)
    forces, virials = np.empty((len(parts), len(types), 3)), np.empty((len(parts), n_structures, 3, 3))

    def work(number: int, begin: int, end: int) -> int:
        return _through_moments(
            begin=begin, end=end, centers=centers, owners=owners, bases=environments.starts[:-1], types=types,
            **environments.neighbors, cutoffs=basis.cutoffs, orders=basis.orders, species=basis.weights,
            recurrence=constants.recurrence, norms=constants.norms, expansion=constants.expansion,
            **networks.by_lanes, **networks.scratch_by_lanes(),
            **moments.scratch_of(constants, len(basis.types), environments.most_neighbors),
            features=features, energies=energies, outside=outside, forces=forces[number], virials=virials[number],
        )  # fmt: skip

    failed = shared(work, [(number, *part) for number, part in enumerate(parts)], threads)
    if failed:
        raise CoincidenceError(environments.starts, failed - 1)
    total, virial = forces[0], virials[0]
    for number in range(1, len(parts)):
        total += forces[number]
        virial += virials[number]
    references = networks.energy[types[:n], 2]
    if n_structures == 1:
        return [Prediction(energies, references, total, virial[0], outside, features, environments)]
    found = []
    for number, (begin, end) in enumerate(itertools.pairwise(environments.starts.tolist())):
        own, around = slice(begin, end), environments.view(number)
        found.append(
            Prediction(
                energies[own], references[own], total[own], virial[number], outside[own], features[own], around
            )
        )  # fmt: skip
    return found


def _check_types(types: tuple[str, ...], paths: list[str], files: tuple[PotentialFile, ...]) -> None:
    """AenetError where the potentials were trained on sets with other species or other atomic energies."""
    first = files[0].training
    for path, file in zip(paths[1:], files[1:], strict=True):
        if sorted(file.training.types) != sorted(first.types):
            own, expected = " ".join(file.training.types), " ".join(first.types)
            raise InputError(path, f"trained with the species {own}; expected {expected}, those of {paths[0]}")
    missing = [t for t in types if t not in first.types]
    if missing:
        raise AenetError(f"{paths[0]}: not trained with {' and '.join(missing)}")


def _networks(files: tuple[PotentialFile, ...], atomic_energies: list[float]) -> PackedNetworks:
    n, layers = len(files), np.array([len(file.network.nodes) for file in files], dtype=np.int64)
    width = max(file.setup.n_features for file in files)
    nodes, functions = np.zeros((n, layers.max()), dtype=np.int64), np.zeros((n, layers.max()), dtype=np.int64)
    means, factors, low, high = np.zeros((n, width)), np.zeros((n, width)), np.zeros((n, width)), np.zeros((n, width))
    energy = np.empty((n, 3))
    constant = []
    for row, file in enumerate(files):
        statistics, size = file.statistics, file.setup.n_features
        nodes[row, : layers[row]] = file.network.nodes
        functions[row, 1 : layers[row]] = file.network.activations
        means[row, :size] = statistics.mean
        factors[row, :size] = statistics.factors
        constant.append(size - int(np.count_nonzero(factors[row])))
        margin = RANGE_MARGIN * (np.abs(statistics.low) + np.abs(statistics.high))
        low[row, :size], high[row, :size] = statistics.low - margin, statistics.high + margin
        energy[row] = 1.0 / file.training.scale, file.training.shift, atomic_energies[row]
    weights = [file.network.weights for file in files]
    return PackedNetworks(
        layers=layers,
        nodes=nodes,
        functions=functions,
        starts=np.concatenate([[0], np.cumsum([len(w) for w in weights])[:-1]]).astype(np.int64),
        weights=np.concatenate(weights),
        means=means,
        factors=factors,
        low=low,
        high=high,
        energy=energy,
        constant=tuple(constant),
    )
