"""A study's numbers for a paper: its tables as CSV with a data dictionary, and the report's tables and figures.

`python -m stilts_utils.report.export results/mini exports/mini` writes them into a folder, whole or not at all. Other files
that are in the folder are not written over.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from stilts_utils import __version__
from stilts_utils.analysis import findings
from stilts_utils.analysis.findings import Findings
from stilts_utils.report import answer_rows, compare, data_files, latex, numbers, tables
from stilts_utils.report.answer_rows import QUESTIONS
from stilts_utils.report.columns import Table
from stilts_utils.study import whole
from stilts_utils.tables.errors import RecordError

MARK = "export.json"  # says that a folder was written here
PDF = {"pdf.fonttype": 42}  # fonts that can be searched and edited, as journals ask for
README = """# {title}

Written by `make export`, version {version}, from `{source}` (commit {commit}, {date}).

| Folder | What it holds |
|:--|:--|
| `answer.csv` | The rows of the answer: the longest duration with 95 % intervals. |
| `data/` | Every stored table as CSV, large ones as `.csv.gz`. `{dictionary}` says what each column means. |
| `tables/` | The tables of the study's chapter: CSV, and LaTeX for `\\usepackage{{booktabs}}`. |
| `figures/` | The figures of the chapter as PDF. |

Cite the study as its `CITATION.cff` says.
"""


class ExportError(Exception):
    """Nothing can be written to the place that was named."""


def write(found: Findings, source: Path, folder: Path) -> Path:
    """Write a study into a folder, in place of what was written there before.

    Raises ExportError if the folder holds something else.
    """
    if folder.exists() and not (folder / MARK).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise ExportError(
            f"TO is {folder}, which holds other files; allowed: a new folder, an empty one, or a former export"
        )
    about = found.provenance
    stands = {"title": found.study["title"], "commit": about["commit"], "date": about["date"], "version": __version__}
    with whole.folder(folder) as made:
        (made / "README.md").write_text(
            README.format(source=source.as_posix(), dictionary=data_files.DICTIONARY, **stands), encoding="utf8"
        )
        data_files.write(found.tables, made / "data")
        (made / "answer.csv").write_text(data_files.csv(_answer(found)), encoding="utf8")
        rows = Table(_shown(found), _answer(found))
        _write_tables({"rows": rows, **tables.every(found)}, made / "tables", found.study["title"])
        _write_figures(numbers.drawn(found), made / "figures")
        rows = {name: len(frame) for name, frame in found.tables.items()}
        (made / MARK).write_text(json.dumps(stands | {"rows": rows}, indent=1) + "\n", encoding="utf8")
    return folder


def _answer(found: Findings) -> pd.DataFrame:
    """The rows of the answer, with what they say and their unit."""
    rows = pd.DataFrame(answer_rows.rows(found))
    rows.insert(1, "says", [QUESTIONS[name].says for name in rows.question])
    rows.insert(2, "unit", [QUESTIONS[name].unit for name in rows.question])
    return rows


def _shown(found: Findings) -> pd.DataFrame:
    """The rows of the answer as a reader sees them."""
    rows = [answer_rows.Row(**row) for row in answer_rows.rows(found)]
    cells = [(QUESTIONS[row.question].says, compare.effect(row.question, row), row.verdict, row.about) for row in rows]
    return pd.DataFrame(cells, columns=["Longest duration", "Effect [95 %]", "Verdict", "Setting"])


def _write_tables(made: dict[str, Table], folder: Path, title: str) -> None:
    """What a page shows as LaTeX, and all of its data as CSV."""
    folder.mkdir()
    for name, one in made.items():
        if len(one.shown):
            (folder / f"{name}.csv").write_text(data_files.csv(one.data), encoding="utf8")
            caption = f"{title}: {name.replace('_', ' ')}."
            (folder / f"{name}.tex").write_text(
                latex.table(one.shown, caption, name.replace("_", "-")), encoding="utf8"
            )


def _write_figures(drawn: dict[str, Callable[[], Figure]], folder: Path) -> None:
    folder.mkdir()
    for name, draw in drawn.items():
        with matplotlib.rc_context(PDF):
            draw().savefig(folder / f"{name}.pdf", format="pdf", metadata={"CreationDate": None}, facecolor="white")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", help="a folder of tables, such as results/mini", type=Path)
    parser.add_argument("to", help="the folder to write", type=Path)
    arguments = parser.parse_args()
    try:
        made = write(findings.analyse(arguments.source), arguments.source, arguments.to)
    except (ExportError, RecordError, FileNotFoundError) as error:
        print(error)
        return 2
    count = sum(path.is_file() for path in made.rglob("*"))
    print(f"{made}: {count} files, {sum(path.stat().st_size for path in made.rglob('*')) / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
