import pandas as pd
import pytest

from stilts_utils.report import formats


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(1.012, "+1.20 %"), (0.98, "−2.00 %"), (1.0, "+0.00 %"), (0.99999, "+0.00 %"), (2.0, "+100.00 %")],
)
def test_a_ratio_is_a_signed_change(ratio, text):
    assert formats.change(ratio) == text


def test_a_difference_has_its_interval_and_no_negative_zero():
    row = pd.Series({"difference": -0.04, "low": -12.34, "high": 0.06})
    assert formats.points(row) == "+0.0 [−12.3, +0.1]"


@pytest.mark.parametrize(("names", "text"), [([], ""), (["a"], "a"), ([1, 2], "1 and 2"), ("abc", "a, b and c")])
def test_names_are_listed(names, text):
    assert formats.listed(names) == text


def test_the_unit_of_an_interval_stands_once():
    assert formats.bracketed(formats.change, 0.997, 0.993, 1.002, 1) == "−0.3 % [−0.7, +0.2]"


def test_large_numbers_lose_their_decimals():
    assert formats.signed(91902.6) == "+91,903" and formats.signed(-999.94) == "−999.9"
