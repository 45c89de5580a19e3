"""Rows in up to 49 languages, made at run time from translations that installed packages carry.

Babel (CLDR) gives names, dates, units and relative times; Django gives translated messages; Faker gives names of
persons. The repository holds only English look-up keys. The rows have the shapes of XTREME-R's tasks; scores on them
are not comparable with scores on XTREME-R. Generators lie in `pairs`, `choices`, `tagging`, `spans` and `retrieval`;
`sampling` draws their rows; `material` holds the text and facts; `plugins` enters rows of your own beside them.

To add a generator, write one function and enter it here under the name of its task (`stilts_utils/tasks/embedded.py`):

    def my_task(language: str, split: str, outcome: object, rng: Random) -> dict | None

returns one row (the columns of the task's shape, and an `id` that names the underlying item), or None if the language
or this draw gives none. Every draw must come from `rng`, its items from the split they are held for (`splits.py`), and its
outcome, such as the label, from the argument. A retrieval task is a function `my_task(language) -> list[dict]`
instead, whose rows have an `id`, a `query` and its right candidate's `text`. If the pool is of all languages, the
candidates of the same id in other languages are right, too. The languages of a task are those in which its function
gives rows: there is no list to keep.
"""

from functools import cache

from stilts_utils.data.embedded import choices, pairs, plugins, retrieval, spans, tagging
from stilts_utils.data.embedded.material.locales import LANGUAGES
from stilts_utils.data.embedded.material.splits import SPLITS
from stilts_utils.data.embedded.sampling import Generator, draw_rows
from stilts_utils.tasks import TRAINING_LANGUAGE
from stilts_utils.tasks import task as task_of

THIRD_UNANSWERABLE = (True, True, False)

DRAWN = {
    "temprel": Generator(pairs.temprel, task_of("temprel").labels),
    "nli_num": Generator(pairs.nli_num, task_of("nli_num").labels),
    "paws_easy": Generator(pairs.paws_easy, task_of("paws_easy").labels),
    "mc_facts": Generator(choices.mc_facts, range(choices.CHOICES)),
    "mc_continue": Generator(choices.mc_continue, range(choices.CHOICES)),
    "dtag": Generator(tagging.dtag),
    "ner_slots": Generator(tagging.ner_slots),
    "qa_log": Generator(spans.qa_log, THIRD_UNANSWERABLE),
    "qa_facts": Generator(spans.qa_facts, THIRD_UNANSWERABLE),
    "qa_parts": Generator(spans.qa_parts, THIRD_UNANSWERABLE),
}
LISTED = {"retr_bitext": retrieval.retr_bitext, "retr_qa": retrieval.retr_qa, "retr_el": retrieval.retr_el}

TRAINED_IN = {"mc_continue": (TRAINING_LANGUAGE,)}  # tasks that have no training rows in other languages
FEWEST_ROWS = 20  # in every split, for a language to count


def splits(task: str, language: str = TRAINING_LANGUAGE) -> tuple[str, ...]:
    """The splits of a task in a language: retrieval has only a test split."""
    if task in LISTED:
        return ("test",)
    return tuple(split for split in SPLITS if split != "train" or language in TRAINED_IN.get(task, (language,)))


def tasks() -> tuple[str, ...]:
    """Names of the tasks that have a generator."""
    return (*DRAWN, *LISTED)


plugins.enter(DRAWN, LISTED, TRAINED_IN)


@cache
def _listed(task: str, language: str) -> dict[str, dict]:
    """Rows of a retrieval task by id."""
    return {row["id"]: row for row in LISTED[task](language)}


def _candidate(task: str, language: str, row_id: str) -> str:
    """Id of a candidate, of which a pool of all languages has one in each."""
    return row_id if task_of(task).pool == "language" else f"{language}/{row_id}"


def _right(task: str, language: str, row_id: str) -> list[str]:
    everywhere = (language,) if task_of(task).pool == "language" else languages(task)
    return [_candidate(task, each, row_id) for each in everywhere if row_id in _listed(task, each)]


def rows(task: str, language: str, split: str, seed: int = 0, limit: int | None = None) -> list[dict]:
    """The first `limit` rows of a split (None: all); empty if the language does not have the task."""
    if task in LISTED:
        listed = list(_listed(task, language).values())[:limit]
        return [{"id": row["id"], "query": row["query"], "right": _right(task, language, row["id"])} for row in listed]
    return draw_rows(DRAWN[task], task, language, split, seed, limit)


def candidates(task: str, language: str, limit: int | None = None) -> list[dict]:
    """The right candidates of the first `limit` queries of a retrieval task in their language, one each."""
    listed = list(_listed(task, language).values())[:limit]
    return [{"id": _candidate(task, language, row["id"]), "text": row["text"], "context": ""} for row in listed]


@cache
def supports(task: str, language: str) -> bool:
    """Whether every split of the task has rows in the language."""
    if language not in LANGUAGES:
        return False
    if task in LISTED:
        return len(_listed(task, language)) >= FEWEST_ROWS
    return all(len(rows(task, language, split, limit=FEWEST_ROWS)) >= FEWEST_ROWS for split in splits(task, language))


@cache
def languages(task: str) -> tuple[str, ...]:
    """The languages of XTREME-R in which the task has rows, by code."""
    return tuple(language for language in LANGUAGES if supports(task, language))
