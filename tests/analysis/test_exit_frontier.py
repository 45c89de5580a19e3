import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stilts_utils.analysis import exit_frontier
from stilts_utils.analysis.exit_effects import Recorded
from stilts_utils.analysis.exit_frontier import in_common, least_cost, mean_ratios
from tests.exit_tables import drawn_exits, timings_of

CURVES = st.lists(st.tuples(st.floats(0, 100), st.floats(0, 5)), min_size=2, max_size=12)


def test_the_least_cost_by_hand():
    accuracy, cost = np.array([50, 60, 55, 70, 70.0]), np.array([1, 2, 3, 4, 5.0])
    wanted = np.array([50, 55, 60, 65, 70, 90.0])
    assert least_cost(accuracy, cost, wanted).tolist() == [
        1,
        1.5,
        2,
        3,
        4,
        4,
    ]  # the worse and dearer ones count for nothing


@settings(max_examples=60, deadline=None)
@given(CURVES, st.floats(0.1, 3))
def test_the_same_curve_costs_the_same_and_a_dearer_one_as_much_more(points, more):
    accuracy, cost = np.array([one for one, _ in points]), np.cumsum([step for _, step in points])
    wanted = in_common([accuracy, accuracy])
    same = least_cost(accuracy, cost, wanted)
    assert (np.diff(same) >= -1e-9).all()
    assert least_cost(accuracy, cost + more, wanted) - same == pytest.approx(more)


def test_accuracies_in_common():
    assert in_common([np.array([30.0, 70]), np.array([40.0, 60])])[[0, -1]].tolist() == [40, 60]
    assert len(in_common([np.array([30.0, 40]), np.array([40.0, 60])])) == 0


def equal_answers(made):
    """Duration 8 answers as duration 0 does."""
    start = made[made.duration == 0]
    return pd.concat([start, start.assign(duration=8, intermediate="nli")])


@pytest.mark.parametrize("timings", [timings_of(noise=0.05), None])
def test_equal_answers_cost_the_same_at_every_accuracy(timings):
    recorded = Recorded.read(equal_answers(drawn_exits()), "nli")
    table = exit_frontier.equal_accuracy(recorded, timings, draws=10)
    assert set(table.group) == {"all languages", "English", "other languages"}
    assert table[["ratio", "low", "high"]].to_numpy() == pytest.approx(1)
    assert len(mean_ratios(table)) == 3 and table.accuracy.between(0, 100).sum() == 3 * exit_frontier.LEVELS


def test_a_checkpoint_that_is_sure_at_a_lower_threshold_is_not_faster_at_equal_accuracy():
    made = equal_answers(drawn_exits(rows=200))
    later = made.duration == 8
    colder = made.assign(confidence=made.confidence.where(~later, np.floor(100 * made.confidence) / 200))
    table = mean_ratios(exit_frontier.equal_accuracy(Recorded.read(colder, "nli"), None, draws=5))
    assert table.ratio.to_numpy() == pytest.approx(1, abs=0.02)


def test_without_accuracies_in_common_there_is_no_ratio():
    made = equal_answers(drawn_exits())
    worse = made.assign(correct=made.correct.where(made.duration == 0, 0.0))
    table = exit_frontier.equal_accuracy(Recorded.read(worse, "nli"), None, draws=2)
    assert table.ratio.isna().all() and len(table) == 3 and np.isinf(table.high).all()
