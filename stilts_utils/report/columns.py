"""A reader's table from tidy rows, as a list of its columns."""

from collections.abc import Callable, Iterable
from operator import attrgetter

import pandas as pd

from stilts_utils.report.escape import cell
from stilts_utils.report.formats import decimal, interval

# The source of a column's cells: a column of the rows, shown as it is; (column, function that writes a value, its further
# arguments); or a function of a row.
Source = str | tuple | Callable[..., object]
SETTING: dict[str, Source] = {"Engine": "engine", "Batch": "batch_size"}


def table(rows: pd.DataFrame | Iterable, columns: dict[str, Source]) -> pd.DataFrame:
    """The rows under new headings. `columns`: heading -> source; rows may be objects instead of a frame, too."""
    rows = rows.itertuples() if isinstance(rows, pd.DataFrame) else rows
    cells = [_cell(source) for source in columns.values()]
    return pd.DataFrame([[cell(row) for cell in cells] for row in rows], columns=list(columns))


def _cell(source: Source) -> Callable[..., object]:
    if isinstance(source, str):
        return attrgetter(source)
    if isinstance(source, tuple):
        name, write, *more = source
        return lambda row: write(getattr(row, name), *more)
    return source


def with_interval(name: str, write: Callable[..., str] = decimal, digits: int = 1, ends: str = "") -> Source:
    """A column of values with their intervals; see `formats.interval`."""
    return lambda row: interval(row, name, write, digits, ends)


def yes(holds: bool) -> str:
    return "yes" if holds else "no"


def usable(fault: str) -> str:
    """`fault`: the fault of a timing, "" if it has none."""
    return f"no: {fault}" if fault else "yes"


def by_language(
    rows: pd.DataFrame,
    index: dict[str, str],
    value: str,
    write: Callable[..., str],
    digits: int,
    languages: Iterable[str],
) -> pd.DataFrame:
    """A column per language with the mean `value`, after the columns of `index` (heading -> column); '–' if there is none.

    Rows come in the order in which they first appear, languages as given; languages without rows are left out.
    """
    wide = rows.pivot_table(index=list(index.values()), columns="language", values=value, sort=False)
    wide = wide[[language for language in languages if language in wide.columns]]
    wide = wide.map(lambda cell: "–" if pd.isna(cell) else write(cell, digits)).reset_index()
    return wide.rename(columns={column: heading for heading, column in index.items()})


def markdown(frame: pd.DataFrame) -> str:
    """A frame as one Markdown table whose cells are text; an empty one as a sentence."""
    if frame.empty:
        return "There is nothing to list.\n"
    return frame.map(cell).rename(columns=cell).to_markdown(index=False, disable_numparse=True) + "\n"
