"""Every table of a study at once, of one that was timed and of one that was not."""

from pathlib import Path

import pandas as pd

from stilts_utils.tables import completeness, files, jobs, manifest, provenance, schema
from stilts_utils.tables.errors import RecordError


def read(folder: Path | str, about: dict | None = None) -> dict[str, pd.DataFrame]:
    """Table name -> frame, of the runs below a folder. `about` is their provenance, if it was read already.

    A study without a provenance of timings may lack the tables of `schema.UNTIMED`, which are then empty. Raises RecordError
    if another table is missing, if there are timings without a provenance, if a file is not the one that was written, or if
    there are not the rows that the study's facts ask for.
    """
    folder, about = Path(folder), about or provenance.read(folder)
    timed, runs, then = provenance.timed(about), provenance.run_folders(folder, about), provenance.again(folder, about)
    if provenance.is_stored(folder):
        check_digests(folder, about, then)
    else:
        manifest.check_runs(runs, then)
    tables = {
        name: files.read(name, *runs, optional=not timed and name in schema.UNTIMED)
        for name in schema.TABLES
        if name != "jobs"
    }
    if not timed and len(tables["timings"]):
        raise RecordError(
            f"{folder}: table timings has rows, and there is no {provenance.TIMED} to say when and where they were timed"
        )
    completeness.check(about, tables, str(folder), then)
    return tables | {"jobs": jobs.read(folder)}


def check_digests(folder: Path, about: dict, then: str) -> None:
    """The tables of stored results are those of their provenance. Raises RecordError."""
    if not about.get("tables"):
        add = f"if they are right, `python -m stilts_utils.tables.store --digests {folder}` adds them"
        raise RecordError(f"{folder / provenance.FILE}: tables has no digests; {add}; else {then}")
    manifest.check(folder, about["tables"], then)
