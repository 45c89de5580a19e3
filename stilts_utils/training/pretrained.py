"""Phase 1, before any training: tokens that the same texts need in every language, and shortcut baselines."""

import pandas as pd

from stilts_utils.data import sources, study_rows
from stilts_utils.data.study_rows import evaluation_rows
from stilts_utils.scoring.shortcuts import MOST_ROWS, shortcut_scores
from stilts_utils.study.study import Study
from stilts_utils.tasks import PARALLEL, TAGGED, TRAINING_LANGUAGE
from stilts_utils.tasks import task as task_of
from stilts_utils.training.session import Session

FROM_ENGLISH = ("tatoeba",)  # of these, the query is the English text, and what it finds that of the language
MOST_ITEMS = 400  # of a language
UNSPACED = ("zh", "ja", "th", "my")  # scripts that do not separate words


def tokens(session: Session) -> pd.DataFrame:
    """Rows of the table `fertility`: parallel texts in every language of the study that has them, and in English.

    If a language has none, the words of a tagged task stand for it, without an English counterpart. If the source has neither
    set, the texts of the study's own targets do, see `_own`; the column `task` says which.
    """
    texts = [*_parallel(session.study), *_tagged(session.study)] or _own(session.study)
    tokenizer = session.encoder.tokenizer
    ids = tokenizer([text for *_, text in texts], add_special_tokens=False)["input_ids"]
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
        for (task, language, item, words, text), tokens in zip(texts, ids, strict=True)
        if tokens
    )


def _words(language: str, text: str) -> int:
    return 0 if language in UNSPACED else len(text.split())


def _parallel(study: Study) -> list[tuple[str, str, str, int, str]]:
    """(task, language, item, words, text), the English text of an item under the same item."""
    task = PARALLEL[study.source]
    texts: dict[tuple[str, str], str] = {}
    available = sources.languages(task, study.data_source)
    for language in (language for language in study.languages if language in available):
        limit = None if study.source == "embedded" else MOST_ITEMS
        pool = study_rows.candidates(study, task, language, limit)
        counterparts = dict(zip(pool["id"], pool["text"], strict=True))
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
    covered = {*sources.languages(PARALLEL[study.source], study.data_source), TRAINING_LANGUAGE}
    tagged = sources.languages(task, study.data_source)
    return [
        (task, language, row["id"], 0 if language in UNSPACED else len(row["tokens"]), " ".join(row["tokens"]))
        for language in study.languages
        if language not in covered and language in tagged
        for row in evaluation_rows(study, task, language, MOST_ITEMS)
    ]


def _own(study: Study) -> list[tuple[str, str, str, int, str]]:
    """Texts of evaluation rows: of every language, and of English, those of the first target that the source has in it.

    An English counterpart is known only of targets that say that their rows are parallel.
    """
    first: dict[str, str] = {}
    for name in study.targets:
        english = {TRAINING_LANGUAGE} & set(sources.languages(name, study.data_source))
        first = dict.fromkeys([*english, *study_rows.available(study, name)], name) | first
    return [
        (name, language, item, 0 if language in UNSPACED else len(text.split()), text)
        for language, name in first.items()
        for row in evaluation_rows(study, name, language, MOST_ITEMS)
        for text in [_text(row)]
        for item in [row["id"] if task_of(name).parallel else f"{language}/{row['id']}"]
    ]


def _text(row: dict) -> str:
    """The first text of a row of any shape, its words with spaces between them if it is tagged."""
    first = next(row[column] for column in ("text_a", "context", "question", "query", "tokens") if column in row)
    return first if isinstance(first, str) else " ".join(first)


def shortcuts(study: Study) -> pd.DataFrame:
    """Rows of the table `shortcuts`: every target of a study, on the rows that its models are scored on."""
    frames = []
    for target in study.targets:
        train = candidates = None
        limit, languages = study.items_of(target), study_rows.available(study, target)
        if task_of(target).trainable:
            stage = task_of(target).stages - 1  # the last one's rows are those of the target itself
            train = study_rows.training_rows(study, target, 0, MOST_ROWS, stage)
        else:
            candidates = {name: study_rows.candidates(study, target, name, limit) for name in languages}
        tests = study_rows.evaluations(study, target, languages, limit)
        frames.append(shortcut_scores(target, train, tests, candidates).assign(target=target))
    return pd.concat(frames, ignore_index=True)
