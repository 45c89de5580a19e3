import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from stilts_utils.analysis.seed_interval import paired

VALUES = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=6)


def test_without_draws_it_is_the_t_interval_over_seeds():
    values = [0.1, 0.2, 0.15, 0.3, 0.05]
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert paired(values) == pytest.approx((0.16, *expected))


def test_equal_seeds_leave_the_interval_of_the_draws():
    draws = np.linspace(-1, 1, 401)
    assert paired([0.0] * 5, draws) == pytest.approx((0.0, -0.95, 0.95))


def test_both_reaches_are_added_in_quadrature():
    values, draws = [-1.0, 1.0, -1.0, 1.0], np.linspace(-4, 4, 401)
    reach = np.hypot(paired(values)[2], 3.8)
    assert paired(values, draws) == pytest.approx((0, -reach, reach))


def test_one_seed_says_nothing_of_the_spread():
    assert paired([0.3], np.zeros(10)) == (0.3, -np.inf, np.inf)


@settings(max_examples=50, deadline=None)
@given(VALUES, st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=9))
def test_it_covers_the_mean_and_is_as_wide_as_each_part(values, draws):
    mean, low, high = paired(values, np.array(draws))
    _, narrow_low, narrow_high = paired(values)
    assert low <= narrow_low + 1e-6 and narrow_high <= high + 1e-6
    assert low <= mean + 1e-9 and mean <= high + 1e-9


def test_it_covers_an_effect_of_seeds_and_items_as_often_as_it_says():
    rng, inside = np.random.default_rng(0), 0
    for _ in range(400):
        by_item = rng.normal(0, 1, 50)  # the same items for all seeds
        values = rng.normal(0, 0.1, 5) + by_item.mean()
        draws = values.mean() + rng.choice(by_item - by_item.mean(), (200, 50)).mean(1)
        _, low, high = paired(values, draws)
        inside += low <= 0 <= high
    assert inside >= 0.93 * 400
