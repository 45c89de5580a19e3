import dataclasses

import pandas as pd
import pytest

from stilts_utils.data import sources, study_rows
from stilts_utils.tables import files


def test_languages_that_the_source_lacks_are_an_error_unless_skipped(tiny_study, monkeypatch):
    monkeypatch.setattr(sources, "languages", lambda *_: ("de", "en"))
    assert study_rows.available(tiny_study, "dtag") == ["en", "de"]  # `missing: skip`
    assert study_rows.lacking(tiny_study) == [
        {"target": target, "language": "zh", "reason": "no rows in source 'embedded'"} for target in tiny_study.targets
    ]
    files.check("lacking", pd.DataFrame(study_rows.lacking(tiny_study)))
    with pytest.raises(ValueError, match="languages of dtag: zh have no rows .* allowed: de, en; .* `missing: skip`"):
        study_rows.available(dataclasses.replace(tiny_study, missing="error"), "dtag")


def test_languages_that_are_all_there_are_no_error(tiny_study):
    assert study_rows.available(dataclasses.replace(tiny_study, missing="error"), "dtag") == ["en", "de", "zh"]
    assert study_rows.lacking(tiny_study) == []


def test_a_training_set_that_the_source_lacks_is_listed(tiny_study, monkeypatch):
    monkeypatch.setattr(sources, "lacking_sets", lambda name, _: ("a set",) if name == "temprel" else ())
    assert study_rows.lacking(tiny_study) == [
        {"target": "temprel", "language": "en, training", "reason": "trained without a set"}
    ]


def test_a_target_without_any_language_is_an_error_also_where_languages_may_be_skipped(tiny_study, monkeypatch):
    monkeypatch.setattr(sources, "languages", lambda *_: ("sw",))
    with pytest.raises(
        ValueError, match="target is 'dtag', which has no rows in any language .* take it out of `targets`"
    ):
        study_rows.available(tiny_study, "dtag")
