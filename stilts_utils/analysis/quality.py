"""Quality of a study: what the items say of every arm against duration 0 and the control, and retrieval by layer. Pure."""

import numpy as np
import pandas as pd

from stilts_utils.analysis import bootstrap
from stilts_utils.analysis.bootstrap import MEAN
from stilts_utils.study import hypotheses
from stilts_utils.study.settings import CONTROL, PRETRAINED
from stilts_utils.tasks import task


def metric_of(target: str, rows: pd.DataFrame) -> str:
    """The metric by which a target's rows, of the scores or of the items, are read; see `Task.metric_among`."""
    return task(target).metric_among(set(rows.metric[rows.target == target].unique()))


def primary_metric(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the metric of each target, of the scores or of the items; see `metric_of`."""
    read = [(rows.target == target) & (rows.metric == metric_of(target, rows)) for target in rows.target.unique()]
    return rows[np.any(read, axis=0)] if read else rows


def changes(items: pd.DataFrame, level: float) -> dict[str, pd.DataFrame]:
    """Differences to duration 0, and over the control of the same duration, from the same draws; as in `Findings`.

    The second has only the durations of the control, and targets that have one.
    """
    to_start, over_control = (bootstrap.Summary("difference", level) for _ in range(2))
    control = items[items.intermediate == CONTROL]
    targets, durations = set(control.target.unique()), set(control.duration.unique())
    for sample in bootstrap.resampled(items, bootstrap.draws_of(level)):
        to_start.add(sample.to_reference())
        if sample.target in targets:
            over_control.add(sample.only(durations).to_reference(CONTROL, same_duration=True))
    return {"changes": to_start.frame(), "over_control": over_control.frame()}


def by_layer(items: pd.DataFrame, depth: int) -> dict[str, pd.DataFrame]:
    """Retrieval at every layer, mean over languages: scores, changes, and the gap between last and middle layer."""
    scores, to_start, gaps = (bootstrap.Summary(name) for name in ("score", "difference", "difference"))
    kept = items[items.target.isin([name for name in items.target.unique() if not task(name).trainable])]
    means = [sample for sample in bootstrap.resampled(kept) if sample.language == MEAN]
    differences = [sample.to_reference() for sample in means]
    for summary, samples in (
        (scores, means),
        (to_start, differences),
        (gaps, bootstrap.gaps(differences, depth, hypotheses.middle(depth))),
    ):
        for sample in samples:
            summary.add(sample)
    return {"layers": scores.frame(), "layer_changes": to_start.frame(), "layer_gaps": gaps.frame()}


def with_scores(layers: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """`layers` and, without an interval, the layers of the same targets that have scores and no items."""
    keys = ["intermediate", "duration", "target", "layer", "metric"]
    rows = scores[scores.target.isin(layers.target.unique())]
    means = rows.groupby([*keys, "language"]).score.mean().groupby(keys).mean().reset_index()
    known = pd.MultiIndex.from_frame(layers[keys])
    others = means[~pd.MultiIndex.from_frame(means[keys]).isin(known)]
    if others.empty:
        return layers
    added = others.assign(language=MEAN, low=np.nan, high=np.nan)
    return pd.concat([layers, added[layers.columns]]).sort_values(bootstrap.KEYS, ignore_index=True)


def with_differences(changes: pd.DataFrame, layers: pd.DataFrame) -> pd.DataFrame:
    """`changes` by layer and, without an interval, those of the layers of `with_scores` that have no items."""
    keys = ["target", "layer", "metric"]
    start = layers[layers.duration == 0].set_index(keys).score
    rows = layers[(layers.duration > 0) & layers.low.isna()]
    before = start.reindex(pd.MultiIndex.from_frame(rows[keys])).to_numpy()
    added = rows.assign(difference=rows.score - before)[changes.columns]
    return pd.concat([changes, added], ignore_index=True) if len(added) else changes


def seed_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Score of every seed, mean over languages: intermediate, duration, seed, target, score (0-100)."""
    return scores.groupby(["intermediate", "duration", "seed", "target"]).score.mean().reset_index()


def seed_changes(scores: pd.DataFrame) -> pd.DataFrame:
    """`seed_scores` of all but duration 0, with `change` in points against duration 0 with the same seed."""
    keys = ["target", "seed"]
    before = scores[scores.intermediate == PRETRAINED].set_index(keys).score.rename("before")
    after = scores[scores.intermediate != PRETRAINED].join(before, on=keys, how="inner")
    return after.assign(change=after.score - after.before).drop(columns="before")
