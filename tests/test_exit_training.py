import dataclasses

import pytest
import torch

from stilts_utils import checkpoints, exit_training, phases, records, sources
from stilts_utils.config import StudyError
from stilts_utils.coverage import calibration_rows
from stilts_utils.recipes import Exits


@pytest.fixture
def session(tiny_study):
    timing = dataclasses.replace(tiny_study.inference, exits=Exits("mc_facts", count=2, calibration=6))
    return phases.Session.open(dataclasses.replace(tiny_study, inference=timing), "3_target", "run")


def test_every_exit_answers_every_row(session):
    rows = exit_training.record(session, ("mc_facts",), "none", 0, 1)
    records.check("exits", rows)
    exits = session.encoder.layers
    counts = rows.groupby(["split", "language"]).size().to_dict()
    assert counts == {("calibration", "en"): 6 * exits, **{("evaluation", n): 8 * exits for n in ("de", "en", "zh")}}


def test_what_is_stored_is_what_was_trained_and_is_not_trained_again(session, monkeypatch):
    training, weights, ids = exit_training.train(session, "temprel", 2, 1)
    assert len(ids) == len(weights[exit_training.CONFIDENCE]) == 6
    monkeypatch.setattr(exit_training, "train", lambda *_: pytest.fail("trained again"))
    stored = exit_training.trained(session, "temprel", 2, 1)
    assert all(torch.equal(stored[name], weights[name]) for name in weights)
    assert not torch.equal(stored["head.1.weight"], stored["head.2.weight"])  # each exit learns for itself


def test_other_arms_and_seeds_have_other_checkpoints(session, tiny_study):
    made = [exit_training._made_from(session, *arm) for arm in (("none", 0, 1), ("temprel", 2, 1), ("none", 0, 2))]
    assert len(set(made)) == 3
    assert checkpoints.path(tiny_study, "none", 0, 1, "mc_facts") != exit_training._file(session, "none", 0, 1)


def test_nothing_is_trained_for_other_targets_or_without_exits(session, tiny_study):
    assert exit_training.record(session, ("dtag",), "none", 0, 1).empty
    plain = dataclasses.replace(session, study=tiny_study)
    assert exit_training.record(plain, ("mc_facts",), "none", 0, 1).empty


def test_calibration_rows_are_validation_rows_where_those_are_not_scored(tiny_study):
    rows, held_out = calibration_rows(tiny_study, "mc_facts", 1, 6)
    assert all(row["question"].endswith(" now") for row in held_out) and len(held_out) == 6
    assert not sources.overlap(rows, held_out)


def test_else_they_are_the_last_training_rows(tiny_study, tiny_rows, monkeypatch):
    from datasets import Dataset

    rows = [row | {"question": f"{row['question']} {i}"} for i, row in enumerate(tiny_rows("choice", 40))]
    monkeypatch.setattr(sources, "load", lambda *_, **__: Dataset.from_list(rows))
    monkeypatch.setattr(sources, "evaluation_split", lambda *_, **__: "validation")
    kept, held_out = calibration_rows(tiny_study, "mc_facts", 1, 6)
    assert held_out["id"] == [row["id"] for row in rows[-6:]] and len(kept) == 34


def test_a_tagging_target_is_refused(tiny_study):
    timing = dataclasses.replace(tiny_study.inference, exits=Exits("dtag"))
    with pytest.raises(StudyError, match="inference.exits.target is 'dtag', allowed: mc_facts"):
        dataclasses.replace(tiny_study, inference=timing)
