"""Which duration and engine to deploy within a latency bound: the frontier of quality against latency. Pure."""

import pandas as pd

from stilts_utils.analysis.exit_effects import Recorded
from stilts_utils.analysis.exit_rules import EVALUATION
from stilts_utils.analysis.latency import CONTROLS, PARTS, mean_interval

POINT = ["engine", "duration"]


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


def engine_seeds(engine_scores: pd.DataFrame) -> pd.DataFrame:
    """Score per (engine, duration, seed), the mean over languages."""
    return engine_scores.groupby([*POINT, "seed"], as_index=False).score.mean()


def exit_seeds(recorded: Recorded) -> pd.DataFrame:
    """Accuracy (0-100) per (engine, duration, seed) of every fixed depth, the mean over languages; named as `exit_points`."""
    rows = []
    for duration in recorded.durations:
        for seed in recorded.seeds:
            shares = [recorded.answers[EVALUATION, one, duration, seed][1].mean(0) for one in recorded.languages]
            scores = 100 * sum(shares) / len(shares)
            rows += [
                (f"first {at} layers", duration, seed, one) for at, one in zip(recorded.layers, scores, strict=True)
            ]
    return pd.DataFrame(rows, columns=[*POINT, "seed", "score"])


def advised(points: pd.DataFrame, seeds: pd.DataFrame) -> pd.DataFrame:
    """What to deploy within a bound on latency: the best point, unless a shorter duration ties with it.

    points: as of `engine_points`; seeds: score per (engine, duration, seed), for paired differences. A point ties with the
    best within the bound if the 95 % t interval of what the best is ahead of it by, over seeds, does not exclude 0; with one
    seed all tie. Of those that tie the shortest duration is taken, then the fastest. One row for every bound at which the
    choice changes: `bound`, the chosen engine, duration, ms and score; `best` and `best_duration` with `best_score`; `ahead`,
    low and high, 0 if the best is chosen; and `tied`, how many others tie with the best.
    """
    by_seed, rows = seeds.set_index([*POINT, "seed"]).score.unstack("seed"), []
    for bound in front(points).ms:
        within = points[points.ms <= bound].sort_values(["score", "duration"], ascending=[False, True])
        best = within.iloc[0]
        ahead = (
            by_seed.loc[best.engine, best.duration]
            - by_seed.loc[[(row.engine, row.duration) for row in within.itertuples()]]
        )
        ends = [mean_interval(one.dropna().to_numpy(), 0.95) for _, one in ahead.iterrows()]
        within = within.assign(ahead=ahead.mean(axis=1).to_numpy(), low=[e[0] for e in ends], high=[e[1] for e in ends])
        ties = within[~(within.low > 0)]
        chosen = ties.sort_values(["duration", "ms"], kind="stable").iloc[0]
        if rows and (chosen.engine, chosen.duration) == (rows[-1]["engine"], rows[-1]["duration"]):
            continue
        of_best = {"best": best.engine, "best_duration": best.duration, "best_score": best.score, "tied": len(ties) - 1}
        rows.append({"bound": bound} | chosen.to_dict() | of_best)
    return pd.DataFrame(rows)
