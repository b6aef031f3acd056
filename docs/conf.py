"""Settings of the documentation site: python -m sphinx -W --keep-going -b html docs build/html."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.writers.html5 import HTML5Translator

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS.parent), str(DOCS)]

import notebooks  # noqa: E402
from links import redirected  # noqa: E402

import aenet_py  # noqa: E402  # of this checkout

project = "aenet_py"
author = "The aenet_py developers"
release = aenet_py.__version__
version = release.split("+")[0]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_argparse_cli",
]
exclude_patterns = ["_*"]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4  # those of GitHub
highlight_language = "text"

autodoc_typehints = "none"  # docstrings give types in words, with shapes and units
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
napoleon_google_docstring = False
default_role = "py:obj"  # `name` in docstrings: a link if it is documented

html_math_renderer = "mathml"  # browsers show it without scripts from elsewhere
html_theme = "furo"
html_show_copyright = False
html_title = f"aenet_py {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]

# Pages of the repository outside docs, and the pages of the site that include them.
INCLUDED = {
    DOCS.parent / "README.md": "index.md",
    DOCS.parent / "CHANGELOG.md": "changelog.md",
    DOCS.parent / "CONTRIBUTING.md": "contributing.md",
    DOCS.parent / "benchmarks" / "README.md": "benchmarks.md",
    DOCS.parent / "benchmarks" / "scaling.md": "scaling.md",
}


def links_of_site(text: str, folder: Path, page: Path) -> str:
    """The Markdown text with its relative links, which count from folder, as page of the site takes them."""

    def link(written: str) -> str:
        target = (folder / written).resolve()
        return os.path.relpath(DOCS / INCLUDED.get(target, target), page.parent)

    return redirected(text, link)


def on_page(_app: Sphinx, name: str, content: list[str]) -> None:
    page = DOCS / name
    content[0] = links_of_site(content[0], page.parent, page)
    if name.startswith("tutorials/"):
        title, rest = content[0].split("\n", 1)
        content[0] = f'{title}\n\n<a href="{page.name}.ipynb" download>This page as a notebook</a>\n{rest}'


def on_built(app: Sphinx, error: Exception | None) -> None:
    if error is None:
        notebooks.write(Path(app.outdir) / "tutorials")


def on_included(_app: Sphinx, path: Path, _name: str, content: list[str]) -> None:
    included = (DOCS / path).resolve()
    content[0] = links_of_site(content[0], included.parent, DOCS / INCLUDED[included])


def inline_math(writer: HTML5Translator, node: nodes.math) -> None:
    writer.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def displayed_math(writer: HTML5Translator, node: nodes.math_block) -> None:
    writer.body.append(f'<div class="math">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    app.add_html_math_renderer("mathml", (inline_math, None), (displayed_math, None))
    app.connect("source-read", on_page)
    app.connect("include-read", on_included)
    app.connect("build-finished", on_built)
