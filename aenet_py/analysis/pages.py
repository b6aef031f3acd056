"""Pages without other files: tables, figures and text as HTML, and the same as Markdown."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aenet_py.analysis import figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE = """body { font: 16px/1.5 sans-serif; max-width: 66em; margin: 2em auto; padding: 0 1em; color: #222 }
h2 { margin-top: 2.5em; border-top: 1px solid #ddd; padding-top: .8em }
table { border-collapse: collapse; width: 100%; font-size: .94em } .wide { overflow-x: auto; margin: 1em 0 }
th, td { padding: .3em .6em; text-align: right; border-bottom: 1px solid #ddd } th { font-weight: 600 }
th { vertical-align: bottom } .word { text-align: left }
td { white-space: nowrap } .text td { white-space: normal; vertical-align: top }
@media (max-width: 42em) {
  .text thead { display: none } .text tr, .text td { display: block }
  .text tr { border-bottom: 1px solid #ddd; padding: .5em 0 } .text td { border: 0; padding: .1em 0 }
  .text td:empty { display: none } .text td:first-child { font-weight: 600 }
  .text td + td::before { content: attr(data-head) ": "; color: #666 }
}
svg { max-width: 100%; height: auto } .one > svg { width: 100%; min-width: 44em }
figure { margin: 1.5em 0 } figcaption, summary, .caption { font-size: .9em } details { margin: 1em 0 }
.panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 16em), 1fr)); gap: .5em 1em }
.panels svg { width: 100%; max-width: 20em }
.key { list-style: none; padding: 0; margin: .5em 0; font-size: .85em }
.key li { display: inline-block; margin-right: 1.2em }
.key svg { width: 2em; height: 1em; vertical-align: -.15em }
pre { background: #f4f4f4; padding: 1em; overflow-x: auto }"""
MARKERS = {  # of a key: shapes in a box of 32 by 16, by matplotlib's names
    "o": '<circle cx="16" cy="8" r="4.5" {}/>', "s": '<path d="M12 4h8v8h-8z" {}/>',
    "^": '<path d="M16 3l5 9h-10z" {}/>', "D": '<path d="M16 2.5l5.5 5.5l-5.5 5.5l-5.5 -5.5z" {}/>',
}  # fmt: skip
DASHES = {"-": "", "--": "5 3", ":": "1.5 2.5", "-.": "7 2.5 1.5 2.5"}  # of lines, by matplotlib's names
RESOLUTION = 150  # dots per inch, of points that are drawn as an image
_UNUSED = re.compile(r' id="[A-Za-z0-9.]+_\d+"')  # names of matplotlib's groups, the same in every figure


@dataclass(frozen=True)
class Table:
    """A table of text.

    Parameters
    ----------
    head
        Titles of the columns, with units.
    rows
        A text for each column.
    caption
        What the table shows; empty for none.
    words
        Number of leading columns that are words, not numbers.
    sentences
        Whether all cells are words, which may take several lines.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    words: int = 1
    sentences: bool = False


@dataclass(frozen=True)
class Key:
    """What a colour, line and marker stand for in all panels of a drawing; an empty line or marker is not drawn."""

    label: str
    color: str
    line: str = "-"
    marker: str = ""
    hollow: bool = False


@dataclass(frozen=True)
class Drawing:
    """A figure of one or several panels, which stand side by side where there is room.

    Parameters
    ----------
    name
        Of its file, without the ending.
    caption
        What it shows.
    panels
        Functions that draw on axes of matplotlib.
    keys
        The legend of all panels.
    columns
        Number of panels side by side where there is room.
    folded
        Whether a page shows it only on a click.
    """

    name: str
    caption: str
    panels: Sequence[Callable[[Any], None]]
    keys: Sequence[Key] = ()
    columns: int = 3
    folded: bool = False


Block = str | Table | Drawing


@dataclass(frozen=True)
class Section:
    """A part of a page: paragraphs, tables and drawings below a title."""

    title: str
    blocks: Sequence[Block]


def page(title: str, body: str) -> str:
    """A page that needs no other file; body : HTML."""
    name = html.escape(title, quote=False)
    return f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}</title><style>{STYLE}</style></head>
<body>
<h1>{name}</h1>
{body}
</body>
</html>
"""


def section(content: Section, advance: Callable[[int], object] = lambda n: None) -> str:  # noqa: ARG005
    """HTML of a section; advance : called with 1 for each panel of its drawings."""
    blocks = [_block(block, advance) for block in content.blocks]
    return "\n".join([f"<h2>{html.escape(content.title, quote=False)}</h2>", *blocks])


def _block(block: Block, advance: Callable[[int], object]) -> str:
    if isinstance(block, Table):
        return table(block)
    return drawing(block, advance) if isinstance(block, Drawing) else f"<p>{html.escape(block, quote=False)}</p>"


def table(content: Table) -> str:
    """HTML of a table, which scrolls inside its box where it is too wide."""
    kind = "wide text" if content.sentences else "wide"
    caption = f'<p class="caption">{html.escape(content.caption, quote=False)}</p>\n' if content.caption else ""
    words = len(content.head) if content.sentences else content.words
    head = _cells("th", [cell.replace("/", "/\u2060") for cell in content.head], words)  # units stay in a line
    rows = [_cells("td", row, words, content.head if content.sentences else ()) for row in content.rows]
    inside = "\n".join([f"<thead>{head}</thead><tbody>", *rows])
    return f'{caption}<div class="{kind}"><table>{inside}\n</tbody></table></div>'


def _cells(tag: str, cells: Sequence[str], words: int, head: Sequence[str] = ()) -> str:
    """HTML of a row of a table.

    words : number of leading cells that are aligned to the left; head : titles of the columns for narrow screens, where
    the cells of sentences stand one below the other.
    """
    texts = [html.escape(cell.replace(" = ", "\u00a0=\u00a0"), quote=False) for cell in cells]
    kinds = [' class="word"' if k < words else "" for k in range(len(cells))]
    kinds = (
        [f'{kind} data-head="{html.escape(name)}"' for kind, name in zip(kinds, head, strict=True)] if head else kinds
    )
    return f"<tr>{''.join(f'<{tag}{kind}>{text}</{tag}>' for kind, text in zip(kinds, texts, strict=True))}</tr>"


def drawing(content: Drawing, advance: Callable[[int], object] = lambda n: None) -> str:  # noqa: ARG005
    """HTML of a drawing: an SVG for each panel, and the legend."""
    drawn = []
    for number, draw in enumerate(content.panels):
        made, axes = figures.panels()
        draw(axes[0, 0])
        drawn.append(svg(made, f"{content.name}-{number}"))
        advance(1)
    keys = "".join(f"<li>{_key(key)} {html.escape(key.label, quote=False)}</li>" for key in content.keys)
    legend = f'<ul class="key">{keys}</ul>' if keys else ""
    caption = html.escape(content.caption, quote=False)
    width = f"max-width: {19 * min(content.columns, len(drawn))}em"
    inside = f'{legend}<div class="panels" style="{width}">{"".join(drawn)}</div>'
    if content.folded:
        return f"<details><summary>{caption}</summary><figure>{inside}</figure></details>"
    return f"<figure>{inside}<figcaption>{caption}</figcaption></figure>"


def _key(key: Key) -> str:
    line = f'<path d="M1 8h30" stroke="{key.color}" stroke-width="2.2" stroke-dasharray="{DASHES.get(key.line, "")}"/>'
    inside = f'fill="{"#fff" if key.hollow else key.color}" stroke="{key.color}" stroke-width="1.5"'
    marker = MARKERS[key.marker].format(inside) if key.marker else ""
    return f'<svg viewBox="0 0 32 16" aria-hidden="true">{line if key.line else ""}{marker}</svg>'


def svg(figure: Figure, name: str) -> str:
    """A figure as part of a page; name : different for each figure of a page.

    Its text is text, which the browser's font draws.
    """
    import matplotlib

    figures.finish(figure)
    content = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        empty = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(content, format="svg", metadata=empty, dpi=RESOLUTION)
    text = content.getvalue()
    return _UNUSED.sub("", text[text.index("<svg") :]).replace("<svg", '<svg role="img"', 1)


KEY_LINE = 38  # characters of the legend that fit above a panel


def whole(content: Drawing) -> Figure:
    """All panels of a drawing in one figure, with the legend above."""
    from matplotlib.lines import Line2D

    n_columns = min(len(content.panels), content.columns)
    n_rows = -(-len(content.panels) // n_columns)
    made, axes = figures.panels(n_rows, n_columns)
    for draw, ax in zip(content.panels, axes.flat, strict=False):
        draw(ax)
    for ax in axes.flat[len(content.panels) :]:
        ax.remove()
    lines = [Line2D([], [], label=key.label, **_style(key)) for key in content.keys]
    if lines:
        longest = max(len(key.label) for key in content.keys)
        n_keys = max(1, min(len(lines), n_columns * KEY_LINE // (longest + 6)))
        figures.legend_outside(made, lines, n_keys)
    return made


def _style(key: Key) -> dict[str, Any]:
    face = "white" if key.hollow else key.color
    return {"color": key.color, "linestyle": key.line or "none", "marker": key.marker or None, "markerfacecolor": face}


def markdown(title: str, sections: Sequence[Section], paths: dict[str, str]) -> str:
    """The same as Markdown; paths : of files of drawings by name, of which missing ones are left out."""
    parts = [f"# {title}"]
    for each in sections:
        parts.append(f"## {each.title}")
        for block in each.blocks:
            if isinstance(block, Table):
                parts += [*([block.caption] if block.caption else []), markdown_table(block)]
            elif isinstance(block, str):
                parts.append(block)
            elif block.name in paths:
                parts.append(f"![{block.caption}]({paths[block.name]})")
    return "\n\n".join(parts) + "\n"


def markdown_table(content: Table) -> str:
    """Markdown of a table, without its caption."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (content.head, *content.rows)]
    head, *rows = (f"| {' | '.join(row)} |" for row in cells)
    return "\n".join([head, f"|{' --- |' * len(content.head)}", *rows])
