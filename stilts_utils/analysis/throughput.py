"""Throughput under load, duration against duration 0, paired by process: the table `scenarios`. Pure.

It is what LoadGen counted, samples/s of Offline and the largest rate of Server, not the inverse of a latency.
"""

import numpy as np
import pandas as pd

from stilts_utils.analysis.latency import interval

METRICS = {"Offline": "samples_per_second", "Server": "queries_per_second"}
PROCESS = ["seed", "process"]
COLUMNS = ["engine", "scenario", "duration", "processes", "rate", "ratio", "low", "high", "disturbed"]


def ratios(scenarios: pd.DataFrame) -> pd.DataFrame:
    """Per (engine, scenario, duration above 0): `rate` of the duration, mean over processes, and `ratio` to duration 0 in the
    same process, with a 95 % t interval over processes, and whether one was `disturbed`.

    A process in which Server found no rate within its bound has none and is left out of `processes`.
    """
    rows = []
    for scenario, metric in METRICS.items():
        own = scenarios[(scenarios.scenario == scenario) & (scenarios.metric == metric) & (scenarios.value > 0)]
        for engine, here in own.groupby("engine"):
            wide = here.pivot(index=PROCESS, columns="duration", values="value")
            for duration in [steps for steps in wide if steps]:
                both = wide[[0, duration]].dropna() if 0 in wide else wide.iloc[:0]
                if both.empty:
                    continue
                logs = np.log(both[duration] / both[0]).to_numpy()
                disturbed = here.disturbed[here.duration.isin([0, duration])].any()
                numbers = len(logs), both[duration].mean(), float(np.exp(logs.mean())), *interval(logs, 0.95)
                rows.append((engine, scenario, duration, *numbers, bool(disturbed)))
    return pd.DataFrame(rows, columns=COLUMNS)
