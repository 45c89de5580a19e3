"""What other forms of one checkpoint cost in latency and change in quality, against its plain form. Pure.

Over the tables `form_timings` and `form_scores`, by the statistics of `latency` and `controls` and the words of `verdict`.
Every kind of form is a family of its own.
"""

import pandas as pd

from stilts_utils.analysis import controls, latency
from stilts_utils.analysis.verdict import of_interval, with_seeds
from stilts_utils.study.hypotheses import LEAST_SEEDS

KIND = "kind"


def ratios(timings: pd.DataFrame, margin: float, planted: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`controls.latency_verdicts` of every kind of form: ratios to the plain form, and which settings can be used."""
    judged = [
        [frame.assign(kind=kind) for frame in controls.latency_verdicts(rows, _noise(rows), margin, planted)]
        for kind, rows in timings.groupby(KIND)
    ]
    if not judged:
        columns = [KIND, *latency.SETTING]
        return pd.DataFrame(columns=[*columns, "condition", *latency.RATIOS]), pd.DataFrame(columns=columns)
    found, settings = (pd.concat(frames, ignore_index=True) for frames in zip(*judged, strict=True))
    return found, settings


def _noise(timings: pd.DataFrame) -> pd.DataFrame:
    return timings.groupby(latency.PROCESS, as_index=False).disturbed.any()


def gains(scores: pd.DataFrame, alpha: float = 0.05) -> pd.DataFrame:
    """What a form changes, per (kind, engine, form): means over languages, and intervals over seeds.

    Returns seeds (count), change (points, form minus plain), low and high (t interval at 1 - alpha; -inf to inf of one seed),
    agreement (share of equal decisions), largest_difference (of a logit, the largest), and verdict, its direction and
    half_width.
    """
    keys, rows = [KIND, "engine", "form"], []
    changes = scores.assign(change=scores.score - scores.reference_score)
    by_seed = changes.groupby([*keys, "seed"], as_index=False).agg(
        change=("change", "mean"), agreement=("agreement", "mean"), largest_difference=("largest_difference", "max")
    )
    for key, group in by_seed.groupby(keys):
        low, high = latency.mean_interval(group.change.to_numpy(), 1 - alpha)
        given = with_seeds(of_interval(low, high), len(group), LEAST_SEEDS)
        numbers = (len(group), group.change.mean(), low, high, group.agreement.mean(), group.largest_difference.max())
        rows.append((*key, *numbers, given.kind, given.direction, given.half_width))
    names = ["seeds", "change", "low", "high", "agreement", "largest_difference", "verdict", "direction", "half_width"]
    return pd.DataFrame(rows, columns=[*keys, *names])
