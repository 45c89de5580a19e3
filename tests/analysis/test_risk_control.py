import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from stilts_utils.analysis import exit_rules, risk_control
from stilts_utils.analysis.exit_rules import GRID, NEVER


def test_the_p_value_is_that_of_the_exact_binomial_test():
    for harmed, rows, allowed in ((0, 100, 0.01), (3, 500, 0.02), (16, 2490, 0.01)):
        expected = stats.binomtest(harmed, rows, allowed, alternative="less").pvalue
        assert risk_control.p_values(np.array(harmed), rows, allowed) == pytest.approx(expected)


def test_few_rows_certify_nothing():
    assert risk_control.most_harmed(298, 0.01) == -1 and not risk_control.certifiable(298, 0.01)
    assert risk_control.most_harmed(299, 0.01) == 0 and risk_control.certifiable(299, 0.01)
    assert risk_control.most_harmed(2490, 0.01) == 16  # of 24.9 allowed
    harmed = np.zeros((1, len(GRID)))
    assert GRID[risk_control.controlled(harmed, 100, 0.01)] == [NEVER]


def test_thresholds_are_tested_from_the_safest_to_the_first_that_fails():
    harmed = np.full(len(GRID), 50)
    harmed[[20, 60, 61, 62, len(GRID) - 3, len(GRID) - 2, len(GRID) - 1]] = 0
    assert risk_control.controlled(harmed, 1000, 0.01) == len(GRID) - 3  # 60 to 62 and 20 lie beyond one that fails
    assert risk_control.controlled(np.zeros(len(GRID)), 1000, 0.01) == 0


def test_only_what_full_depth_has_right_is_harmed():
    right, full = np.array([[0, 0, 1, 1], [1, 0, 1, 0]]), np.array([1, 0, 1, 0])
    assert risk_control.harm(right, full).tolist() == [[1, 0, 0, 0], [0, 0, 0, 0]]


def simulated(rng, rows):
    """Confidence of an early exit and whether rows are right; full depth is always right."""
    sure = rng.random(rows)
    correct = rng.random(rows) < 0.9 + 0.1 * sure
    return np.column_stack([sure, np.ones(rows)]), np.column_stack([correct, np.ones(rows)])


def test_the_risk_is_controlled_as_often_as_it_says():
    """Of 300 calibrations, at most 5 % choose a threshold whose true risk is above what is allowed."""
    rng, allowed, rows, above, early = np.random.default_rng(1), 0.03, 500, 0, 0
    for _ in range(300):
        trace = exit_rules.trace(*simulated(rng, rows), (3, 12))
        harmed = risk_control.harm(trace.right, trace.full).sum(1)
        threshold = float(GRID[risk_control.controlled(harmed, rows, allowed)])
        # The share of rows that stop (sure >= t) and are wrong: integral of 0.1 * (1 - s) from t to 1.
        above += 0.05 * (1 - min(threshold, 1)) ** 2 > allowed
        early += threshold < 1
    assert above <= stats.binom.ppf(0.999, 300, risk_control.DELTA) and early > 250


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=len(GRID), max_size=len(GRID)), st.integers(1, 3000))
def test_what_is_chosen_is_certified_and_the_next_is_not(harmed, rows):
    harmed, most = np.array(harmed), risk_control.most_harmed(rows, 0.01)
    place = int(risk_control.controlled(harmed, rows, 0.01))
    assert (harmed[place:-1] <= most).all()
    assert place == 0 or harmed[place - 1] > most
