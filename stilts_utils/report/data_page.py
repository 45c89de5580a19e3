"""The page of data: what every column of every stored table means, and archives of the stored studies to download."""

import json
from collections.abc import Callable
from pathlib import Path

from stilts_utils.report import answer_rows, data_files
from stilts_utils.report.escape import cell
from stilts_utils.report.formats import listed
from stilts_utils.tables import dictionary
from stilts_utils.tables.dictionary import Column
from stilts_utils.tables.schema import TABLES


def values(reports: dict[str, Path], place: Callable[[str], str]) -> dict[str, str]:
    """What the page names. `reports`: of the stored studies, as the book has them; `place`: the address of a report's file."""
    return {"dictionary": words(), "downloads_table": downloads(reports, place)}


def words() -> str:
    """A section for every table, in Markdown: what its rows are, and its columns."""
    return "\n\n".join(_section(table) for table in TABLES)


def _section(table: str) -> str:
    lines = [f"### `{table}`", "", f"One row for each {dictionary.ROWS[table]}.", ""]
    lines += ["| Column | Meaning | Type | Unit | Allowed |", "|:--|:--|:--|:--|:--|"]
    return "\n".join([*lines, *map(_row, dictionary.columns(table))])


def _row(column: Column) -> str:
    name = f"**`{column.name}`**" if column.key else f"`{column.name}`"
    cells = (column.says, column.type, column.unit or "–", column.allowed or "–")
    return f"| {name} | {' | '.join(map(cell, cells))} |"


def downloads(reports: dict[str, Path], place: Callable[[str], str]) -> str:
    """A row for every stored study: its archive, and which tables it leaves to the repository."""
    lines = ["| Study | Rows of | Download | Only in the repository |", "|:--|:--|:--|:--|"]
    for name, report in reports.items():
        about = json.loads((report / answer_rows.FILE).read_text(encoding="utf8"))["about"]
        size = (report / data_files.ARCHIVE).stat().st_size
        shown = f"[CSV, {size / 1e6:.1f} MB]({place(name)}/{data_files.ARCHIVE})"
        others = [f"`{table}`" for table in data_files.left_out(report / data_files.ARCHIVE)]
        source = "XTREME-R" if about["real"] else "generated tasks"
        lines.append(f"| {cell(about['title'])} (`{name}`) | {source} | {shown} | {listed(others) or 'none'} |")
    return "\n".join(lines)
