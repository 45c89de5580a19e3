import numpy as np
import pandas as pd
import pytest

from stilts_utils.analysis import findings, learned
from stilts_utils.tasks import TASKS

pytest_plugins = ["tests.fake_study"]


def scores(target, metric, *values, language="en", duration=0, intermediate="none"):
    rows = [(intermediate, duration, seed, target, language, 3, metric, value, 40) for seed, value in enumerate(values)]
    names = ["intermediate", "duration", "seed", "target", "language", "layer", "metric", "score", "items"]
    return pd.DataFrame(rows, columns=names)


@pytest.mark.parametrize(
    ("values", "standing"), [((59, 61), "learned"), ((59, 60.9), "not learned"), ((60,), "learned")]
)
def test_a_target_is_learned_by_the_mean_over_seeds_of_its_english_score(values, standing):
    rows = pd.concat([scores("xnli", "accuracy", *values), scores("xnli", "accuracy", 99, language="de")])
    (row,) = learned.models(rows, ["xnli"], 3).itertuples()
    assert (row.standing, row.floor) == (standing, 60)
    assert learned.Learned(learned.models(rows, ["xnli"], 3), _no_arms()).target("xnli") == (standing == "learned")


def _no_arms():
    return pd.DataFrame({"intermediate": [], "standing": []})


def test_other_layers_metrics_and_languages_say_nothing():
    rows = pd.concat([scores("xnli", "accuracy", 99, language="de"), scores("xnli", "f1", 99)])
    assert learned.models(rows, ["xnli"], 3).standing.tolist() == ["not measured"]
    assert learned.models(scores("xnli", "accuracy", 99), ["xnli"], 12).standing.tolist() == ["not measured"]
    assert learned.models(scores("tatoeba", "accuracy", 1), ["tatoeba"], 3).standing.tolist() == ["no floor"]


def test_what_counts_is_duration_0_whatever_came_after():
    later = scores("xnli", "accuracy", 20, duration=16, intermediate="mnli")
    found = learned.Learned(learned.models(pd.concat([scores("xnli", "accuracy", 70), later]), ["xnli"], 3), _no_arms())
    assert found.models.standing.tolist() == ["not learned", "learned"] and found.target("xnli")


def validation(*rows):
    return pd.DataFrame(rows, columns=["intermediate", "duration", "seed", "task", "metric", "score", "items"])


def training(arm, loss, steps=100):
    names = {"intermediate": arm, "duration": steps, "seed": 1, "target": "none", "loss": loss}
    return pd.DataFrame({**names, "step": np.arange(1, steps + 1)})


NOTHING, UNTRAINED = validation(), training("other", 0.0)


def test_an_arm_is_learned_by_all_its_tasks_at_its_longest_duration():
    rows = [
        ("both", d, 1, name, "accuracy", s, 9) for d, name, s in ((4, "mnli", 90), (16, "mnli", 54), (16, "qqp", 90))
    ]
    frame = learned.arms(validation(*rows), UNTRAINED, {"both": ("mnli", "qqp")})
    assert frame.standing.tolist() == ["not learned", "learned"] and frame.duration.tolist() == [16, 16]
    assert not learned.Learned(pd.DataFrame(), frame).arm("both")


@pytest.mark.parametrize(
    ("name", "answers"),
    [("mnli", 3), ("qqp", 2), ("commonsenseqa", 5), ("hellaswag", 4), ("cosmosqa", 4), ("squad", 0)],
)
def test_among_how_many_answers_a_task_decides(name, answers):
    assert learned.answers(TASKS[name]) == answers


@pytest.mark.parametrize(
    ("arm", "loss", "standing"),
    [
        ("commonsenseqa", 1.6, "not learned"),
        ("commonsenseqa", 1.2, "not measured"),
        ("mnli", 1.09, "not learned"),
        ("mnli", 0.9, "not measured"),  # a loss never says that a task was learned
        ("squad", 5.0, "not measured"),
    ],
)
def test_without_scores_the_loss_of_guessing_stands_in(arm, loss, standing):
    (row,) = learned.arms(NOTHING, training(arm, loss), {arm: (arm,)}).itertuples()
    assert row.standing == standing and row.by == ("training loss" if standing == "not learned" else "")
    assert learned.arms(NOTHING, UNTRAINED, {arm: (arm,)}).standing.tolist() == ["not measured"]


def test_verdicts_of_the_fake_study(found):
    rows = found.verdicts.set_index(["target", "duration"])
    assert set(rows.verdict) == {"undecided"}  # two seeds
    assert rows.half_width["mc_facts", 16] == pytest.approx((rows.high - rows.low)["mc_facts", 16] / 2)
    assert found.exits_learned and found.learned.arms.standing.tolist() == ["learned"]


def test_results_without_validation_are_read(variant):
    found = findings.analyse(variant(validation=None))
    assert found.learned.arms.standing.tolist() == ["not measured"] and found.learned.arm("temprel")
