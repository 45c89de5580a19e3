import pytest

from stilts_utils.tasks import LANGUAGES, TASKS, TRAINING_LANGUAGE, translated
from stilts_utils.tasks.translated import TRANSLATED


@pytest.mark.parametrize("name", TRANSLATED)
def test_a_translated_set_has_the_columns_of_its_task_in_known_languages(name):
    rows, languages = TRANSLATED[name]
    assert "intermediate" in TASKS[name].roles and rows.multilingual and rows.split == "train"
    assert rows.columns.keys() == TASKS[name].train[0][0].columns.keys() - {"id"}
    assert set(languages) <= set(LANGUAGES) - {TRAINING_LANGUAGE}


def test_a_language_gives_its_set_or_none():
    assert str(translated("mnli", "sw")) == "facebook/xnli sw train"
    assert translated("mnli", "fi") is None and translated("squad", "de") is None
