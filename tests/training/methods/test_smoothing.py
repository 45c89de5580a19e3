import pytest
import torch

from stilts_utils.study.settings import Arm
from stilts_utils.training.methods import smoothing

ARMS = [Arm(method="random_perturbation", radius=0.3), Arm(method="synonyms", neighbours=3, similarity=0.01)]


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.method)
def test_a_lesson_goes_on_with_other_inputs_at_the_same_cost(begin, arm, tiny_encoder):
    def finished():
        training = begin().run(2)
        special = tiny_encoder.tokenizer.all_special_ids
        training.lessons[0] = smoothing.lesson(training.lessons[0], arm, training.seed, special)
        return training.run(5)

    plain, one, other = begin().run(5), finished(), finished()
    assert one.log == other.log
    assert [row["operations"] for row in plain.log] == [row["operations"] for row in one.log]
    assert plain.log[1] == one.log[1] and plain.log[2]["loss"] != one.log[2]["loss"]


def test_special_tokens_and_those_that_do_not_occur_have_no_neighbours(begin, tiny_encoder):
    special = tiny_encoder.tokenizer.all_special_ids
    near = smoothing.table(begin().lessons[0], 3, 0.01, special)
    used = {token for row in begin().lessons[0].rows.sequences for one in row for token in one} - set(special)
    assert near.shape == (tiny_encoder.model.config.vocab_size, 3)
    assert (near[sorted(set(range(len(near))) - used)] == -1).all()
    assert (near[sorted(used)] >= 0).any() and not torch.isin(near[sorted(used)], near.new_tensor(-2)).any()
