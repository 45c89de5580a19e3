"""Whether a second study says the same as a first one on an effect. Pure.

An estimate is a change, its 95 % interval, and what its study says of it. The interval of the difference of two estimates of
independent studies is that of Zou and Donner (2008, Statistics in Medicine 27:1693-1702), which keeps intervals that are not
symmetric: its half-widths are the root of the sum of the squares of theirs. Ratios are divided, on the scale of logarithms.

The rule, written before any two studies were compared by it; the first clause that holds decides:

1. *cannot be told* if a study has not measured or not learned it.
2. *reproduced* if the interval of the difference lies within the row's margin: whatever each says alone, no difference that
   matters is left.
3. *not reproduced* if that interval lies beyond the margin on one side, or excludes 0 while the studies contradict each
   other: one changed and the other equivalent, or both changed in opposite directions.
4. *reproduced* if both say the same, changed in one direction or equivalent, and that interval includes 0.
5. *cannot be told* otherwise. Two studies that see nothing agree on nothing, and one that is significant beside one that is
   not may still have the same effect: only their difference tells (Gelman and Stern 2006).

A study that is undecided for its few seeds alone counts here by its interval: fewer than five seeds forbid a claim on
training at large, and the question is whether two studies agree.
"""

from typing import NamedTuple

import numpy as np

from stilts_utils.analysis.verdict import CHANGED, EQUIVALENT, UNDECIDED, Verdict, of_interval

REPRODUCED, NOT_REPRODUCED, CANNOT_BE_TOLD = "reproduced", "not reproduced", "cannot be told"
OUTCOMES = (NOT_REPRODUCED, CANNOT_BE_TOLD, REPRODUCED)  # one that comes first decides on several settings


class Estimate(NamedTuple):
    """A change and its 95 % interval: of a ratio, that minus 1; otherwise in points."""

    value: float
    low: float
    high: float


def difference(first: Estimate, second: Estimate, ratio: bool) -> Estimate:
    """The second minus the first, or of ratios the second over the first minus 1; with infinite ends if one has no interval."""
    scale, back = (np.log1p, np.expm1) if ratio else (np.float64, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        (a, a_low, a_high), (b, b_low, b_high) = (scale(np.asarray(one, float)) for one in (first, second))
        low = b - a - np.hypot(b - b_low, a_high - a)
        high = b - a + np.hypot(b_high - b, a - a_low)
        values = [float(back(value)) for value in (b - a, low, high)]
    if not np.isfinite(values).all():
        return Estimate(values[0], -np.inf, np.inf)
    return Estimate(*values)


def says(given: Verdict, estimate: Estimate, margin: float) -> Verdict:
    """What a study says of an estimate, whatever its number of seeds."""
    return of_interval(estimate.low, estimate.high, margin) if given.kind == UNDECIDED else given


def outcome(first: Verdict, second: Verdict, apart: Estimate, margin: float) -> str:
    """What the rule says of two verdicts of `says` and the `difference` of their estimates."""
    decided = {first.kind, second.kind}
    if not decided <= {CHANGED, EQUIVALENT, UNDECIDED}:
        return CANNOT_BE_TOLD
    if -margin < apart.low and apart.high < margin:
        return REPRODUCED
    excludes = apart.low > 0 or apart.high < 0
    same = (first.kind, first.direction) == (second.kind, second.direction)
    if apart.low > margin or apart.high < -margin or (excludes and not same and UNDECIDED not in decided):
        return NOT_REPRODUCED
    return REPRODUCED if same and not excludes and UNDECIDED not in decided else CANNOT_BE_TOLD


def joint(outcomes: list[str]) -> str:
    """The outcome of a row of several settings: reproduced if all are, not reproduced if one is not."""
    return next((one for one in OUTCOMES if one in outcomes), CANNOT_BE_TOLD)
