"""Tidy tables: their schemas, and how they are checked, written and read.

A run writes its tables into its own folder, one Parquet file a table; everything downstream reads tables only.
"""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.dataset import dataset

from stilts_utils.study import whole
from stilts_utils.tables.schema import OPTIONAL, TABLES, Table


class RecordError(ValueError):
    """A table does not fit its schema, or is missing."""


def _check_columns(name: str, columns) -> None:
    known = TABLES[name].columns
    if set(columns) != set(known):
        missing, extra = [c for c in known if c not in columns], [c for c in columns if c not in known]
        raise RecordError(f"table {name}: columns missing: {missing}, not in the schema: {extra}")


def _schema(table: Table, nullable: bool) -> pa.Schema:
    return pa.schema([pa.field(column, kind, nullable=nullable) for column, kind in table.columns.items()])


def check(name: str, frame: pd.DataFrame) -> pa.Table:
    """Check a frame against a table's schema and return it as Arrow. Raises RecordError naming column and value."""
    if name not in TABLES:
        raise RecordError(f"table is {name!r}, allowed: {', '.join(TABLES)}")
    table = TABLES[name]
    _check_columns(name, frame.columns)
    frame = frame[list(table.columns)]
    for column in table.columns:
        if frame[column].isna().any():
            raise RecordError(f"table {name}: column {column} has empty values")
    try:
        checked = pa.Table.from_pandas(frame, schema=_schema(table, nullable=False), preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise RecordError(f"table {name}: {error}") from error
    for column, (low, high) in table.ranges.items():
        outside = frame.loc[~frame[column].between(low, high), column]
        if len(outside):
            raise RecordError(f"table {name}: column {column} is {outside.iloc[0]}, allowed: {low} to {high}")
    repeated = frame[frame.duplicated(list(table.key))]
    if len(repeated):
        raise RecordError(f"table {name}: repeated key {repeated.iloc[0][list(table.key)].to_dict()}")
    return checked


def write(name: str, rows: pd.DataFrame | list[dict], folder: Path | str) -> Path:
    """Check rows and write them to `folder/name.parquet`, whole or not at all."""
    if not isinstance(rows, pd.DataFrame):
        rows = pd.DataFrame(rows, columns=None if rows else list(TABLES[name].columns))
    table = check(name, rows)
    path = Path(folder) / f"{name}.parquet"
    with whole.file(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")
    return path


def read(name: str, *folders: Path | str, optional: bool = False) -> pd.DataFrame:
    """All rows of a table below some folders, in a fixed order; none of an optional table that no run has written.

    `optional`: the table may be missing here, though others need it. Raises RecordError when it is missing and may not be.
    """
    paths = sorted(path for folder in folders for path in Path(folder).rglob(f"{name}.parquet"))
    if not paths and (optional or name in OPTIONAL):
        return _schema(TABLES[name], nullable=False).empty_table().to_pandas()
    if not paths:
        where = ", ".join(map(str, folders[:3]))
        raise RecordError(f"table {name}: no {name}.parquet below {where}; run `make study` first")
    # A dataset reads thousands of files several times as fast as one call for each; it leaves out columns that it does
    # not know and fills in missing ones, so the columns of every file are compared first.
    stored = dataset(paths, schema=_schema(TABLES[name], nullable=True), format="parquet")
    try:
        for fragment in stored.get_fragments():
            _check_columns(name, fragment.physical_schema.names)
        frame = stored.to_table().to_pandas()
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise RecordError(f"table {name}: {error}") from error
    check(name, frame)
    return frame.sort_values(list(TABLES[name].key), ignore_index=True)
