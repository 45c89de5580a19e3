import dataclasses

import pandas as pd
import pytest

from stilts_utils import coverage, records, sources


def test_languages_that_the_source_lacks_are_an_error_unless_skipped(tiny_study, monkeypatch):
    monkeypatch.setattr(sources, "languages", lambda name, *place, **places: ("de", "en"))
    assert coverage.available(tiny_study, "dtag") == ["en", "de"]  # `missing: skip`
    assert coverage.lacking(tiny_study) == [
        {"target": target, "language": "zh", "reason": "no rows in source 'embedded'"} for target in tiny_study.targets
    ]
    records.check("lacking", pd.DataFrame(coverage.lacking(tiny_study)))
    with pytest.raises(ValueError, match="languages of dtag: zh have no rows .* allowed: de, en; .* `missing: skip`"):
        coverage.available(dataclasses.replace(tiny_study, missing="error"), "dtag")


def test_languages_that_are_all_there_are_no_error(tiny_study):
    assert coverage.available(dataclasses.replace(tiny_study, missing="error"), "dtag") == ["en", "de", "zh"]
    assert coverage.lacking(tiny_study) == []


def test_a_training_set_that_the_source_lacks_is_listed(tiny_study, monkeypatch):
    monkeypatch.setattr(sources, "lacking_sets", lambda name, **place: ("a set",) if name == "temprel" else ())
    assert coverage.lacking(tiny_study) == [
        {"target": "temprel", "language": "en, training", "reason": "trained without a set"}
    ]


def test_a_target_without_any_language_is_an_error_also_where_languages_may_be_skipped(tiny_study, monkeypatch):
    monkeypatch.setattr(sources, "languages", lambda name, *place, **places: ("sw",))
    with pytest.raises(
        ValueError, match="target is 'dtag', which has no rows in any language .* take it out of `targets`"
    ):
        coverage.available(tiny_study, "dtag")
