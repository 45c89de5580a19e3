"""Territories with their languages and currencies, and the named entities of every language, split by entity."""

import datetime
from dataclasses import dataclass
from functools import cache
from random import Random

from babel.core import get_global

from stilts_utils.data.embedded.material.locales import date, locale, writes_latin
from stilts_utils.data.embedded.material.splits import ENTITIES, split_of
from stilts_utils.data.embedded.material.text import clean

# Codes of two letters that are no territory: unions, test regions, the unknown region.
NO_TERRITORIES = {"CQ", "EU", "EZ", "QO", "UN", "XA", "XB", "ZZ"}
RELATIONS = ("currency", "language")
FIRST_DAY, DAYS = datetime.date(1950, 1, 1), 36_000
MOST_ENGLISH = 0.8  # share of the names of a kind: above it, as in Filipino, they are hardly translated
# The variety to prefer if Faker has names of several; otherwise its first.
FAKER_LOCALES = {"fr": "fr_FR", "nl": "nl_NL", "pt": "pt_PT"}

Entity = tuple[str, str]  # (key, the same in all languages; name in one language)


@dataclass(frozen=True)
class Fact:
    """The main value of a territory's relation, and every value that would be a right answer too."""

    value: str
    accepted: frozenset[str]


@cache
def facts() -> dict[str, dict[str, Fact]]:
    """Facts by territory code and relation, from CLDR's supplemental data; a relation without a value is left out."""
    currencies, languages = get_global("territory_currencies"), get_global("territory_languages")
    facts_of = {}
    for code in sorted(locale("en").territories):
        if len(code) != 2 or not code.isalpha() or code in NO_TERRITORIES or code not in languages:
            continue
        # (currency, first day, last day, is legal tender)
        tender = [entry[0] for entry in currencies.get(code, ()) if entry[2] is None and entry[3]]
        spoken = languages[code]
        official = sorted(
            (
                (about["population_percent"], tag.split("_")[0])
                for tag, about in spoken.items()
                if about.get("official_status") in ("official", "de_facto_official")
            ),
            reverse=True,
        )
        common = {
            tag.split("_")[0]
            for tag, about in spoken.items()
            if about.get("official_status") or about["population_percent"] >= 10
        }
        facts_of[code] = {}
        if tender:
            facts_of[code]["currency"] = Fact(tender[0], frozenset(tender))
        if official:
            facts_of[code]["language"] = Fact(official[0][1], frozenset(common))
    return facts_of


@cache
def continent(code: str) -> str | None:
    """The area in which the territory's time zones are, such as "Asia" or "Pacific"."""
    zones = get_global("territory_zones").get(code)
    return zones[0].split("/")[0] if zones else None


@cache
def name(language: str, kind: str, code: str) -> str | None:
    """Name of a territory, currency or language in a language, or None."""
    table = {"territory": "territories", "currency": "currencies", "language": "languages"}[kind]
    text = getattr(locale(language), table).get(code)
    return clean(text) if text else None


@cache
def _is_translated(language: str, kind: str) -> bool:
    """Whether most names of a kind (territory, currency, language) differ from the English ones."""
    if language == "en":
        return True
    if kind == "territory":
        codes = set(facts())
    else:
        codes = {relations[kind].value for relations in facts().values() if kind in relations}
    same = sum(name(language, kind, code) == name("en", kind, code) for code in codes)
    return same <= MOST_ENGLISH * len(codes)


@cache
def names_territories(language: str) -> bool:
    """Whether the language has names of its own for territories."""
    return locale(language) is not None and _is_translated(language, "territory")


@cache
def relations(language: str) -> tuple[str, ...]:
    """The relations that can be asked about in the language: their names, and those of territories, are translated."""
    if not names_territories(language):
        return ()
    return tuple(relation for relation in RELATIONS if _is_translated(language, relation))


@cache
def territories(split: str | None = None) -> tuple[str, ...]:
    """Territory codes, those of one split or all."""
    return tuple(
        code for code in facts() if split is None or split_of(_place(name("en", "territory", code)), ENTITIES) == split
    )


def _place(english: str) -> str:
    # Many territories share the name of their capital: both must be in the same split.
    return f"place:{english.lower()}"


def _city(language: str, zone: str) -> str | None:
    city = locale(language).time_zones.get(zone, {}).get("city")
    if city is None and writes_latin(language):  # CLDR: if no city is given, the zone's identifier names it
        city = zone.rsplit("/")[-1].replace("_", " ")
    return clean(city) if city else None


@cache
def _named(language: str) -> dict[str, tuple[Entity, ...]]:
    """Entities by kind; a name that means several things, such as Tokelau, is of no kind."""
    named: dict[str, list[Entity]] = {"LOC": [], "LANG": [], "CUR": []}
    for code in territories():
        named["LOC"].append((_place(name("en", "territory", code)), name(language, "territory", code)))
    zones_of = get_global("territory_zones")
    for zone in sorted({zone for code in territories() for zone in zones_of.get(code, ())}):
        named["LOC"].append((_place(_city("en", zone)), _city(language, zone)))
    for code in sorted(locale("en").languages):
        if len(code) <= 3:
            named["LANG"].append((f"language:{code}", name(language, "language", code)))
    for code in sorted(locale("en").currencies):
        named["CUR"].append((f"currency:{code}", name(language, "currency", code)))
    kinds_of: dict[str, set[str]] = {}
    for kind, entities in named.items():
        for _, text in entities:
            if text:
                kinds_of.setdefault(text.lower(), set()).add(kind)
    return {
        kind: tuple(
            sorted(
                {
                    (key, text)
                    for key, text in entities
                    if text and len(kinds_of[text.lower()]) == 1 and not any(c.isdigit() or c in "()" for c in text)
                }
            )
        )
        for kind, entities in named.items()
    }


@cache
def entities(language: str, kind: str, split: str) -> tuple[Entity, ...]:
    """Entities of a kind (LOC, LANG, CUR) of a split; none has a name that English training rows use for another."""
    seen_in_english = set()
    if split != "train":
        seen_in_english = {text for kind in ("LOC", "LANG", "CUR") for _, text in entities("en", kind, "train")}
    return tuple(
        (key, text)
        for key, text in _named(language)[kind]
        if split_of(key, ENTITIES) == split and text not in seen_in_english
    )


@cache
def _people(language: str):
    """Faker's provider of names in the language, or None."""
    from faker import Faker
    from faker.config import AVAILABLE_LOCALES

    codes = sorted(code for code in AVAILABLE_LOCALES if code.split("_")[0] == language)
    codes.sort(key=lambda code: code != FAKER_LOCALES.get(language))
    for code in codes:
        faker = Faker(code, providers=["faker.providers.person"])
        (provider,) = faker.get_providers()
        # Faker silently gives American names if a locale has none of its own.
        if provider.__lang__.split("_")[0] == language:
            return faker
    return None


def has_people(language: str) -> bool:
    """Whether there are names of persons in the language."""
    return _people(language) is not None


def person(language: str, split: str, rng: Random) -> str:
    """An invented full name of the split."""
    faker = _people(language)
    faker.seed_instance(rng.getrandbits(32))
    while True:
        text = clean(faker.name())
        if split_of(f"person:{text}") == split:
            return text


def day(split: str, rng: Random) -> datetime.date:
    """A day of the split, from 1950 on."""
    while True:
        date_ = FIRST_DAY + datetime.timedelta(rng.randrange(DAYS))
        if split_of(f"day:{date_}") == split:
            return date_


def day_name(language: str, date_: datetime.date, rng: Random) -> str:
    """The day in one of the styles that spell out the month."""
    return date(language, date_, rng.choice(("full", "long", "medium")))
