"""Lengths of the rows of every task, and how many are evaluated: assumptions of `plan` on data that it does not read."""

import dataclasses
from dataclasses import dataclass

from stilts_utils.tasks import task


@dataclass(frozen=True)
class Texts:
    """Sequences per row, and tokens per sequence with special tokens: of English training rows and of evaluated rows."""

    sequences: float
    trained: float = 0
    evaluated: float = 0


# Means over languages, counted with the vocabulary of XLM-R (which multilingual-e5 and Multilingual-MiniLM share) over
# 512 training rows and 64 evaluated rows a language: from the generators, and from copies of the data sets. Of
# retrieval, the sequences of a row are its query and the candidates that it brings into the pool. Not counted: `ccg`,
# `mlqa`, `bucc` and `mewslix`, which are taken to be like others of their shape.
TEXTS = {
    "temprel": Texts(1, 10),
    "nli_num": Texts(1, 24, 27),
    "paws_easy": Texts(1, 11, 12),
    "mc_facts": Texts(4, 9, 10),
    "dtag": Texts(1, 12, 14),
    "ner_slots": Texts(1, 17, 23),
    "qa_log": Texts(1, 59, 66),
    "qa_facts": Texts(1, 40),
    "qa_parts": Texts(1, 19, 20),
    "retr_bitext": Texts(1.1, 0, 18),  # all languages share the candidates
    "retr_el": Texts(1.1, 0, 16),
    "anli_plus": Texts(1, 38),
    "mnli": Texts(1, 47),
    "qqp": Texts(1, 32),
    "squad": Texts(1, 200),
    "squad2": Texts(1, 203),
    "hellaswag": Texts(4, 95),
    "cosmosqa": Texts(4, 118),
    "commonsenseqa": Texts(5, 23),
    "ccg": Texts(1, 30),
    "xnli": Texts(1, 47, 45),
    "xcopa": Texts(2, 35, 28),
    "udpos": Texts(1, 24, 34),
    "panx": Texts(1, 14, 18),
    "xquad": Texts(1, 200, 220),
    "mlqa": Texts(1, 200, 220),
    "tydiqa": Texts(1, 158, 160),
    "tatoeba": Texts(2, 0, 11),
    "bucc": Texts(2, 0, 40),
    "lareqa": Texts(2, 0, 140),
    "mewslix": Texts(2, 0, 50),
}
UNLABELLED = Texts(1, 9)  # of masked language modelling
ALONE = {"lareqa": Texts(2, 0, 35)}  # if candidates are read without their context
# Evaluated rows of a language if a study asks for more than there are, the mean over languages: Ruder et al. (2021),
# table 1, with the sizes of the data sets if it gives a range.
ROWS = {"xnli": 5010, "xcopa": 500, "udpos": 1500, "panx": 7000, "xquad": 1190, "mlqa": 6000, "tydiqa": 560}
ROWS |= {"tatoeba": 1000, "bucc": 6000, "lareqa": 1190, "mewslix": 1400}


def of(name: str, context: bool = True) -> Texts:
    """A task's texts; for a task that is not in the table, the mean over the tasks of its shape."""
    known = TEXTS if context else TEXTS | ALONE
    return known.get(name) or mean([texts for other, texts in TEXTS.items() if task(other).shape == task(name).shape])


def mean(parts: list[Texts]) -> Texts:
    """The mean of every field, over the tasks that have it: an intermediate task is not evaluated."""
    columns = zip(*map(dataclasses.astuple, parts), strict=True)
    return Texts(*(sum(values) / max(1, sum(value > 0 for value in values)) for values in columns))


def rows(name: str, wanted: int) -> int:
    """Evaluated rows of a language: as many as are wanted, or all that there are."""
    return min(wanted, ROWS.get(name, wanted))
