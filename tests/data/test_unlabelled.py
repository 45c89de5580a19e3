import dataclasses

import pytest
from datasets import Dataset

from stilts_utils.data import sources, unlabelled
from stilts_utils.data.embedded.material.messages import slots
from stilts_utils.data.embedded.retrieval import retr_bitext
from stilts_utils.study.settings import Fit
from stilts_utils.study.study import Study


def test_text_is_of_the_study_s_languages_without_slots(tiny_study):
    found = unlabelled.texts(tiny_study)
    assert list(found) == ["en", "de", "zh"] and min(map(len, found.values())) > 100
    assert not any(slots(text) for texts in found.values() for text in texts)


def test_what_is_evaluated_in_one_language_is_left_out_in_all(tiny_study, monkeypatch):
    before = unlabelled.texts(tiny_study)
    evaluated = retr_bitext("de")
    wanted = next(row for row in evaluated if row["query"] in before["de"])
    rows = Dataset.from_list([{"id": "x", "query": wanted["query"].upper(), "right": []}])
    monkeypatch.setattr(sources, "load", lambda *_, **__: rows)
    monkeypatch.setattr(sources, "candidates", lambda *_, **__: Dataset.from_list([]))
    after = unlabelled.texts(dataclasses.replace(tiny_study, targets={"retr_bitext": Fit()} | tiny_study.targets))
    assert wanted["query"] not in after["de"] and wanted["text"] not in after["en"]
    assert all(len(after[language]) < len(before[language]) for language in ("en", "de"))


def test_no_text_is_an_evaluation_row_of_a_study_of_the_repository():
    study = Study.load("studies/mini.yaml", languages=["en", "de"])
    texts = {letters(text) for of_language in unlabelled.texts(study).values() for text in of_language}
    rows = retr_bitext("de")[: study.items_of("retr_bitext")]
    assert rows and texts.isdisjoint(letters(row[side]) for row in rows for side in ("query", "text"))


def letters(text):
    return "".join(character for character in text.lower() if character.isalnum())


def test_a_study_without_text_is_refused(monkeypatch, tiny_study):
    monkeypatch.setattr(unlabelled, "_messages", lambda language: {})
    with pytest.raises(ValueError, match="languages of tiny are en, de, zh, in none of which there is text beyond"):
        unlabelled.texts(tiny_study)
