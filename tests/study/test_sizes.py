import json

import pytest

from stilts_utils.study import settings, sizes
from stilts_utils.study.sizes import Sizes


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("packaged", 117_505_920),  # as the reference run counted them
        # Published counts, less the pooler of hidden * (hidden + 1) weights.
        ("FacebookAI/xlm-roberta-base", 278_043_648 - 768 * 769),
        ("FacebookAI/xlm-roberta-large", 559_890_432 - 1024 * 1025),
        ("google-bert/bert-base-multilingual-cased", 177_853_440 - 768 * 769),
    ],
)
def test_parameters_are_the_published_ones(name, parameters):
    assert sizes.of(name).parameters == parameters


def test_sizes_of_the_random_encoder_are_its_own(tiny_encoder):
    size = sizes.of("random")
    assert size.parameters == sum(p.numel() for p in tiny_encoder.model.parameters())
    assert size.trained == sum(p.numel() for p in tiny_encoder.trainable().values())


def test_a_folder_says_its_own_sizes(tmp_path):
    values = {"num_hidden_layers": 3, "hidden_size": 8, "intermediate_size": 16, "vocab_size": 50, "type_vocab_size": 1}
    (tmp_path / "config.json").write_text(json.dumps(values), encoding="utf8")
    assert sizes.of(str(tmp_path)) == Sizes(3, 8, 16, 50)
    assert sizes.of(str(tmp_path), layers=2) == Sizes(2, 8, 16, 50)


def test_an_unknown_encoder_is_described_by_options():
    with pytest.raises(
        ValueError, match="'some/model', .* allowed: packaged, .* --hidden N --intermediate N --layers N"
    ):
        sizes.of("some/model", vocabulary=100)
    assert sizes.of("some/model", layers=2, hidden=8, intermediate=16, vocabulary=100) == Sizes(2, 8, 16, 100)


def test_sizes_below_1_are_refused():
    with pytest.raises(ValueError, match="encoder layers is 0, allowed: 1 or more"):
        sizes.of("packaged", layers=0)


def test_operations_of_a_forward_pass_are_two_a_weight_and_token_and_those_of_attention():
    size = Sizes(layers=2, hidden=4, intermediate=8, vocabulary=10)
    weights = 2 * (4 * 4 * 4 + 2 * 4 * 8)
    biases = 2 * (9 * 4 + 8)
    scores_and_sums = 2 * 2 * (2 * 5 * 4)  # of a token over a sequence of 5: two products a layer
    assert size.forward(1, length=5) == 2 * (weights + biases) + scores_and_sums
    assert size.forward(10, length=5) == 10 * size.forward(1, length=5)
    assert size.training(10, length=5) == 3 * size.forward(10, length=5)


def test_every_known_name_is_one_that_a_study_may_have():
    for name in sizes.KNOWN:
        settings.EncoderSpec(name)
