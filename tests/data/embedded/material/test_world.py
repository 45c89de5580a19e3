import unicodedata
from random import Random

import pytest

from stilts_utils.data.embedded.material import world
from stilts_utils.data.embedded.material.locales import LANGUAGES
from stilts_utils.data.embedded.material.splits import SPLITS


def test_facts():
    japan, panama = world.facts()["JP"], world.facts()["PA"]
    assert (japan["currency"].value, japan["language"].value) == ("JPY", "ja")
    assert {"PAB", "USD"} <= panama["currency"].accepted  # both are legal tender
    assert not {"EU", "UN", "ZZ"} & set(world.facts())
    assert len(world.facts()) > 240


def test_every_main_value_is_accepted():
    for relations in world.facts().values():
        for fact in relations.values():
            assert fact.value in fact.accepted


def test_names_of_one_relation_only_where_the_other_is_english():
    assert world.relations("de") == ("currency", "language")
    assert world.relations("wo") == ("language",)  # 88 % of its names of currencies are English
    assert world.relations("tl") == () and not world.names_territories("tl")  # 95 % of those of territories
    assert world.relations("ht") == ()


def test_splits_part_the_territories():
    parts = [set(world.territories(split)) for split in SPLITS]
    assert sum(map(len, parts)) == len(set.union(*parts)) == len(world.territories())


def test_a_territory_and_a_city_of_the_same_name_are_in_the_same_split():
    places = {key for split in SPLITS for key, _ in world.entities("en", "LOC", split)}
    keys = [{key for key, _ in world.entities("en", "LOC", split)} for split in SPLITS]
    assert sum(map(len, keys)) == len(places)
    assert "place:singapore" in places


@pytest.mark.parametrize("language", ["en", "de", "fi", "sw", "vi"])
def test_entities_are_named_for_one_kind_only(language):
    names = [
        (text.lower(), kind)
        for kind in ("LOC", "LANG", "CUR")
        for split in SPLITS
        for _, text in world.entities(language, kind, split)
    ]
    kinds: dict[str, set[str]] = {}
    for text, kind in names:
        kinds.setdefault(text, set()).add(kind)
    assert all(len(found) == 1 for found in kinds.values())
    assert "tokelau" not in kinds or language != "en"  # the territory and its language


@pytest.mark.parametrize("language", ["de", "es", "id", "sw"])
def test_no_evaluated_name_is_one_that_english_trains_on(language):
    trained = {text for kind in ("LOC", "LANG", "CUR") for _, text in world.entities("en", kind, "train")}
    for kind in ("LOC", "LANG", "CUR"):
        for split in ("validation", "test"):
            assert trained.isdisjoint(text for _, text in world.entities(language, kind, split))


def test_persons_are_not_american_where_faker_has_none_of_the_language():
    assert not world.has_people("tl") and not world.has_people("wo")
    # ar_EG, el_CY and it_CH would be American, but other varieties are not.
    for language, script in (("ar", "ARABIC"), ("el", "GREEK"), ("he", "HEBREW"), ("ko", "HANGUL")):
        letters = [c for c in world.person(language, "test", Random(0)) if c.isalpha()]
        assert any(unicodedata.name(c).startswith(script) for c in letters)


def test_providers_are_of_the_language():
    for language in LANGUAGES:
        if world.has_people(language):
            (provider,) = world._people(language).get_providers()
            assert provider.__lang__.split("_")[0] == language


def test_persons_and_days_are_drawn_from_the_generator():
    assert world.person("de", "test", Random(5)) == world.person("de", "test", Random(5))
    assert world.day("test", Random(5)) == world.day("test", Random(5))
