"""Multilingual text without labels, in a study's languages, of which nothing is in its evaluation rows.

The text is Django's translated messages, whatever the source of a study: they are installed with it, and hub data sets beyond
those that are evaluated have no text in all its languages. Most are short, and of a language of user interfaces. Babel's
names and dates are left out: they are the items that generated tasks are evaluated on.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from stilts_utils.data import leakage, study_rows
from stilts_utils.data.embedded.material.messages import messages, slots, translate
from stilts_utils.study.study import Study
from stilts_utils.tasks import task

WORD = re.compile(r"[^\W\d_]{2,}")
FEWEST_WORDS = 2  # of the English message


def texts(study: Study) -> dict[str, list[str]]:
    """Messages without slots by language, in a fixed order; a language without any is left out.

    A message counts as evaluated, in all languages, if its text in one language of the study, or a long sentence of it, is a
    text of an evaluation row of any target, or a candidate there (`leakage.keys` of paragraphs). Raises ValueError if nothing
    is left.
    """
    evaluated = {key for text in _evaluated(study) for key in _keys(text)}
    of_language = {language: _messages(language) for language in study.languages}
    out = {
        msgid
        for translated in of_language.values()
        for msgid, text in translated.items()
        if not evaluated.isdisjoint(_keys(text))
    }
    found = {
        language: [text for msgid, text in translated.items() if msgid not in out]
        for language, translated in of_language.items()
    }
    found = {language: rows for language, rows in found.items() if rows}
    if not found:
        raise ValueError(
            f"languages of {study.name} are {', '.join(study.languages)}, in none of which there is text beyond its "
            "evaluation rows, allowed: at least one into which Django's messages are translated"
        )
    return found


def _messages(language: str) -> dict[str, str]:
    """Messages of two words or more without slots, by English message; English has those of all other languages."""
    ids = sorted(set().union(*map(messages, ("de", "fr", "es"))) if language == "en" else messages(language))
    plain = [msgid for msgid in ids if not slots(msgid) and len(WORD.findall(msgid)) >= FEWEST_WORDS]
    translated = {msgid: translate(msgid, language) for msgid in plain}
    return {msgid: text for msgid, text in translated.items() if text}


def _keys(text: str) -> frozenset[bytes]:
    return leakage.keys({"context": text})


def _evaluated(study: Study) -> Iterator[str]:
    """Every text of the evaluation rows of a study, and of the candidates that they meet."""
    for target in study.targets:
        limit = study.items_of(target)
        for language in study_rows.available(study, target):
            rows: list[Iterable[Mapping]] = [study_rows.evaluation_rows(study, target, language, limit)]
            if not task(target).trainable:
                rows.append(study_rows.candidates(study, target, language, limit))
            for of_rows in rows:
                for row in of_rows:
                    yield from _strings({name: value for name, value in row.items() if name not in ("id", "right")})


def _strings(value) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)
        if value and all(isinstance(inner, str) for inner in value):
            yield " ".join(value)  # the tokens of a tagged sentence
