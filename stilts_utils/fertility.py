"""Tokens that the same texts need in every language: a property of the tokenizer that no training changes."""

import pandas as pd

from stilts_utils import sources
from stilts_utils.coverage import evaluation_rows
from stilts_utils.phases import Session
from stilts_utils.study import Study
from stilts_utils.tasks import TRAINING_LANGUAGE

PARALLEL = {"embedded": "retr_bitext", "mirror": "tatoeba", "hub": "tatoeba"}  # texts with their English translation
FROM_ENGLISH = ("tatoeba",)  # of these, the query is the English text, and what it finds that of the language
TAGGED = {"embedded": None, "mirror": "panx", "hub": "panx"}  # words of the languages that no parallel texts cover
MOST_ITEMS = 400  # of a language
UNSPACED = ("zh", "ja", "th", "my")  # scripts that do not separate words


def count(session: Session) -> pd.DataFrame:
    """Rows of the table `fertility`: parallel texts in every language of the study that has them, and in English.

    Where a language has none, the words of a tagged task stand for it, without an English counterpart.
    """
    found = [*_parallel(session.study), *_tagged(session.study)]
    tokenizer = session.encoder.tokenizer
    ids = tokenizer([text for *_, text in found], add_special_tokens=False)["input_ids"]
    return pd.DataFrame(
        {
            "task": task,
            "language": language,
            "item": item,
            "words": words,
            "characters": len(text),
            "tokens": len(tokens),
            "unknown": tokens.count(tokenizer.unk_token_id),
        }
        for (task, language, item, words, text), tokens in zip(found, ids, strict=True)
        if tokens
    )


def _words(language: str, text: str) -> int:
    return 0 if language in UNSPACED else len(text.split())


def _parallel(study: Study) -> list[tuple[str, str, str, int, str]]:
    """(task, language, item, words, text), the English text of an item under the same item."""
    task = PARALLEL[study.source]
    texts: dict[tuple[str, str], str] = {}
    has = sources.languages(task, **study.place)
    for language in (language for language in study.languages if language in has):
        limit = None if study.source == "embedded" else MOST_ITEMS
        split = sources.evaluation_split(task, **study.place)
        found = sources.candidates(task, language, limit=limit, split=split, **study.place)
        counterparts = dict(zip(found["id"], found["text"], strict=True))
        for row in evaluation_rows(study, task, language, limit):
            item = row["right"][0]
            name = item if study.source == "embedded" else f"{language}/{item}"  # ids of a data set are its own
            pair = row["query"], counterparts[item]
            texts[TRAINING_LANGUAGE, name], texts[language, name] = pair if task in FROM_ENGLISH else pair[::-1]
    return [(task, language, item, _words(language, text), text) for (language, item), text in texts.items()]


def _tagged(study: Study) -> list[tuple[str, str, str, int, str]]:
    task = TAGGED[study.source]
    if task is None:
        return []
    covered = {*sources.languages(PARALLEL[study.source], **study.place), TRAINING_LANGUAGE}
    wanted = [language for language in study.languages if language not in covered]
    return [
        (task, language, row["id"], 0 if language in UNSPACED else len(row["tokens"]), " ".join(row["tokens"]))
        for language in wanted
        if language in sources.languages(task, **study.place)
        for row in evaluation_rows(study, task, language, MOST_ITEMS)
    ]
