import dataclasses

import pandas as pd
import pytest
import torch
from datasets import Dataset

from stilts_utils.models import checkpoints, hardware
from stilts_utils.models.checkpoints import snapshot
from stilts_utils.study.settings import CONTROL, PRETRAINED, Arm, Fit
from stilts_utils.study.validation import StudyError
from stilts_utils.tables import files as records
from stilts_utils.training import evaluation as phases
from stilts_utils.training import session as training_session
from stilts_utils.training import trajectory
from stilts_utils.training.session import Session


@pytest.fixture(params=["fp32"])
def session(request, tiny_study, monkeypatch):
    """A session on the tiny study; its `pretrained` must come out as it went in."""
    monkeypatch.setattr(hardware, "training_precision", lambda: request.param)
    opened = Session.open(tiny_study, "3_target", "test")
    before = {name: weights.clone() for name, weights in opened.pretrained.items()}
    yield opened
    assert same(opened.pretrained, before)


both_precisions = pytest.mark.parametrize("session", ["fp32", "bf16"], indirect=True)


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_sequences_longer_than_the_encoder_takes_are_refused(tiny_study):
    recipe = dataclasses.replace(tiny_study.training, max_length=600)
    message = "training.max_length is 600, allowed: at most 512, the positions that the encoder random has"
    with pytest.raises(StudyError, match=message):
        Session.open(dataclasses.replace(tiny_study, training=recipe), "3_target", "test")


def no_training(monkeypatch):
    monkeypatch.setattr(trajectory.Training, "run", lambda self, until: pytest.fail("trained again"))


def test_a_session_opens_at_the_precision_of_the_machine(tiny_study, monkeypatch):
    study = dataclasses.replace(tiny_study, layers_without_bf16=1)
    for precision, layers in (("fp32", 1), ("bf16", 2)):
        monkeypatch.setattr(hardware, "training_precision", lambda precision=precision: precision)
        session = Session.open(study, "3_target", "test")
        assert (session.precision, session.encoder.layers) == (precision, layers)
        assert session.pretrained.keys() == session.encoder.trainable().keys()
    shallow = dataclasses.replace(tiny_study, layers=1)
    assert Session.open(shallow, "3_target", "test").encoder.layers == 1
    deeper = dataclasses.replace(tiny_study, layers=2, layers_without_bf16=1)
    assert [deeper.encoder_at(precision).layers for precision in ("fp32", "bf16")] == [1, 2]


@both_precisions
def test_a_trajectory_stores_a_checkpoint_at_every_duration(session):
    log, rows = session.trajectory("temprel", 1)
    records.check("training", pd.DataFrame(log))
    records.check("checkpoints", pd.DataFrame(rows))
    assert [row["step"] for row in log] == [1, 2, 3, 4]
    assert {(row["duration"], row["target"]) for row in log} == {(4, PRETRAINED)}
    assert [row["duration"] for row in rows] == [1, 2, 4]
    assert [row["examples"] for row in rows] == [4, 8, 16]
    assert 0 < rows[0]["distance"] < rows[2]["distance"]
    assert rows[0]["parameters"] == sum(w.numel() for w in session.pretrained.values())
    files = [checkpoints.path(session.study, "temprel", duration, 1) for duration in (1, 2, 4)]
    assert sorted(files) == sorted(session.study.folder.rglob("*.safetensors"))


@both_precisions
def test_a_stored_checkpoint_is_what_training_to_it_gives(session, monkeypatch):
    trained = {duration: session.start("temprel", duration, 1) for duration in (4, 2)}  # stored one by one
    for file in session.study.folder.rglob("*.safetensors"):
        file.unlink()
    session.trajectory("temprel", 1)
    no_training(monkeypatch)
    for duration, weights in trained.items():
        assert same(session.start("temprel", duration, 1), weights)
    assert not same(trained[2], trained[4])
    assert not same(trained[2], session.pretrained)


def test_duration_0_starts_from_the_pretrained_weights(session, monkeypatch):
    no_training(monkeypatch)
    assert same(session.start(PRETRAINED, 0, 1), session.pretrained)


def test_a_checkpoint_made_otherwise_is_trained_again(session, capsys):
    first = session.start("temprel", 2, 1)
    capsys.readouterr()
    assert same(session.start("temprel", 2, 1), first)
    assert capsys.readouterr().out == ""
    recipe = dataclasses.replace(session.study.training, encoder_lr=5e-3)
    session.study = dataclasses.replace(session.study, training=recipe)
    assert not same(session.start("temprel", 2, 1), first)
    assert "no stored checkpoint of temprel at 2 steps, seed 1: training it now" in capsys.readouterr().out


def test_a_checkpoint_depends_on_encoder_depth_precision_and_recipe(session):
    made = {session.made_from("temprel", 2, 1), session.made_from("temprel", 2, 2), session.made_from("dtag", 2, 1)}
    for change in ({"encoder": "packaged"}, {"training": dataclasses.replace(session.study.training, batch_size=5)}):
        other = dataclasses.replace(session, study=dataclasses.replace(session.study, **change))
        made.add(other.made_from("temprel", 2, 1))
    made.add(dataclasses.replace(session, precision="bf16").made_from("temprel", 2, 1))
    assert len(made) == 6
    longer = dataclasses.replace(session.study, durations=(0, 1, 2, 4, 8), title="longer", items=9)
    assert dataclasses.replace(session, study=longer).made_from("temprel", 2, 1) in made


@both_precisions
def test_the_timed_target_is_stored_with_its_head_and_loaded(session, monkeypatch):
    start = session.start("temprel", 2, 1)
    training = session.fine_tune("mc_facts", "temprel", 2, 1, start)
    weights = snapshot(training.weights) | training.head_weights()
    assert training.step == 3
    no_training(monkeypatch)
    assert same(session.fine_tuned("mc_facts", "temprel", 2, 1), weights)
    assert {"head.weight", "head.bias"} < set(weights)


def test_a_fine_tuned_target_that_is_not_stored_is_trained(session, monkeypatch, capsys):
    found = session.fine_tuned("mc_facts", "temprel", 2, 1)
    said = capsys.readouterr().out
    assert "no stored mc_facts from temprel at 2 steps, seed 1: training it now" in said
    start = session.start("temprel", 2, 1)
    training = session.fine_tune("mc_facts", "temprel", 2, 1, start)
    assert same(found, snapshot(training.weights) | training.head_weights())
    no_training(monkeypatch)
    assert same(session.fine_tuned("mc_facts", "temprel", 2, 1), found)


def test_a_fine_tuned_target_made_otherwise_is_trained_again(session, capsys):
    session.fine_tuned("mc_facts", PRETRAINED, 0, 1)
    capsys.readouterr()
    targets = session.study.targets | {"mc_facts": dataclasses.replace(session.study.targets["mc_facts"], steps=(2,))}
    session.study = dataclasses.replace(session.study, targets=targets)
    session.fine_tuned("mc_facts", PRETRAINED, 0, 1)
    assert "training it now" in capsys.readouterr().out


def test_only_the_timed_target_is_stored(session):
    session.transfer(("dtag",), PRETRAINED, 0, 1)
    assert list(session.study.folder.rglob("*.safetensors")) == []


@both_precisions
def test_transfer_scores_every_target_in_every_language(session):
    targets = tuple(session.study.targets)
    scores, items, log = session.transfer(targets, "temprel", 2, 1)
    for name, frame in (("scores", scores), ("items", items), ("training", pd.DataFrame(log))):
        records.check(name, frame)
    assert set(zip(scores.target, scores.language, strict=True)) == {
        (target, language) for target in targets for language in ("en", "de", "zh")
    }
    assert set(scores["items"]) == {8}
    assert {(row["target"], row["step"]) for row in log} == {
        (t, s) for t in ("mc_facts", "dtag", "qa_parts") for s in (1, 2, 3)
    }
    assert set(scores[scores.target == "retr_bitext"].layer) == {0, 1, 2}
    assert {tuple(row) for row in scores[["intermediate", "duration", "seed"]].to_numpy()} == {("temprel", 2, 1)}


def test_a_target_scores_the_same_alone_and_after_others(session):
    together, _, _ = session.transfer(("mc_facts", "retr_bitext", "dtag"), "temprel", 2, 1)
    for target in ("mc_facts", "retr_bitext", "dtag"):
        alone, _, _ = session.transfer((target,), "temprel", 2, 1)
        kept = together[together.target == target].reset_index(drop=True)
        pd.testing.assert_frame_equal(alone[kept.columns], kept, check_dtype=False)


def test_retrieval_is_scored_with_the_weights_of_the_arm(session, monkeypatch):
    seen = []
    monkeypatch.setattr(
        phases.Evaluation, "of_encoder", lambda self, **run: seen.append(snapshot(self.encoder.trainable())) or ([], [])
    )
    start = session.start("temprel", 4, 1)
    session.fine_tune("mc_facts", "temprel", 4, 1, start)  # leaves other weights in the encoder
    session.score_retrieval(start, session.evaluation("retr_bitext"))
    assert same(seen[0], start)


def test_the_control_is_scored_at_every_duration(session, monkeypatch):
    scored = []
    score_model = Session.score_model

    def watched(self, training, evaluation, **run):
        scored.append((training.lessons[0].task.name, run["duration"], training.step, snapshot(training.weights)))
        return score_model(self, training, evaluation, **run)

    monkeypatch.setattr(Session, "score_model", watched)
    scores, items, log = session.transfer(tuple(session.study.targets), PRETRAINED, 0, 1)
    for name, frame in (("scores", scores), ("items", items), ("training", pd.DataFrame(log))):
        records.check(name, frame)
    trained = ("mc_facts", "dtag", "qa_parts")  # a retrieval target has no control
    assert [row[:3] for row in scored] == [(target, d, 3 + d) for target in trained for d in (0, 1, 2, 4)]
    assert set(scores.target[scores.intermediate == CONTROL]) == set(trained)
    steps = pd.DataFrame(log).groupby(["intermediate", "duration", "target"]).step.agg(["min", "max"])
    assert (steps.loc[PRETRAINED, 0] == [1, 3]).all(axis=None) and (steps.loc[CONTROL, 4] == [4, 7]).all(axis=None)
    direct = session._training(("mc_facts",), 1, session.pretrained, Fit()).run(3 + 2)
    assert same(snapshot(direct.weights), scored[2][3])


def test_the_smaller_batches_of_a_target_are_its_own(session):
    targets = session.study.targets | {"dtag": dataclasses.replace(session.study.targets["dtag"], batch_size=2)}
    session.study = dataclasses.replace(session.study, targets=targets)
    _, _, log = session.transfer(("mc_facts", "dtag"), PRETRAINED, 0, 1)
    assert {row["target"]: row["examples"] for row in log} == {
        "mc_facts": 7 * 4,
        "dtag": 7 * 2,
    }  # 3 and the control's 4


def test_training_reads_english_and_evaluation_every_language(session, tiny_source):
    session.transfer(("dtag",), "temprel", 1, 2)
    assert [call for call in tiny_source if call[2] == "train"] == [
        ("temprel", "en", "train", 2),
        ("dtag", "en", "train", 2),
    ]
    assert {call[:3] for call in tiny_source if call[2] != "train"} == {
        ("dtag", code, "test") for code in ("en", "de", "zh")
    }


def test_costs_are_kept_by_part(session):
    session.trajectory("temprel", 1)
    session.transfer(("mc_facts", "retr_bitext"), "temprel", 4, 1)
    rows = session.costs.rows()
    records.check("costs", pd.DataFrame(rows))
    parts = {row["part"]: row for row in rows}
    assert {"load", "data", "train", "store", "evaluate"} == set(parts)
    assert parts["train"]["steps"] == 4 + 3
    assert parts["train"]["tokens"] > 0 and parts["evaluate"]["tokens"] > 0


def test_training_rows_that_a_target_is_scored_on_are_left_out(session, monkeypatch, tiny_rows, capsys):
    rows = Dataset.from_list(tiny_rows("choice", 8))  # later ones say the same again
    monkeypatch.setattr(training_session, "evaluation_rows", lambda *asked: tiny_rows("choice", 5))
    kept = session._apart("mc_facts", rows)
    assert list(kept["id"]) == list(rows["id"])[5:]
    assert "mc_facts: left out 5 training rows that occur in evaluation rows" in capsys.readouterr().out


def test_an_arm_of_several_tasks_is_one_trajectory(session, tiny_source):
    both = Arm(tasks=("temprel", "dtag"), durations=(0, 2))
    session.study = dataclasses.replace(session.study, intermediate={"both": both})
    log, rows = session.trajectory("both", 1)
    assert [row["duration"] for row in rows] == [2] and len(log) == 2
    assert {call[0] for call in tiny_source if call[2] == "train"} == {"temprel", "dtag"}
    assert same(session.start("both", 2, 1), session.start("both", 2, 1))


def test_a_target_with_two_stages_trains_one_after_the_other(session, monkeypatch):
    stages = []
    rows = session.train_rows

    def watched(self, name, seed, stage=0):
        stages.append((name, stage))
        return rows(name, seed)

    monkeypatch.setattr(Session, "train_rows", watched)
    fit = dataclasses.replace(session.study.targets["mc_facts"])
    object.__setattr__(fit, "steps", (2, 3))
    session.study.targets["mc_facts"] = fit
    training = session.fine_tune("mc_facts", PRETRAINED, 0, 1, session.pretrained)
    assert stages == [("mc_facts", 0), ("mc_facts", 1)] and training.step == 5
