import numpy as np
import pandas as pd
import pytest
from scipy import stats

from stilts_utils.analysis.factors import speedups


def test_a_speedup_is_a_ratio_within_processes_with_a_t_interval():
    ratios, rows = [2.0, 2.2, 1.9], []
    for replicate, ratio in enumerate(ratios):
        for engine, seconds in (("fp32", 0.1 * (1 + replicate)), ("fast", 0.1 * (1 + replicate) / ratio)):
            for condition, wrong in (("0", 1), ("16", 7), ("a/a", 9)):  # only duration 0 counts
                rows.append((engine, 1, "en", replicate, condition, 0.0, seconds * wrong, 0.0, 1, 5, 5))
    names = "engine batch_size language replicate condition tokenise_s forward_s decode_s sentences tokens padded"
    table = speedups(pd.DataFrame(rows, columns=names.split()), "fp32")
    logs = np.log(ratios)
    low, high = stats.t.interval(0.95, 2, logs.mean(), stats.sem(logs))
    assert table[["engine", "batch_size"]].to_numpy().tolist() == [["fast", 1]]
    assert table[["ratio", "low", "high"]].to_numpy()[0] == pytest.approx(np.exp([logs.mean(), low, high]))
