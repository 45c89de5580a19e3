"""Latency on several kinds of processor: a verdict for each, and one for all, with processes within their kind. Pure.

A study that adds up over machines has processes on each. An effect is taken within a process, so that it does not depend on how
fast its machine is; but kinds may differ in the effect itself, so the mean over kinds has its spread from within them alone.
"""

import numpy as np
import pandas as pd
from scipy.stats import t

from stilts_utils.analysis import latency
from stilts_utils.analysis.verdict import UNDECIDED, of_interval

EVERY = "all kinds"
COLUMNS = ["kind", *latency.SETTING, *latency.CONDITION, "processes", "ratio", "low", "high", "verdict"]


def kinds(timings: pd.DataFrame, made: dict[str, dict], phase: str = "4_inference") -> pd.Series:
    """Process -> kind of processor: its name and what it has of bfloat16.

    made: run -> where it was made, as in a provenance. No rows if the runs did not record it.
    """
    of_seed = {key.rsplit("-s", 1)[-1]: run["machine"] for key, run in made.items() if key.startswith(f"{phase}/")}
    processes = timings[["replicate", "seed"]].drop_duplicates().set_index("replicate").seed.astype(str)
    known = processes[processes.isin(list(of_seed))]
    return known.map({seed: f"{machine['cpu']}, {machine.get('bf16', 'none')}" for seed, machine in of_seed.items()})


def by_kind(effects: pd.DataFrame, kind_of: pd.Series, margin: float, alpha: float = 0.05) -> pd.DataFrame:
    """Ratio to duration 0 and verdict for every kind of processor, and for all if there are two or more.

    effects: of `latency.process_effects`. One kind's rows are those of `latency.ratio_table`, without the controls. The mean
    over kinds weighs them alike; its interval is a t interval with the variance within kinds, N - K degrees of freedom.
    Returns COLUMNS; no rows with fewer than two kinds.
    """
    kind = effects.replicate.map(kind_of)
    if kind.nunique() < 2 or kind.isna().any():
        return pd.DataFrame(columns=COLUMNS)
    parts = [latency.ratio_table(rows, margin, alpha).assign(kind=name) for name, rows in effects.groupby(kind)]
    rows = effects[~effects.condition.isin(latency.CONTROLS)]
    keys = [*latency.SETTING, *latency.CONDITION]
    pooled = [
        {"kind": EVERY, **dict(zip(keys, key, strict=True)), **_pooled(group.effect, kind[group.index], margin, alpha)}
        for key, group in rows.groupby(keys)
        if kind[group.index].nunique() == kind.nunique()
    ]
    every = pd.concat([*parts, pd.DataFrame(pooled, columns=COLUMNS)], ignore_index=True)
    return every[~every.condition.isin(latency.CONTROLS)][COLUMNS].reset_index(drop=True)


def _pooled(effects: pd.Series, kind: pd.Series, margin: float, alpha: float) -> dict:
    groups = [group.to_numpy() for _, group in effects.groupby(kind)]
    free = len(effects) - len(groups)
    mean = float(np.mean([group.mean() for group in groups]))
    if free < 1:
        return {"processes": len(effects), "ratio": np.exp(mean), "low": 0.0, "high": np.inf, "verdict": UNDECIDED}
    variance = sum(((group - group.mean()) ** 2).sum() for group in groups) / free
    error = np.sqrt(variance * sum(1 / len(group) for group in groups)) / len(groups)
    (low, high), inner = (
        tuple(np.exp(mean + end * t.ppf(quantile, free) * error) for end in (-1, 1))
        for quantile in (1 - alpha / 2, 1 - alpha)
    )
    given = of_interval(low - 1, high - 1, margin, tuple(end - 1 for end in inner))
    return {"processes": len(effects), "ratio": np.exp(mean), "low": low, "high": high, "verdict": given.kind}
