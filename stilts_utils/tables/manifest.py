"""Which tables there are, each with its digest and number of rows: said where they are written, checked where they are read.

A run's folder says it in `tables.json`, beside the tables; stored results say it in their provenance, under `tables`.
"""

import hashlib
import json
from pathlib import Path

import pyarrow.parquet as pq

from stilts_utils.study import whole
from stilts_utils.tables.errors import RecordError

FILE = "tables.json"

Entries = dict[str, dict]  # path below the folder without `.parquet` -> {"sha256": hexadecimal, "rows": count}


def entry(path: Path) -> dict:
    """Digest and number of rows of a table's file."""
    return {"sha256": _digest(path), "rows": pq.read_metadata(path).num_rows}


def of(folder: Path) -> Entries:
    """Entries of all tables below a folder."""
    return {_name(path, folder): entry(path) for path in sorted(folder.rglob("*.parquet"))}


def record(path: Path) -> None:
    """Say in `tables.json` that a table was written."""
    file = path.parent / FILE
    entries = json.loads(file.read_text(encoding="utf8")) if file.is_file() else {}
    with whole.file(file) as temporary:
        temporary.write_text(json.dumps(entries | {path.stem: entry(path)}, indent=1) + "\n", encoding="utf8")


def check(folder: Path, entries: Entries, then: str) -> None:
    """The tables below a folder are those of the entries, byte for byte.

    `then`: what to do about it. Raises RecordError naming the file.
    """
    there = {_name(path, folder): path for path in sorted(folder.rglob("*.parquet"))}
    for name in sorted(there.keys() | entries.keys()):
        file = folder / f"{name}.parquet"
        if name not in there:
            raise RecordError(f"{file} is missing; it had {entries[name]['rows']} rows: {then}")
        if name not in entries:
            raise RecordError(f"{file} has no digest, so that nobody knows whether it is whole: {then}")
        if _digest(file) != entries[name]["sha256"]:
            rows = entries[name]["rows"]
            raise RecordError(f"{file} is not what was written: {_rows(file)}, and {rows} were written: {then}")


def check_runs(folders: list[Path], then: str) -> None:
    """`check` of every folder of tables of some runs. One that has tables and no `tables.json` is refused."""
    patterns = ("*.parquet", FILE)
    for folder in sorted({path.parent for run in folders for pattern in patterns for path in run.rglob(pattern)}):
        file = folder / FILE
        if not file.is_file():
            raise RecordError(f"{file} is missing, so that nobody knows whether the tables are whole: {then}")
        try:
            entries = json.loads(file.read_text(encoding="utf8"))
            check(folder, entries, then)
        except (ValueError, TypeError, KeyError) as error:
            if isinstance(error, RecordError):
                raise
            raise RecordError(f"{file} is broken ({type(error).__name__}: {error}): {then}") from error


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).with_suffix("").as_posix()


def text_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _rows(path: Path) -> str:
    try:
        return f"it has {pq.read_metadata(path).num_rows} rows"
    except (OSError, ValueError):
        return "it is no Parquet file that can be read"
