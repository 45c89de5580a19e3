import pandas as pd
import pytest

from stilts_utils.report.columns import MOST_ROWS, Table, is_number, markdown, numeric, table, with_interval
from stilts_utils.report.formats import change, percent


def test_a_column_is_a_name_a_written_value_or_a_function_of_a_row():
    rows = pd.DataFrame({"engine": ["fp32"], "share": [0.1234], "ratio": [0.9], "aa_low": [0.85], "aa_high": [1.0]})
    columns = {
        "Engine": "engine",
        "Share": ("share", percent),
        "Finer": ("share", percent, 2),
        "Ratio": with_interval("ratio", digits=2, ends="aa_"),
        "Change": with_interval("ratio", change, 1, "aa_"),
        "Both": lambda row: f"{row.engine} {row.ratio}",
    }
    assert table(rows, columns).shown.to_dict("records") == [
        {
            "Engine": "fp32",
            "Share": "12.3 %",
            "Finer": "12.34 %",
            "Ratio": "0.90 [0.85, 1.00]",
            "Change": "−10.0 % [−15.0, +0.0]",
            "Both": "fp32 0.9",
        }
    ]


def test_a_table_without_rows_keeps_its_headings():
    assert table((), {"Engine": "engine"}).shown.columns.tolist() == ["Engine"]


def test_more_rows_than_a_page_may_show_are_cut_and_all_are_data():
    rows = pd.DataFrame({"n": range(30)})
    made = table(rows, {"N": "n"})
    assert (len(made.shown), len(made.data), made.rest) == (MOST_ROWS, 30, f"the first {MOST_ROWS} of 30 rows")
    picked = table(rows, {"N": "n"}, rows[rows.n > 25], "the largest")
    assert (picked.shown.N.tolist(), picked.rest) == ([26, 27, 28, 29], "the largest")
    assert table(rows.head(3), {"N": "n"}, rows.head(3), "all").rest == ""


@pytest.mark.parametrize("size", [(21, 1), (1, 8)])
def test_a_table_too_large_for_a_page_is_refused(size):
    frame = pd.DataFrame([["1"] * size[1]] * size[0])
    with pytest.raises(ValueError, match="allowed: 20 rows and 7 columns"):
        Table(frame, frame)


@pytest.mark.parametrize(
    "text", ["−0.3 % [−0.7, +0.2]", "58.1 [55.0, 61.2]", "12", "1,234", "≥ 3.5", "0.1 %", "−1.2 % to +0.3 %", "+91,903"]
)
def test_these_are_numbers(text):
    assert is_number(text)


@pytest.mark.parametrize("text", ["-0.3", "1e-06", "−0.3 % [−0.7 %, +0.2 %]", "12 steps", "0 and 6", "", "–"])
def test_these_are_none(text):
    assert not is_number(text)


def test_numbers_stand_to_the_right_and_words_to_the_left():
    frame = pd.DataFrame({"Task": ["a", "b"], "Score": ["1.0", "–"], "Verdict": ["1.0", "changed"]})
    assert markdown(frame).split("\n")[1].replace("-", "") == "|:|:|:|"
    sides = [cell.strip() for cell in markdown(frame).split("\n")[1].strip("|").split("|")]
    assert [side.endswith(":") for side in sides] == [False, True, False]
    assert not numeric(pd.Series(["", "–"]))
