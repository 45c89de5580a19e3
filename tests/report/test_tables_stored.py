"""The tables of all stored studies: no larger than a page can show, numbers in one format, all of it as data."""

import re

import pandas as pd
import pytest

from stilts_utils.report import readme
from stilts_utils.report.columns import MOST_COLUMNS, MOST_ROWS, is_number
from stilts_utils.study.settings import CACHE

# What looks like a number and is none as tables write one: a hyphen for a minus, an exponent, an interval with its unit twice.
WRONG = re.compile(r"(?<![\w.\-])-\d|\d(\.\d+)?e[+-]?\d|\[[^\]]* %[^\]]*\]|(?<!\w)(nan|inf)(?!\w)")


@pytest.fixture(scope="module")
def reports():
    """The reports of all stored studies, kept with this checkout: its book is built from the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(CACHE, raising=False)
        return readme.reports()


@pytest.fixture(scope="module")
def tables(reports):
    """(study, table) -> its rows as a page shows them, each a list of cells."""
    return {
        (study, file.stem): [
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in file.read_text(encoding="utf8").splitlines()
        ]
        for study, report in reports.items()
        for file in (report / "generated").glob("*.md")
        if file.read_text(encoding="utf8").startswith("|")  # what has no row is a sentence
    }


def test_no_table_is_larger_than_a_page_can_show(tables):
    assert len(tables) > 60
    assert not [key for key, (head, _, *rows) in tables.items() if len(head) > MOST_COLUMNS or len(rows) > MOST_ROWS]


def test_numbers_are_written_alike_and_stand_to_the_right(tables):
    for key, (_, sides, *rows) in tables.items():
        if key[1] in ("provenance", "runs", "registered", "hypotheses", "floors", "floors_registry", "registry"):
            continue  # texts
        assert not [cell for row in rows for cell in row if WRONG.search(cell)], key
        for place, side in enumerate(sides):
            cells = [row[place] for row in rows]
            if side.endswith(":"):
                assert any(map(is_number, cells)), key
            else:
                assert not all(map(is_number, cells)), (key, cells)


def test_every_table_and_figure_has_its_data(reports):
    for report in reports.values():
        folder = report / "generated"
        shown = {path.stem for path in folder.glob("*.md")} | {
            f"figure_{path.stem.removesuffix('-narrow')}" for path in folder.glob("*.svg")
        }
        data = {path.stem: path for path in folder.glob("*.csv")}
        assert shown - {"figure_pipeline"} <= data.keys()
        for name in ("answer", "quality", "runs", "coverage"):
            assert len(pd.read_csv(data[name])) > 0
