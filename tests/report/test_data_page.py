import dataclasses
import json

import pandas as pd

from stilts_utils.report import answer_rows, data_files, data_page
from stilts_utils.tables.schema import TABLES
from tests.report.test_compare import ABOUT, side


def test_every_table_has_a_section_with_all_its_columns():
    text = data_page.words()
    for name, table in TABLES.items():
        section = text.split(f"### `{name}`\n")[1].split("\n### ")[0]
        rows = [line for line in section.splitlines() if line.startswith(("| `", "| **`"))]
        assert [row.split("`")[1] for row in rows] == list(table.columns)
        assert all(row.count("|") == 6 for row in rows)
        assert [row.split("`")[1] for row in rows if row.startswith("| **")] == [
            column for column in table.columns if column in table.key
        ]


def test_a_study_is_downloaded_but_for_its_large_tables(tmp_path, monkeypatch):
    monkeypatch.setattr(data_files, "MOST_ROWS", 2)
    one = side("one", ABOUT | {"title": "A | <b>", "real": True})
    said = {"about": one.about, "rows": [dataclasses.asdict(row) for row in one.rows.values()]}
    (tmp_path / answer_rows.FILE).write_text(json.dumps(said), encoding="utf8")
    frames = {"scores": pd.DataFrame({"a": [1]}), "items": pd.DataFrame({"a": [1, 2, 3]})}
    data_files.archive(frames, tmp_path / data_files.ARCHIVE)
    *_, row = data_page.downloads({"one": tmp_path}, "studies/{}".format).splitlines()
    assert row == "| A &#124; \\<b> (`one`) | XTREME-R | [CSV, 0.0 MB](studies/one/tables.zip) | `items` |"
