"""The page of a transfer-learning study, from the tables with its numbers: one call."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from aenet_py.analysis import figures, pages
from aenet_py.analysis.pages import Drawing, Section
from aenet_py.errors import AenetError
from aenet_py.runtime.output import PendingFile, make_folder
from aenet_py.studies import findings, finetuning, looks, preparation, read, simulations, structures

TITLE = "Transfer learning for CuAu and water"


def report(
    folder: str, output: str, markdown: str | None = None, figure_folder: str | None = None, ending: str = "png",
    advance: Callable[[int], object] = lambda n: None,  # noqa: ARG005
) -> list[str]:  # fmt: skip
    """Write the page of a study.

    Parameters
    ----------
    folder
        With the tables that `aenet_py.studies.read` describes and, optionally, structures.extxyz.
    output
        The page, which needs no other file; an older one is replaced.
    markdown
        File for the same tables as Markdown; None for none.
    figure_folder
        Folder for the figures as files, created if necessary, to which the Markdown refers; None for none.
    ending
        Format of these files: ``"png"``, ``"svg"`` or ``"pdf"``.
    advance
        Called with 1 after each panel that is drawn.

    Returns
    -------
    list of str
        Paths of the files written.

    Raises
    ------
    AenetError
        If the folder has no tables, or files cannot be written.
    InputError
        If a table is invalid.
    """
    if markdown is not None and os.path.realpath(markdown) == os.path.realpath(output):
        raise AenetError(f"{markdown}: the page has the same name; choose another one for the Markdown")
    study = read.read(folder)
    parts = sections(study)
    shown = structures.section(folder)
    drawings = [block for part in parts for block in part.blocks if isinstance(block, Drawing)]
    names = [output, *([markdown] if markdown is not None else [])]
    with contextlib.ExitStack() as stack:
        pending = [stack.enter_context(PendingFile(name)) for name in names]  # fails before anything is drawn
        body = [pages.section(part, advance) for part in parts]
        texts = [pages.page(TITLE, "\n".join([*body, *([shown] if shown else [])]))]
        whole = {each.name: pages.whole(each) for each in drawings} if figure_folder is not None else {}
        if markdown is not None:
            beside = os.path.dirname(markdown) or "."
            start = "" if figure_folder is None else os.path.relpath(figure_folder, beside)
            paths = {name: os.path.join(start, f"{name}.{ending}") for name in whole}
            texts.append(pages.markdown(TITLE, parts, paths))
        saved = []
        if figure_folder is not None:
            make_folder(figure_folder)
            saved = figures.save_all(whole, figure_folder, ending)
        for file, text in zip(pending, texts, strict=True):
            file.write(text.encode())
            file.complete(replace=True)
    return [*names, *saved]


def sections(study: read.Study) -> list[Section]:
    """All sections for which a study has numbers, in the order of the page."""
    ways = looks.looks(study)
    made = [
        findings.section(study), preparation.data(study, ways), *preparation.screening(study),
        preparation.pretraining(study, ways), preparation.direct(study, ways), finetuning.finetuning(study, ways),
        finetuning.parities(study, ways), simulations.stability(study, ways), simulations.temperatures(study, ways),
        simulations.distances(study, ways),
    ]  # fmt: skip
    return [each for each in made if each is not None]
