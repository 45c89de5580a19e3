"""Tagged tokens: the roles in dates and quantities, and named entities in messages. Held out: dates and entities."""

from functools import cache
from random import Random
from unicodedata import normalize

from stilts_utils.data.embedded.material import world
from stilts_utils.data.embedded.material.locales import Pieces, conjunction, date_pieces, locale, unit_pieces
from stilts_utils.data.embedded.material.messages import is_fillable, pieces, slots, translate, unquoted
from stilts_utils.data.embedded.material.text import tokens

DATE_STYLES = ("full", "full", "long", "medium")  # "full" alone has the day of the week
UNITS = (
    "length-kilometer",
    "mass-kilogram",
    "duration-hour",
    "duration-day",
    "duration-week",
    "temperature-celsius",
    "area-hectare",
    "volume-liter",
)
SENTENCES = (
    "Deleting the selected %(objects_name)s would require deleting the following protected related objects:",
    "Please correct the duplicate data for %(field)s.",
    "%(name)s with ID “%(key)s” doesn’t exist. Perhaps it was deleted?",
    "You are authenticated as %(username)s, but are not authorized to access this page. "
    "Would you like to login to a different account?",
    "Enter a new password for the user <strong>%(username)s</strong>.",
    "Index of %(directory)s",
    "The %(site_name)s team",
    "“%(path)s” does not exist",
    "Select a valid choice. %(value)s is not one of the available choices.",
    "%(delta)s ago",
    "You're receiving this email because you requested a password reset for your user account at %(site_name)s.",
    "Are you sure you want to delete the selected %(objects_name)s? "
    "All of the following objects and their related items will be deleted:",
)
FEWEST_SENTENCES = 2
QUOTED = 0.2  # share of sentences that keep the quotation marks around their slots
KINDS = ("PER", "LOC", "LOC", "DATE", "LANG", "CUR")  # places are the most common, as in WikiANN


def tagged(sentence: Pieces, language: str) -> dict:
    """Tokens of the whole text and their BIO tags; a token has the kind of its first character that has one.

    Tokens come from the text alone, so that where they end gives no tag away; suffixes stay with their entity.
    """
    text, owners = "", []
    for number, (piece, kind) in enumerate(sentence):
        piece = normalize("NFC", piece)
        text += piece
        owners += [number if kind else None] * len(piece)
    words, tags, previous = [], [], None
    for start, end in tokens(text, language):
        owner = next((o for o in owners[start:end] if o is not None), None)
        prefix = "I" if owner == previous else "B"
        words.append(text[start:end])
        tags.append("O" if owner is None else f"{prefix}-{sentence[owner][1]}")
        previous = owner
    return {"tokens": words, "tags": tags}


def dtag(language: str, split: str, _: None, rng: Random) -> dict | None:
    """The role of every token of a date and a quantity, in the language's own order."""
    if locale(language) is None:
        return None
    day = world.day(split, rng)
    unit, n = rng.choice(UNITS), rng.randint(2, 98)
    sentence = date_pieces(language, day, rng.choice(DATE_STYLES))
    quantity = unit_pieces(language, unit, n)
    if quantity:
        first, second = rng.sample((sentence, quantity), 2)
        before, between, after = conjunction(language)
        sentence = [(before, None), *first, (between, None), *second, (after, None)]
    return {"id": str(day), **tagged(sentence, language)}


@cache
def _sentences(language: str) -> tuple[tuple[str, str], ...]:
    """(number, pattern) of the translated sentences with slots that can be filled."""
    if locale(language) is None:
        return ()
    sentences = []
    for number, msgid in enumerate(SENTENCES):
        pattern = translate(msgid, language)
        if pattern and sorted(slots(pattern)) == sorted(slots(msgid)) and is_fillable(pattern, language):
            sentences.append((str(number), pattern))
    return tuple(sentences)


def _entity(language: str, split: str, rng: Random) -> tuple[str, str, str] | None:
    """(kind, key, name) of an entity of the split."""
    kind = rng.choice([kind for kind in KINDS if kind != "PER" or world.has_people(language)])
    if kind == "PER":
        text = world.person(language, split, rng)
        return kind, f"person:{text}", text
    if kind == "DATE":
        day = world.day(split, rng)
        return kind, f"day:{day}", world.day_name(language, day, rng)
    pool = world.entities(language, kind, split)
    return (kind, *rng.choice(pool)) if pool else None


def ner_slots(language: str, split: str, _: None, rng: Random) -> dict | None:
    """Entities in the slots of a translated sentence; any kind can be in any slot, so the slot does not tell it."""
    sentences = _sentences(language)
    if len(sentences) < FEWEST_SENTENCES:
        return None
    number, pattern = rng.choice(sentences)
    if rng.random() >= QUOTED:
        pattern = unquoted(pattern)
    sentence, keys = [], [number]
    for literal, slot in pieces(pattern):
        if slot is None:
            sentence.append((literal, None))
            continue
        entity = _entity(language, split, rng)
        if entity is None:
            return None
        kind, key, text = entity
        keys.append(key)
        sentence.append((text, kind))
    return {"id": "|".join(keys), **tagged(sentence, language)}
