"""Structures that can be turned in the browser, by chemiscope's viewer, without a network."""

from __future__ import annotations

import html
import importlib.metadata
import json
import os
from collections.abc import Sequence

from ase import Atoms
from ase.io import iread

from aenet_py.errors import AenetError, in_a_line

NAME = "structures.extxyz"
INSTALL = "pip install 'aenet_py[viewer]'"
SCRIPT = "chemiscope/sphinx/static/chemiscope.min.js"  # of the package, which need not be imported
LICENCES = ("LICENSE", "chemiscope-widget.mjs.LICENSE.txt")
STYLE = """#structures .shown { width: min(100%, 30em); aspect-ratio: 1; position: relative }
#structures button { font: inherit; padding: .2em .7em; margin: .2em .3em .2em 0; cursor: pointer }
#structures button { border: 1px solid #bbb; border-radius: 4px; background: #fff }
#structures button[aria-pressed=true] { background: #0072B2; color: #fff }"""
START = """const data = JSON.parse(document.getElementById("structures-data").textContent);
const buttons = [...document.querySelectorAll("#structures button")];
const note = document.getElementById("structures-note");
const places = {meta: "structures-meta", info: "structures-info", structure: "structures-shown"};
Chemiscope.StructureVisualizer.load(places, data)
  .then(viewer => buttons.forEach((button, k) => button.onclick = () => {
    viewer.select({structure: k, environment: k});
    buttons.forEach(other => other.setAttribute("aria-pressed", other === button));
    note.textContent = button.dataset.caption;
  }), error => note.textContent = "The structures cannot be shown: " + error.message);"""


def section(folder: str) -> str | None:
    """HTML of the structures of a study; None without structures.

    folder : with structures.extxyz, whose frames may have `title` and `caption`.  Without chemiscope, the text says how
    to install it.
    """
    path = os.path.join(folder, NAME)
    if not os.path.exists(path):
        return None
    frames = _frames(path)
    script = _script()
    head = "<h2>Structures</h2>"
    if script is None:
        return f"{head}\n<p>To turn the structures here, install chemiscope ({INSTALL}) and repeat the command.</p>"
    titles = [str(each.info.get("title", f"structure {k}")) for k, each in enumerate(frames, 1)]
    captions = [str(each.info.get("caption", "")) for each in frames]
    pressed = ["true", *["false"] * (len(frames) - 1)]
    buttons = "".join(
        f'<button data-caption="{html.escape(caption)}" aria-pressed="{now}">{html.escape(title)}</button>'
        for title, caption, now in zip(titles, captions, pressed, strict=True)
    )
    data = json.dumps(_dataset(frames)).replace("<", "\\u003c")
    return f"""{head}
<style>{STYLE}</style>
<div id="structures">
<p>Drag to turn, scroll or pinch to zoom.</p>
<div>{buttons}</div>
<div id="structures-shown" class="shown"></div>
<p id="structures-note">{html.escape(captions[0], quote=False)}</p>
<div hidden><div id="structures-meta"></div><div id="structures-info"></div></div>
</div>
<script type="application/json" id="structures-data">{data}</script>
<script type="text/plain">{_licences()}</script>
<script>{script}</script>
<script>{START}</script>"""


def _frames(path: str) -> list[Atoms]:
    try:
        frames = list(iread(path, ":", format="extxyz"))
    except Exception as error:  # ASE has no common class of errors
        raise AenetError(f"{path}: cannot be read: {in_a_line(error)}") from None
    if not frames:
        raise AenetError(f"{path}: contains no structures")
    return frames


def _dataset(frames: Sequence[Atoms]) -> dict[str, object]:
    """Structures in chemiscope's format."""
    structures = []
    for atoms in frames:
        x, y, z = atoms.positions.round(4).T.tolist()
        one = {"size": len(atoms), "names": list(atoms.symbols), "x": x, "y": y, "z": z}
        structures.append({**one, "cell": atoms.cell.array.ravel().tolist()} if atoms.cell.rank == 3 else one)
    settings = {"structure": [{"bonds": True, "spaceFilling": False, "unitCell": True, "keepOrientation": False}]}
    return {"meta": {"name": "structures"}, "structures": structures, "properties": {}, "settings": settings}


def _script() -> str | None:
    """The viewer of an installed chemiscope."""
    try:
        path = importlib.metadata.distribution("chemiscope").locate_file(SCRIPT)
        with open(str(path), encoding="utf-8") as file:
            return file.read().replace("</script", "<\\/script")
    except (importlib.metadata.PackageNotFoundError, OSError):
        return None


def _licences() -> str:
    """Licences of the viewer and of what it contains, which must accompany it."""
    files = importlib.metadata.files("chemiscope") or []
    texts = [path.read_text(encoding="utf-8") for path in files if path.name in LICENCES]
    return "\n".join(texts).replace("</script", "<\\/script")
