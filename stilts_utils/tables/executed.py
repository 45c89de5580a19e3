"""Executed notebooks: without what is no result, and small enough to be stored with a study's tables.

Of every phase and arm one run is stored, that of the longest duration with the first seed: `results/<study>/notebooks`.
"""

import json
from pathlib import Path

from stilts_utils import ROOT

FOLDER = "notebooks"  # below a folder of stored results
PAGE = "notebook.ipynb"  # in the folder of a run
FINDINGS = "5_findings"
DEFAULTS, USED, HIDDEN = "parameters", "injected-parameters", "remove-cell"  # tags of cells
LONGEST_TEXT, LARGEST_OUTPUT, LARGEST = 4_000, 40_000, 300_000  # characters of an output; bytes of a study's notebooks
KINDS = ("image/svg+xml", "image/png", "text/html", "text/plain")  # of the forms of an output the first is kept


def cleaned(notebook: dict) -> dict:
    """A notebook as a page to read: the parameters that were used without the defaults, and no warnings or progress bars."""
    cells = [cell for cell in notebook["cells"] if HIDDEN not in tags(cell)]
    if any(USED in tags(cell) for cell in cells):
        cells = [cell for cell in cells if DEFAULTS not in tags(cell)]
    kernel = {
        name: notebook["metadata"][name] for name in ("kernelspec", "language_info") if name in notebook["metadata"]
    }
    return {**notebook, "metadata": kernel, "cells": [_cell(cell) for cell in cells]}


def tags(cell: dict) -> list[str]:
    return cell.get("metadata", {}).get("tags", [])


def text_of(value: str | list[str]) -> str:
    """Text of a source or an output, which notebooks store as one or as lines."""
    return "".join(value)


def _cell(cell: dict) -> dict:
    kept = {name: value for name, value in cell["metadata"].items() if name in ("tags", "mystnb")}
    cell = {**cell, "metadata": kept}
    if cell["cell_type"] != "code":
        return cell
    if USED in kept.get("tags", ()):
        cell["source"] = text_of(cell["source"]).removeprefix("# Parameters\n")
    outputs = [_output(output) for output in cell["outputs"]]
    return {**cell, "outputs": [output for output in outputs if output]}


def _output(output: dict) -> dict | None:
    """An output in one form alone; None for what is no result."""
    if "data" in output:
        kind = next((kind for kind in KINDS if kind in output["data"]), None)
        return kind and {**output, "metadata": {}, "data": {kind: output["data"][kind]}}
    return None if output.get("name") == "stderr" or "\r" in text_of(output.get("text", "")) else output


def write(folder: Path, about: dict, stored: Path, out: Path) -> None:
    """Write the notebooks of a study's runs that are to be stored: `out`/<phase>/<run>.ipynb.

    A run that was taken from stored results has no notebook of its own: that of `stored` stays, if there is one.
    """
    pages = {}
    for key in [*chosen(about), FINDINGS]:
        name = f"{key}.ipynb"
        for file in (folder / key / PAGE, stored / name):
            page = json.loads(file.read_text(encoding="utf8")) if file.is_file() else {"cells": []}
            if any(cell["cell_type"] == "code" for cell in page["cells"]):
                pages[name] = smaller(page, LARGEST_OUTPUT)
                break
    if sum(map(len, pages.values())) > LARGEST:
        pages = {name: smaller(json.loads(text), LONGEST_TEXT) for name, text in pages.items()}
    for name, text in pages.items():
        file = out / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf8")


def chosen(about: dict) -> list[str]:
    """The runs of a provenance of which the notebooks are stored: one of every phase and arm."""
    found: dict[tuple, str] = {}
    given = about.get("parameters") or {}
    for key in sorted(
        about["runs"], key=lambda key: (-given.get(key, {}).get("duration", 0), about["runs"].index(key))
    ):
        found.setdefault((key.split("/")[0], given.get(key, {}).get("intermediate")), key)
    return [key for key in about["runs"] if key in found.values()]


def smaller(notebook: dict, largest: int) -> str:
    """The text of a cleaned notebook in which no output is too long."""
    notebook = cleaned(notebook)
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            where = output.get("data", output)
            for kind in set(where) & {*KINDS, "text"}:
                text, limit = text_of(where[kind]), LONGEST_TEXT if kind.startswith("text") else largest
                if kind == "text/html":
                    limit = largest
                if len(text) > limit:
                    where[kind] = f"{text[:limit]} …" if kind in ("text", "text/plain") else ""
        cell |= {"outputs": [_named(output) for output in cell["outputs"]]} if "outputs" in cell else {}
    return json.dumps(notebook, ensure_ascii=False, indent=0).replace(f"{ROOT}/", "") + "\n"


def _named(output: dict) -> dict:
    """An output, or a line that names the one that was left out."""
    lost = [kind for kind, text in output.get("data", {}).items() if not text]
    text = f"left out of this stored page, to keep it small: {', '.join(lost)}"
    return {"output_type": "stream", "name": "stdout", "text": text} if lost else output
