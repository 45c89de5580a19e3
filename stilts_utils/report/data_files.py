"""Stored tables as CSV files, for whoever has no Parquet at hand: in a folder, or in one archive that a page links."""

import zipfile
from pathlib import Path

import pandas as pd

from stilts_utils.study import whole
from stilts_utils.tables import dictionary

DICTIONARY = "dictionary.csv"
ARCHIVE = "tables.zip"  # in a report: the tables of its study
MOST_ROWS = 60_000  # of a table in the archive, which keeps the book small
PLAIN_ROWS = 200_000  # of a table in a folder that is not compressed
MADE = (1980, 1, 1, 0, 0, 0)  # the same tables give the same bytes


def words() -> pd.DataFrame:
    """The data dictionary: a row for every column of every table."""
    return pd.DataFrame(dictionary.every())


def csv(frame: pd.DataFrame) -> str:
    """A frame as CSV, with every digit of its numbers."""
    return frame.to_csv(index=False, lineterminator="\n")


def write(tables: dict[str, pd.DataFrame], folder: Path) -> None:
    """Write every table into a folder, large ones compressed, and the dictionary beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in tables.items():
        if len(frame) > PLAIN_ROWS:
            frame.to_csv(
                folder / f"{name}.csv.gz", index=False, lineterminator="\n", compression={"method": "gzip", "mtime": 1}
            )
        else:
            (folder / f"{name}.csv").write_text(csv(frame), encoding="utf8")
    (folder / DICTIONARY).write_text(csv(words()), encoding="utf8")


def archive(tables: dict[str, pd.DataFrame], path: Path) -> Path:
    """Write the tables that have rows, and not too many, into one archive, with the dictionary; its comment names the large."""
    kept = {f"{name}.csv": frame for name, frame in tables.items() if 0 < len(frame) <= MOST_ROWS} | {
        DICTIONARY: words()
    }
    with whole.file(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as made:
        for name, frame in kept.items():
            made.writestr(zipfile.ZipInfo(name, MADE), csv(frame), zipfile.ZIP_DEFLATED)
        made.comment = " ".join(name for name, frame in tables.items() if len(frame) > MOST_ROWS).encode()
    return path


def left_out(path: Path) -> list[str]:
    """The tables that an archive leaves out because they are large."""
    with zipfile.ZipFile(path) as archive:
        return archive.comment.decode().split()
