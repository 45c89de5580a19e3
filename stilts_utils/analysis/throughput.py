"""Throughput under load, duration against duration 0, paired by process: the table `scenarios`. Pure.

It is what LoadGen counted, samples/s of Offline and the largest rate of Server, not the inverse of a latency. Offline is run in
turns, see `timing.load`: a pair of neighbours compares two durations, and neighbours of two pairs are an A/A control.
"""

import numpy as np
import pandas as pd

from stilts_utils.analysis.latency import interval

METRICS = {"Offline": "samples_per_second", "Server": "queries_per_second"}
PROCESS = ["seed", "process"]
COLUMNS = [
    "engine",
    "scenario",
    "duration",
    "processes",
    "rate",
    "ratio",
    "low",
    "high",
    "aa_low",
    "aa_high",
    "disturbed",
]


def ratios(scenarios: pd.DataFrame) -> pd.DataFrame:
    """Per (engine, scenario, duration above 0): `rate` of the duration, mean over processes, and `ratio` to duration 0 in the
    same process, with a 95 % t interval over processes; that of the A/A ratio, NaN without turns; whether one was `disturbed`.

    A process in which Server found no rate within its bound has none and is left out of `processes`. Without turns, which
    older results lack, the two runs of Offline are those minutes apart.
    """
    rows = []
    for scenario, metric in METRICS.items():
        own = scenarios[(scenarios.scenario == scenario) & (scenarios.metric == metric) & (scenarios.value > 0)]
        for engine, here in own.groupby("engine"):
            here = here[here.turn > 0] if here.turn.any() else here
            for duration in sorted(set(here.duration) - {0}):
                both = here[here.duration.isin([0, duration])]
                found = [
                    (rows.value[rows.duration == duration].mean(), ratio_of(rows), aa_of(rows))
                    for _, rows in both.groupby(PROCESS)
                    if rows.duration.nunique() == 2
                ]
                if not found:
                    continue
                rates, logs, same = (np.array(values) for values in zip(*found, strict=True))
                aa = (np.nan, np.nan) if np.isnan(same).any() else interval(same, 0.95)
                numbers = len(logs), rates.mean(), float(np.exp(logs.mean())), *interval(logs, 0.95), *aa
                rows.append((engine, scenario, duration, *numbers, bool(both.disturbed.any())))
    return pd.DataFrame(rows, columns=COLUMNS)


def ratio_of(rows: pd.DataFrame) -> float:
    """The log of the ratio of the longer duration to 0 in one process, the mean over pairs: turns 1 2, 3 4, ..."""
    logs = np.log(rows.value).groupby([(rows.turn + 1) // 2, rows.duration]).mean().unstack()
    return float((logs[logs.columns.max()] - logs[0]).mean())


def aa_of(rows: pd.DataFrame) -> float:
    """The log of the A/A ratio of one process, NaN with fewer than three pairs: of neighbours 2 3, 4 5, ..., later over earlier
    and earlier over later by turns, as many of each, so that a steady drift cancels as it does in the ratio. Raises ValueError
    if neighbours of two pairs differ in duration: a turn is missing.
    """
    rows = rows.sort_values("turn")
    logs, durations = np.log(rows.value.to_numpy()), rows.duration.to_numpy()
    if (durations[2::2] != durations[1:-1:2]).any():
        raise ValueError(
            f"scenarios: durations of turns are {durations.tolist()}, allowed: 0 L, L 0, 0 L, ...; time them again"
        )
    later = (logs[2::2] - logs[1:-1:2]) if len(logs) > 2 else np.array([])
    later = later[: len(later) // 2 * 2]
    return float((later * np.resize([1, -1], len(later))).mean()) if len(later) else np.nan


def fault(row, margin: float) -> str:
    """Why a row of `ratios` gives no verdict, "" if it does: its control has to be equivalent, too."""
    if row.processes < 2:
        return "one process"
    if row.disturbed:
        return "disturbed"
    if np.isnan(row.aa_low):
        return "no A/A control"
    reach = max(row.aa_high - 1, 1 - row.aa_low)
    return f"A/A within ±{100 * reach:.1f} %" if reach > margin else ""
