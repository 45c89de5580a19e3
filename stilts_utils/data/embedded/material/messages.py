"""Translated messages of Django, looked up by their English text, and the filling of their slots."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from babel.messages.mofile import read_mo

from stilts_utils.data.embedded.material.text import CHARACTER_TOKENS, clean

DJANGO_CODES = {"zh": "zh_Hans"}
SLOT = re.compile(r"%\((\w+)\)[sdr]|%[sdr]|\{(\w*)\}")  # as in "%(name)s", "%s" and "{name}"
TAG = re.compile(r"</?\w+[^>]*>")
ENDINGS = {"ko", "mr", "te"}  # write endings and particles onto a word, so onto a slot too
QUOTES = "\"“”„«»‘’'‹›「」『』"
QUOTED_SLOT = re.compile(rf"[{QUOTES}]\s*({SLOT.pattern})\s*[{QUOTES}]")
BRACKETED_SLOT = re.compile(rf"\(\s*(?:{SLOT.pattern})\s*\)")

Span = tuple[str, int, int]  # name of the slot, start and end in characters


@cache
def messages(language: str) -> dict[str, str]:
    """Translations by English message, without plural forms and contexts; empty if Django has none.

    Only the compiled catalogues are read (no Django settings): they hold no fuzzy and no empty entries.
    """
    if language == "en":
        return {}
    root = Path(find_spec("django").origin).parent
    code = DJANGO_CODES.get(language, language)
    folders = [root / "conf" / "locale", *sorted(root.glob("contrib/*/locale"))]
    translations: dict[str, str] = {}
    for path in (folder / code / "LC_MESSAGES" / "django.mo" for folder in folders):
        if not path.exists():
            continue
        with path.open("rb") as file:
            for message in read_mo(file):
                if isinstance(message.id, str) and message.id and message.string and not message.context:
                    translations.setdefault(message.id, clean(message.string))
    return translations


def translate(msgid: str, language: str) -> str | None:
    """A message in a language, without markup; None if it is not translated.

    A sentence that equals the English one counts as not translated; a single word may well be the same.
    """
    if language == "en":
        return clean(TAG.sub("", msgid))
    text = messages(language).get(msgid)
    if text is None or (text == clean(msgid) and " " in text):
        return None
    return clean(TAG.sub("", text))


def slots(pattern: str) -> list[str]:
    """Names of the slots of a message in order; "" for a slot without a name."""
    return [match[1] or match[2] or "" for match in SLOT.finditer(pattern)]


def is_fillable(pattern: str, language: str) -> bool:
    """Whether words can stand in every slot: it touches no word or other slot, except for usual endings.

    Elsewhere, a slot that touches a word is a slip of the translator.
    """
    if language in CHARACTER_TOKENS:
        return True
    for before, after in zip(_literals(pattern), _literals(pattern)[1:], strict=False):
        if before[-1:].isalnum() or (after[:1].isalnum() and language not in ENDINGS):
            return False
    return all(_literals(pattern)[1:-1])


def _literals(pattern: str) -> list[str]:
    return [literal for literal, slot in pieces(pattern) if slot is None]


def unquoted(pattern: str) -> str:
    """The message without quotation marks around its slots."""
    return clean(QUOTED_SLOT.sub(r"\1", pattern))


def pieces(pattern: str) -> Iterator[tuple[str, str | None]]:
    """(literal text, None) and ("", name of a slot), in order."""
    at = 0
    for match in SLOT.finditer(pattern):
        yield pattern[at : match.start()], None
        yield "", match[1] or match[2] or ""
        at = match.end()
    yield pattern[at:], None


def fill(pattern: str, values: str | Mapping[str, str]) -> tuple[str, list[Span]]:
    """The message with its slots filled, by name or all with one text, and where each value is in the text."""
    text, spans = "", []
    for literal, slot in pieces(pattern):
        if slot is None:
            text += literal
        else:
            value = values if isinstance(values, str) else values[slot]
            spans.append((slot, len(text), len(text) + len(value)))
            text += value
    return text, spans


def without_slots(pattern: str) -> str:
    """The message without its slots, nor the quotes, brackets and spaces that would then stand empty."""
    text = TAG.sub("", pattern)
    for slot in (QUOTED_SLOT, BRACKETED_SLOT, SLOT):
        text = slot.sub("", text)
    return re.sub(r"\s+([.,;:!?])", r"\1", clean(text))
