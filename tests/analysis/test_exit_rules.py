import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stilts_utils.analysis import exit_rules
from stilts_utils.analysis.exit_rules import GRID, RULES

LAYERS = (3, 6, 9, 12)


def exit_places(confidence: np.ndarray, threshold: float) -> np.ndarray:
    """Place of the first exit whose confidence reaches the threshold, otherwise of the last: (rows,)."""
    sure = confidence >= threshold
    return np.where(sure.any(1), sure.argmax(1), confidence.shape[1] - 1)


def answers(seed, rows=40, count=4):
    """Confidences of which some repeat and some are exactly 0 or 1, and decisions."""
    rng = np.random.default_rng(seed)
    return np.clip(rng.normal(0.6, 0.3, (rows, count)), 0, 1).round(rng.integers(1, 4)), rng.integers(
        0, 2, (rows, count)
    )


def test_a_row_stops_at_the_first_sure_exit():
    confidence = np.array([[0.4, 0.9, 0.7], [0.8, 0.2, 0.9], [0.1, 0.2, 0.3], [0.5, 0.5, 0.5]])
    assert exit_places(confidence, 0.5).tolist() == [1, 0, 2, 0]
    assert exit_places(confidence, 0.0).tolist() == [0] * 4
    assert exit_places(confidence, GRID[-1]).tolist() == [2] * 4


def test_the_grid():
    assert GRID[0] == 0 and GRID[-2] == 1 and GRID[-1] > 1
    assert np.diff(GRID)[:-1] == pytest.approx(0.01)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_a_trace_is_what_single_thresholds_give(seed, count):
    confidence, correct = answers(seed, count=count)
    rows = exit_rules.trace(confidence, correct, LAYERS[:count] if count < 5 else (2, *LAYERS))
    layers = LAYERS[:count] if count < 5 else (2, *LAYERS)
    for place in (0, 1, 37, 50, 99, 100, 101):
        stop = exit_places(confidence, GRID[place])
        assert rows.depth[place].tolist() == np.take(layers, stop).tolist()
        assert rows.right[place].tolist() == correct[range(len(stop)), stop].tolist()
        assert rows.early[place].tolist() == (stop < count - 1).tolist()
    # A higher threshold never stops a row earlier; above 1 none stops before the last exit.
    assert (np.diff(rows.depth, axis=0) >= 0).all()
    assert (rows.depth[-1] == layers[-1]).all() and not rows.early[-1].any()
    assert rows.right[-1].tolist() == rows.full.tolist()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.floats(0, 20))
def test_calibrated_thresholds_keep_the_promise(seed, points_lost):
    rows = exit_rules.trace(*answers(seed), LAYERS)
    right, full = rows.right.mean(1), rows.full.mean()
    place = exit_rules.calibrated(right, full, points_lost)
    losses = 100 * (full - right)
    assert (losses[place:] <= points_lost + 1e-8).all()
    assert place == 0 or losses[place - 1] > points_lost  # the lowest
    assert exit_rules.calibrated(right, full, points_lost + 1) <= place  # who allows more exits earlier


def test_a_dip_is_not_jumped_over():
    # 0.2 loses nothing, but 0.3 above it does.
    right = np.where(np.isclose(GRID, 0.3), 0.5, 0.9)
    assert GRID[exit_rules.calibrated(right, 0.9, 1.0)] == 0.31


def test_a_loss_of_exactly_what_is_allowed_is_allowed_whatever_the_precision():
    for full in range(100, 200):
        correct = np.ones((200, 2), "float32")
        correct[full:, 1], correct[full - 2 :, 0] = 0, 0
        confidence = np.full((200, 2), 0.5, "float32")
        thresholds = exit_rules.thresholds({0: (confidence, correct)}, (6, 12), 1.0)
        assert thresholds["calibrated", 0] == 0, full
        thresholds = exit_rules.thresholds({0: (confidence, correct)}, (6, 12), 0.99)
        assert thresholds["calibrated", 0] == 0.51, full


def test_the_nearest_depth():
    depth = np.array([3.0, 4.0, 4.0, 7.0, 12.0])
    assert exit_rules.nearest_depth(depth, 4.9) == 2  # of two the same the highest
    assert exit_rules.nearest_depth(depth, 5.5) == 3  # as near to 4 as to 7
    assert exit_rules.nearest_depth(depth, 20) == 4 and exit_rules.nearest_depth(depth, 0) == 0


def test_the_three_rules():
    # The first exit's confidence is that of the row; it is wrong below 0.5 at duration 0, below 0.8 at duration 8.
    confidence = np.linspace(0.005, 0.995, 100)[:, None].repeat(2, 1)
    first = {0: confidence[:, :1] >= 0.5, 8: confidence[:, :1] >= 0.8}
    calibration = {d: (confidence, np.hstack([right, np.ones((100, 1))])) for d, right in first.items()}
    thresholds = exit_rules.thresholds(calibration, (6, 12), 0.0)
    assert set(thresholds) == {(rule, duration) for rule in RULES for duration in (0, 8)}
    assert thresholds["calibrated", 0] == 0.5 and thresholds["calibrated", 8] == 0.8
    assert thresholds["equal_threshold", 8] == 0.5
    assert thresholds["equal_depth", 8] == pytest.approx(0.5)  # the confidences are the same
    sharper = {0: calibration[0], 8: (confidence**0.5, calibration[8][1])}
    thresholds = exit_rules.thresholds(sharper, (6, 12), 0.0)
    assert thresholds["equal_threshold", 8] == 0.5 and thresholds["equal_depth", 8] == pytest.approx(
        0.5**0.5, abs=0.011
    )
    assert {thresholds[rule, 0] for rule in RULES} == {0.5}


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1))
def test_many_draws_at_once_are_as_one_by_one(seed):
    rng = np.random.default_rng(seed)
    traces = {duration: exit_rules.trace(*answers(seed + duration), LAYERS) for duration in (0, 8)}
    weights = rng.multinomial(40, np.full(40, 1 / 40), size=5) / 40
    means = {name: {d: weights @ getattr(t, name).T for d, t in traces.items()} for name in ("right", "depth", "full")}
    together = exit_rules.chosen(means["right"], means["depth"], means["full"], 2.0)
    for draw in range(5):
        own = {name: {d: values[draw] for d, values in of.items()} for name, of in means.items()}
        alone = exit_rules.chosen(own["right"], own["depth"], own["full"], 2.0)
        assert {key: int(places[draw]) for key, places in together.items()} == {k: int(p) for k, p in alone.items()}


def test_calibration_error_by_hand():
    # Two bins: 0.95 sure and 3 of 4 right, 0.55 sure and all right.
    confidence = np.array([0.95] * 4 + [0.55] * 4)
    correct = np.array([1, 1, 1, 0, 1, 1, 1, 1])
    assert exit_rules.calibration_error(confidence, correct) == pytest.approx(100 * (0.5 * 0.20 + 0.5 * 0.45))
    assert exit_rules.calibration_error(np.ones(3), np.ones(3)) == 0
    assert exit_rules.calibration_error(np.zeros(3), np.ones(3)) == 100


def test_calibration_error_of_honest_confidence_vanishes():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.3, 1, 200_000)
    honest = rng.random(200_000) < confidence
    assert exit_rules.calibration_error(confidence, honest) < 0.6
    assert exit_rules.calibration_error(np.clip(confidence + 0.1, 0, 1), honest) > 8
