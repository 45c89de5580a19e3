import dataclasses
import shutil

import pandas as pd
import pytest

from stilts_utils.data import study_rows
from stilts_utils.data.study_rows import VALIDATION_ROWS
from stilts_utils.study.settings import PRETRAINED, Arm
from stilts_utils.tables import files as records
from stilts_utils.training.evaluation import Evaluation
from stilts_utils.training.intermediate import start, trajectory
from tests.training.conftest import both_precisions, no_training, same


@both_precisions
def test_a_trajectory_stores_a_checkpoint_at_every_duration(session):
    frames = trajectory(session, "temprel", 1)
    for name, rows in frames.items():
        records.check(name, pd.DataFrame(rows))
    log, rows, validated, spent = frames.values()
    assert [(row["duration"], row["task"], row["metric"]) for row in validated] == [
        (duration, "temprel", "accuracy") for duration in (1, 2, 4)
    ]
    assert [row["step"] for row in log] == [1, 2, 3, 4]
    assert {(row["duration"], row["target"]) for row in log} == {(4, PRETRAINED)}
    assert [row["duration"] for row in rows] == [1, 2, 4]
    assert [row["examples"] for row in rows] == [4, 8, 16]
    assert [row["steps"] for row in spent] == [1, 2, 4] and {row["target"] for row in spent} == {PRETRAINED}
    assert [(row["examples"], row["tokens"]) for row in spent] == [(row["examples"], row["tokens"]) for row in rows]
    assert 0 < rows[0]["distance"] < rows[2]["distance"]
    assert rows[0]["parameters"] == sum(w.numel() for w in session.pretrained.values())
    files = sorted(file.name for file in (session.study.folder / "checkpoints/intermediate").iterdir())
    assert files == [f"temprel-{duration}-s1.safetensors" for duration in (1, 2, 4)]


@both_precisions
def test_a_stored_checkpoint_is_what_training_to_it_gives(session, monkeypatch):
    trained = {duration: start(session, "temprel", duration, 1) for duration in (4, 2)}  # stored one by one
    for file in session.study.folder.rglob("*.safetensors"):
        file.unlink()
    trajectory(session, "temprel", 1)
    no_training(monkeypatch)
    for duration, weights in trained.items():
        assert same(start(session, "temprel", duration, 1), weights)
    assert not same(trained[2], trained[4])
    assert not same(trained[2], session.pretrained)


def test_duration_0_starts_from_the_pretrained_weights(session, monkeypatch):
    no_training(monkeypatch)
    assert same(start(session, PRETRAINED, 0, 1), session.pretrained)


def test_a_checkpoint_made_otherwise_is_trained_again(session, capsys):
    first = start(session, "temprel", 2, 1)
    capsys.readouterr()
    assert same(start(session, "temprel", 2, 1), first)
    assert capsys.readouterr().out == ""
    recipe = dataclasses.replace(session.study.training, encoder_lr=5e-3)
    session.study = dataclasses.replace(session.study, training=recipe)
    assert not same(start(session, "temprel", 2, 1), first)
    assert "no stored checkpoint of temprel at 2 steps, seed 1: training it now" in capsys.readouterr().out


def test_an_arm_of_several_tasks_is_one_trajectory(session, tiny_source):
    both = Arm(tasks=("temprel", "dtag"), durations=(0, 2))
    session.study = dataclasses.replace(session.study, intermediate={"both": both})
    log, rows, validated, _ = trajectory(session, "both", 1).values()
    assert [(row["task"], row["metric"]) for row in validated] == [("temprel", "accuracy"), ("dtag", "f1")]
    assert [row["duration"] for row in rows] == [2] and len(log) == 2
    assert {call[0] for call in tiny_source if call[2] == "train"} == {"temprel", "dtag"}
    assert same(start(session, "both", 2, 1), start(session, "both", 2, 1))


def test_a_task_is_validated_by_its_own_head_on_rows_of_its_own(session, tiny_source, monkeypatch):
    decided = []
    of_model = Evaluation.of_model

    def watch(self, model, **run):
        decided.append((self.task.name, model.head, [row["id"] for row in self.all_rows]))
        return of_model(self, model, **run)

    monkeypatch.setattr(Evaluation, "of_model", watch)
    both = Arm(tasks=("temprel", "dtag"), durations=(0, 2))
    session.study = dataclasses.replace(session.study, intermediate={"both": both})
    trajectory(session, "both", 1)
    assert [name for name, *_ in decided] == ["temprel", "dtag"] and decided[0][1] is not decided[1][1]
    for name, _, ids in decided:
        assert 0 < len(ids) <= VALIDATION_ROWS
        assert ids == study_rows.validation_rows(session.study, name)["id"][:]
    assert {call[2] for call in tiny_source} == {"train", "validation"}
    spent = {row["part"]: row["tokens"] for row in session.costs.rows()}
    assert spent["evaluate"] > 0


def rows_of(session, arm, durations, seed=1):
    arms = {arm: dataclasses.replace(session.study.intermediate[arm], durations=durations)}
    session.study = dataclasses.replace(session.study, intermediate=session.study.intermediate | arms)
    return trajectory(session, arm, seed)


def stored(session):
    folder = session.study.folder / "checkpoints/intermediate"
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("tasks", [(), ("temprel", "dtag")])
def test_a_longer_duration_goes_on_from_the_last_one_bit_for_bit(session, dropout, tasks, capsys):
    recipe = dataclasses.replace(session.study.training, dropout=dropout)
    arm = {"one": Arm(tasks=tasks)} if tasks else {"temprel": Arm()}
    (name,) = arm
    session.study = dataclasses.replace(session.study, training=recipe, intermediate=arm)
    whole = rows_of(session, name, (0, 1, 2, 4))
    expected = stored(session)
    shutil.rmtree(session.study.folder)
    rows_of(session, name, (0, 1, 2))
    assert "goes on" not in capsys.readouterr().out
    assert rows_of(session, name, (0, 1, 2, 4)) == whole
    assert f"{name}, seed 1: goes on from 2 steps" in capsys.readouterr().out
    assert stored(session) == expected
    assert [file.name for file in (session.study.folder / "checkpoints/state").iterdir()] == [
        f"{name}-4-s1.safetensors"
    ]


def test_a_trajectory_that_is_lost_between_durations_goes_on_from_the_last_one(session, monkeypatch, capsys):
    whole = rows_of(session, "temprel", (0, 1, 2, 4))
    expected, advance = stored(session), session.advance
    shutil.rmtree(session.study.folder)

    def preempted(training, duration):
        if duration == 4:
            advance(training, 3)
            raise KeyboardInterrupt
        return advance(training, duration)

    with monkeypatch.context() as patch:
        patch.setattr(session, "advance", preempted)
        with pytest.raises(KeyboardInterrupt):
            rows_of(session, "temprel", (0, 1, 2, 4))
    assert rows_of(session, "temprel", (0, 1, 2, 4)) == whole
    assert "temprel, seed 1: goes on from 2 steps" in capsys.readouterr().out
    assert stored(session) == expected


def test_a_duration_in_between_and_another_recipe_begin_anew(session, capsys):
    rows_of(session, "temprel", (0, 1, 4))
    rows_of(session, "temprel", (0, 1, 2, 4))
    session.study = dataclasses.replace(
        session.study, training=dataclasses.replace(session.study.training, encoder_lr=1e-3)
    )
    rows_of(session, "temprel", (0, 1, 2, 4))
    assert "goes on" not in capsys.readouterr().out
