import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_utils.analysis.verdict import (
    CHANGED,
    EQUIVALENT,
    KINDS,
    NOT_LEARNED,
    UNDECIDED,
    Verdict,
    of_interval,
    with_seeds,
)

ENDS = st.floats(-50, 50, allow_nan=False)


@pytest.mark.parametrize(
    ("interval", "margin", "inner", "kind", "direction"),
    [
        ((-1, 1), 2, None, EQUIVALENT, 0),
        ((0.5, 1), 2, None, EQUIVALENT, 0),  # a difference, and too small to matter
        ((-1, 1), 0, None, UNDECIDED, 0),
        ((0.5, 1), 0, None, CHANGED, 1),
        ((-3, -1), 2, None, CHANGED, -1),
        ((-3, 1), 2, None, UNDECIDED, 0),
        ((-2.1, 1), 2, (-1.9, 0.9), EQUIVALENT, 0),  # by two one-sided tests
        ((-2, 2), 2, None, UNDECIDED, 0),
        ((-math.inf, math.inf), 2, None, UNDECIDED, 0),
        ((0, 0), 0, None, UNDECIDED, 0),
    ],
)
def test_known_intervals(interval, margin, inner, kind, direction):
    verdict = of_interval(*interval, margin, inner)
    assert (verdict.kind, verdict.direction) == (kind, direction)


@given(ENDS, ENDS, st.floats(0, 20))
def test_every_interval_has_one_verdict_and_its_mirror_image_the_mirrored_one(one, other, margin):
    low, high = sorted((one, other))
    verdict, mirrored = of_interval(low, high, margin), of_interval(-high, -low, margin)
    assert verdict.kind in KINDS and verdict.kind == mirrored.kind and verdict.direction == -mirrored.direction
    assert verdict.half_width == pytest.approx((high - low) / 2)
    if verdict.kind == CHANGED:
        assert low > 0 or high < 0
    assert of_interval(low, high, margin + 101).kind == EQUIVALENT


def test_what_is_no_interval_is_refused():
    for given_ in ((1, -1, 2), (-1, 1, -2), (float("nan"), 1, 2)):
        with pytest.raises(ValueError, match="allowed: low to high, margin from 0"):
            of_interval(*given_)


@pytest.mark.parametrize(("kind", "direction"), [("different", 0), (CHANGED, 0), (UNDECIDED, 1)])
def test_other_words_and_directions_are_refused(kind, direction):
    with pytest.raises(ValueError, match="verdict: (kind|direction) is .*, allowed"):
        Verdict(kind, direction)


def test_an_undecided_verdict_says_its_half_width():
    assert of_interval(-1, 2).says() == "undecided (half-width 1.5)"
    assert of_interval(-0.01, 0.02).says("{:.1%}".format) == "undecided (half-width 1.5%)"
    assert of_interval(1, 2).says() == "changed" and Verdict(NOT_LEARNED).says() == "not learned"


def test_few_seeds_decide_nothing():
    changed = of_interval(1, 2)
    assert with_seeds(changed, 5, 5) == changed
    assert with_seeds(changed, 4, 5) == Verdict(UNDECIDED, half_width=0.5)
    assert with_seeds(Verdict(NOT_LEARNED), 1, 5).kind == NOT_LEARNED
