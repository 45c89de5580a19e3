"""Tags of words against gold tags: entities by seqeval, and words one by one.

The official score of UDPOS feeds bare UPOS tags to the same entity F1 (seqeval 1.x), which takes a tag's first
character for B or I and joins equal neighbours: NOUN NOUN is one chunk, CCONJ and SCONJ both are CONJ, so that
confusing them costs nothing, and X is lost before the end of a sentence. That number is reported because others report it;
token accuracy and macro F1 are reported with it because they measure tagging.
"""

import warnings

import numpy as np
from seqeval.metrics.sequence_labeling import get_entities
from sklearn.metrics import f1_score

from stilts_utils.tasks import Task


def tag_names(task: Task, row: dict) -> list[str]:
    """The gold tags of a row by name."""
    return [task.labels[tag] for tag in row["tags"]]


def entities(task: Task, rows: list[dict], decisions: list[list[str]], language: str) -> list[tuple[float, float]]:
    """2 * true positives, and gold plus predicted entities, of every row.

    As in seqeval, the rows are one long sequence with O between them: whether a bare tag such as X begins an entity can
    depend on the row before. An entity belongs to the row it ends in.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # seqeval warns of every tag that is not B- or I-
        gold, predicted = (set(get_entities(tags)) for tags in ([tag_names(task, row) for row in rows], decisions))
    past = np.cumsum([len(row["tags"]) + 1 for row in rows])  # the end of each row, its O included

    def of_rows(entities: set) -> np.ndarray:
        row = np.searchsorted(past, [end for _, _, end in entities], side="right")
        return np.bincount(row.astype(int), minlength=len(rows))

    return list(zip(2 * of_rows(gold & predicted), of_rows(gold) + of_rows(predicted), strict=True))


def tokens(task: Task, rows: list[dict], decisions: list[list[str]], language: str) -> list[tuple[float, float]]:
    """Words with the right tag, and words, of every row."""
    pairs = ((tag_names(task, row), decision) for row, decision in zip(rows, decisions, strict=True))
    return [(sum(a == b for a, b in zip(gold, tags, strict=True)), len(gold)) for gold, tags in pairs]


def macro_f1(task: Task, rows: list[dict], decisions: list[list[str]]) -> float:
    """Mean over the tags that the gold rows have of their F1 over words, in 0-100."""
    gold = [tag for row in rows for tag in tag_names(task, row)]
    predicted = [tag for decision in decisions for tag in decision]
    return 100 * float(f1_score(gold, predicted, labels=sorted(set(gold)), average="macro", zero_division=0))
