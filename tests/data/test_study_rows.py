import dataclasses

import pandas as pd
import pytest
from datasets import Dataset

from stilts_utils.data import sources, study_rows
from stilts_utils.tables import files

pytest_plugins = ["tests.own_mirror"]


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


def test_training_rows_that_a_target_is_scored_on_are_left_out(tiny_study, monkeypatch, tiny_rows):
    rows = Dataset.from_list(tiny_rows("choice", 8))  # later ones say the same again
    monkeypatch.setattr(study_rows, "evaluation_rows", lambda *asked: tiny_rows("choice", 5))
    read = dataclasses.replace(tiny_study)
    assert study_rows.apart(read, "mc_facts", rows) is rows  # generated: apart by construction
    object.__setattr__(read, "source", "mirror")
    monkeypatch.setenv("STILTS_MIRROR", "somewhere")
    monkeypatch.setattr(study_rows.sources, "languages", lambda *_: ["en"])
    assert study_rows.apart(read, "mc_facts", rows)["id"][:] == rows["id"][5:]


def _write(study, name, records):
    Dataset.from_list(records).to_parquet(study.data_source.root / f"{name}.parquet")


def test_rows_that_are_left_out_are_counted(own_study):
    scored = [{"premise": f"p{i}", "hypothesis": f"h{i}", "label": 0} for i in range(12)]
    swapped = [{"premise": "H1!", "hypothesis": "p1", "label": 1}, {"premise": "p2", "hypothesis": "h2", "label": 1}]
    others = [{"premise": f"o{i}", "hypothesis": "h", "label": -1 if i < 10 else 2} for i in range(20)]
    for language in ("en", "de"):
        _write(own_study, f"facebook/xnli/{language}/test", scored)
    _write(own_study, "nyu-mll/multi_nli/default/train", swapped + others)
    study = dataclasses.replace(own_study, training=dataclasses.replace(own_study.training, train_rows=100))
    unlabelled = {"reason": "no label in nyu-mll/multi_nli default train", "rows": 10, "of": 22}
    shared = {"reason": "in English evaluation rows of a target of the same shape", "rows": 2, "of": 12}
    found = study_rows.left_out(study)
    assert found == [
        {"task": name, "language": "en, training"} | out for name in ("mnli", "xnli") for out in (unlabelled, shared)
    ]
    files.check("left_out", pd.DataFrame(found))
    assert sum(row["rows"] for row in study_rows.left_out(own_study) if row["reason"] == shared["reason"]) <= 4


def test_nothing_is_left_out_of_generated_rows(tiny_study):
    assert study_rows.left_out(tiny_study) == []


def test_translations_of_a_row_that_differ_in_their_label_stop_a_study(own_study):
    assert list(study_rows.evaluations(own_study, "xnli", ["en", "de"], None)) == ["en", "de"]
    moved = [{"premise": f"p{i}", "hypothesis": "h", "label": (i + 1) % 3} for i in range(12)]
    _write(own_study, "facebook/xnli/de/test", moved)
    with pytest.raises(ValueError, match="xnli in de, id '.*': label is .*, allowed: .*, as in en"):
        study_rows.evaluations(own_study, "xnli", ["en", "de"], None)


def test_rows_of_several_languages_are_equal_parts_of_as_many_rows(tiny_study, tiny_source):
    rows = study_rows.training_rows(tiny_study, "temprel", 1, limit=11, languages=("en", "de", "zh"))
    assert [name.split(":")[0] for name in rows["id"]] == ["en"] * 4 + ["de"] * 4 + ["zh"] * 3
    assert [call[:3] for call in tiny_source] == [("temprel", code, "train") for code in ("en", "de", "zh")]
    english = study_rows.training_rows(tiny_study, "temprel", 1, limit=11, languages=("en",))
    assert english["id"][:] == study_rows.training_rows(tiny_study, "temprel", 1, limit=11)["id"][:]


def test_translated_sets_of_a_mirror_are_read_and_kept_apart_from_evaluation_rows_of_their_language(own_study):
    with pytest.raises(ValueError, match="language is 'de', allowed for mnli from source 'mirror', train: en;"):
        study_rows.training_rows(own_study, "mnli", 1, languages=("en", "de"))
    evaluated = study_rows.evaluation_rows(own_study, "xnli", "de", None)[0]
    own = {"premise": "Ein Berg", "hypothesis": "Tal", "label": 1}
    leaked = {"premise": evaluated["text_a"], "hypothesis": evaluated["text_b"], "label": 0}
    file = own_study.data_source.root / "facebook/xnli/de/train.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    Dataset.from_list([own, leaked]).to_parquet(file)
    rows = study_rows.training_rows(own_study, "mnli", 1, limit=4, languages=("en", "de"))
    assert [name.split(":")[0] for name in rows["id"]] == ["en", "en", "de", "de"]
    assert len(study_rows.apart(own_study, "mnli", rows)) == 4
    kept = study_rows.apart(own_study, "mnli", rows, ("en", "de"))
    assert [row["text_a"] for row in kept if row["id"].startswith("de")] == ["Ein Berg"]
