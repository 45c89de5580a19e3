import dataclasses
import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stilts_utils.data import lexicon
from stilts_utils.data.embedded.material import world
from stilts_utils.data.embedded.material.locales import LANGUAGES

ABLE = [language for language in LANGUAGES if language not in ("en", "ht")]
unhurried = settings(deadline=None, max_examples=30)
some = st.lists(st.sampled_from(ABLE), min_size=1, max_size=4, unique=True)


@unhurried
@given(some)
def test_control_pairs_share_no_word_with_trained_ones(languages):
    found = lexicon.pairs(languages)
    words = [{text.casefold() for pair in of for text in (pair.english, pair.word)} for of in found.values()]
    assert list(found) == list(lexicon.SETS) and not words[0] & words[1]
    for of in found.values():
        assert {pair.language for pair in of} == set(languages)
        for pair in of:
            assert len(pair.english.split()) == len(pair.word.split()) == 1
            assert pair.english.casefold() != pair.word.casefold()


@unhurried
@given(some)
def test_an_english_word_has_one_translation_and_a_word_one_meaning(languages):
    for of in lexicon.pairs(languages).values():
        for side in ("english", "word"):
            seen = [(pair.language, getattr(pair, side).casefold()) for pair in of]
            assert len(seen) == len(set(seen))


@unhurried
@given(st.sampled_from(ABLE))
def test_no_name_is_injected_on_which_a_target_is_evaluated(language):
    trained = {pair.english.lower() for pair in lexicon.pairs([language])["trained"]}
    assert not trained & {world.name("en", "territory", code).lower() for code in world.territories("test")}
    assert not trained & {name.lower() for _, name in world.entities("en", "LANG", "test")}


@unhurried
@given(some, st.integers(0, 2**32 - 1))
def test_random_pairs_are_the_same_words_and_no_translations(languages, seed):
    trained = lexicon.pairs(languages)["trained"]
    mixed = lexicon.shuffled(trained, seed)
    assert mixed == lexicon.shuffled(trained, seed) and not set(mixed) & set(trained)
    for side in ("english", "word"):
        words = [sorted((pair.language, getattr(pair, side)) for pair in of) for of in (mixed, trained)]
        assert words[0] == words[1]


def test_pairs_do_not_depend_on_what_was_read_before():
    """Babel resolves what a locale inherits once for all of its heirs, so that some names depend on the order."""
    script = (
        "import dataclasses, json; from stilts_utils.data import lexicon; "
        "print(json.dumps([dataclasses.astuple(pair) for pair in lexicon.pairs(['yo', 'sw', 'wo'])['trained']]))"
    )
    alone = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    lexicon.pairs(reversed(ABLE))
    assert json.loads(alone) == [
        list(dataclasses.astuple(pair)) for pair in lexicon.pairs(["yo", "sw", "wo"])["trained"]
    ]


@pytest.mark.parametrize("language", ["en", "ht", "xx"])
def test_a_language_without_names_is_refused(language):
    with pytest.raises(ValueError, match=f"languages holds '{language}', allowed: languages in CLDR, but English"):
        lexicon.pairs([language])


def test_a_language_with_too_few_pairs_is_refused(monkeypatch):
    monkeypatch.setattr(lexicon, "FEWEST", 300)
    with pytest.raises(ValueError, match="languages holds 'sw', of which CLDR has 238 trained word pairs, allowed: "):
        lexicon.pairs(["sw"])
