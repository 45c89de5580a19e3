"""Retrieval: every item of a language once, in an order that is the same in all languages; nothing to train on.

A row has an `id`, the `query` and the `text` of its right candidate, which has the same id.
"""

import re
import zlib
from collections import Counter
from functools import cache

from stilts_utils.data.embedded.material import continuations, world
from stilts_utils.data.embedded.material.messages import fill, is_fillable, messages, slots, translate, without_slots
from stilts_utils.data.embedded.tagging import SENTENCES

FEWEST_WORDS = 4  # in a message that counts as a sentence
WORD = re.compile(r"[^\W\d_]{2,}")


def _shuffled(keys) -> list[str]:
    return sorted(keys, key=lambda key: (zlib.crc32(f"order:{key}".encode()), key))


def retr_bitext(language: str) -> list[dict]:
    """Translated messages, to be matched with the English ones; empty for English itself."""
    rows, texts = [], set()
    for msgid in _shuffled(messages(language)):
        text, query = without_slots(msgid), without_slots(messages(language)[msgid])
        if len(WORD.findall(text)) < FEWEST_WORDS or query == text or text in texts or not query:
            continue
        texts.add(text)
        rows.append({"id": msgid, "query": query, "text": text})
    times = Counter(row["query"] for row in rows)  # two messages in the same words have no one right answer
    return [row for row in rows if times[row["query"]] == 1]


@cache
def _description(code: str) -> str:
    facts = world.facts()[code]
    parts = [world.name("en", "territory", code), world.continent(code)]
    parts += [world.name("en", relation, facts[relation].value) for relation in world.RELATIONS if relation in facts]
    return " | ".join(part for part in parts if part)


def retr_el(language: str) -> list[dict]:
    """Territories named in a translated sentence (alone if there is none), to be matched with a description."""
    if not world.names_territories(language):
        return []
    patterns = [translate(msgid, language) for msgid in SENTENCES if len(slots(msgid)) == 1]
    patterns = [p for p in patterns if p and len(slots(p)) == 1 and is_fillable(p, language)] or ["%s"]
    rows = []
    for code in _shuffled(world.territories()):
        mention = world.name(language, "territory", code)
        if not mention:
            continue
        pattern = patterns[zlib.crc32(f"context:{code}".encode()) % len(patterns)]
        query, _ = fill(pattern, mention)
        rows.append({"id": code, "query": query, "text": _description(code)})
    return rows


def retr_qa(language: str) -> list[dict]:
    """First sentences of messages, to be matched with the rest."""
    parts = continuations.sentences(language)
    return [{"id": key, "query": parts[key][0], "text": parts[key][1]} for key in _shuffled(parts)]
