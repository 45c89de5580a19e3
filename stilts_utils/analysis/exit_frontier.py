"""Latency with early exit at equal accuracy, paired by seed: the frontier over all thresholds against that of duration 0. Pure.

As Bjøntegaard (2001) compares codecs at equal quality: the log ratio of two costs, averaged over the accuracies that both
reach. No threshold is chosen, and a checkpoint that is merely less accurate is not called faster.
"""

from itertools import product

import numpy as np
import pandas as pd

from stilts_utils.analysis.bootstrap import weights
from stilts_utils.analysis.exit_effects import ENGLISH, OTHER, Recorded
from stilts_utils.analysis.exit_outcomes import clock
from stilts_utils.analysis.exit_rules import EVALUATION
from stilts_utils.analysis.seed_interval import paired

DRAWS = 200
LEVELS = 31  # accuracies at which two frontiers are compared
ALL = "all languages"
WHOLE = -1.0  # `accuracy` of rows that hold the mean over all accuracies in common
COLUMNS = ["group", "duration", "accuracy", "ratio", "low", "high"]


def least_cost(accuracy: np.ndarray, cost: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The least cost at which an accuracy is reached, (wanted,); the best accuracy's where it is not reached.

    `accuracy`, `cost` (thresholds,), cost not decreasing. Between two thresholds it is the line between them, which stopping
    at random by one or the other attains. A threshold that costs more and is no better counts for nothing.
    """
    best = np.maximum.accumulate(accuracy)
    better = np.concatenate([[True], best[1:] > best[:-1] + 1e-12])
    return np.interp(wanted, accuracy[better], cost[better])


def in_common(curves: list[np.ndarray]) -> np.ndarray:
    """Accuracies that all curves reach above their own lowest one, `LEVELS` of them; none if there are none."""
    low, high = max(curve[0] for curve in curves), min(curve.max() for curve in curves)
    return np.linspace(low, high, LEVELS) if high > low else np.empty(0)


def equal_accuracy(
    recorded: Recorded, exit_timings: pd.DataFrame | None, seed: int = 0, draws: int = DRAWS
) -> pd.DataFrame:
    """Per (group of languages, duration above 0, accuracy): `ratio` of latency to that of duration 0 at the same accuracy
    (0-100, mean over the group's languages), low and high (95 %, `seed_interval.paired` over seeds, items and processes);
    rows of accuracy `WHOLE` hold the mean over the accuracies that both reach with every seed. Without timings it is the
    ratio of mean exit layers. A duration without accuracies in common has one row, of nothing.
    """
    groups = {ALL: list(recorded.languages), ENGLISH: recorded.of(ENGLISH), OTHER: recorded.of(OTHER)}
    groups = {name: languages for name, languages in groups.items() if languages}
    curves, rows = _curves(recorded, groups, exit_timings, seed, draws), []
    for group in groups:
        for duration in recorded.durations[1:]:
            both = [curves[group, steps, one] for steps in (0, duration) for one in recorded.seeds]
            wanted = in_common([accuracy[0] for accuracy, _ in both])
            if not len(wanted):
                rows.append((group, duration, WHOLE, np.nan, -np.inf, np.inf))
                continue
            pairs = [(curves[group, duration, one], curves[group, 0, one]) for one in recorded.seeds]
            logs = np.array([_compared(*pair, wanted) for pair in pairs])  # (seeds, 1 + draws, accuracies)
            for name, values in ((WHOLE, logs.mean(-1)), *zip(wanted, np.moveaxis(logs, -1, 0), strict=True)):
                numbers = np.exp(paired(values[:, 0], values.mean(0)[1:]))
                rows.append((group, duration, float(name), *map(float, numbers)))
    return pd.DataFrame(rows, columns=COLUMNS)


def mean_ratios(frontier: pd.DataFrame) -> pd.DataFrame:
    """The rows of `equal_accuracy` that hold means over accuracies."""
    return frontier[frontier.accuracy == WHOLE]


Curve = tuple[np.ndarray, np.ndarray]  # accuracy (0-100) and log cost by threshold, (1 + draws, thresholds) each


def _compared(longer: Curve, start: Curve, wanted: np.ndarray) -> np.ndarray:
    """Log ratio of costs at equal accuracy with one seed, (1 + draws, wanted)."""
    pairs = zip(*longer, *start, strict=True)
    return np.array([least_cost(a, c, wanted) - least_cost(a0, c0, wanted) for a, c, a0, c0 in pairs])


def _curves(
    recorded: Recorded, groups: dict[str, list[str]], exit_timings: pd.DataFrame | None, seed: int, draws: int
) -> dict[tuple[str, int, int], Curve]:
    """(group, duration, seed) -> its curve, means over the group's languages."""
    lines, timed = ({}, []) if exit_timings is None else clock(recorded, exit_timings)
    by_item = {one: recorded.weights(draws, seed, EVALUATION, one, recorded.seeds[0]) for one in recorded.languages}
    curves = {}
    for duration, one in product(recorded.durations, recorded.seeds):
        traces = {name: recorded.trace(EVALUATION, name, duration, one) for name in recorded.languages}
        right = {name: 100 * by_item[name] @ trace.right.T for name, trace in traces.items()}
        deep = {name: by_item[name] @ trace.depth.T for name, trace in traces.items()}
        for group, languages in groups.items():
            accuracy, depth = (np.mean([part[name] for name in languages], axis=0) for part in (right, deep))
            own = [name for name in timed if name in languages] or timed  # the clock of others, if none was timed
            cost = _log_seconds([lines[name] for name in own], depth, seed, draws) if timed else np.log(depth)
            curves[group, duration, one] = accuracy, cost
    return curves


def _log_seconds(lines: list[pd.DataFrame], depth: np.ndarray, seed: int, draws: int) -> np.ndarray:
    """Log seconds of a request at a depth, by the mean line of some languages, in drawn processes: as `depth`."""
    start, slope, asking = (np.mean([line[name] for line in lines], axis=0) for name in ("start", "slope", "asking"))
    by_process = weights(draws, len(start), [seed, 1]) / len(start)
    return (np.log(start + asking + depth[..., None] * slope) * by_process[:, None, :]).sum(-1)
