"""Spans of a context that answer a question, or no answer. Held out: the named entities and the territories."""

from functools import cache
from random import Random
from unicodedata import normalize

from babel.lists import format_list

from stilts_utils.data.embedded.material import world
from stilts_utils.data.embedded.material.locales import (
    Pieces,
    date_pieces,
    enumerated,
    locale,
    unit_pattern,
    unit_pieces,
)
from stilts_utils.data.embedded.material.messages import fill, is_fillable, slots, translate
from stilts_utils.data.embedded.material.splits import split_of
from stilts_utils.data.embedded.material.text import clean, overlap

# Messages that report an action, the preferred one first, and the label of the button for it.
ACTIONS = {
    "add": (("The {name} “{obj}” was added successfully.", "Added {name} “{object}”."), "Add %s"),
    "change": (("The {name} “{obj}” was changed successfully.",), "Change %s"),
    "delete": (
        ("The %(name)s “%(obj)s” was deleted successfully.", "Deleted {name} “{object}”."),
        "Delete selected %(model)s",
    ),
}
TYPES = ("user", "group", "permission", "session", "site", "redirect", "content type", "log entry")
FEWEST_TYPES = 3
DECOYS = 0.5  # share of logs in which a wrong object is named like the question, as AddSent does for SQuAD
# The unit named by a question about a date, by the kind of the piece that answers it.
DATE_UNITS = {"YEAR": "duration-year", "MONTH": "duration-month", "DAY": "duration-day"}
QUANTITY_UNITS = (
    "length-kilometer",
    "mass-kilogram",
    "duration-hour",
    "temperature-celsius",
    "area-hectare",
    "volume-liter",
)
STYLES = ("full", "long", "medium")
PARTS = 3  # dates and quantities in a context
LISTED = 4  # persons in a list
MOST_OVERLAP = 0.25  # of a question with a territory: "Danish Krone" would give Denmark away
TRIES = 50


def _answers(context: str, span: tuple[int, int] | None) -> dict:
    if span is None:
        return {"text": [], "answer_start": []}
    return {"text": [context[slice(*span)]], "answer_start": [span[0]]}


@cache
def _log(language: str) -> dict[str, tuple[str, str]] | None:
    """(report, question) patterns by action, or None if one is missing or two actions read the same.

    Django's Arabic, for one, reports a change in the words of an addition.
    """
    log = {}
    for action, (reports, button) in ACTIONS.items():
        report = next(
            (
                pattern
                for pattern in (translate(msgid, language) for msgid in reports)
                if pattern
                and len(slots(pattern)) == 2
                and {"name"} < set(slots(pattern)) <= {"name", "obj", "object"}
                and is_fillable(pattern, language)
            ),
            None,
        )
        question = translate(button, language)
        if report is None or question is None or len(slots(question)) != 1 or not is_fillable(question, language):
            return None
        log[action] = (report, question)
    for patterns in zip(*log.values(), strict=True):
        if len({fill(pattern, "-")[0] for pattern in patterns}) < len(log):
            return None
    return log


@cache
def _types(language: str) -> tuple[str, ...]:
    names = [translate(msgid, language) for msgid in TYPES]
    return tuple(sorted({text for text in names if text}))


def qa_log(language: str, split: str, answerable: bool, rng: Random) -> dict | None:
    """A log of four actions on objects; the question names an action and a type of object.

    The other lines have the same action on another type, or another action on the same type.
    """
    if locale(language) is None or _log(language) is None or len(_types(language)) < FEWEST_TYPES:
        return None
    log, types = _log(language), _types(language)
    action, kind = rng.choice(list(log)), rng.choice(types)
    other_actions = [other for other in log if other != action]
    other_types = [other for other in types if other != kind]
    first = (action, kind) if answerable else (rng.choice(other_actions), rng.choice(other_types))
    lines = [first, *((other, kind) for other in other_actions), (action, rng.choice(other_types))]
    rng.shuffle(lines)
    objects = rng.sample(world.entities(language, "LOC", split), len(lines))
    names = [text for _, text in objects]
    if len(set(names)) < len(names):
        return None
    question, _ = fill(log[action][1], kind)
    if rng.random() < DECOYS:
        names[rng.choice([i for i, line in enumerate(lines) if line != (action, kind)])] = question
    context, span = "", None
    for line, obj in zip(lines, names, strict=True):
        text, spans = fill(log[line[0]][0], {"name": line[1], "obj": obj, "object": obj})
        context += " " if context else ""
        if line == (action, kind):
            span = next((len(context) + start, len(context) + end) for slot, start, end in spans if slot != "name")
        context += text
    return {
        "id": "|".join((action, *(key for key, _ in objects))),
        "context": context,
        "question": question,
        "answers": _answers(context, span),
    }


def _people(language: str, split: str, rng: Random) -> list[str]:
    """Names for a list: of persons or, if Faker has none in the language, of cities and territories."""
    if world.has_people(language):
        return [world.person(language, split, rng) for _ in range(LISTED)]
    pool = world.entities(language, "LOC", split)
    return [text for _, text in rng.sample(pool, LISTED)] if len(pool) >= LISTED else []


def qa_facts(language: str, split: str, answerable: bool, rng: Random) -> dict | None:
    """A list of persons and their territories; the question is a currency or language of one of them, or of none."""
    relations = world.relations(language)
    if not relations:
        return None
    relation = rng.choice(relations)
    pool = [code for code in world.territories(split) if relation in world.facts()[code]]
    for _ in range(TRIES):
        codes = rng.sample(pool, LISTED + 1)
        facts = [world.facts()[code][relation] for code in codes]
        question = world.name(language, relation, facts[0].value)
        places = [world.name(language, "territory", code) for code in codes]
        if not question or not all(places) or len(set(places)) < len(places):
            continue
        if any(facts[0].value in other.accepted for other in facts[1:]):
            continue
        if all(overlap(question, place, language) <= MOST_OVERLAP for place in places):
            break
    else:
        return None
    names = _people(language, split, rng)
    if len(set(names)) < LISTED or set(names) & set(places):
        return None
    # The question is about the first territory; without an answer it is left out of the list.
    kept = list(range(LISTED)) if answerable else list(range(1, LISTED + 1))
    rng.shuffle(kept)
    marks = [chr(0xE000 + i) for i in range(LISTED)]  # private use: CLDR's list patterns do not touch them
    context, span = "", None
    for character in clean(format_list(marks, locale=locale(language))):
        if character not in marks:
            context += character
            continue
        at = marks.index(character)
        if kept[at] == 0:
            span = (len(context), len(context) + len(names[at]))
        context += f"{names[at]} ({places[kept[at]]})"
    return {
        "id": "|".join((relation, codes[0], *(codes[i] for i in kept))),
        "context": context,
        "question": question,
        "answers": _answers(context, span),
    }


@cache
def _unit_names(language: str) -> dict[str, str]:
    """The language's names of units without a number."""
    patterns = {unit: unit_pattern(language, unit, 5) for unit in (*DATE_UNITS.values(), *QUANTITY_UNITS)}
    return {unit: clean(pattern.replace("{0}", " ")) for unit, pattern in patterns.items() if pattern}


def _amount(unit: str, split: str, taken: set[int], rng: Random) -> int:
    """A number of the split, by unit, that the context does not have yet."""
    while True:
        n = rng.randint(2, 98)
        if n not in taken and split_of(f"{unit}:{n}") == split:
            taken.add(n)
            return n


def qa_parts(language: str, split: str, answerable: bool, rng: Random) -> dict | None:
    """A date and quantities; the question names a unit, and the answer is how much of it, or which year, month or day.

    Without an answer the unit is missing: half the time the date is left out and the question is about a part of it.
    """
    names = _unit_names(language) if locale(language) else {}
    known = [unit for unit in QUANTITY_UNITS if unit in names]
    if len(known) <= PARTS or not all(unit in names for unit in DATE_UNITS.values()):
        return None
    day = world.day(split, rng)
    about_date = rng.random() < 0.5
    dated = answerable or not about_date
    units = rng.sample(known, PARTS + 1)
    taken = {day.day}
    quantities = {
        unit: unit_pieces(language, unit, _amount(unit, split, taken, rng)) for unit in units[: PARTS - dated]
    }
    if None in quantities.values():
        return None  # the form of some numbers is one word, such as a dual
    kind = rng.choice(list(DATE_UNITS))
    if about_date:
        question, answer_kind = names[DATE_UNITS[kind]], kind
    else:
        question, answer_kind = names[units[0] if answerable else units[-1]], "NUM"
    parts: list[Pieces] = list(quantities.values())
    if dated:
        parts.append(date_pieces(language, day, rng.choice(STYLES)))
    holder = (parts[-1] if about_date else parts[0]) if answerable else None
    rng.shuffle(parts)
    context, span = "", None
    for owner, (text, piece_kind) in enumerated(language, parts):
        text = normalize("NFC", text)
        if holder is not None and owner is holder and piece_kind == answer_kind:
            span = (len(context), len(context) + len(text))
        context += text
    if answerable and span is None:
        return None  # the style has no such part
    return {"id": str(day), "context": context, "question": question, "answers": _answers(context, span)}
