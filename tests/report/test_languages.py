from stilts_utils import tasks
from stilts_utils.data.embedded.material import locales
from stilts_utils.report import languages


def test_every_language_of_a_study_has_a_name_and_one_family():
    assert {*tasks.LANGUAGES, *locales.LANGUAGES} <= languages.NAMES.keys()
    assert len(languages.NAMES) == sum(map(len, languages.FAMILIES.values())) == len(set(languages.NAMES.values()))


def test_names_stand_with_their_codes():
    assert languages.name("sw") == "Swahili" and languages.named("sw") == "Swahili (sw)"
    assert languages.name("xx") == languages.named("xx") == "xx"


def test_languages_are_grouped_by_family_and_those_alone_come_last():
    assert languages.grouped(["fi", "en", "ru", "xx", "de"]) == {"Germanic": ["de", "en"], "Others": ["fi", "ru", "xx"]}
    assert languages.grouped(["fi", "et"]) == {"Uralic": ["et", "fi"]}
    every = languages.grouped(languages.NAMES)
    assert sorted(code for members in every.values() for code in members) == sorted(languages.NAMES)
    assert all(len(members) > 1 for members in every.values())
