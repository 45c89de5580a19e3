"""The languages of XTREME-R in CLDR, with their formats of numbers, dates, quantities and relative times."""

import datetime
import re
from collections.abc import Mapping
from functools import cache, lru_cache

from babel import Locale, localedata
from babel.core import get_global
from babel.dates import format_date
from babel.numbers import format_decimal

from stilts_utils.data.embedded.material.text import clean

# fmt: off
LANGUAGES = (
    "af", "ar", "az", "bg", "bn", "de", "el", "en", "es", "et", "eu", "fa", "fi", "fr", "gu", "he", "hi",
    "ht", "hu", "id", "it", "ja", "jv", "ka", "kk", "ko", "lt", "ml", "mr", "ms", "my", "nl", "pa", "pl",
    "pt", "qu", "ro", "ru", "sw", "ta", "te", "th", "tl", "tr", "uk", "ur", "vi", "wo", "yo", "zh",
)
# fmt: on
CLDR_CODES = {"tl": "fil"}  # CLDR keeps Tagalog as Filipino
NOT_IN_CLDR = {"ht"}  # Babel has a locale of that name, but its names are French, which CLDR lets it inherit

# Units whose symbol is the same in every language, so CLDR's root form is no gap in the translation.
METRIC = {"length-kilometer", "mass-kilogram", "temperature-celsius", "area-hectare", "volume-liter"}
WIDTHS = ("long", "short", "narrow")

# The era (G) is of no kind: English dates have none, so that a tag of its own could not be learnt from English.
FIELD_KINDS = {"E": "WDAY", "c": "WDAY", "d": "DAY", "M": "MONTH", "L": "MONTH", "y": "YEAR", "G": None}
PATTERN_PART = re.compile(r"'(?P<quoted>[^']*)'|(?P<field>([A-Za-z])\3*)|(?P<literal>[^A-Za-z']+)")

Pieces = list[tuple[str, str | None]]  # (text, kind), in reading order; None: of no kind


@cache
def locale(language: str) -> Locale | None:
    """The Babel locale of a language, or None if CLDR has none."""
    return None if language in NOT_IN_CLDR else Locale.parse(CLDR_CODES.get(language, language))


@cache
def writes_latin(language: str) -> bool:
    """Whether the language is written in Latin script."""
    return "_Latn" in get_global("likely_subtags").get(CLDR_CODES.get(language, language), "")


def _data(language: str) -> Mapping:
    # Babel has no public reader of patterns. To tell root forms from translations, loading without inheritance would look
    # simpler, but it fills Babel's cache and breaks every later Locale of that language.
    return localedata.LocaleDataDict(localedata.load(str(locale(language))))


def _root(*path: str) -> Mapping:
    data: Mapping = localedata.load("root")
    for key in path:
        data = data.get(key) or {}
    return data


def _plural(patterns: Mapping, language: str, n: int) -> str | None:
    pattern = patterns.get(locale(language).plural_form(n)) or patterns.get("other")
    return pattern if isinstance(pattern, str) else None


def number(language: str, n: int) -> str:
    """A whole number as the language writes it."""
    return clean(format_decimal(n, locale=locale(language)))


@lru_cache(maxsize=100_000)
def date(language: str, day: datetime.date, style: str) -> str:
    """A date in a CLDR style: full, long, medium or short."""
    return clean(format_date(day, style, locale=locale(language)))


@cache
def _date_parts(language: str, style: str) -> tuple[tuple[str | None, str | None], ...]:
    """(field, None) and (None, literal text) of a date pattern, in order."""
    pattern = locale(language).date_formats[style].pattern
    return tuple(
        (match["field"], None) if match["field"] else (None, match["literal"] or match["quoted"] or "'")
        for match in PATTERN_PART.finditer(pattern)
    )


def date_pieces(language: str, day: datetime.date, style: str) -> Pieces:
    """A date as pieces, in the order of the language; kinds are WDAY, DAY, MONTH and YEAR."""
    return [
        (format_date(day, field, locale=locale(language)), FIELD_KINDS[field[0]]) if field else (literal, None)
        for field, literal in _date_parts(language, style)
    ]


@cache
def unit_pattern(language: str, unit: str, n: int) -> str | None:
    """Pattern with `{0}` for n of a unit, such as "{0} hours"; None if CLDR has no translation or no place for n.

    Babel's `format_unit` prints the unit's identifier if a width is missing.
    """
    widths = _data(language)["unit_patterns"].get(unit) or {}
    for width in WIDTHS:
        pattern = _plural(widths.get(width) or {}, language, n)
        if pattern is None:
            continue
        if unit not in METRIC and pattern == _root("unit_patterns", unit, width).get("other"):
            continue
        return pattern if "{0}" in pattern else None
    return None


def unit_pieces(language: str, unit: str, n: int) -> Pieces | None:
    """A quantity as pieces of the kinds NUM and UNIT, or None as for `unit_pattern`."""
    pattern = unit_pattern(language, unit, n)
    if pattern is None:
        return None
    before, after = pattern.split("{0}")
    pieces = [(before, "UNIT"), (number(language, n), "NUM"), (after, "UNIT")]
    return [(text, kind) for text, kind in pieces if text.strip()]


@cache
def _relative_patterns(language: str, unit: str, tense: str) -> Mapping | None:
    patterns = _data(language)["date_fields"].get(unit, {}).get(tense)
    if not isinstance(patterns, Mapping) or patterns.get("other") == _root("date_fields", unit, tense).get("other"):
        return None  # root's "+{0} d" stands for a missing translation
    return patterns


def relative(language: str, n: int, unit: str) -> str | None:
    """A relative time such as "in 4 days" (n > 0) or "4 days ago" (n < 0), or None if not translated."""
    patterns = _relative_patterns(language, unit, "future" if n > 0 else "past")
    pattern = _plural(patterns, language, abs(n)) if patterns else None
    return clean(pattern.replace("{0}", number(language, abs(n)))) if pattern else None


@cache
def conjunction(language: str) -> tuple[str, str, str]:
    """The text that the language writes before, between and after two things in a list."""
    pattern = locale(language).list_patterns["standard"]["2"]
    before, between, after = re.split(r"\{[01]\}", pattern)
    return before, between, after


def enumerated(language: str, parts: list[Pieces]) -> list[tuple[Pieces | None, tuple[str, str | None]]]:
    """Three or more parts written as a list: every piece with the part it belongs to, None for the words between."""
    patterns = locale(language).list_patterns["standard"]
    pieces = [(parts[-1], piece) for piece in parts[-1]]
    for i in range(len(parts) - 2, -1, -1):
        name = "end" if i == len(parts) - 2 else "start" if i == 0 else "middle"
        before, between, after = re.split(r"\{[01]\}", patterns[name])
        part = [(parts[i], piece) for piece in parts[i]]
        pieces = [(None, (before, None)), *part, (None, (between, None)), *pieces, (None, (after, None))]
    return pieces
