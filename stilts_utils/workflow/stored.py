"""Runs that are stored in `results/<study>` and up to date are taken as done, so that a study adds up over machines and days.

A taken run has its tables, its record and a page that says where it comes from, and no checkpoints: what needs one trains it.
"""

import json
from pathlib import Path

import nbformat
import pandas as pd

from stilts_utils import ROOT
from stilts_utils.study import whole
from stilts_utils.study.study import Run, Study
from stilts_utils.tables import files, harmless, jobs, manifest, provenance
from stilts_utils.workflow import status


def take(study: Study) -> list[str]:
    """Take what is stored and up to date, and say so: lines for whoever started the study.

    A run that was run here stays. A stored one that is out of date is named, with the reasons. Raises RecordError if stored
    tables are not those that were stored.
    """
    folder = ROOT / "results" / study.name
    if not (records := status.stored(study)):
        return []
    about = provenance.read(folder)
    manifest.check(folder, about["tables"], provenance.again(folder, about))
    if about.get("harmless") and not harmless.declared(study.folder):
        harmless.declare(study.folder, about["harmless"])
    taken, outdated = [], {}
    for state in status.states(study):
        if state.run.key not in records or status.ended(study, state.run):
            continue
        if state.done:
            _restore(study, state.run, records[state.run.key], folder)
            taken.append(state.run.key)
        else:
            outdated.setdefault(state.reasons, []).append(state.run.key)
    lines = [
        f"stored and out of date, so they run again: {', '.join(keys)}, because of {status.why(reasons)}"
        for reasons, keys in outdated.items()
    ]
    if taken:
        where = "; ".join(sorted({_place(records[key]) for key in taken}))
        lines.insert(0, f"taken from {folder.relative_to(ROOT)}, stored and up to date: {len(taken)} runs ({where})")
    return lines


def _place(record: dict) -> str:
    machine = record["machine"]
    return f"{machine['cpu']} on {record['date']}, commit {record['commit']}"


def _restore(study: Study, run: Run, record: dict, results: Path) -> None:
    """Write a run's tables and record into the study's folder; the notebook, by which it counts as ended, comes last."""
    folder = study.folder / run.key
    with whole.folder(folder) as made:
        tables = made / "tables"
        for name, rows in record["tables"].items():
            frame = files.of_run(name, run.key, results)
            if len(frame) > rows:
                raise files.RecordError(
                    f"{results}: table {name} has {len(frame)} rows of {run.key}, and {rows} were made"
                )
            files.write(name, frame if len(frame) else [], tables)
        own = {name: value for name, value in record.items() if name != "tables"}
        (tables / provenance.RUN).write_text(json.dumps(own, indent=1) + "\n", encoding="utf8")
        if run.phase == "4_inference":
            (tables / provenance.TIMED).write_text(json.dumps(own, indent=1) + "\n", encoding="utf8")
        cost = files.of_run("jobs", run.key, results)
        if len(cost):
            jobs.write(cost.iloc[0], made)
        nbformat.write(_page(run, record), made / "notebook.ipynb")


def _page(run: Run, record: dict) -> nbformat.NotebookNode:
    """A page in place of the executed notebook, which is not stored."""
    rows = pd.DataFrame({"table": list(record["tables"]), "rows": list(record["tables"].values())})
    text = (
        f"# {run.key}: a stored run\n\nThis run was not made here. Its tables were stored by an earlier one with the same "
        f"identity, {record['digest']}: {_place(record)}.\n\n{rows.to_markdown(index=False)}"
    )
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])
