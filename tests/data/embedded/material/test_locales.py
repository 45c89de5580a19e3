import datetime

import pytest
from babel import Locale

from stilts_utils.data.embedded.material import locales
from stilts_utils.data.embedded.material import text as data_embedded_material_text
from stilts_utils.data.embedded.material.locales import LANGUAGES

DAY = datetime.date(2001, 2, 3)
IN_CLDR = [language for language in LANGUAGES if language != "ht"]


def test_haitian_creole_is_left_out_because_its_names_are_french():
    assert locales.locale("ht") is None
    assert Locale.parse("ht").territories["DE"] == Locale.parse("fr").territories["DE"]


def test_tagalog_is_filipino_in_cldr():
    assert str(locales.locale("tl")) == "fil"


@pytest.mark.parametrize("language", IN_CLDR)
def test_a_locale_is_of_the_language_that_was_asked_for(language):
    assert locales.locale(language).language == locales.CLDR_CODES.get(language, language)


@pytest.mark.parametrize(
    ("n", "unit", "language", "expected"),
    [
        (4, "day", "en", "in 4 days"),
        (-1, "hour", "en", "1 hour ago"),
        (4, "day", "de", "in 4 Tagen"),
        (-96, "hour", "es", "hace 96 horas"),
        (3, "week", "sw", "baada ya wiki 3"),
        (4, "day", "yo", None),  # CLDR's root form "+4 d"
        (4, "year", "qu", None),
    ],
)
def test_relative_times(n, unit, language, expected):
    assert locales.relative(language, n, unit) == expected


@pytest.mark.parametrize("language", IN_CLDR)
def test_no_relative_time_is_a_root_form(language):
    for unit in ("minute", "hour", "day", "week", "month", "quarter", "year"):
        for n in (-3, 3):
            assert (locales.relative(language, n, unit) or "3")[0] not in "+-−"


@pytest.mark.parametrize(
    ("unit", "n", "language", "expected"),
    [
        ("length-kilometer", 7, "en", "{0} kilometers"),
        ("duration-week", 7, "en", "{0} weeks"),
        ("length-kilometer", 7, "sw", "kilomita {0}"),
        ("duration-week", 7, "wo", None),  # CLDR has only root's "{0} w"
        ("mass-kilogram", 7, "wo", "{0} kg"),  # a symbol is the same everywhere
    ],
)
def test_unit_patterns(unit, n, language, expected):
    assert locales.unit_pattern(language, unit, n) == expected


@pytest.mark.parametrize("language", IN_CLDR)
def test_quantities_never_show_the_identifier_of_a_unit(language):
    for unit in ("length-kilometer", "duration-week", "duration-hour", "duration-day", "volume-liter"):
        for n in (2, 5, 6, 21):
            pieces = locales.unit_pieces(language, unit, n)
            if pieces is not None:
                assert [text for text, kind in pieces if kind == "NUM"] == [str(n)]
                assert not any("-" in text and text.strip().isascii() and unit in text for text, _ in pieces)
                assert any(kind == "UNIT" and text.strip() for text, kind in pieces)


@pytest.mark.parametrize(
    ("language", "style", "expected"),
    [("en", "short", "2/3/01"), ("en", "long", "February 3, 2001"), ("de", "medium", "03.02.2001")],
)
def test_dates(language, style, expected):
    assert locales.date(language, DAY, style) == expected


@pytest.mark.parametrize("language", IN_CLDR)
@pytest.mark.parametrize("style", ["full", "long", "medium"])
def test_date_pieces_make_the_date(language, style):
    pieces = locales.date_pieces(language, DAY, style)
    joined = data_embedded_material_text.clean("".join(text for text, _ in pieces))
    assert joined == locales.date(language, DAY, style)
    assert {"DAY", "MONTH", "YEAR"} <= {kind for _, kind in pieces}
    assert (style == "full") <= ("WDAY" in {kind for _, kind in pieces})


def test_era_has_no_tag():
    kinds = [kind for text, kind in locales.date_pieces("th", DAY, "long") if "." in text]
    assert kinds == [None]


def test_reading_patterns_leaves_babels_own_locales_whole():
    # Loading a language without what it inherits would fill Babel's cache with half a locale.
    locales.relative("qu", 3, "day")
    assert Locale.parse("qu").list_patterns["standard"]["2"]
