import dataclasses
import shutil
from types import SimpleNamespace

import pytest

from stilts_utils.analysis import factors
from stilts_utils.data import sources
from stilts_utils.study.settings import Fit, Timing
from stilts_utils.study.source import EMBEDDED
from stilts_utils.study.study import Study
from stilts_utils.tables import files
from stilts_utils.tasks import task
from stilts_utils.training import pretrained

pytest_plugins = ["tests.own_mirror"]
TEXTS = {
    "de": {"Save": "Sichern jetzt", "Log out": "Abmelden"},
    "zh": {"Save": "保存", "Delete": "删除?"},
    "ar": {"Save": "حفظ"},
}


class Tokenizer:
    """One token a character; `?` is unknown."""

    unk_token_id = 3

    def __call__(self, texts, add_special_tokens):
        assert not add_special_tokens
        return {"input_ids": [[3 if letter == "?" else 9 for letter in text] for text in texts]}


@pytest.fixture
def count(monkeypatch):
    """`count(*languages)`: the table of a study in these languages."""

    def load(name, language, split, source, *, limit):
        assert (name, split, source) == ("retr_bitext", "test", EMBEDDED)
        return [{"right": [en], "query": text} for en, text in TEXTS[language].items()]

    def candidates(name, language, source, *, limit, split):
        return {"id": list(TEXTS[language]), "text": list(TEXTS[language])}

    monkeypatch.setattr(sources, "load", load)
    monkeypatch.setattr(sources, "candidates", candidates)
    monkeypatch.setattr(sources, "languages", lambda *_: tuple(TEXTS))

    def make(*languages):
        study = SimpleNamespace(languages=languages, source="embedded", data_source=EMBEDDED)
        return pretrained.tokens(SimpleNamespace(study=study, encoder=SimpleNamespace(tokenizer=Tokenizer())))

    return make


def test_every_message_is_counted_in_its_language_and_once_in_english(count):
    found = count("en", "de", "zh")
    assert files.check("fertility", found)
    texts = found.groupby("language").item.agg(sorted).to_dict()
    assert texts == {"de": ["Log out", "Save"], "zh": ["Delete", "Save"], "en": ["Delete", "Log out", "Save"]}


def test_tatoeba_asks_in_english(own_study):
    """The English text is the query there, and what it finds is of the language."""
    found = pretrained.tokens(SimpleNamespace(study=own_study, encoder=SimpleNamespace(tokenizer=Tokenizer())))
    lengths = found[found.task == "tatoeba"].groupby("language").characters.agg(set).to_dict()
    assert lengths == {"de": {5, 6, 7}, "en": {6, 7}}  # Tal 1 to Berg 10, hill 0 to hill 11


def test_without_the_sets_of_texts_those_of_own_targets_are_counted(own_study, tmp_path):
    """A mirror without Tatoeba and PAN-X. The rows of XNLI are translations of each other; without that, none is."""
    shutil.rmtree(tmp_path / "mirror/google")
    changes = {"languages": ("fi", "de"), "inference": Timing("xnli", languages=("de",))}
    study = dataclasses.replace(own_study, targets={"xnli": Fit((1,))}, **changes)
    session = SimpleNamespace(study=study, encoder=SimpleNamespace(tokenizer=Tokenizer()))
    found = pretrained.tokens(session)
    assert files.check("fertility", found)
    assert set(found.task) == {"xnli"} and found.groupby("language").size().to_dict() == {"de": 12, "en": 12}
    german = found[found.language == "de"].iloc[0]
    assert (german.words, german.characters) == (3, len("facebook/xnli/de/test Berg 0"))
    assert task("xnli").parallel == factors.premiums(found).premium.notna().all()


def test_words_characters_tokens_and_unknown_tokens(count):
    found = count("de", "zh").set_index(["language", "item"])[["words", "characters", "tokens", "unknown"]]
    assert found.loc[("de", "Save")].tolist() == [2, 13, 13, 0]
    assert found.loc[("en", "Log out")].tolist() == [2, 7, 7, 0]
    assert found.loc[("zh", "Delete")].tolist() == [0, 3, 3, 1]  # no spaces between words


def test_a_language_that_the_source_lacks_is_left_out(count):
    assert set(count("de", "fi").language) == {"de", "en"}


def test_scripts_without_word_spaces_are_those_of_the_studies_languages():
    languages = {language for name in ("mini", "smoke") for language in Study.load(f"studies/{name}.yaml").languages}
    assert {"zh", "ja", "th"} & languages <= set(pretrained.UNSPACED)
    assert not {"en", "ar", "hi", "fi", "tr"} & set(pretrained.UNSPACED)
