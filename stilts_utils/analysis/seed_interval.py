"""The interval of an effect that every seed has, paired by seed, and that is itself estimated from items. Pure."""

import numpy as np

from stilts_utils.analysis.latency import mean_interval


def paired(by_seed: np.ndarray, draws: np.ndarray | None = None, level: float = 0.95) -> tuple[float, float, float]:
    """Mean effect over seeds, low and high.

    `by_seed`: (seeds,) the effect with each seed, as observed. `draws`: (draws,) their mean with items, calibration rows and
    processes resampled, the seeds as they are. The reach of the interval to either side is that of the t interval over seeds
    and that of the percentile interval of the draws, added in quadrature (method of variance estimates recovery, Zou & Donner
    2008). Some noise of items counts twice, because the seeds' effects hold it, too: the interval is rather too wide. One
    seed says nothing of the spread between seeds: -inf to inf.
    """
    by_seed = np.asarray(by_seed, float)
    mean, reach = float(by_seed.mean()), np.subtract(mean_interval(by_seed, level), by_seed.mean())
    if draws is not None and len(draws):
        ends = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2]) - mean
        reach = np.hypot(reach, [min(ends[0], 0), max(ends[1], 0)])
    low, high = -abs(reach[0]), abs(reach[1])
    return mean, float(mean + low), float(mean + high)
