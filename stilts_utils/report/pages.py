"""Executed notebooks as pages of the book: headed by their run, with the way through the phases and the pages that use them."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from stilts_utils.tables import executed, provenance

TITLES = {
    "1_pretrained": "Pretrained",
    "2_intermediate": "Intermediate",
    "3_target": "Target",
    "4_inference": "Inference",
    "5_findings": "Findings",
}
LONG_TEXT, LONG_TABLE = 1200, 16  # characters, and rows of a table, from which an output is folded
FOLDED = "hide-output"


def way(phase: str, files: Mapping[str, str] | None = None) -> str:
    """The way through the phases in one line of Markdown, with one marked and links to the others.

    `files`: phase -> its page; a phase without one is not linked. None: the notebooks of the repository.
    """
    if files is None:
        files = {name: f"{name}.ipynb" for name in TITLES}
    steps = []
    for name, title in TITLES.items():
        step = f"{name[0]} {title}"
        linked = f"[{step}]({files[name]})" if name in files else step
        steps.append(f"**{step}**" if name == phase else linked)
    return " → ".join(steps)


def page(notebook: dict, phase: str, run: str, files: Mapping[str, str], used_by: str) -> dict:
    """An executed notebook as a page. `run` is its name, or ""; `used_by`: Markdown links to the pages of its numbers."""
    notebook = executed.cleaned(notebook)
    first, *others = notebook["cells"]
    heading, *rest = executed.text_of(first["source"]).split("\n")
    question = heading.split(":", 1)[1].strip()
    heading = f"# {TITLES[phase]}{f' ({run})' if run else ''}: {question}"
    rest = rest[2:] if len(rest) > 1 and f"**{phase[0]} {TITLES[phase]}**" in rest[1] else rest
    top = [heading, "", way(phase, files), "", f"Its numbers stand in {used_by}.", *rest]
    return {**notebook, "cells": [{**first, "source": "\n".join(top)}, *map(_folded, others)]}


def _folded(cell: dict) -> dict:
    """A cell whose outputs are folded if they are long."""
    if not any(map(_is_long, cell.get("outputs", ()))):
        return cell
    return {**cell, "metadata": cell["metadata"] | {"tags": [*executed.tags(cell), FOLDED]}}


def _is_long(output: dict) -> bool:
    data = {kind: executed.text_of(text) for kind, text in output.get("data", {"text": output.get("text", "")}).items()}
    plain = data.get("text/plain") or data.get("text") or ""
    return len(plain) > LONG_TEXT or data.get("text/html", "").count("<tr") > LONG_TABLE


def of_run(run: Path) -> dict[str, Path]:
    """Run -> its executed notebook, of the folder of a study's runs, in the order of the phases."""
    folders, found = provenance.run_folders(run), {}
    for phase in TITLES:
        of_phase = [folder for folder in folders if folder.parent.name == phase] or [run / phase]
        found |= {folder.relative_to(run).as_posix(): folder / executed.PAGE for folder in of_phase}
    return found


def stored(results: Path) -> dict[str, Path]:
    """Run -> its stored notebook, of stored results; none if they have none."""
    folder = results / executed.FOLDER
    return {file.relative_to(folder).with_suffix("").as_posix(): file for file in sorted(folder.rglob("*.ipynb"))}


def write(notebooks: Mapping[str, Path], root: Path, folder: str, used_by: str) -> list[dict]:
    """Write executed notebooks as pages into `root`/`folder`. Returns their entries in the table of contents.

    Runs are keys such as `3_target/mnli-32-s1`. The first run of a phase holds the others.
    """
    (root / folder).mkdir(parents=True, exist_ok=True)
    first: dict[str, str] = {}  # phase -> the page of its first run
    for key in notebooks:
        first.setdefault(key.split("/")[0], f"{key.replace('/', '-')}.ipynb")
    entries: dict[str, list[dict]] = {}
    for key, path in notebooks.items():
        phase, _, name = key.partition("/")
        target = root / folder / f"{key.replace('/', '-')}.ipynb"
        made = page(json.loads(path.read_text(encoding="utf8")), phase, name, first, used_by)
        target.write_text(json.dumps(made), encoding="utf8")
        shutil.copystat(path, target)  # Sphinx reads again what is newer
        entry = {"file": f"{folder}/{target.stem}", "title": f"{TITLES[phase]} {name}".strip()}
        entries.setdefault(phase, []).append(entry)
    return [{**head, "sections": others} if others else head for head, *others in entries.values()]


def appendix(notebooks: Mapping[str, Path], root: Path, study: str, heading: str, used_by: str) -> dict | None:
    """Write the stored notebooks of a study and a page that lists them. Returns its entry in the table of contents."""
    if not notebooks:
        return None
    folder = f"book/studies/{study}/{executed.FOLDER}"
    entries = write(notebooks, root, folder, used_by)
    links = [f"[{key.partition('/')[2] or 'all runs'}](notebooks/{key.replace('/', '-')}.ipynb)" for key in notebooks]
    rows = [f"| {TITLES[key.split('/')[0]]} | {link} |" for key, link in zip(notebooks, links, strict=True)]
    text = f"# {heading}: notebooks\n\nOne executed notebook of every phase and arm, of those behind {used_by}.\n\n"
    table = "\n".join(["| phase | run |", "|:--|:--|", *rows])
    (root / f"{folder}.md").write_text(f"{text}{table}\n", encoding="utf8")
    return {"file": folder, "sections": entries}
