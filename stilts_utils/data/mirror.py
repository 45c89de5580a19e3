"""Hub data sets from a folder of Parquet files in hub layout: `<folder>/<hub id>/<config>/<split>.parquet`."""

import os
from pathlib import Path

from stilts_utils.tasks import HubRows

VARIABLE = "STILTS_MIRROR"


def folder(root: str | Path | None) -> Path:
    """The mirror's folder: the given one, or that of the environment. Raises ValueError where there is none."""
    found = root or os.environ.get(VARIABLE)
    if not found or not Path(found).is_dir():
        raise ValueError(
            f"mirror is {str(found)!r}, allowed: a folder in hub layout; "
            f"name it as `mirror:` in the study file or in {VARIABLE}, or set `source: hub`"
        )
    return Path(found)


def _file(rows: HubRows, root: str | Path | None) -> Path:
    return folder(root) / rows.hub / rows.config / f"{rows.split}.parquet"


def count(rows: HubRows, root: str | Path | None = None) -> int:
    """How many rows the folder has of a set, of the language that `rows.only` asks for; 0 where it lacks the set."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    file = _file(rows, root)
    if not file.is_file():
        return 0
    if not rows.only:
        return pq.read_metadata(file).num_rows
    ids = pq.read_table(file, columns=[rows.columns["id"]]).column(0)
    return pc.sum(pc.starts_with(ids, rows.only)).as_py() or 0


def read(rows: HubRows, root: str | Path | None = None) -> "datasets.Dataset":  # noqa: F821
    """The set's rows, read into memory: nothing is written to a cache. Raises ValueError naming the file."""
    import pyarrow.parquet as pq
    from datasets import Dataset

    file = _file(rows, root)
    if not file.is_file():
        raise ValueError(f"{rows} is lacking: there is no {file}; add the file, or set `missing: skip` to go without")
    return Dataset(pq.read_table(file))
