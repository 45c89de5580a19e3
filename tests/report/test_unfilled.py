import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_utils.report import numbers
from stilts_utils.report.formats import change, decimal, interval, percent, signed
from stilts_utils.report.unfilled import UnfilledError, check_numbers, check_table

pytest_plugins = ["tests.fake_study"]


@pytest.mark.parametrize("text", [None, 3, "+nan %", "3.1 [+nan, +2.0]", "NaN", "<NA>", "after None steps", "NaT"])
def test_a_sentence_with_a_hole_is_named(text):
    with pytest.raises(UnfilledError, match="results of mini: dense_ratio_range is "):
        check_numbers({"name": "mini", "dense_ratio_range": text}, "mini")


@pytest.mark.parametrize("text", ["", "None of 3 settings", "information", "Min-nan", "finance", "3.1 [−inf, +inf]"])
def test_words_are_no_holes(text):
    check_numbers({"sentence": text}, "mini")
    check_table("t", pd.DataFrame({"a": [text]}), "mini")


@pytest.mark.parametrize("cell", [None, np.nan, pd.NA, pd.NaT, "nan", "1.0 [nan, nan]"])
def test_a_cell_with_a_hole_is_named(cell):
    frame = pd.DataFrame({"Steps": [0, 4], "Score": ["1.0", cell]}, dtype=object)
    with pytest.raises(UnfilledError, match="results of mini: table quality, column 'Score', row 2 is "):
        check_table("quality", frame, "mini")


@given(place=st.sampled_from(["x", "low", "high"]), write=st.sampled_from([change, decimal, percent, signed]))
def test_whatever_writes_a_number_its_hole_is_seen(place, write):
    row = pd.Series({"x": 1.0, "low": 0.5, "high": 2.0} | {place: float("nan")})
    for text in (write(row[place]), interval(row, "x", write)):
        with pytest.raises(UnfilledError):
            check_numbers({"x": text}, "mini")


def test_a_table_that_cannot_fill_a_page_stops_its_report(found, tmp_path):
    ratios = found.ratios.assign(ratio=float("nan"))
    with pytest.raises(UnfilledError, match=f"results of {found.study['name']}: "):
        numbers.write(dataclasses.replace(found, ratios=ratios), tmp_path / "report")
    assert not (tmp_path / "report").exists()
