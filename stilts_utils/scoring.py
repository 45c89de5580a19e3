"""The metrics of every task, in 0-100, and what each item adds to them.

A metric is 100 * sum(numerator) / sum(denominator) over items, so that intervals can resample items: accuracy and
exact match count 1 an item, entity F1 counts 2 * true positives over predicted and gold entities.
"""

import re
import string
from collections import Counter

import numpy as np
import pandas as pd
from seqeval.metrics import f1_score
from seqeval.metrics.sequence_labeling import get_entities
from sklearn.metrics import accuracy_score

from stilts_utils.tasks import Task

ARTICLES = re.compile(r"\b(a|an|the)\b")
PUNCTUATION = str.maketrans("", "", string.punctuation)
PRIMARY = {"pair": "accuracy", "choice": "accuracy", "tagging": "f1", "span": "qa_f1"}


def score_items(task: Task, rows: list[dict], decisions: list) -> pd.DataFrame:
    """What every item adds to every metric: columns metric, item, numerator, denominator."""
    per_item = {"pair": _accuracy, "choice": _accuracy, "tagging": _entities, "span": _answers}[task.shape]
    records = [
        {"metric": metric, "item": row["id"], "numerator": float(numerator), "denominator": float(denominator)}
        for row, decision in zip(rows, decisions, strict=True)
        for metric, numerator, denominator in per_item(task, row, decision)
    ]
    return pd.DataFrame(records)


def score(task: Task, rows: list[dict], decisions: list) -> dict[str, float]:
    """Metric -> score in 0-100, by scikit-learn (accuracy), seqeval (entity F1) or the SQuAD definition."""
    if task.shape in ("pair", "choice"):
        return {"accuracy": 100 * accuracy_score([row["label"] for row in rows], decisions)}
    if task.shape == "tagging":
        return {"f1": 100 * f1_score([tag_names(task, row) for row in rows], decisions, zero_division=0)}
    gold = [(row["answers"]["text"] or [""], decision) for row, decision in zip(rows, decisions, strict=True)]
    return {
        "exact_match": 100 * float(np.mean([max(exact_match(decision, a) for a in texts) for texts, decision in gold])),
        "qa_f1": 100 * float(np.mean([max(answer_f1(decision, a) for a in texts) for texts, decision in gold])),
    }


def tag_names(task: Task, row: dict) -> list[str]:
    return [task.labels[tag] for tag in row["tags"]]


def _accuracy(task, row, decision):
    yield "accuracy", decision == row["label"], 1


def _entities(task, row, decision):
    gold, found = set(get_entities(tag_names(task, row))), set(get_entities(decision))
    yield "f1", 2 * len(gold & found), len(gold) + len(found)


def _answers(task, row, decision):
    texts = row["answers"]["text"] or [""]
    yield "exact_match", max(exact_match(decision, text) for text in texts), 1
    yield "qa_f1", max(answer_f1(decision, text) for text in texts), 1


def normalise_answer(text: str) -> str:
    """Lower case, no ASCII punctuation, no English articles, single spaces (SQuAD v1.1, Rajpurkar et al. 2016)."""
    return " ".join(ARTICLES.sub(" ", text.lower().translate(PUNCTUATION)).split())


def exact_match(found: str, gold: str) -> float:
    """1 when the normalised answers are equal; two empty answers are (SQuAD v2.0)."""
    return float(normalise_answer(found) == normalise_answer(gold))


def answer_f1(found: str, gold: str) -> float:
    """F1 of the bags of normalised words; 1 when both are empty, 0 when one is (SQuAD v2.0)."""
    a, b = normalise_answer(found).split(), normalise_answer(gold).split()
    if not a or not b:
        return float(a == b)
    common = sum((Counter(a) & Counter(b)).values())
    return 2 * common / (len(a) + len(b))


def rank_items(
    queries: np.ndarray, candidates: np.ndarray, gold: list[int], ids: list[str], metric: str
) -> pd.DataFrame:
    """Retrieval by cosine: columns metric, item, numerator (accuracy@1, or 1/rank cut at 20), denominator (1).

    `queries` (n, hidden) and `candidates` (m, hidden) are float arrays; `gold[i]` is the candidate of query i. Of tied
    candidates the gold one ranks last, so that states that have collapsed into one point score as wrong.
    """
    similar = _unit(queries) @ _unit(candidates).T
    right = similar[np.arange(len(gold)), gold]
    similar[np.arange(len(gold)), gold] = -np.inf
    ranks = 1 + (similar >= right[:, None]).sum(1)
    values = (ranks == 1).astype(float) if metric == "accuracy" else np.where(ranks <= 20, 1 / ranks, 0.0)
    return pd.DataFrame({"metric": metric, "item": ids, "numerator": values, "denominator": 1.0})


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def chance(task: Task, rows: list[dict]) -> float:
    """The score, in 0-100, of deciding at random (pair, choice, retrieval) or of finding nothing (tagging, span)."""
    if task.shape == "pair":
        return 100 / len(task.labels)
    if task.shape == "choice":
        return 100 * float(np.mean([1 / len(row["choices"]) for row in rows]))
    if task.shape == "tagging":
        return 0.0
    if task.shape == "span":
        return 100 * float(np.mean([not row["answers"]["text"] for row in rows]))
    candidates = len({row["target_id"] for row in rows})
    counted = 1 if task.metric == "accuracy" else min(20, candidates)
    return 100 * sum(1 / rank for rank in range(1, counted + 1)) / candidates
