"""Whether checkpoints made an engine do the same work: equal hashes over durations and seeds. Pure functions of `work`.

No statistics: a trace is deterministic, so one row decides. Hashes of compiled engines depend on the processor, so seeds
that were traced on different kinds may differ there though durations do not.
"""

import pandas as pd

SETTING = ["target", "engine", "rule", "batch_size"]
DENSE = "dense"  # the rule of engines that compute every layer
EQUIVALENT, CHANGED = "equivalent", "changed"


def compared(work: pd.DataFrame) -> pd.DataFrame:
    """One row per target, engine, rule of exits and batch size.

    `operations`, `layers` and `gflops` of duration 0, the mean over seeds and languages, per request set; `bytes` likewise;
    `fewer` and `more`: the least and the greatest ratio of floating-point operations to those of duration 0, over durations,
    seeds and languages; `durations` and `seeds`: whether the hashes of a language are equal over the durations of every
    seed, and over the seeds of every duration; `verdict`: equivalent if both are, else changed; `subnormal_weights`, the
    most in a checkpoint; `subnormal_activations`, the sum.
    """
    keys = ["operations", "layers", "flops", "bytes"]
    of_start = work[work.duration == 0].groupby(SETTING)[keys].mean()
    start = work[work.duration == 0].set_index([*SETTING, "language", "seed"]).flops
    own = pd.MultiIndex.from_frame(work[[*SETTING, "language", "seed"]])
    ratios = work.assign(ratio=work.flops.to_numpy() / start.reindex(own).to_numpy()).groupby(SETTING).ratio
    groups = work.groupby(SETTING)
    rows = of_start.assign(
        gflops=of_start.flops / 1e9,
        fewer=ratios.min(),
        more=ratios.max(),
        durations=_one_hash(work, "seed"),
        seeds=_one_hash(work, "duration"),
        subnormal_weights=groups.subnormal_weights.max(),
        subnormal_activations=groups.subnormal_activations.sum(),
    )
    same = rows.durations & rows.seeds
    return rows.assign(verdict=same.map({True: EQUIVALENT, False: CHANGED})).drop(columns="flops").reset_index()


def _one_hash(work: pd.DataFrame, within: str) -> pd.Series:
    """Per setting, whether rows of one language and one value of `within` all have the same hash."""
    counts = work.groupby([*SETTING, "language", within]).trace.nunique()
    return counts.groupby(SETTING).max() == 1
