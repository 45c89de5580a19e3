"""Word pairs of English and another language, from the names that CLDR has, for targeted lexical injection.

Ngugi (2025) trains on 623 Swahili-English pairs and keeps 63 more, the control, unseen. Here the words are names of
territories and languages, months, weekdays and units: one word on both sides, and not the same one. A name is trained on only
if the generators of rows hold it for training, so that no name on which a target is evaluated is ever injected. Control pairs
share no word with trained ones, in any language.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from random import Random

from babel.units import format_unit

from stilts_utils.data.embedded.material.locales import LANGUAGES, WIDTHS, locale, unit_pattern
from stilts_utils.data.embedded.material.splits import ENTITIES, VALUES, split_of
from stilts_utils.data.embedded.material.text import clean

FEWEST = 20  # pairs of each set that a language must have
SETS = ("trained", "control")


@dataclass(frozen=True)
class Pair:
    """An English word and its translation."""

    language: str
    english: str
    word: str


def pairs(languages: Iterable[str]) -> dict[str, list[Pair]]:
    """The word pairs of each of `SETS`, in a fixed order: those of the languages, one after another.

    An English word has one translation in a language, and a translation one English word. Raises ValueError for a language
    that is not in `LANGUAGES`, is English, or has fewer than `FEWEST` pairs in a set.
    """
    languages = tuple(languages)
    named = {language: _pairs(language) for language in languages}
    trained = [pair for of_language in named.values() for pair, split in of_language if split == "train"]
    seen = {text.casefold() for pair in trained for text in (pair.english, pair.word)}
    control = [
        pair
        for of_language in named.values()
        for pair, split in of_language
        if split != "train" and not seen & {pair.english.casefold(), pair.word.casefold()}
    ]
    found = dict(zip(SETS, (trained, control), strict=True))
    for name, kept in found.items():
        for language in languages:
            count = sum(pair.language == language for pair in kept)
            if count < FEWEST:
                raise ValueError(
                    f"languages holds {language!r}, of which CLDR has {count} {name} word pairs, allowed: languages with "
                    f"{FEWEST} or more; take another one of the study"
                )
    return found


def shuffled(of: list[Pair], seed: int) -> list[Pair]:
    """The same words in random pairs: in every language each word goes with the English word of another pair."""
    random, mixed = Random(seed), []
    for language in dict.fromkeys(pair.language for pair in of):
        own = [pair for pair in of if pair.language == language]
        random.shuffle(own)
        mixed += [Pair(language, other.english, pair.word) for pair, other in zip(own, own[1:] + own[:1], strict=True)]
    return mixed


@cache
def _pairs(language: str) -> tuple[tuple[Pair, str], ...]:
    """Pairs of one language, each with the split that the generators of rows hold its names for: one that is also the name of
    something else is of the split `train` only if both are.
    """
    if language not in LANGUAGES or language == "en" or locale(language) is None:
        raise ValueError(
            f"languages holds {language!r}, allowed: languages in CLDR, but English: {', '.join(LANGUAGES)}"
        )
    named = [(split_of(key, shares), english, word) for key, shares, english, word in _names(language)]
    evaluated = {text.casefold() for split, *texts in named if split != "train" for text in texts}
    found, taken = [], set()
    for split, english, word in named:
        one_word = len(english.split()) == 1 == len(word.split()) and english.casefold() != word.casefold()
        sides = {("en", english.casefold()), (language, word.casefold())}
        if one_word and not sides & taken:
            taken |= sides
            trains = split == "train" and not evaluated & {english.casefold(), word.casefold()}
            found.append((Pair(language, english, word), "train" if trains else "control"))
    return tuple(found)


def _names(language: str) -> Iterator[tuple[str, tuple[int, int, int], str, str]]:
    """(key of the generators' splits, shares of these, English name, name) of everything that both languages name."""
    ours, theirs = locale("en"), locale(language)
    for code, english in sorted(ours.territories.items()):
        yield f"place:{clean(english).lower()}", ENTITIES, clean(english), clean(theirs.territories.get(code) or "")
    for code, english in sorted(ours.languages.items()):
        yield f"language:{code}", ENTITIES, clean(english), clean(theirs.languages.get(code) or "")
    for kind in ("months", "days"):
        names = [getattr(one, kind)["format"]["wide"] for one in (ours, theirs)]
        for number, english in sorted(names[0].items()):
            yield f"{kind}:{number}", VALUES, clean(english), clean(names[1].get(number) or "")
    for unit in sorted(ours.unit_display_names):
        english, word = (clean((unit_pattern(name, unit, 2) or "").replace("{0}", "")) for name in ("en", language))
        if word.casefold() not in _abbreviations(unit):  # which CLDR has in place of a word
            yield f"unit:{unit}", VALUES, english, word


def _abbreviations(unit: str) -> set[str]:
    forms = [format_unit(2, unit, length=width, locale=locale("en")) for width in WIDTHS[1:]]
    return {clean(form.replace("2", "")).casefold() for form in forms}
