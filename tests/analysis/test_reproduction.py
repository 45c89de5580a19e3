import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stilts_utils.analysis import reproduction
from stilts_utils.analysis.reproduction import CANNOT_BE_TOLD, NOT_REPRODUCED, REPRODUCED, Estimate
from stilts_utils.analysis.verdict import CHANGED, EQUIVALENT, NOT_LEARNED, NOT_MEASURED, UNDECIDED, Verdict

UP, DOWN = Verdict(CHANGED, 1), Verdict(CHANGED, -1)
SAME, OPEN = Verdict(EQUIVALENT), Verdict(UNDECIDED)

points = st.floats(-0.5, 0.5)
widths = st.floats(1e-6, 0.4)
margins = st.sampled_from((0.0, 0.02, 0.1))


def estimate(value, below, above):
    return Estimate(value, value - below, value + above)


def told(first, second, margin, ratio):
    apart = reproduction.difference(first, second, ratio)
    said = [reproduction.says(OPEN, one, margin) for one in (first, second)]
    return reproduction.outcome(*said, apart, margin)


@settings(deadline=None)
@given(points, widths, widths, margins, st.booleans())
@example(0.0625, 0.0625, 0.0625, 0.1, False)
def test_a_study_reproduces_itself_where_it_says_something(value, below, above, margin, ratio):
    one = estimate(value, below, above)
    apart = reproduction.difference(one, one, ratio)
    near = -margin < apart.low and apart.high < margin  # too close to differ, whatever each says
    decided = reproduction.says(OPEN, one, margin).kind != UNDECIDED
    assert told(one, one, margin, ratio) == (REPRODUCED if decided or near else CANNOT_BE_TOLD)


@settings(deadline=None)
@given(points, widths, widths, margins, st.floats(1.01, 3))
def test_a_shift_beyond_margin_and_intervals_is_not_reproduced(value, below, above, margin, beyond):
    one = estimate(value, below, above)
    shift = beyond * (margin + math.hypot(below, above))
    for sign in (1, -1):
        assert told(one, estimate(value + sign * shift, below, above), margin, False) == NOT_REPRODUCED


@settings(deadline=None)
@given(points, widths, points, widths, margins, st.booleans())
def test_the_order_of_the_studies_changes_the_sign_alone(a, wide_a, b, wide_b, margin, ratio):
    first, second = estimate(a, wide_a, wide_a), estimate(b, wide_b, wide_b)
    assert told(first, second, 0.0, ratio) == told(second, first, 0.0, ratio)
    there, back = reproduction.difference(first, second, ratio), reproduction.difference(second, first, ratio)
    expected = (
        (-back.value, -back.high, -back.low) if not ratio else (1 / (1 + np.array([back[0], back[2], back[1]]))) - 1
    )
    assert there == pytest.approx(tuple(expected), rel=1e-9, abs=1e-12)


@settings(deadline=None)
@given(points, widths, points, widths)
def test_it_is_the_root_of_the_sum_of_squares_for_symmetric_intervals(a, wide_a, b, wide_b):
    apart = reproduction.difference(estimate(a, wide_a, wide_a), estimate(b, wide_b, wide_b), False)
    half = math.sqrt(wide_a**2 + wide_b**2)
    assert (apart.low, apart.high) == pytest.approx((b - a - half, b - a + half))


def test_coverage_is_that_of_the_intervals():
    rng, hits = np.random.default_rng(1), 0
    for a, b in rng.normal((0.3, -0.2), (0.1, 0.05), (4000, 2)):
        apart = reproduction.difference(estimate(a, 0.196, 0.196), estimate(b, 0.098, 0.098), False)
        hits += apart.low <= -0.5 <= apart.high
    assert hits / 4000 == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(
    ("first", "second", "apart", "expected"),
    [
        (UP, DOWN, (0.0, -0.01, 0.01), REPRODUCED),  # no difference that matters
        (UP, UP, (0.03, -0.01, 0.07), REPRODUCED),
        (SAME, SAME, (0.0, -0.03, 0.03), REPRODUCED),
        (UP, UP, (0.10, 0.03, 0.17), NOT_REPRODUCED),  # one direction, another size
        (UP, UP, (0.10, 0.01, 0.19), CANNOT_BE_TOLD),  # perhaps by less than the margin
        (UP, DOWN, (-0.10, -0.19, -0.01), NOT_REPRODUCED),
        (UP, SAME, (-0.03, -0.05, -0.01), NOT_REPRODUCED),
        (UP, SAME, (-0.03, -0.07, 0.01), CANNOT_BE_TOLD),  # significant and not significant
        (UP, OPEN, (-0.03, -0.05, -0.01), CANNOT_BE_TOLD),
        (OPEN, OPEN, (0.0, -0.3, 0.3), CANNOT_BE_TOLD),
        (Verdict(NOT_LEARNED), UP, (0.0, -0.01, 0.01), CANNOT_BE_TOLD),
        (SAME, Verdict(NOT_MEASURED), (0.0, -0.01, 0.01), CANNOT_BE_TOLD),
    ],
)
def test_the_rule(first, second, apart, expected):
    assert reproduction.outcome(first, second, Estimate(*apart), 0.02) == expected


def test_a_verdict_with_enough_seeds_stands_and_few_seeds_leave_it_to_the_interval():
    one = Estimate(0.3, 0.1, 0.5)
    assert reproduction.says(OPEN, one, 0.02) == Verdict(CHANGED, 1, 0.2)
    assert reproduction.says(SAME, one, 0.02) == SAME


def test_without_an_interval_nothing_is_told():
    for ratio, first in ((True, Estimate(0.1, -1.0, np.inf)), (False, Estimate(0.1, np.nan, np.nan))):
        apart = reproduction.difference(first, Estimate(0.1, 0.0, 0.2), ratio)
        assert (apart.low, apart.high) == (-np.inf, np.inf)


def test_one_setting_that_is_not_reproduced_decides():
    assert reproduction.joint([REPRODUCED, CANNOT_BE_TOLD, NOT_REPRODUCED]) == NOT_REPRODUCED
    assert reproduction.joint([REPRODUCED, CANNOT_BE_TOLD]) == CANNOT_BE_TOLD
    assert reproduction.joint([REPRODUCED, REPRODUCED]) == REPRODUCED
    assert reproduction.joint([]) == CANNOT_BE_TOLD
