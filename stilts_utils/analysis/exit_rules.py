"""Early-exit rules on arrays: where a row stops at a threshold, and how a threshold is chosen. No torch, no tables.

`confidence` and `correct` are (rows, exits): each exit's highest softmax probability, and 1 if its decision is right.
"""

from dataclasses import dataclass

import numpy as np

NEVER = 2.0  # a threshold that no confidence reaches
GRID = np.append(np.arange(0, 1.005, 0.01).round(2), NEVER)  # thresholds
CALIBRATED, EQUAL_THRESHOLD, EQUAL_DEPTH = RULES = "calibrated", "equal_threshold", "equal_depth"
FIXED = "layer-"  # starts the name of a rule that stops at one layer without asking
CALIBRATION, EVALUATION = "calibration", "evaluation"  # splits: thresholds are chosen on one, results are on the other
BINS = 15


@dataclass(frozen=True)
class Trace:
    """Where rows stop at every threshold of the grid, and how well: (thresholds, rows) each.

    `depth`: the layer where a row stops; `right`: 1 if its decision there is right; `early`: whether that is before the
    last exit. `full` (rows,): 1 if the last exit is right.
    """

    depth: np.ndarray
    right: np.ndarray
    early: np.ndarray
    full: np.ndarray


def trace(confidence: np.ndarray, correct: np.ndarray, layers) -> Trace:
    """Where the rows stop. `layers` are the numbers of the exits' layers, increasing.

    In float64 whatever the input: a loss of exactly the points allowed must not depend on rounding.
    """
    confidence, correct = np.asarray(confidence, float), np.asarray(correct, float)
    highest = np.maximum.accumulate(confidence[:, :-1], axis=1)  # an exit is passed when no confidence up to it reaches
    places = (highest < GRID[:, None, None]).sum(2)
    last = confidence.shape[1] - 1
    return Trace(np.take(layers, places), correct[np.arange(len(correct)), places], places < last, correct[:, -1])


def _last(true: np.ndarray) -> np.ndarray:
    """Place of the last True along the last axis, -1 if there is none."""
    count = true.shape[-1]
    return np.where(true.any(-1), count - 1 - true[..., ::-1].argmax(-1), -1)


def calibrated(right: np.ndarray, full: np.ndarray, points_lost: float) -> np.ndarray:
    """Place in the grid of the lowest threshold such that it and every higher one lose at most `points_lost` points.

    `right` (..., thresholds): share of right decisions at every threshold; `full` (...): at the last exit.
    """
    return _last(100 * (np.expand_dims(full, -1) - right) > points_lost + 1e-9) + 1


def nearest_depth(depth: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Place in the grid of the threshold whose mean exit layer is nearest to the wanted one; the highest if there are several.

    `depth` (..., thresholds), `wanted` (...).
    """
    away = np.abs(depth - np.expand_dims(wanted, -1))
    return _last(away <= away.min(-1, keepdims=True) + 1e-9)


def chosen(right: dict, depth: dict, full: dict, points_lost: float) -> dict[tuple[str, int], np.ndarray]:
    """(rule, duration) -> place in the grid, (...). The arguments are by duration, means over calibration rows, as in
    `calibrated`: (..., thresholds), `full` (...), for any number of draws at once.

    - calibrated: each checkpoint's own threshold;
    - equal_threshold: the threshold of duration 0;
    - equal_depth: the threshold at which the mean exit layer equals that of duration 0 as calibrated.
    """
    calibrated_at = {duration: calibrated(right[duration], full[duration], points_lost) for duration in right}
    wanted = np.take_along_axis(depth[0], np.expand_dims(calibrated_at[0], -1), -1)[..., 0]
    equal = {duration: nearest_depth(depth[duration], wanted) if duration else calibrated_at[0] for duration in right}
    by_rule = {CALIBRATED: calibrated_at, EQUAL_THRESHOLD: dict.fromkeys(right, calibrated_at[0]), EQUAL_DEPTH: equal}
    return {(rule, duration): places[duration] for duration in right for rule, places in by_rule.items()}


def thresholds(calibration: dict, layers, points_lost: float) -> dict[tuple[str, int], float]:
    """(rule, duration) -> threshold. `calibration`: duration -> (confidence, correct) of the calibration rows."""
    traces = {duration: trace(*rows, layers) for duration, rows in calibration.items()}
    means = ({d: getattr(rows, name).mean(-1) for d, rows in traces.items()} for name in ("right", "depth", "full"))
    places = chosen(*means, points_lost)
    return {key: float(GRID[place]) for key, place in places.items()}


def calibration_error(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Expected calibration error, in points (0-100), over `BINS` bins of equal width (Guo et al. 2017, equation 3).

    `confidence` and `correct` are (rows,). With few rows it is biased upwards.
    """
    bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = [(correct[bins == one].mean() - confidence[bins == one].mean()) * (bins == one).sum() for one in set(bins)]
    return 100 * float(np.abs(gaps).sum()) / len(confidence)
