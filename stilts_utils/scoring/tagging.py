"""Tags of words against gold tags: entities by seqeval, and words one by one.

The official score of UDPOS feeds bare UPOS tags to the same entity F1 (seqeval 1.x), which takes a tag's first
character for B or I and joins equal neighbours: NOUN NOUN is one chunk, CCONJ and SCONJ both are CONJ, so that
confusing them costs nothing, and X is lost before the end of a sentence or joined to the sentence before. That number is
reported because others report it; token accuracy and macro F1 are reported with it because they measure tagging.
"""

import warnings

import numpy as np
from seqeval.metrics.sequence_labeling import get_entities
from sklearn.metrics import f1_score

from stilts_utils.tasks import Task


def tag_names(task: Task, row: dict) -> list[str]:
    """The gold tags of a row by name. Raises ValueError for a number that stands for no tag of the task."""
    last = len(task.labels) - 1
    for tag in row["tags"]:
        if not 0 <= tag <= last:
            raise ValueError(
                f"row {row['id']}: a tag is {tag}, allowed for {task.name}: 0 to {last}; correct the source"
            )
    return [task.labels[tag] for tag in row["tags"]]


def pairs(task: Task, rows: list[dict], decisions: list[list[str]]) -> list[tuple[list[str], list[str]]]:
    """Gold and decided tags of every row. Raises ValueError naming the row if they are not as many."""
    if len(rows) != len(decisions):
        raise ValueError(f"{task.name}: decisions about {len(decisions)} rows, allowed: {len(rows)}, one for every row")
    both = [(tag_names(task, row), decided) for row, decided in zip(rows, decisions, strict=True)]
    for row, (gold, decided) in zip(rows, both, strict=True):
        if len(gold) != len(decided):
            raise ValueError(
                f"{task.name}, row {row['id']}: {len(decided)} tags are decided, allowed: {len(gold)}, one for every word; "
                "predict O for words that a length limit cuts"
            )
    return both


def file_order(rows: list[dict]) -> np.ndarray:
    """Positions of rows in the order of their file: by number, if that is what their ids are, otherwise as they come."""
    ids = [row["id"] for row in rows]
    if not all(id.isascii() and id.isdigit() for id in ids):
        return np.arange(len(rows))
    return np.argsort([int(id) for id in ids], kind="stable")


def entities(task: Task, rows: list[dict], decisions: list[list[str]], language: str) -> list[tuple[float, float]]:
    """2 * true positives, and gold plus predicted entities, of every row.

    As in seqeval, the rows are one long sequence with O between them, in the order of their file: what a bare X at the
    start of a sentence is can depend on the row before. An entity belongs to the row it ends in.
    """
    both, order = pairs(task, rows, decisions), file_order(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # seqeval warns of every tag that is not B- or I-
        gold, predicted = (set(get_entities([both[i][side] for i in order])) for side in (0, 1))
    past = np.cumsum([len(both[i][0]) + 1 for i in order])  # the end of each row, its O included

    def of_rows(entities: set) -> np.ndarray:
        row = np.searchsorted(past, [end for _, _, end in entities], side="right")
        counts = np.zeros(len(rows), dtype=int)
        counts[order] = np.bincount(row.astype(int), minlength=len(rows))
        return counts

    return list(zip(2 * of_rows(gold & predicted), of_rows(gold) + of_rows(predicted), strict=True))


def tokens(task: Task, rows: list[dict], decisions: list[list[str]], language: str) -> list[tuple[float, float]]:
    """Words with the right tag, and words, of every row."""
    both = pairs(task, rows, decisions)
    return [(sum(a == b for a, b in zip(gold, tags, strict=True)), len(gold)) for gold, tags in both]


def macro_f1(task: Task, rows: list[dict], decisions: list[list[str]]) -> float:
    """Mean over the tags that the gold rows have of their F1 over words, in 0-100."""
    gold, predicted = ([tag for pair in pairs(task, rows, decisions) for tag in pair[side]] for side in (0, 1))
    return 100 * float(f1_score(gold, predicted, labels=sorted(set(gold)), average="macro", zero_division=0))
