"""Every table of a study at once, of one that was timed and of one that was not."""

from pathlib import Path

import pandas as pd

from stilts_utils.tables import files, jobs, provenance, schema


def read(folder: Path | str) -> dict[str, pd.DataFrame]:
    """Table name -> frame, of the runs below a folder.

    A study without a provenance of timings may lack the tables of `schema.UNTIMED`, which are then empty. Raises RecordError
    if another table is missing, or if there are timings without a provenance.
    """
    timed, runs = provenance.timed(provenance.read(folder)), provenance.run_folders(folder)
    tables = {
        name: files.read(name, *runs, optional=not timed and name in schema.UNTIMED)
        for name in schema.TABLES
        if name != "jobs"
    }
    if not timed and len(tables["timings"]):
        raise files.RecordError(
            f"{folder}: table timings has rows, and there is no {provenance.TIMED} to say when and where they were timed"
        )
    return tables | {"jobs": jobs.read(folder)}
