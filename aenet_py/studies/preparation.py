"""What precedes fine-tuning: subsets, choices of settings, pre-training, direct application."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from aenet_py.analysis import figures
from aenet_py.analysis.pages import MARKERS, Block, Drawing, Key, Section, Table
from aenet_py.studies import looks, wording
from aenet_py.studies.looks import Look
from aenet_py.studies.read import DESCRIPTOR, ERRORS, TEST, TRAIN, Rows, Study

COUNTS = {
    "structures": ("all", "o"),
    "with_Cu": ("with Cu", "s"),
    "with_Au": ("with Au", "^"),
    "with_both": ("both", "D"),
}
LABELS = {  # of the columns of screening.csv: titles in tables, and in legends
    "features": ("features", "{} features"), "radial_cutoff_A": ("radial cutoff, Å", "{} Å radial"),
    "radial_order": ("radial order", "order {}"), "angular_cutoff_A": ("angular cutoff, Å", "{} Å angular"),
    "angular_order": ("angular order", "angular order {}"), "optimizer": ("optimizer", "{}"),
    "rate": ("learning rate", "rate {}"), "decay": ("weight decay", "decay {}"), "alpha": ("alpha", "alpha {}"),
}  # fmt: skip
SCREENED = {  # by study: title, columns of its settings, and those that may be the horizontal axis, the first first
    "descriptor": ("Choice of the descriptor", DESCRIPTOR, ("features", "radial_order", "angular_order")),
    "optimizer": ("Choice of optimizer, rate and weight decay", ("optimizer", "rate", "decay"), ("rate", "decay")),
    "alpha": ("Choice of the weight of forces, alpha", ("alpha",), ("alpha",)),
}  # fmt: skip
QUANTITIES = (("energy", looks.ENERGY), ("force", looks.FORCE))
LETTERS = 300  # of a list of species that is shown in full


def data(study: Study, ways: Mapping[str, Look]) -> Section | None:
    """The subsets of the database: sizes and species."""
    rows = study["subsets"]
    if not len(rows):
        return None
    rows = rows.at(np.argsort([list(ways).index(name) for name in rows["subset"].tolist()]))
    shown = [name for name in COUNTS if rows.has(name)]
    cells = [
        [name, *(wording.count(float(value)) for value in counts), str(len(species.split()) or ""), _some(species)]
        for name, species, *counts in zip(rows["subset"], rows["species"], *(rows[name] for name in shown), strict=True)
    ]
    titles = ["structures" if name == "structures" else COUNTS[name][0] for name in shown]
    table = Table(["subset", *titles, "elements", "symbols"], cells, sentences=True)

    def panel(ax: Any) -> None:
        for name in shown:
            values = rows[name]
            ax.plot(np.arange(len(values)), values, COUNTS[name][1], color=figures.COLORS[6], markersize=5)
        looks.names(ax, rows["subset"].tolist())
        ax.set(ylabel="structures")
        figures.from_zero(ax)

    keys = [Key(COUNTS[name][0], figures.COLORS[6], "", COUNTS[name][1]) for name in shown]
    drawn = Drawing("subsets", "Structures of each subset of the database.", [panel], keys)
    return Section("Data for pre-training", [table, drawn] if len(shown) > 1 else [table])


def _some(species: str) -> str:
    """Symbols, as many as fit."""
    return species if len(species) <= LETTERS else species[:LETTERS].rpartition(" ")[0] + " ..."


def screening(study: Study) -> list[Section]:
    """Test errors against the settings of the descriptor and of the training."""
    return [made for name in SCREENED if (made := _screened(study["screening"].where(study=name), name)) is not None]


def _screened(rows: Rows, name: str) -> Section | None:
    if not rows.has(*ERRORS):
        return None
    title, columns, axes = SCREENED[name]
    columns = tuple(each for each in columns if _known(rows, each))
    varied = [each for each in columns if len(rows.distinct(each)) > 1]
    along = next((each for each in axes if each in varied), None)
    groups = {each: rows.where(**dict(zip(columns, each, strict=True))) for each in _settings(rows, columns)}
    blocks: list[Block] = [_lowest(groups, columns, varied)]
    if along is not None:
        blocks.append(_curves(rows, name, along, _series(rows, along, varied)))
    blocks.append(_table(groups, columns))
    return Section(title, blocks)


def _settings(rows: Rows, columns: Sequence[str]) -> list[tuple]:
    """Distinct combinations of the values of columns."""
    return list(dict.fromkeys(zip(*(rows[each].tolist() for each in columns), strict=True)))


def _known(rows: Rows, column: str) -> bool:
    values = rows[column]
    return bool((values != "").all()) if values.dtype.kind == "U" else bool(np.isfinite(values).all())


def _series(rows: Rows, along: str, varied: Sequence[str]) -> list[str]:
    """Columns that tell the lines of a figure apart: what is varied beside the axis and what it follows from."""
    others = [each for each in varied if each not in (along, "features")]
    fewer = [each for each in others if not each.endswith("_order")]
    if along == "features" and len(_settings(rows, (along, *fewer))) == len(_settings(rows, varied)):
        return fewer  # the orders follow from the number of features
    return others


def _lowest(groups: Mapping[tuple, Rows], columns: Sequence[str], varied: Sequence[str]) -> str:
    """Which settings have the lowest errors."""
    parts = []
    for (quantity, _), column, unit in zip(QUANTITIES, ERRORS, ("meV/atom", "meV/Å"), strict=True):
        means = {each: wording.average(rows[column]) for each, rows in groups.items()}
        best = min((each for each in means if means[each] == means[each]), key=means.__getitem__)
        chosen = {name: value for name, value in zip(columns, best, strict=True) if name in varied}
        parts.append(f"{quantity} {wording.shown(means[best])} {unit} ({_label(chosen) or 'the only settings'})")
    return f"Lowest mean errors of the test set: {', '.join(parts)}."


def _label(settings: Mapping[str, str | float]) -> str:
    return ", ".join(LABELS[name][1].format(_word(value)) for name, value in settings.items())


def _word(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _curves(rows: Rows, name: str, along: str, series: Sequence[str]) -> Drawing:
    """Errors along a setting, a line for each combination of the others."""
    combinations = _settings(rows, series) if series else [()]
    lines = _looks_of(combinations)
    logarithmic = looks.is_wide(rows[along])

    def panel(ax: Any, column: str, label: str) -> None:
        for combination, marker, color in lines:
            some = rows.where(**dict(zip(series, combination, strict=True)))
            x = sorted(some.distinct(along))
            means = [wording.average(some.where(**{along: value})[column]) for value in x]
            ax.plot(x, means, marker=marker, color=color, markersize=5, linewidth=1)
            if len(some) > len(x):
                ax.plot(some[along], some[column], marker, color=color, markersize=3, alpha=0.4)
        figures.values_run(ax, rows.distinct(along), logarithmic)
        ax.set(xlabel=LABELS[along][0], ylabel=label)
        looks.from_lowest(ax, rows[column])

    panels = [functools.partial(panel, column=c, label=label) for c, (_, label) in zip(ERRORS, QUANTITIES, strict=True)]
    keys = [
        Key(_label(dict(zip(series, some, strict=True))), color, "-", marker) for some, marker, color in lines if series
    ]
    seeds = " Small points: single seeds." if len(rows) > len(_settings(rows, (along, *series))) else ""
    return Drawing(f"screening-{name}", f"Errors of the test set, means over seeds.{seeds}", panels, keys)


def _looks_of(combinations: Sequence[tuple]) -> list[tuple[tuple, str, str]]:
    """Each combination with a marker and a colour: the colour for its first value, the marker for the others."""
    first, others = (list(dict.fromkeys(each[part] for each in combinations)) for part in (slice(1), slice(1, None)))
    markers, single = list(MARKERS), len(others) == 1
    found = []
    for each in combinations:
        color = first.index(each[:1])
        marker = color if single else others.index(each[1:])
        found.append((each, markers[marker % len(markers)], figures.COLORS[color % len(figures.COLORS)]))
    return found


def _table(groups: Mapping[tuple, Rows], columns: Sequence[str]) -> Table:
    """Mean errors for all settings."""
    timed = any(rows.has("seconds") for rows in groups.values())
    head = [*(LABELS[each][0] for each in columns), "runs", "energy, meV/atom", "force, meV/Å"] + ["time, s"] * timed
    cells = [
        [*map(_word, each), str(len(rows)), *(wording.mean(rows[column]) for column in (*ERRORS, *["seconds"] * timed))]
        for each, rows in groups.items()
    ]
    return Table(head, cells)


def pretraining(study: Study, ways: Mapping[str, Look]) -> Section | None:
    """Errors of the potentials trained on the database, and how they fell."""
    rows = study["pretraining"]
    blocks: list[Block] = []
    if rows.has(*TEST):
        trained = rows.has(*TRAIN)
        parts = (TRAIN, TEST) if trained else (TEST,)
        subsets = looks.in_order(rows.distinct("subset"), ways)
        some = {name: rows.where(subset=name) for name in subsets}
        head = ["subset", "structures", *_heads(["training", "test"] if trained else ["test"]), "time, s"]
        columns = [column for part in parts for column in part]
        cells = [
            [name, wording.count(wording.average(each["structures"])), *(wording.mean(each[c]) for c in columns),
             wording.mean(each["seconds"])]
            for name, each in some.items()
        ]  # fmt: skip
        blocks.append(Table(head, cells))

        def panel(ax: Any, which: int, label: str) -> None:
            for part, hollow in ((TEST, False), *([(TRAIN, True)] if trained else [])):
                groups = {name: each[part[which]] for name, each in some.items()}
                looks.dots(ax, groups, ways, {name: np.full(len(each), hollow) for name, each in groups.items()})
            ax.set(ylabel=label)
            figures.from_zero(ax)

        keys = looks.keys(subsets, ways)
        keys += [Key("test", "#222", "", "o"), Key("training", "#222", "", "o", hollow=True)] if trained else []
        panels = [functools.partial(panel, which=k, label=label) for k, (_, label) in enumerate(QUANTITIES)]
        blocks.append(Drawing("pretraining", "Errors after pre-training.", panels, keys))
    curves = [name for name in study["curves"].distinct("training") if name.startswith("pretraining ")]
    blocks += learning(study, "pretraining", {name: name.removeprefix("pretraining ") for name in curves}, ways)
    return Section("Pre-training", blocks) if blocks else None


def _heads(parts: Sequence[str]) -> list[str]:
    return [
        f"{quantity}, {part}, {unit}"
        for part in parts
        for quantity, unit in (("energy", "meV/atom"), ("force", "meV/Å"))
    ]


def learning(study: Study, name: str, trainings: Mapping[str, str], ways: Mapping[str, Look]) -> list[Block]:
    """Learning curves, if there are any; trainings : the way of each training in curves.csv."""
    rows = study["curves"]
    rows = rows.at(np.isin(rows["training"], list(trainings)))
    fallback = Look("#737373", "-", "o")

    def panel(ax: Any, column: str, label: str) -> None:
        for training, way in trainings.items():
            some, look = rows.where(training=training), ways.get(way, fallback)
            order = np.argsort(some["epoch"])
            style = {"color": look.color, "linestyle": look.line, "linewidth": 1, "alpha": 0.85}
            ax.plot(some["epoch"][order], some[column][order], **style)
        ax.set(xlabel="epoch", ylabel=label)
        figures.plain_log_ticks(ax)

    panels = [
        functools.partial(panel, column=column, label=label)
        for column, (_, label) in zip(TEST, QUANTITIES, strict=True)
        if (rows[column] > 0).any()
    ]
    shown = looks.in_order([way for way in dict.fromkeys(trainings.values()) if way in ways], ways)
    keys = [ways[way].key(way) for way in shown]
    return [Drawing(f"learning-{name}", "Errors of the test set by epoch.", panels, keys)] if panels else []


def direct(study: Study, ways: Mapping[str, Look]) -> Section | None:
    """Errors of the pre-trained potentials for the target, without fine-tuning."""
    rows = study["direct"]
    if not rows.has(*ERRORS):
        return None
    subsets, targets = looks.in_order(rows.distinct("subset"), ways), rows.distinct("target")
    cells = [
        [name, *(wording.mean(rows.where(subset=name, target=t)[column]) for t in targets for column in ERRORS)]
        for name in subsets
    ]
    text = "Pre-trained potentials are applied to the target as they are. Their energies are compared up to a constant."

    def panel(ax: Any, column: str, label: str, target: str) -> None:
        looks.dots(ax, {name: rows.where(subset=name, target=target)[column] for name in subsets}, ways)
        ax.set(ylabel=label)
        ax.set_title(target)
        figures.from_zero(ax)

    panels: list[Callable[[Any], None]] = [
        functools.partial(panel, column=column, label=label, target=target)
        for target in targets
        for column, (_, label) in zip(ERRORS, QUANTITIES, strict=True)
    ]
    drawn = Drawing("direct", "Errors without fine-tuning.", panels, looks.keys(subsets, ways), columns=2)
    return Section("Direct application", [text, Table(["subset", *_heads(targets)], cells), drawn])
