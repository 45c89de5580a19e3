import dataclasses

import pandas as pd
import pytest

from stilts_utils.models.checkpoints import snapshot
from stilts_utils.study.settings import CONTROL, PRETRAINED, Arm, Fit
from stilts_utils.tables import files as records
from stilts_utils.training import evaluation as phases
from stilts_utils.training import rows
from stilts_utils.training import transfer as transfers
from stilts_utils.training.fine_tuning import fine_tune
from stilts_utils.training.intermediate import start
from stilts_utils.training.rows import evaluation
from stilts_utils.training.transfer import score_retrieval, transfer
from tests.training.conftest import both_precisions, same


@both_precisions
def test_transfer_scores_every_target_in_every_language(session):
    targets = tuple(session.study.targets)
    frames = transfer(session, targets, "temprel", 2, 1)
    for name, frame in frames.items():
        records.check(name, frame)
    scores, log = frames["scores"], frames["training"]
    assert set(zip(scores.target, scores.language, strict=True)) == {
        (target, language) for target in targets for language in ("en", "de", "zh")
    }
    assert set(scores["items"]) == {8}
    assert set(zip(log.target, log.step, strict=True)) == {
        (t, s) for t in ("mc_facts", "dtag", "qa_parts") for s in (1, 2, 3)
    }
    assert set(scores[scores.target == "retr_bitext"].layer) == {0, 1, 2}
    assert {tuple(row) for row in scores[["intermediate", "duration", "seed"]].to_numpy()} == {("temprel", 2, 1)}


def test_a_target_scores_the_same_alone_and_after_others(session):
    together = transfer(session, ("mc_facts", "retr_bitext", "dtag"), "temprel", 2, 1)["scores"]
    for target in ("mc_facts", "retr_bitext", "dtag"):
        session.place = dataclasses.replace(session.place, folder=session.study.folder / "3_target" / target)
        alone = transfer(session, (target,), "temprel", 2, 1)["scores"]
        kept = together[together.target == target].reset_index(drop=True)
        pd.testing.assert_frame_equal(alone[kept.columns], kept, check_dtype=False)


def test_retrieval_is_scored_with_the_weights_of_the_arm(session, monkeypatch):
    seen = []
    monkeypatch.setattr(
        phases.Evaluation, "of_encoder", lambda self, **run: seen.append(snapshot(self.encoder.trainable())) or ([], [])
    )
    begin = start(session, "temprel", 4, 1)
    fine_tune(session, "mc_facts", "temprel", 4, 1, begin)  # leaves other weights in the encoder
    score_retrieval(session, begin, evaluation(session, "retr_bitext"))
    assert same(seen[0], begin)


def test_the_control_is_scored_at_every_duration(session, monkeypatch):
    scored = []
    score_model = transfers.score_model

    def watched(session, training, evaluation, **run):
        scored.append((training.lessons[0].task.name, run["duration"], training.step, snapshot(training.weights)))
        return score_model(session, training, evaluation, **run)

    monkeypatch.setattr(transfers, "score_model", watched)
    frames = transfer(session, tuple(session.study.targets), PRETRAINED, 0, 1)
    for name, frame in frames.items():
        records.check(name, frame)
    scores, log = frames["scores"], frames["training"]
    trained = ("mc_facts", "dtag", "qa_parts")  # a retrieval target has no control
    assert [row[:3] for row in scored] == [(target, d, 3 + d) for target in trained for d in (0, 1, 2, 4)]
    assert set(scores.target[scores.intermediate == CONTROL]) == set(trained)
    steps = log.groupby(["intermediate", "duration", "target"]).step.agg(["min", "max"])
    assert (steps.loc[PRETRAINED, 0] == [1, 3]).all(axis=None) and (steps.loc[CONTROL, 4] == [4, 7]).all(axis=None)
    direct = rows.training(session, ("mc_facts",), 1, session.pretrained, Fit()).run(3 + 2)
    assert same(snapshot(direct.weights), scored[2][3])


def test_training_reads_english_and_evaluation_every_language(session, tiny_source):
    transfer(session, ("dtag",), "temprel", 1, 2)
    assert [call for call in tiny_source if call[2] == "train"] == [
        ("temprel", "en", "train", 2),
        ("dtag", "en", "train", 2),
    ]
    assert {call[:3] for call in tiny_source if call[2] != "train"} == {
        ("dtag", code, "test") for code in ("en", "de", "zh")
    }


def test_a_target_without_a_control_is_scored_once(session):
    session.study = dataclasses.replace(session.study, controls=("dtag",))
    scores = transfer(session, ("mc_facts", "dtag"), PRETRAINED, 0, 1)["scores"]
    assert set(scores.intermediate[scores.target == "mc_facts"]) == {PRETRAINED}
    assert set(scores.intermediate[scores.target == "dtag"]) == {PRETRAINED, CONTROL}


def scored(frames):
    keys = ["intermediate", "duration", "seed"]
    return {name: frames[name].drop(columns=keys).reset_index(drop=True) for name in ("scores", "items")}


def with_arms(session, **arms):
    session.study = dataclasses.replace(session.study, intermediate=session.study.intermediate | arms)


@both_precisions
def test_rate_0_predicts_bit_for_bit_as_duration_0_does(session):
    session.study = dataclasses.replace(session.study, controls=())
    with_arms(session, still=Arm(tasks=("temprel",), encoder_lr=0))
    targets = tuple(session.study.targets)
    weights = start(session, "still", 4, 1)
    assert same(weights, session.pretrained) and not same(start(session, "temprel", 4, 1), weights)
    still, before = (scored(transfer(session, targets, *run, 1)) for run in (("still", 4), (PRETRAINED, 0)))
    for name, frame in before.items():
        pd.testing.assert_frame_equal(still[name], frame, check_exact=True)


def test_an_arm_of_the_target_phase_goes_on_from_duration_0_as_its_control_does(session):
    with_arms(session, late=Arm(method="random_perturbation", radius=1e-6), late_far=Arm(method="random_perturbation"))
    control = transfer(session, ("mc_facts",), PRETRAINED, 0, 1)
    runs = {name: transfer(session, ("mc_facts",), name, 4, 1) for name in ("late", "late_far")}
    for name, frames in runs.items():
        for table, frame in frames.items():
            records.check(table, frame)
        log = frames["training"]
        assert list(log.step) == list(range(1, 8)) and set(log.intermediate) == {name}
        plain = control["training"]
        assert list(log.loss[:3]) == list(plain.loss[:3])  # fine-tuned as duration 0 was
        spent = frames["arms"].iloc[0]
        assert (spent.duration, spent.target, spent.steps) == (4, "mc_facts", 4)
        of_control = control["arms"].set_index("duration").loc[4]
        assert (
            spent[["examples", "tokens", "operations"]].to_list()
            == of_control[["examples", "tokens", "operations"]].to_list()
        )
    losses = {name: list(frames["training"].loss[3:]) for name, frames in runs.items()}
    assert losses["late"] == pytest.approx(list(control["training"].loss[3:]), rel=1e-3)
    assert losses["late"] != losses["late_far"]


def test_the_control_counts_what_its_steps_cost(session):
    spent = transfer(session, ("mc_facts", "retr_bitext"), PRETRAINED, 0, 1)["arms"]
    assert set(spent.intermediate) == {CONTROL} and list(spent.duration) == list(spent.steps) == [1, 2, 4]
    assert list(spent.examples) == [4, 8, 16] and spent.operations.is_monotonic_increasing
