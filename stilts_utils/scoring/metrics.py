"""The metrics of every task, in 0-100, and the part of each item in them.

A metric is 100 * sum(numerator) / sum(denominator) over items, so that intervals can resample items: accuracy and
exact match count 1 an item, entity F1 counts 2 * true positives over predicted and gold entities. Macro F1 is a mean
over classes and no such ratio: it is a score without items. `retrieval.retrieval_items` scores retrieval.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from stilts_utils.scoring import answers, retrieval, tagging
from stilts_utils.scoring.retrieval import pool, retrieval_items
from stilts_utils.scoring.tagging import tag_names
from stilts_utils.tasks import Task

__all__ = ["chance", "pool", "ratio", "retrieval_items", "score", "score_items", "tag_names"]

Parts = list[tuple[float, float]]  # numerator and denominator of every row


def _accuracy(task: Task, rows: list[dict], decisions: list, language: str) -> Parts:
    return [(decision == row["label"], 1) for row, decision in zip(rows, decisions, strict=True)]


PARTS: dict[str, Callable[[Task, list[dict], list, str], Parts]] = {
    "accuracy": _accuracy,
    "f1": tagging.entities,
    "token_accuracy": tagging.tokens,
    **{metric: answers.parts_of(metric) for metric in answers.METRICS},
}
WITHOUT_ITEMS: dict[str, Callable[[Task, list[dict], list], float]] = {"macro_f1": tagging.macro_f1}


def score_items(task: Task, rows: list[dict], decisions: list, language: str) -> pd.DataFrame:
    """The part of every item in every metric of a task: columns metric, item, numerator, denominator.

    `decisions` come from `heads.decide`; `language` is the language of the rows, on which MLQA's metrics depend.
    Raises ValueError for a language that a metric does not know, or a row without the answer its task promises.
    """
    ids = [row["id"] for row in rows]
    frames = []
    for metric in task.metrics:
        if metric not in WITHOUT_ITEMS:
            parts = np.array(PARTS[metric](task, rows, decisions, language), float).reshape(-1, 2)
            columns = {"metric": metric, "item": ids, "numerator": parts[:, 0], "denominator": parts[:, 1]}
            frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def ratio(items: pd.DataFrame) -> float:
    """The score, in 0-100, of the items of one metric; 0 if there was nothing to find and nothing found."""
    total = items["denominator"].sum()
    return float(100 * items["numerator"].sum() / total) if total else 0.0


def score(task: Task, rows: list[dict], decisions: list, language: str) -> dict[str, float]:
    """Metric -> score in 0-100, the official one first. Raises what `score_items` raises."""
    values = {metric: ratio(items) for metric, items in score_items(task, rows, decisions, language).groupby("metric")}
    values |= {metric: of(task, rows, decisions) for metric, of in WITHOUT_ITEMS.items() if metric in task.metrics}
    return {metric: values[metric] for metric in task.metrics}


def chance(task: Task, rows: list[dict], candidates: list[dict] | None = None) -> float:
    """The score, in 0-100, of deciding at random (pair, choice, retrieval) or of finding nothing (tagging, span).

    `candidates` are the pool of a retrieval task's queries.
    """
    if task.shape == "pair":
        return 100 / len(task.labels)
    if task.shape == "choice":
        return 100 * float(np.mean([1 / len(row["choices"]) for row in rows]))
    if task.shape == "tagging":
        return 0.0
    if task.shape == "span":
        return 100 * float(np.mean([not row["answers"]["text"] for row in rows]))
    return retrieval.chance(task.metric, rows, candidates)
