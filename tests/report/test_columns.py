import pandas as pd

from stilts_utils.report.columns import by_language, table, with_interval
from stilts_utils.report.formats import decimal, percent, relative


def test_a_column_is_a_name_a_written_value_or_a_function_of_a_row():
    rows = pd.DataFrame({"engine": ["fp32"], "share": [0.1234], "ratio": [0.9], "aa_low": [0.85], "aa_high": [1.0]})
    columns = {
        "Engine": "engine",
        "Share": ("share", percent),
        "Finer": ("share", percent, 2),
        "Ratio": with_interval("ratio", digits=2, ends="aa_"),
        "Change": with_interval("ratio", relative, ends="aa_"),
        "Both": lambda row: f"{row.engine} {row.ratio}",
    }
    assert table(rows, columns).to_dict("records") == [
        {
            "Engine": "fp32",
            "Share": "12.3 %",
            "Finer": "12.34 %",
            "Ratio": "0.90 [0.85, 1.00]",
            "Change": "−10.0 [−15.0, +0.0]",
            "Both": "fp32 0.9",
        }
    ]


def test_a_table_without_rows_keeps_its_headings():
    assert table((), {"Engine": "engine"}).columns.tolist() == ["Engine"]


def test_languages_are_columns_in_the_order_given():
    rows = pd.DataFrame({"task": ["b", "b", "a"], "language": ["en", "sw", "sw"], "score": [50.4, 20.0, 30.0]})
    wide = by_language(rows, {"Task": "task"}, "score", decimal, 0, ["sw", "de", "en"])
    assert wide.to_dict("list") == {"Task": ["b", "a"], "sw": ["20", "30"], "en": ["50", "–"]}
