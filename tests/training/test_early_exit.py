import dataclasses

import pytest
import torch

from stilts_utils.data import leakage, sources
from stilts_utils.data.study_rows import calibration_rows
from stilts_utils.study.settings import Exits
from stilts_utils.tables import files, identity
from stilts_utils.training import early_exit
from stilts_utils.training import session as phases
from stilts_utils.training.fine_tuning import fine_tuned
from stilts_utils.training.intermediate import start
from stilts_utils.training.transfer import transfer
from tests.training.conftest import no_training


@pytest.fixture
def session(tiny_study, tiny_place):
    timing = dataclasses.replace(tiny_study.inference, exits=Exits("mc_facts", count=2, calibration=6))
    return phases.Session.open(dataclasses.replace(tiny_study, inference=timing), tiny_place)


def trained(session, arm="none", duration=0, seed=1):
    return early_exit.train(session, arm, duration, seed, start(session, arm, duration, seed))


def test_every_exit_answers_every_row(session):
    rows = early_exit.record(session, trained(session), "none", 0, 1)
    files.check("exits", rows)
    exits = session.encoder.layers
    counts = rows.groupby(["split", "language"]).size().to_dict()
    assert counts == {("calibration", "en"): 6 * exits, **{("evaluation", n): 8 * exits for n in ("de", "en", "zh")}}


def test_what_is_stored_is_what_was_trained_and_is_not_trained_again(session, monkeypatch):
    exited = trained(session, "temprel", 2)
    weights = exited.weights
    assert len(exited.ids) == len(weights[early_exit.CONFIDENCE]) == 6
    monkeypatch.setattr(early_exit, "train", lambda *_: pytest.fail("trained again"))
    stored = early_exit.checkpoint(session, "temprel", 2, 1)
    assert all(torch.equal(stored[name], weights[name]) for name in weights)
    assert not torch.equal(stored["head.1.weight"], stored["head.2.weight"])  # each exit learns for itself


def test_the_dense_model_is_the_one_that_answers_at_full_depth(session, monkeypatch):
    frames = transfer(session, ("mc_facts",), "none", 0, 1)
    exits = frames["exits"].query("split == 'evaluation' and layer == @session.encoder.layers")
    items = frames["items"].query("intermediate == 'none'").set_index(["language", "item"])
    assert items.numerator.to_dict() == exits.set_index(["language", "item"]).correct.to_dict()
    no_training(monkeypatch)
    weights = fine_tuned(session, "mc_facts", "none", 0, 1)
    assert {"head.weight", "head.bias"} < set(weights) and not any("calibration" in name for name in weights)
    stored = early_exit.checkpoint(session, "none", 0, 1)
    assert torch.equal(weights["head.weight"], stored[f"head.{session.encoder.layers}.weight"])
    assert identity.of_target(session.study, "mc_facts", "none", 0, 1) == identity.of_exits(session.study, "none", 0, 1)


def test_other_arms_and_seeds_have_other_checkpoints(session):
    made = [early_exit.stored(session, *arm) for arm in (("none", 0, 1), ("temprel", 2, 1), ("none", 0, 2))]
    assert len({one.made_from for one in made}) == len({one.files for one in made}) == 3


def test_other_targets_and_studies_without_exits_have_none(session, tiny_study):
    assert transfer(session, ("dtag",), "none", 0, 1)["exits"].empty
    plain = dataclasses.replace(session, study=tiny_study)
    assert transfer(plain, ("mc_facts",), "none", 0, 1)["exits"].empty


def test_calibration_rows_are_validation_rows_where_those_are_not_scored(tiny_study):
    rows, held_out = calibration_rows(tiny_study, "mc_facts", 1, 6)
    assert all(row["question"].endswith(" now") for row in held_out) and len(held_out) == 6
    assert not leakage.overlap(rows, held_out)


def test_else_they_are_the_last_training_rows(tiny_study, tiny_rows, monkeypatch):
    from datasets import Dataset

    rows = [row | {"question": f"{row['question']} {i}"} for i, row in enumerate(tiny_rows("choice", 40))]
    monkeypatch.setattr(sources, "load", lambda *_, **__: Dataset.from_list(rows))
    monkeypatch.setattr(sources, "evaluation_split", lambda *_, **__: "validation")
    kept, held_out = calibration_rows(tiny_study, "mc_facts", 1, 6)
    assert held_out["id"] == [row["id"] for row in rows[-6:]] and len(kept) == 34


def test_a_tagging_target_is_refused(tiny_study):
    timing = dataclasses.replace(tiny_study.inference, exits=Exits("dtag"))
    with pytest.raises(ValueError, match="inference.exits.target is 'dtag', allowed: mc_facts"):
        dataclasses.replace(tiny_study, inference=timing)
