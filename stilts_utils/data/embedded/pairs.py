"""Pairs of texts: relative times, bounds on a number, dates in two styles. Held out: the pair of values."""

import datetime
from functools import cache
from random import Random

from stilts_utils.data.embedded.material.locales import date, locale, number, relative
from stilts_utils.data.embedded.material.messages import fill, slots, translate
from stilts_utils.data.embedded.material.splits import split_of

SECONDS = {
    "minute": 60,
    "hour": 3600,
    "day": 86_400,
    "week": 604_800,
    "month": 2_629_746,
    "quarter": 7_889_238,
    "year": 31_556_952,
}
NEEDED = {"hour", "day", "week", "month"}
LARGEST = {"minute": 90, "hour": 99, "day": 60, "week": 9, "month": 40, "quarter": 9, "year": 9}
# How many of the first unit are one of the second.
EQUAL = {
    ("minute", "hour"): 60,
    ("hour", "day"): 24,
    ("day", "week"): 7,
    ("month", "quarter"): 3,
    ("month", "year"): 12,
    ("quarter", "year"): 4,
}
MULTIPLES = 20
LIMITS = (
    "Ensure this value is less than or equal to %(limit_value)s.",
    "Ensure this value is greater than or equal to %(limit_value)s.",
)
SMALLEST_NUMBER, LARGEST_NUMBER, LEAST_DISTANCE = 2, 99, 5
# The premise: a bound of the hypothesis's kind, of the other kind, or the value itself. Each goes with two labels, so it
# gives none away.
PREMISES = {"entailment": ("same", "value"), "neutral": ("same", "other"), "contradiction": ("other", "value")}
STYLES = ("long", "medium", "short")

Quantity = tuple[int, str]  # signed count (negative: ago), unit


@cache
def _units(language: str) -> frozenset[str]:
    if locale(language) is None:
        return frozenset()
    return frozenset(unit for unit in SECONDS if all(relative(language, n, unit) for n in (2, -2)))


def _seconds(quantity: Quantity) -> int:
    return quantity[0] * SECONDS[quantity[1]]


def _unordered(*values: object) -> str:
    return "|".join(sorted(map(str, values)))


def _equal_quantities(units: frozenset[str], rng: Random) -> tuple[Quantity, Quantity]:
    fine, coarse = rng.choice([pair for pair in EQUAL if units.issuperset(pair)])
    n, sign = rng.randint(1, MULTIPLES), rng.choice((1, -1))
    return (sign * n * EQUAL[fine, coarse], fine), (sign * n, coarse)


def _unequal_quantities(units: frozenset[str], rng: Random) -> tuple[Quantity, Quantity]:
    kind = rng.random()
    if kind < 0.75:  # as close to an equal pair as can be, so that its numbers do not give it away
        (n_fine, fine), (n_coarse, coarse) = _equal_quantities(units, rng)
        if kind >= 0.5:  # the opposite direction
            return (n_fine, fine), (-n_coarse, coarse)
        moved = rng.choice([m for m in range(-3, 4) if m and n_coarse * (n_coarse + m) > 0])
        if kind < 0.25:
            return (n_fine, fine), (n_coarse + moved, coarse)
        return (n_fine + moved * EQUAL[fine, coarse], fine), (n_coarse, coarse)
    while True:  # anything; months and years vary in length, so not too close
        a, b = (
            (rng.choice((1, -1)) * rng.randint(1, LARGEST[unit]), unit)
            for unit in (rng.choice(sorted(units)) for _ in range(2))
        )
        if abs(_seconds(a) - _seconds(b)) > 0.1 * max(abs(_seconds(a)), abs(_seconds(b))):
            return a, b


def temprel(language: str, split: str, label: str, rng: Random) -> dict | None:
    """Whether one relative time is earlier than, the same as, or later than another. Direction is not held out."""
    units = _units(language)
    if not units >= NEEDED:
        return None
    a, b = (_equal_quantities if label == "same" else _unequal_quantities)(units, rng)
    if label == "same":
        a, b = rng.sample((a, b), 2)
    elif (label == "earlier") != (_seconds(a) < _seconds(b)):
        a, b = b, a
    if split_of("relative:" + _unordered(*((abs(n), unit) for n, unit in (a, b)))) != split:
        return None
    text_a, text_b = relative(language, *a), relative(language, *b)
    if not text_a or not text_b or text_a == text_b:
        return None
    return {"id": f"{a[0]:+}{a[1]}|{b[0]:+}{b[1]}", "text_a": text_a, "text_b": text_b, "label": label}


@cache
def _limits(language: str) -> tuple[str, str] | None:
    """Patterns of "at most" and "at least", or None if one is missing or both read the same."""
    at_most, at_least = (translate(limit, language) for limit in LIMITS)
    if not at_most or not at_least or at_most == at_least:
        return None
    if slots(at_most) != ["limit_value"] or slots(at_least) != ["limit_value"]:
        return None
    return at_most, at_least


def nli_num(language: str, split: str, label: str, rng: Random) -> dict | None:
    """Whether a number or a bound on it entails, contradicts or leaves open a bound."""
    limits = _limits(language)
    if limits is None:
        return None
    low, high = sorted(rng.sample(range(SMALLEST_NUMBER, LARGEST_NUMBER + 1), 2))
    if high - low < LEAST_DISTANCE or split_of(f"numbers:{low}|{high}") != split:
        return None
    premise = rng.choice(PREMISES[label])
    at_least = rng.random() < 0.5  # the hypothesis is "at least", otherwise "at most"
    # The premise's number meets the hypothesis in an entailment, and with bounds of opposite kinds that leave room for
    # both.
    meets = label == "entailment" or (label == "neutral" and premise == "other")
    n_premise, n_hypothesis = (high, low) if meets == at_least else (low, high)

    def text(n: int, bound: bool | None) -> str:
        return number(language, n) if bound is None else fill(limits[bound], number(language, n))[0]

    bound = {"same": at_least, "other": not at_least, "value": None}[premise]
    return {
        "id": f"{premise}:{n_premise}|{'at least' if at_least else 'at most'}:{n_hypothesis}",
        "text_a": text(n_premise, bound),
        "text_b": text(n_hypothesis, at_least),
        "label": label,
    }


def paws_easy(language: str, split: str, label: str, rng: Random) -> dict | None:
    """Whether two dates in different styles are the same date; different ones differ in the day or in the month."""
    if locale(language) is None:
        return None
    first = second = datetime.date(rng.randint(1990, 2030), rng.randint(1, 12), rng.randint(1, 28))
    if label == "different":
        if rng.random() < 0.5:
            second = first.replace(day=rng.choice([d for d in range(1, 29) if d != first.day]))
        else:
            second = first.replace(month=rng.choice([m for m in range(1, 13) if m != first.month]))
    style_a, style_b = rng.sample(STYLES, 2)
    # Some styles coincide, always (Chinese) or in some months (May). Such a pair is left out under both labels: were
    # it left out under "same" only, the styles would give the label away.
    if any(date(language, day, style_a) == date(language, day, style_b) for day in (first, second)):
        return None
    if split_of("dates:" + _unordered(first, second)) != split:
        return None
    return {
        "id": f"{first}|{second}",
        "text_a": date(language, first, style_a),
        "text_b": date(language, second, style_b),
        "label": label,
    }
