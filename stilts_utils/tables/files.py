"""Tidy tables: their schemas, and how they are checked, written and read.

A run writes its tables into its own folder, one Parquet file a table; everything downstream reads tables only.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow.dataset import dataset

from stilts_utils.study import whole
from stilts_utils.study.place import KEPT
from stilts_utils.tables import manifest
from stilts_utils.tables.errors import RecordError as RecordError
from stilts_utils.tables.schema import OPTIONAL, REAL, TABLES, TEXT, Table

OF_RUN = "of_run"  # column of stored results: the run that a row is of


def _check_columns(name: str, columns) -> None:
    known, columns = TABLES[name].columns, [column for column in columns if column != OF_RUN]
    if set(columns) != set(known):
        missing, extra = [c for c in known if c not in columns], [c for c in columns if c not in known]
        raise RecordError(f"table {name}: columns missing: {missing}, not in the schema: {extra}")


def _schema(table: Table, nullable: bool) -> pa.Schema:
    return pa.schema([pa.field(column, kind, nullable=nullable) for column, kind in table.columns.items()])


def check(name: str, frame: pd.DataFrame) -> pa.Table:
    """Check a frame against a table's schema and return it as Arrow. Raises RecordError naming column and value."""
    if name not in TABLES:
        raise RecordError(f"table is {name!r}, allowed: {', '.join(TABLES)}")
    table, key = TABLES[name], list(TABLES[name].key)
    _check_columns(name, frame.columns)
    try:
        rows = pa.Table.from_pandas(frame[list(table.columns)], schema=_schema(table, True), preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise RecordError(f"table {name}: {error}") from error
    _check_values(name, rows)
    repeated = frame[frame.duplicated(key)]
    if len(repeated):
        raise RecordError(f"table {name}: repeated key {repeated.iloc[0][key].to_dict()}")
    return rows.cast(_schema(table, nullable=False))


def _with_added(name: str, rows: pa.Table) -> pa.Table:
    """Rows of older files with the values of the columns that they lack."""
    for column, value in TABLES[name].added.items():
        rows = rows.set_column(rows.schema.get_field_index(column), column, rows[column].fill_null(value))
    return rows


def _check_values(name: str, rows: pa.Table) -> None:
    """No value is empty, infinite or out of range."""
    for column, kind in TABLES[name].columns.items():
        values = rows[column]
        if values.null_count or (kind == REAL and pc.any(pc.is_nan(values)).as_py()):
            raise RecordError(f"table {name}: column {column} has empty values")
        if kind == REAL and pc.any(pc.is_inf(values)).as_py():
            raise RecordError(f"table {name}: column {column} is infinite, allowed: finite numbers")
    for column, (low, high) in TABLES[name].ranges.items():
        least, most = (pc.min_max(rows[column])[end].as_py() for end in ("min", "max"))
        if len(rows) and not low <= least <= most <= high:
            outside = least if least < low else most
            raise RecordError(f"table {name}: column {column} is {outside}, allowed: {low} to {high}")


def _in_order(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """A table's rows in the order of its key. Raises RecordError if two have the same."""
    key = list(TABLES[name].key)
    frame = frame.sort_values(key, ignore_index=True)
    rows = np.arange(1, len(frame))
    for column in reversed(key):  # the last one differs most: few rows are left to compare in the others
        values = frame[column]
        rows = rows[np.asarray(values.take(rows).array == values.take(rows - 1).array, dtype=bool)]
    if len(rows):
        raise RecordError(f"table {name}: repeated key {frame.loc[rows[0], key].to_dict()}")
    return frame


def save(name: str, rows: pd.DataFrame | list[dict], folder: Path | str) -> Path:
    """Check rows and write them to `folder/name.parquet`, whole or not at all; with `OF_RUN`, if they have it."""
    if not isinstance(rows, pd.DataFrame):
        rows = pd.DataFrame(rows, columns=None if rows else list(TABLES[name].columns))
    table = check(name, rows)
    if OF_RUN in rows:
        table = table.append_column(OF_RUN, pa.array(rows[OF_RUN], TEXT))
    path = Path(folder) / f"{name}.parquet"
    with whole.file(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")
    return path


def write(name: str, rows: pd.DataFrame | list[dict], folder: Path | str) -> Path:
    """`save`, and say so in the folder's `tables.json`."""
    path = save(name, rows, folder)
    manifest.record(path)
    return path


def of_run(name: str, key: str, folder: Path) -> pd.DataFrame:
    """The rows of one run in a table of stored results."""
    paths = [path for path in sorted(folder.rglob(f"{name}.parquet")) if OF_RUN in pq.read_schema(path).names]
    if not paths:
        return _schema(TABLES[name], nullable=False).empty_table().to_pandas()
    stored = dataset(
        paths, schema=_schema(TABLES[name], nullable=True).append(pa.field(OF_RUN, TEXT)), format="parquet"
    )
    return stored.to_table(columns=list(TABLES[name].columns), filter=pc.field(OF_RUN) == key).to_pandas()


def read(name: str, *folders: Path | str, optional: bool = False) -> pd.DataFrame:
    """All rows of a table below some folders, in a fixed order; none of an optional table that no run has written.

    Parts that a run keeps are not read again beside its tables.
    `optional`: the table may be missing here, though others need it. Raises RecordError when it is missing and may not be.
    """
    found = ((folder, path) for folder in folders for path in Path(folder).rglob(f"{name}.parquet"))
    paths = sorted(path for folder, path in found if KEPT not in path.relative_to(folder).parts)
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
            older = [column for column in TABLES[name].added if column not in fragment.physical_schema.names]
            _check_columns(name, [*fragment.physical_schema.names, *older])
        rows = _with_added(name, stored.to_table())
    except (OSError, pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        where = ", ".join(map(str, folders[:3]))
        fault = " ".join(str(error).split())
        raise RecordError(f"table {name}: {fault}; restore it below {where}, or run the study again") from error
    _check_values(name, rows)
    return _in_order(name, rows.to_pandas())
