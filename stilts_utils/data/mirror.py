"""Hub data sets from a folder of Parquet files in hub layout: `<folder>/<hub id>/<config>/<split>.parquet`."""

import os
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
from datasets import Dataset

from stilts_utils.study.source import MIRROR, Source
from stilts_utils.tasks import HubRows


def folder(source: Source) -> Path:
    """The mirror's folder: the source's, or that of the environment. Raises ValueError if there is none."""
    root = source.root or os.environ.get(MIRROR)
    if not root or not Path(root).is_dir():
        raise ValueError(
            f"mirror is {str(root)!r}, allowed: a folder in hub layout; "
            f"name it as `mirror:` in the study file or in {MIRROR}, or set `source: hub`"
        )
    return Path(root)


def _file(rows: HubRows, source: Source) -> Path:
    return folder(source) / rows.hub / rows.config / f"{rows.split}.parquet"


def count(rows: HubRows, source: Source) -> int:
    """How many rows the folder has of a set, in the language that `rows.only` names; 0 if the set is missing."""
    file = _file(rows, source)
    if not file.is_file():
        return 0
    if not rows.only:
        return pq.read_metadata(file).num_rows
    ids = pq.read_table(file, columns=[rows.columns["id"]]).column(0)
    return pc.sum(pc.starts_with(ids, rows.only)).as_py() or 0


def read(rows: HubRows, source: Source) -> Dataset:
    """The set's rows, read into memory: nothing is written to a cache. Raises ValueError naming the file."""
    file = _file(rows, source)
    if not file.is_file():
        raise ValueError(f"{rows} is missing: there is no {file}; add the file, or set `missing: skip` to go without")
    return Dataset(pq.read_table(file))
