"""Training rows that occur in evaluation rows, compared by their text without case, space and punctuation.

Caught, within rows of one shape: equal pairs, also with their sides swapped; equal questions with equal choices in any
order; equal sentences of tagged tokens; paragraphs that are equal, whatever is asked about them, or that share a sentence of
`LONG` letters or more, so that a sentence that was added, or a cut, does not hide one; equal queries.

Not caught: the same text in another language, paraphrases, one side of a pair alone, paragraphs whose sentences all are
short or changed, and rows of another shape (a paragraph of a span task that is a premise).
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache

from datasets import Dataset

from stilts_utils.data.candidates import sentence_spans

LONG = 40  # letters and digits of a sentence that two paragraphs do not share by chance
NO_LETTERS = re.compile(r"[\W_]+")


def _letters(text: str) -> str:
    return NO_LETTERS.sub("", unicodedata.normalize("NFKC", text).lower())


def _hash(*parts: str) -> bytes:
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).digest()


@lru_cache(maxsize=50_000)  # questions on one paragraph are many
def _of_paragraph(context: str) -> frozenset[bytes]:
    sentences = [_letters(context[start:end]) for start, end in sentence_spans(context)]
    return frozenset(_hash("span", text) for text in [_letters(context), *(s for s in sentences if len(s) >= LONG)])


def keys(row: Mapping) -> frozenset[bytes]:
    """Hashes of a row's text, 16 bytes each: two rows of which one hash is the same count as one.

    Pairs: both texts, in any order. Choices: the question and the choices in any order. Spans: the paragraph, and each of its
    long sentences. Retrieval: the query. Tagging: the tokens in lower case with punctuation, which is much of a short
    sentence.
    """
    if "text_a" in row:
        return frozenset([_hash("pair", *sorted((_letters(row["text_a"]), _letters(row["text_b"]))))])
    if "choices" in row:
        return frozenset([_hash("choice", _letters(row["question"]), *sorted(map(_letters, row["choices"])))])
    if "tokens" in row:
        return frozenset([_hash("tagging", *(unicodedata.normalize("NFC", token).lower() for token in row["tokens"]))])
    if "context" in row:
        return _of_paragraph(row["context"])
    return frozenset([_hash("retrieval", _letters(row["query"]))])


def overlap(training: Iterable[Mapping], *evaluations: Iterable[Mapping]) -> list[int]:
    """Positions of the training rows that occur in any of the evaluations' rows, which may be of any language."""
    seen = {key for rows in evaluations for row in _at_once(rows) for key in keys(row)}
    return [i for i, row in enumerate(_at_once(training)) if not seen.isdisjoint(keys(row))]


def _at_once(rows: Iterable[Mapping]) -> Iterable[Mapping]:
    return rows.to_list() if isinstance(rows, Dataset) else rows  # row by row takes several times as long


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
