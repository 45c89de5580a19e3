"""A sentence, a number or a cell that a results table could not fill stops the book, and is named."""

import re

import pandas as pd

# As Python writes what is missing; "None of ..." is a sentence. An interval may have no end: one process bounds nothing.
UNFILLED = re.compile(r"(?<!\w)(?<!\w-)(?:nan|NaN|NaT|<NA>|None(?! of\b))(?![\w-])")


class UnfilledError(ValueError):
    """A page would show a number that the tables do not have."""


def check_numbers(values: dict[str, str], study: str) -> None:
    """Raises UnfilledError naming the study and the number or sentence, if one is no text or has a hole in it."""
    for name, text in values.items():
        if not isinstance(text, str) or UNFILLED.search(text):
            raise UnfilledError(f"results of {study}: {name} is {text!r}: a table lacks what it is written from")


def check_table(name: str, frame: pd.DataFrame, study: str) -> None:
    """Raises UnfilledError naming study, table, column and row of a cell that is missing or has a hole in it."""
    for column in frame.columns:
        for row, cell in enumerate(frame[column], 1):
            missing = pd.api.types.is_scalar(cell) and pd.isna(cell)
            if missing or UNFILLED.search(str(cell)):
                raise UnfilledError(
                    f"results of {study}: table {name}, column {column!r}, row {row} is {cell!r}: a table of results lacks "
                    "what the cell is written from"
                )
