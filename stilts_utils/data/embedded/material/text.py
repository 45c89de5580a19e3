"""Plain operations on text: cleaning, tokens with their offsets, overlap of characters."""

import re
import unicodedata

CHARACTER_TOKENS = {"ja", "my", "th", "zh"}  # written without spaces between words: one token per character
SYLLABIC = {"ja", "ko", "zh"}  # a character holds about as much as two or three letters
JOINERS = "\u200c\u200d"  # zero width, but part of the spelling of a word (Persian, Malayalam, ...)
APOSTROPHES = "'’"


def clean(text: str) -> str:
    """NFC, with every run of white space as one space and none at the ends."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFC", text)).strip()


def _class(character: str) -> str:
    category = unicodedata.category(character)
    if character.isspace() or (category == "Cf" and character not in JOINERS):  # Cf: marks of writing direction
        return "space"
    if category == "Nd":
        return "digit"
    if category[0] in "LMN" or character in JOINERS:
        return "letter"
    return "punctuation"


def tokens(text: str, language: str) -> list[tuple[int, int]]:
    """(start, end) of every token of `text`.

    A token is a run of letters, a run of digits or one other character; in languages of CHARACTER_TOKENS a letter with
    its combining marks is one, too. Neither spaces nor marks of writing direction are in a token.
    """
    spans: list[tuple[int, int]] = []
    previous = "space"
    for at, character in enumerate(text):
        kind = _class(character)
        if character in APOSTROPHES and previous == "letter" and language not in CHARACTER_TOKENS:
            kind = "letter"
        if language in CHARACTER_TOKENS:
            joins = previous != "space" and (unicodedata.category(character)[0] == "M" or character in JOINERS)
            joins = joins or kind == previous == "digit"  # as in the Chinese treebanks: a number is one word
        else:
            joins = kind == previous and kind in ("letter", "digit")
        if joins:
            spans[-1] = (spans[-1][0], at + 1)
        elif kind != "space":
            spans.append((at, at + 1))
        previous = kind
    return spans


def overlap(a: str, b: str, language: str) -> float:
    """Share of the character n-grams of the shorter text that the other has too, in 0..1.

    n is 3, or 2 for scripts whose characters are syllables or words.
    """
    n = 2 if language in SYLLABIC else 3
    grams_a, grams_b = (
        {padded[i : i + n] for i in range(len(padded) - n + 1)} for padded in (f" {t.lower()} " for t in (a, b))
    )
    return len(grams_a & grams_b) / max(1, min(len(grams_a), len(grams_b)))
