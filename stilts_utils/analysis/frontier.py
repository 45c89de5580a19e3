"""Which duration and engine to deploy within a latency bound: the frontier of quality against latency. Pure."""

import pandas as pd

from stilts_utils.analysis.latency import CONTROLS, PARTS


def engine_points(timings: pd.DataFrame, engine_scores: pd.DataFrame) -> pd.DataFrame:
    """Per (engine, duration): `ms`, milliseconds of a request at the smallest batch size, and `score` (0-100).

    Both are means over the timed languages. Milliseconds are medians over blocks, then means over processes and over
    durations, whose latencies are compared elsewhere, with controls; scores are means over seeds on the rows on which engines
    are compared. Only engines that were timed.
    """
    rows = timings[(timings.batch_size == timings.batch_size.min()) & ~timings.condition.isin(CONTROLS)]
    rows = rows.assign(ms=1000 * rows[PARTS].sum(axis=1) / rows.sentences)
    medians = rows.groupby(["engine", "duration", "language", "replicate"]).ms.median()
    scores = engine_scores.groupby(["engine", "duration"]).score.mean()
    return scores.reset_index().merge(medians.groupby("engine").mean().reset_index())


def exit_points(frontier: pd.DataFrame, groups: dict[str, int]) -> pd.DataFrame:
    """Fixed depths of the frontier of early exit as points: `engine` names the depth; `groups`: languages in each group."""
    rows = frontier[(frontier.kind == "layer") & frontier.group.isin(list(groups))]
    weight = rows.group.map(groups)
    rows = rows.assign(score=rows.accuracy * weight, ms=rows.ms * weight, weight=weight)
    sums = rows.groupby(["at", "duration"])[["score", "ms", "weight"]].sum()
    points = sums[["score", "ms"]].div(sums.weight, axis=0).reset_index()
    return points.assign(engine="first " + points["at"].astype(int).astype(str) + " layers").drop(columns="at")


def front(points: pd.DataFrame) -> pd.DataFrame:
    """The points that no other beats in both: fastest first, each slower one with a better score."""
    ordered = points.sort_values(["ms", "score"], ascending=[True, False], ignore_index=True)
    return ordered[ordered.score > ordered.score.cummax().shift(fill_value=-1)].reset_index(drop=True)
