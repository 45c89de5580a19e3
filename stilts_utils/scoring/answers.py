"""Answers of span tasks against gold answers, as the official scripts of SQuAD and MLQA compare them.

The best of several gold answers counts. Two answers that normalise to nothing have F1 0 by SQuAD v1.1 and MLQA, and 1
by SQuAD v2.0, where that is the right answer to an unanswerable question.
"""

import re
import string
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache

from stilts_utils.tasks import Task

METRICS = ("squad", "exact_match", "qa_f1", "char_f1", "mlqa", "mlqa_em", "mlqa_f1")
MEANS = {"squad": ("exact_match", "qa_f1"), "mlqa": ("mlqa_em", "mlqa_f1")}  # the official scores
ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)
# Articles of the MLQA script (Lewis et al. 2020), which removes the Arabic one within words, too.
ARTICLES = {
    "en": re.compile(r"\b(a|an|the)\b"),
    "es": re.compile(r"\b(un|una|unos|unas|el|la|los|las)\b"),
    "vi": re.compile(r"\b(của|là|cái|chiếc|những)\b"),
    "de": re.compile(r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b"),
    "ar": re.compile("ال"),
    "hi": None,
    "zh": None,
}
CHINESE = re.compile(r"[\u4e00-\u9fa5]|[^\s\u4e00-\u9fa5]+")


def normalise_answer(text: str) -> str:
    """Lower case, no ASCII punctuation, no English articles, single spaces (SQuAD v1.1, Rajpurkar et al. 2016)."""
    return " ".join(ARTICLES["en"].sub(" ", text.lower().translate(ASCII_PUNCTUATION)).split())


@cache
def _punctuation() -> dict[int, None]:
    every = (i for i in range(sys.maxunicode) if unicodedata.category(chr(i)).startswith("P"))
    return dict.fromkeys(every) | dict.fromkeys(map(ord, string.punctuation))


def normalise_mlqa(text: str, language: str) -> str:
    """Lower case, no Unicode punctuation, no articles of the language, single spaces; Chinese by character.

    Raises ValueError for a language that MLQA does not have.
    """
    if language not in ARTICLES:
        allowed = ", ".join(ARTICLES)
        raise ValueError(f"language is {language!r}, allowed for the metrics of MLQA: {allowed}; take another metric")
    text = text.lower().translate(_punctuation())
    if ARTICLES[language]:
        text = ARTICLES[language].sub(" ", text)
    return " ".join(CHINESE.findall(text) if language == "zh" else text.split())


def bag_f1(given: Sequence[str], gold: Sequence[str], empty: float) -> float:
    """F1 of two bags of words, or of characters; `empty` if both are."""
    if not given and not gold:
        return empty
    return 2 * sum((Counter(given) & Counter(gold)).values()) / (len(given) + len(gold))


def answer_value(metric: str, task: Task, row: dict, decision: str, language: str) -> float:
    """How well an answer fits the gold answers of a row by one of METRICS, in 0..1.

    `squad` is the mean of `exact_match` and `qa_f1`, the official score of XQuAD and TyDiQA, and `mlqa` the mean of
    MLQA's two. `char_f1` is F1 over characters (code points) without whitespace, for scripts that do not separate words,
    in which an F1 over whitespace words is nearly the exact match.
    """
    if metric in MEANS:
        return sum(answer_value(part, task, row, decision, language) for part in MEANS[metric]) / 2

    def normalise(text):
        return normalise_mlqa(text, language) if metric.startswith("mlqa") else normalise_answer(text)

    given, golds = normalise(decision), [normalise(text) for text in row["answers"]["text"]]
    if task.unanswerable:  # SQuAD v2.0 also drops gold answers that normalise to nothing
        golds = [gold for gold in golds if gold] or [""]
    if not golds:
        raise ValueError(f"row {row['id']}: answers is empty, allowed for {task.name}: one or more; correct the source")
    if metric in ("exact_match", "mlqa_em"):
        return float(given in golds)
    bag = (lambda text: text.replace(" ", "")) if metric == "char_f1" else str.split
    return max(bag_f1(bag(given), bag(gold), float(task.unanswerable)) for gold in golds)


def parts_of(metric: str) -> Callable[[Task, list[dict], list, str], list[tuple[float, float]]]:
    """The function that gives every row's part of a metric: (value, 1)."""

    def parts(task: Task, rows: list[dict], decisions: list[str], language: str) -> list[tuple[float, float]]:
        pairs = zip(rows, decisions, strict=True)
        return [(answer_value(metric, task, row, decision, language), 1) for row, decision in pairs]

    return parts
