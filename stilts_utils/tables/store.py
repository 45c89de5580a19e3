"""Store the tables of a study as reference results: `python -m stilts_utils.tables.store runs/mini results/mini`.

One Parquet file a table, or one for every target or intermediate task if that would be too large, and the provenance:
all that the findings read.
"""

import json
import sys
from pathlib import Path

import pandas as pd

from stilts_utils.study import whole
from stilts_utils.tables import files, jobs, provenance, schema

LARGEST = 1_000_000  # bytes of a committed file
SPLITS = ("target", "intermediate")  # columns by whose values a larger table is stored apart


def store(folder: Path, out: Path) -> Path:
    """Write every table of a study into one folder, whole or not at all.

    Raises RecordError for a missing table or one too large to be committed.
    """
    with whole.folder(out) as made:
        for name in schema.TABLES:
            frame = jobs.read(folder) if name == "jobs" else files.read(name, *provenance.run_folders(folder))
            _store(name, frame, made)
        about = json.dumps(provenance.read(folder), indent=1)
        (made / provenance.FILE).write_text(about + "\n", encoding="utf8")
    return out


def _store(name: str, frame: pd.DataFrame, folder: Path) -> None:
    size = files.write(name, frame, folder).stat().st_size
    if size <= LARGEST:
        return
    by = next((key for key in SPLITS if key in frame and frame[key].nunique() > 1), None)
    if by is None:
        raise files.RecordError(f"table {name} has {size} bytes, allowed in results: {LARGEST}; store fewer items")
    (folder / f"{name}.parquet").unlink()
    for value, rows in frame.groupby(by):
        _store(name, rows, folder / value)


if __name__ == "__main__":
    print(store(Path(sys.argv[1]), Path(sys.argv[2])))
