import pytest
import torch

from stilts_utils.study.settings import Arm
from stilts_utils.training.methods import adversarial

ARM = Arm(method="adversarial", radius=0.3, ascents=3)


def robust(training):
    training.lessons[0] = adversarial.lesson(training.lessons[0], ARM, training.seed, [])
    return training


@pytest.mark.parametrize("seed", [1, 2])
def test_adversarial_training_raises_accuracy_under_its_own_attack_against_the_same_steps_without_it(begin, seed):
    found = {}
    for name, change in (("control", lambda training: training), ("adversarial", robust)):
        training = change(begin(seed=seed).run(40)).run(140)
        found[name] = adversarial.accuracy(training.model, begin.rows, 1, ARM.radius, ascents=8)
    assert found["control"][0] > 90 and found["adversarial"][0] > 90  # as the rows are, both have learned the task
    assert found["adversarial"][1] > found["control"][1] + 25


@pytest.mark.parametrize("exits", [(), (1, 2)])
def test_a_lesson_goes_on_with_the_same_head_rows_and_order_and_counts_its_passes(begin, exits):
    plain, other = begin(exits=exits).run(2), begin(exits=exits).run(2)
    head = other.lessons[0].model
    robust(other)
    for training in (plain, other):
        training.run(4)
    assert other.lessons[0].model is head
    assert [(row["examples"], row["tokens"]) for row in plain.log] == [(r["examples"], r["tokens"]) for r in other.log]
    assert plain.log[1] == other.log[1] and plain.log[2]["loss"] != other.log[2]["loss"]
    cost = [training.log[3]["operations"] - training.log[1]["operations"] for training in (plain, other)]
    assert cost[1] == pytest.approx(cost[0] * (3 + 2 * ARM.ascents) / 3)


def test_it_can_be_repeated_bit_for_bit(begin):
    one, other = (robust(begin().run(2)).run(5) for _ in range(2))
    assert one.log == other.log


def test_the_attack_leaves_no_trace(begin):
    training = begin().run(3)
    weights = {name: weight.clone() for name, weight in training.weights.items()}
    first = adversarial.accuracy(training.model, begin.rows, 1, 0.3, 2)
    assert first == adversarial.accuracy(training.model, begin.rows, 1, 0.3, 2)
    assert all(torch.equal(weights[name], weight) for name, weight in training.weights.items())
    assert all(parameter.grad is None for parameter in training.model.parameters())
