"""A reader's table from tidy rows, as a list of its columns: what a page shows of them, and the rows themselves as data."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from operator import attrgetter

import pandas as pd

from stilts_utils.analysis.verdict import NOT_MEASURED
from stilts_utils.report import languages
from stilts_utils.report.escape import cell
from stilts_utils.report.formats import decimal, interval

# The source of a column's cells: a column of the rows, shown as it is; (column, function that writes a value, its further
# arguments); or a function of a row.
Source = str | tuple | Callable[..., object]
SETTING: dict[str, Source] = {"Engine": "engine", "Batch": "batch_size"}
LANGUAGE: dict[str, Source] = {"Language": ("language", languages.named)}

MOST_COLUMNS, MOST_ROWS = 7, 20  # of a table on a page
# A number as every table writes it, with its unit and its interval: `−0.3 % [−0.7, +0.2]`.
_ONE = r"[+−]?\d[\d,]*(\.\d+)?"
NUMBER = re.compile(rf"(≥ )?{_ONE}( %)?( \[{_ONE}, {_ONE}\]| to {_ONE}( %)?)?")
WORDS = ("", "–", "none", "none in common", "not measured", "reference")  # what stands where a number is missing


@dataclass(frozen=True)
class Table:
    """`shown`: what a page shows, at most 7 columns and 20 rows; `data`: all rows and columns, tidy and in full precision.

    `rest`: which part of the data is shown, if not all of it. `said`: the sentence that stands for a table with nothing in it.
    Raises ValueError for a table that is too large for a page.
    """

    shown: pd.DataFrame
    data: pd.DataFrame
    rest: str = ""
    said: str = ""

    def __post_init__(self) -> None:
        rows, columns = self.shown.shape
        if columns > MOST_COLUMNS or rows > MOST_ROWS:
            raise ValueError(
                f"a table has {rows} rows and the columns {list(self.shown)}, allowed: {MOST_ROWS} rows and {MOST_COLUMNS} "
                "columns; show a part of it and say which in `rest`"
            )


def table(
    rows: pd.DataFrame | Iterable,
    columns: dict[str, Source],
    show: pd.DataFrame | None = None,
    rest: str = "",
    data: pd.DataFrame | None = None,
) -> Table:
    """The rows under new headings. `columns`: heading -> source; rows may be objects instead of a frame, too.

    `show`: the rows that a page shows, if not all, and `rest` which these are. More than a page may show are cut. `data`: what
    is downloaded, if not the rows.
    """
    rows = rows if isinstance(rows, pd.DataFrame) else list(rows)
    shown = written(rows if show is None else show, columns)
    if data is None:
        data = rows if isinstance(rows, pd.DataFrame) else shown
    rest = rest if show is not None and len(show) != len(rows) else ""
    if len(shown) > MOST_ROWS:
        rest = (
            f"{rest}, the first {MOST_ROWS} of {len(shown)} rows"
            if rest
            else f"the first {MOST_ROWS} of {len(shown)} rows"
        )
        shown = shown.head(MOST_ROWS)
    return Table(shown, data, rest)


def stated(text: str, data: pd.DataFrame | None = None) -> Table:
    """A sentence that stands for a table."""
    return Table(pd.DataFrame(), pd.DataFrame() if data is None else data, said=text)


ABSENT = stated("Not measured in this study, or of timings that cannot be used.")


def absent(tables: dict[str, Table], text: str) -> dict[str, Table]:
    """The tables, of which those without a row say this text."""
    return {name: replace(one, said=one.said or text) if one.shown.empty else one for name, one in tables.items()}


def written(rows: pd.DataFrame | list, columns: dict[str, Source]) -> pd.DataFrame:
    """The cells of rows under new headings."""
    rows = rows.itertuples() if isinstance(rows, pd.DataFrame) else rows
    cells = [_cell(source) for source in columns.values()]
    # Of objects: markup of ours is a kind of text, which a column of text would not keep.
    return pd.DataFrame([[cell(row) for cell in cells] for row in rows], columns=list(columns), dtype=object)


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


def measured(source: Source) -> Source:
    """The column, with '–' in rows whose verdict is that nothing was measured."""
    cell = _cell(source)
    return lambda row: "–" if row.verdict == NOT_MEASURED else cell(row)


def yes(holds: bool) -> str:
    return "yes" if holds else "no"


def usable(fault: str) -> str:
    """`fault`: the fault of a timing, "" if it has none."""
    return f"no: {fault}" if fault else "yes"


def longest(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the longest duration."""
    return rows[rows.duration == rows.duration.max()]


def is_number(text: object) -> bool:
    """Whether a cell is a number, as tables write one."""
    return bool(NUMBER.fullmatch(str(text)))


def numeric(cells: pd.Series) -> bool:
    """Whether a column of cells holds numbers, and nothing else but a word where one is missing."""
    texts = cells.astype(str)
    return texts.map(is_number).any() and all(is_number(text) or text in WORDS for text in texts)


def markdown(frame: pd.DataFrame) -> str:
    """A frame as one Markdown table whose cells are text, numbers to the right; an empty one as a sentence."""
    if frame.empty:
        return "There is nothing to list.\n"
    sides = ["right" if numeric(frame.iloc[:, place]) else "left" for place in range(frame.shape[1])]
    written = frame.map(cell).rename(columns=cell)
    return written.to_markdown(index=False, disable_numparse=True, colalign=sides) + "\n"
