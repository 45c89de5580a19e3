"""How a text goes on: translated messages of several sentences, and English prose to train on.

Both come from Django, which is read and not imported: its catalogues of messages and its docstrings.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from stilts_utils.data.candidates import sentence_spans
from stilts_utils.data.embedded.material.locales import LANGUAGES
from stilts_utils.data.embedded.material.messages import messages, translate, without_slots
from stilts_utils.data.embedded.material.text import clean, overlap

WORD = re.compile(r"[^\W\d_]{2,}")
FEWEST_WORDS = 2  # of each part of an English message, so that it says something
MOST_OVERLAP = 0.9  # of parts of different messages
PROSE_WORDS = range(5, 31)  # of a sentence of a docstring, as messages have them
CODE = re.compile(r"[<>={}|*`\[\]%]|::|\(\)")
STRAIGHT = str.maketrans({"“": '"', "”": '"', "’": "'"})

Parts = tuple[str, str]  # the first sentence, the rest


@cache
def _texts(language: str) -> dict[str, str]:
    """Texts without slots by English message, for which straight and curved quotation marks are the same."""
    texts: dict[str, str] = {}
    for msgid in sorted(set().union(*map(messages, LANGUAGES))):
        text = translate(msgid, language)
        if text:
            texts.setdefault(msgid.translate(STRAIGHT), without_slots(text))
    return texts


@cache
def _parts(language: str) -> dict[str, Parts]:
    """Messages of several sentences, as many as in English, so that the rest after the first is the same in all."""
    parts_of = {}
    for key, text in _texts(language).items():
        spans = sentence_spans(text)
        if len(spans) > 1 and len(spans) == len(sentence_spans(_texts("en")[key])):
            parts_of[key] = text[: spans[0][1]], text[spans[1][0] :]
    return parts_of


@cache
def _items() -> frozenset[str]:
    """The message that most languages have, among those that share a part, or nearly.

    Many differ in a word only: both would be right, and one gives away the other.
    """
    groups: list[dict[str, Parts]] = []
    for key, parts in _parts("en").items():
        if min(len(WORD.findall(part)) for part in parts) < FEWEST_WORDS:
            continue
        near = [group for group in groups if any(_near(parts, others) for others in group.values())]
        merged = {k: others for group in near for k, others in group.items()} | {key: parts}
        groups = [group for group in groups if group not in near] + [merged]
    languages_of = {key: sum(key in _parts(language) for language in LANGUAGES) for group in groups for key in group}
    return frozenset(min(group, key=lambda key: (-languages_of[key], key)) for group in groups)


def _near(parts: Parts, others: Parts) -> bool:
    return any(overlap(a, b, "en") > MOST_OVERLAP for a in parts for b in others)


@cache
def sentences(language: str) -> dict[str, Parts]:
    """First sentence of a message and the rest, by English message.

    Without those that have a part in common in this language: two messages may have the same translation.
    """
    parts_of = {key: parts for key, parts in _parts(language).items() if key in _items()}
    texts = [text for parts in parts_of.values() for text in parts]
    return {key: parts for key, parts in parts_of.items() if all(texts.count(text) == 1 for text in parts)}


def _paragraphs() -> Iterator[tuple[str, str]]:
    """(place, text) of the paragraphs of docstrings."""
    root = Path(find_spec("django").origin).parent
    for path in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
                text = ast.get_docstring(node) or ""
                for number, paragraph in enumerate(re.split(r"\n\s*\n", text)):
                    place = f"{path.relative_to(root).as_posix()}:{getattr(node, 'lineno', 0)}:{number}"
                    yield place, clean(paragraph)


@cache
def prose() -> dict[str, Parts]:
    """A sentence of Django's docstrings and the next of its paragraph, by place; English, without code."""
    places: dict[Parts, str] = {}
    for place, text in _paragraphs():
        parts = [text[start:end] for start, end in sentence_spans(text)]
        for number, pair in enumerate(zip(parts, parts[1:], strict=False)):
            plain = all(len(WORD.findall(part)) in PROSE_WORDS and not CODE.search(part) for part in pair)
            if plain and pair[1][0].isupper() and pair[1][-1] in ".!?":
                places.setdefault(pair, f"{place}:{number}")
    return {place: pair for pair, place in places.items()}
