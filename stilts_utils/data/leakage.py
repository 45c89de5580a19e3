"""Training rows that occur in evaluation rows, compared by their text without case, space and punctuation."""

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping

from datasets import Dataset


def _letters(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", text).lower() if c.isalnum())


def key(row: Mapping) -> bytes:
    """A hash of a row's text, 16 bytes: the same for rows of one shape that differ in labels, case or punctuation only.

    Pairs: both texts. Choices: the question and the choices in any order. Spans: the paragraph and the question.
    Retrieval: the query. Tagging: the tokens in lower case with punctuation, which is much of a short sentence.
    """
    if "text_a" in row:
        parts = ["pair", _letters(row["text_a"]), _letters(row["text_b"])]
    elif "choices" in row:
        parts = ["choice", _letters(row["question"]), *sorted(map(_letters, row["choices"]))]
    elif "tokens" in row:
        parts = ["tagging", *(unicodedata.normalize("NFC", token).lower() for token in row["tokens"])]
    elif "context" in row:
        parts = ["span", _letters(row["context"]), _letters(row["question"])]
    else:
        parts = ["retrieval", _letters(row["query"])]
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).digest()


def overlap(training: Iterable[Mapping], *evaluations: Iterable[Mapping]) -> list[int]:
    """Positions of the training rows that occur in any of the evaluations' rows, which may be of any language."""
    seen = {key(row) for rows in evaluations for row in rows}
    return [i for i, row in enumerate(training) if key(row) in seen]


def disjoint(training: Dataset, *evaluations: Iterable[Mapping], drop: bool = False) -> Dataset:
    """The training rows, of which none occurs in an evaluation.

    Raises ValueError naming the rows that do, unless they are to be dropped, or if dropping them would leave none.
    """
    shared = set(overlap(training, *evaluations))
    if shared and (not drop or len(shared) == len(training)):
        first = ", ".join(training[i]["id"] for i in sorted(shared)[:5])
        raise ValueError(
            f"{len(shared)} of {len(training)} training rows occur in evaluation rows (ids: {first}), allowed: none; "
            "train on other rows, or drop them"
        )
    return training.select([i for i in range(len(training)) if i not in shared]) if shared else training
