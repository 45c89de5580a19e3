"""An early-exit threshold with a guarantee: Learn then Test, on arrays. No tables.

Learn then Test (Angelopoulos et al. 2021, https://arxiv.org/abs/2110.01052), as CALM applies it to early exit (Schuster et al.
2022, https://arxiv.org/abs/2207.07061): every threshold of the grid has the null hypothesis that its risk is above what is
allowed; thresholds are tested from the safest on, in a fixed sequence, up to the first that is not rejected. With
probability 1 - DELTA over calibration rows, the threshold chosen has no more risk than allowed.

The risk of a threshold is the share of rows that full depth has right and the exit has wrong: the loss of accuracy without
what early exit happens to gain. A row's loss is 0 or 1, so the p-value is that of an exact binomial test.
"""

import numpy as np
from scipy.stats import binom

from stilts_utils.analysis.exit_rules import GRID

DELTA = 0.05


def p_values(harmed: np.ndarray, rows: int, allowed: float) -> np.ndarray:
    """p of the hypothesis that the risk is above `allowed` (0-1). `harmed` (...): rows of `rows` with a loss."""
    return binom.cdf(harmed, rows, allowed)


def most_harmed(rows: int, allowed: float, delta: float = DELTA) -> int:
    """The most rows with a loss of which the test rejects; -1 if even none are too many, because there are too few rows."""
    counts = np.arange(rows + 1)
    return int((p_values(counts, rows, allowed) <= delta).sum()) - 1


def controlled(harmed: np.ndarray, rows: int, allowed: float, delta: float = DELTA) -> np.ndarray:
    """Place in the grid of the lowest threshold that is certified, (...).

    `harmed` (..., thresholds): rows of `rows` with a loss at every threshold of the grid, which increases. The last threshold
    never exits early: its risk is 0 whatever the rows, so it needs no test and is the answer if no other is certified.
    """
    certified = harmed <= most_harmed(rows, allowed, delta)
    certified[..., -1] = True
    from_safest = np.logical_and.accumulate(certified[..., ::-1], axis=-1)
    return harmed.shape[-1] - from_safest.sum(-1)


def harm(right: np.ndarray, full: np.ndarray) -> np.ndarray:
    """1 where full depth is right and the exit is not: (thresholds, rows), from `right` of that shape and `full` (rows,)."""
    return ((full == 1) & (right == 0)).astype(float)


def certifiable(rows: int, allowed: float) -> bool:
    """Whether so many calibration rows can certify any threshold that exits early."""
    return most_harmed(rows, allowed) >= 0


def threshold(place: int) -> float:
    """The threshold at a place of the grid."""
    return float(GRID[place])
