"""Multiple choice. Held out: the territory, or the message."""

import zlib
from functools import cache
from random import Random

from stilts_utils.data.embedded.material import continuations, world
from stilts_utils.data.embedded.material.splits import split_of
from stilts_utils.data.embedded.material.text import overlap
from stilts_utils.tasks import TRAINING_LANGUAGE

CHOICES = 4
NEAR = 2  # wrong choices from the continent of the territory, if it has as many
MOST_OVERLAP = 0.25  # of a choice with the territory: "Danish Krone" would give Denmark away
MOST_TERRITORIES = 8  # with one answer: with more, as for English or the euro, it would be a good guess
EVALUATED = (0, 30, 70)  # percentages of messages; training rows are no messages
TIMES = 4  # that a message, or for validation a territory, is asked about with other wrong choices: there are few
FEWEST_MESSAGES = 5
MOST_ALIKE = 0.6  # overlap of two choices: above it, both could be right
DRAWN = 6  # wrong choices of which the NEAR that overlap most with the question are taken


@cache
def _items(language: str, relation: str, split: str) -> tuple[tuple[str, str, str], ...]:
    """(territory, its name, its answer) of the split, if the answer does not overlap with the name."""
    items_of: dict[str, list[tuple[str, str, str]]] = {}
    for code in sorted(world.territories(split), key=lambda code: zlib.crc32(f"item:{code}".encode())):
        question, fact = world.name(language, "territory", code), world.facts()[code].get(relation)
        answer = fact and world.name(language, relation, fact.value)
        if question and answer and overlap(question, answer, language) <= MOST_OVERLAP:
            items_of.setdefault(answer, []).append((code, question, answer))
    return tuple(item for items in items_of.values() for item in items[:MOST_TERRITORIES])


@cache
def _accepted(language: str, relation: str, code: str) -> frozenset[str | None]:
    return frozenset(world.name(language, relation, value) for value in world.facts()[code][relation].accepted)


def mc_facts(language: str, split: str, position: int, rng: Random) -> dict | None:
    """Which currency or language a territory has; the right choice stands at `position`.

    Wrong choices are the answers of other items, so that neither being a common answer, nor one that is never right
    here (most currencies have their country's name and are left out), gives anything away. There are few territories:
    for validation each is asked about several times, each time with other wrong choices.
    """
    relations = world.relations(language)
    if not relations:
        return None
    relation = rng.choice(relations)
    items = _items(language, relation, split)
    code, question, right = rng.choice(items)
    wrong = [item for item in items if item[2] not in _accepted(language, relation, code)]
    near = [item for item in wrong if world.continent(item[0]) == world.continent(code)]
    others: list[str] = []
    for _, _, text in [*rng.sample(near, min(NEAR, len(near))), *rng.sample(wrong, len(wrong))]:
        if text not in others and overlap(question, text, language) <= MOST_OVERLAP:
            others.append(text)
        if len(others) == CHOICES - 1:
            break
    if not (choices := _with_right(others, right, position, rng)):
        return None
    time = f":{rng.randrange(TIMES)}" if split == "validation" else ""
    return {"id": f"{relation}:{code}{time}", "question": question, "choices": choices, "label": position}


def _with_right(wrong: list[str], right: str, position: int, rng: Random) -> list[str] | None:
    """The wrong choices, shuffled, and the right one at its position; None if there are too few."""
    if len(wrong) < CHOICES - 1:
        return None
    rng.shuffle(wrong)  # the near ones came first
    return [*wrong[:position], right, *wrong[position:]]


@cache
def _continued(language: str, split: str) -> tuple[tuple[str, str, str], ...]:
    """(key, how it begins, how it goes on) of the texts of the split."""
    if split == "train":
        texts = continuations.prose() if language == TRAINING_LANGUAGE else {}
    else:
        texts = continuations.sentences(language)
        texts = {key: parts for key, parts in texts.items() if split_of(f"message:{key}", EVALUATED) == split}
    return tuple((key, *parts) for key, parts in texts.items())


def mc_continue(language: str, split: str, position: int, rng: Random) -> dict | None:
    """The continuation of a sentence; the right choice stands at `position`.

    Training rows are English prose. Wrong choices follow other sentences; some share words with the question, as the
    right one does.
    """
    items = _continued(language, split)
    if len(items) < FEWEST_MESSAGES:
        return None
    key, question, right = rng.choice(items)
    others = []
    drawn = [text for _, _, text in rng.sample(items, min(DRAWN, len(items))) if text != right]
    drawn.sort(key=lambda text: -overlap(question, text, language))
    for text in [*drawn[:NEAR], *rng.sample(drawn[NEAR:], len(drawn[NEAR:]))]:
        if all(overlap(text, other, language) <= MOST_ALIKE for other in (right, *others)):
            others.append(text)
        if len(others) == CHOICES - 1:
            break
    if not (choices := _with_right(others, right, position, rng)):
        return None
    return {"id": f"{key}|{rng.randrange(TIMES)}", "question": question, "choices": choices, "label": position}
