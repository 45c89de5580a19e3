import numpy as np
import pandas as pd
import pytest

from stilts_utils.analysis.factors import premiums

COLUMNS = ["task", "language", "item", "words", "characters", "tokens", "unknown"]


def table(*rows):
    return pd.DataFrame([("retr_bitext", *row) for row in rows], columns=COLUMNS)


TOKENS = table(
    ("en", "m1", 2, 10, 4, 0),
    ("en", "m2", 3, 14, 6, 0),
    ("en", "m3", 5, 20, 10, 1),
    ("de", "m1", 2, 12, 5, 0),
    ("de", "m2", 2, 12, 7, 0),
    ("zh", "m1", 0, 4, 3, 1),
    ("zh", "m3", 0, 8, 6, 2),
)


def test_tokens_are_compared_on_the_messages_that_a_language_has():
    rows = premiums(TOKENS).set_index("language")
    assert rows.premium.to_dict() == pytest.approx({"zh": 9 / 14, "en": 1.0, "de": 12 / 10})
    assert rows.messages.to_dict() == {"zh": 2, "en": 3, "de": 2}


def test_tokens_per_word_and_character_and_the_share_of_unknown_tokens():
    rows = premiums(TOKENS).set_index("language")
    assert rows.tokens_per_word.to_dict() == pytest.approx({"zh": 0.0, "en": 2.0, "de": 3.0})
    assert rows.tokens_per_character.to_dict() == pytest.approx({"zh": 9 / 12, "en": 20 / 44, "de": 12 / 24})
    assert rows.unknown_share.to_dict() == pytest.approx({"zh": 3 / 9, "en": 1 / 20, "de": 0.0})


def test_languages_stand_from_the_fewest_tokens_to_the_most():
    assert premiums(TOKENS).language.tolist() == ["zh", "en", "de"]


def test_a_text_without_its_english_original_has_no_premium():
    rows = premiums(pd.concat([TOKENS, table(("de", "m4", 1, 1, 1, 0))])).set_index("language")
    assert np.isnan(rows.premium["de"]) and rows.premium.drop("de").notna().all()
    assert rows.tokens_per_word["de"] > 0
