from datasets import Dataset

from stilts_utils.data import study_rows
from stilts_utils.training import rows


def test_a_lesson_is_without_training_rows_that_a_target_is_scored_on(session, monkeypatch, tiny_rows):
    choices = Dataset.from_list(tiny_rows("choice", 8))
    monkeypatch.setattr(study_rows, "apart", lambda study, name, rows, languages: rows.select(range(5, 8)))
    assert len(rows.lesson(session, "mc_facts", choices)) == 3
