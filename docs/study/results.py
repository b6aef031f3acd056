"""Tables of results in CSV files, and the tasks that fill them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from aenet_py.formats import tables

Row = dict[str, Any]
Rows = dict[str, list[Row]]  # by the name of the table


@dataclass(frozen=True, eq=False)
class Task:
    """A row of a table to compute; key : columns that tell it from others.  The function may fill other tables, too."""

    table: str
    key: Mapping[str, Any]
    run: Callable[..., Rows]
    arguments: tuple[Any, ...] = ()

    def __call__(self, given: object) -> Rows:
        return self.run(given, *self.arguments, self.key)


class Results:
    """The tables in a folder, with a row for each task."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._tables: Rows = {}
        for path in sorted(folder.glob("*.csv")):
            with open(path, newline="") as file:
                self._tables[path.stem] = list(csv.DictReader(file))

    def missing(self, tasks: Iterable[Task]) -> list[Task]:
        """Those that have no row yet."""
        return [task for task in tasks if not any(_is(row, task.key) for row in self._tables.get(task.table, []))]

    def add(self, task: Task, found: Rows) -> None:
        """Add rows, in place of older ones of the task; the row of the task itself is written last."""
        for name in sorted(found, key=lambda name: name == task.table):
            new = [{column: _short(value) for column, value in row.items()} for row in found[name]]
            marks = [{column: row[column] for column in (*task.key, "training") if column in row} for row in new[:1]]
            kept = [row for row in self._tables.get(name, []) if not any(_is(row, mark) for mark in marks)]
            self._tables[name] = kept + new
            columns = list(dict.fromkeys(column for row in self._tables[name] for column in row))
            tables.write(str(self.folder / f"{name}.csv"), columns, self._tables[name])


def _is(row: Mapping[str, Any], key: Mapping[str, Any]) -> bool:
    return all(str(row.get(column)) == str(value) for column, value in key.items())


def _short(value: object) -> object:
    return float(f"{value:.6g}") if isinstance(value, float) else value


def compute(tasks: Iterable[Task], given: object, results: Results, n_processes: int) -> None:
    """Compute tasks with what their functions are given first, several at a time."""
    left = list(tasks)
    with ProcessPoolExecutor(n_processes, get_context("spawn")) as pool:
        jobs = {pool.submit(task, given): task for task in left}
        for number, job in enumerate(as_completed(jobs), 1):
            task = jobs[job]
            results.add(task, job.result())
            print(f"{task.table} {number}/{len(left)}: {', '.join(map(str, task.key.values()))}", flush=True)
