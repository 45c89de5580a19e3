import dataclasses
import itertools

import pytest
import torch

from stilts_utils.models.batches import encode
from stilts_utils.models.checkpoints import copy_into, snapshot
from stilts_utils.study.settings import Recipe
from stilts_utils.training.trajectory import Training

RECIPE = Recipe(encoder_lr=1e-3, head_lr=1e-2, warmup_steps=2, batch_size=4)
SHAPES = ("pair", "choice", "tagging", "span")


@pytest.fixture
def begin(tiny_encoder, tiny_rows, task_of):
    """`begin(shape, ...)`: a training on tiny rows from the random encoder's pretrained weights, or from others."""
    pretrained = snapshot(tiny_encoder.trainable())

    def make(shape="choice", seed=1, start=None, precision="fp32", recipe=RECIPE, batch_size=None):
        rows = encode(task_of[shape], tiny_rows(shape, 24), tiny_encoder.tokenizer, 64)
        start = pretrained if start is None else start
        recipe = dataclasses.replace(recipe, batch_size=batch_size or recipe.batch_size)
        return Training(tiny_encoder, [(task_of[shape], rows)], recipe, seed, start, precision)

    make.pretrained = pretrained
    return make


def everything(training):
    return snapshot(training.weights) | training.head_weights()


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def losses(training):
    return [row["loss"] for row in training.log]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("shape", SHAPES)
def test_training_lowers_the_loss(shape, precision, begin):
    found = losses(begin(shape, precision=precision).run(30))
    assert sum(found[-5:]) < 0.9 * sum(found[:5])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_can_be_repeated_bit_for_bit(precision, begin):
    recipe = dataclasses.replace(RECIPE, dropout=0.1)
    one = begin(precision=precision, recipe=recipe).run(6)
    torch.manual_seed(123)  # what others drew meanwhile does not matter
    other = begin(precision=precision, recipe=recipe).run(6)
    assert same(everything(one), everything(other))
    assert one.log == other.log


def test_another_seed_is_another_run(begin):
    assert losses(begin(seed=1).run(3)) != losses(begin(seed=2).run(3))


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_a_checkpoint_of_a_trajectory_is_the_end_of_a_run_of_its_length(dropout, begin):
    recipe = dataclasses.replace(RECIPE, dropout=dropout)
    long = begin(recipe=recipe).run(2)
    passed = everything(long)
    end = everything(long.run(4))
    assert same(passed, everything(begin(recipe=recipe).run(2)))
    assert same(end, everything(begin(recipe=recipe).run(4)))
    assert not same(passed, end)


def test_dropout_is_that_of_the_recipe(begin):
    assert losses(begin(recipe=dataclasses.replace(RECIPE, dropout=0.5)).run(1)) != losses(begin().run(1))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_training_reaches_neither_the_start_nor_the_pretrained_weights(precision, begin):
    before = {name: weights.clone() for name, weights in begin.pretrained.items()}
    training = begin(precision=precision).run(3)
    assert same(begin.pretrained, before)
    assert not same(snapshot(training.weights), before)
    taken = snapshot(training.weights)
    kept = {name: weights.clone() for name, weights in taken.items()}
    training.run(5)
    assert same(taken, kept)


def test_embeddings_stay_as_they_were(begin, tiny_encoder):
    frozen = {name: p.clone() for name, p in tiny_encoder.model.embeddings.named_parameters()}
    begin().run(3)
    assert same(dict(tiny_encoder.model.embeddings.named_parameters()), frozen)


def test_every_weight_is_trained(begin):
    training = begin(precision="fp32").run(3)
    still = {name for name, w in training.weights.items() if torch.equal(w, begin.pretrained[name])}
    assert still <= {name for name in training.weights if name.endswith("key.bias")}  # softmax cancels these
    assert training.model.head.weight.abs().sum() > 0


def test_every_start_gets_the_same_head_and_order_of_rows(begin):
    shifted = {name: weights + 0.01 for name, weights in begin.pretrained.items()}
    one, other = begin(), begin(start=shifted)
    assert same(one.head_weights(), other.head_weights())
    batches = [list(itertools.islice(training.lessons[0].batches, 20)) for training in (one, other)]
    assert batches[0] == batches[1]
    assert losses(begin().run(1)) != losses(begin(start=shifted).run(1))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_is_computed_with_are_the_weights_in_the_precision_of_training(precision, begin, tiny_encoder):
    training = begin(precision=precision).run(3)
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    for name, parameter in tiny_encoder.trainable().items():
        assert parameter.dtype == dtype
        assert training.weights[name].dtype == torch.float32
        assert torch.equal(parameter, training.weights[name].to(dtype)), name
    assert {p.dtype for p in training.model.head.parameters()} == {torch.float32}
    assert not training.model.training


def test_the_precisions_agree_closely_but_not_exactly(begin):
    found = [losses(begin(precision=precision).run(4)) for precision in ("fp32", "bf16")]
    assert found[0] == pytest.approx(found[1], rel=0.05)
    assert found[0] != found[1]


@pytest.mark.parametrize(
    ("warmup", "shares"), [(3, [1 / 3, 2 / 3, 1, 1, 1]), (1, [1, 1, 1, 1, 1]), (0, [1, 1, 1, 1, 1])]
)
def test_the_rate_warms_up_and_stays(warmup, shares, begin):
    log = begin(recipe=dataclasses.replace(RECIPE, warmup_steps=warmup)).run(5).log
    assert [row["learning_rate"] for row in log] == pytest.approx([share * RECIPE.encoder_lr for share in shares])


def test_encoder_and_head_have_rates_of_their_own(begin):
    training = begin(recipe=dataclasses.replace(RECIPE, encoder_lr=1e-12, warmup_steps=0, weight_decay=0.0))
    head = training.head_weights()
    training.run(1)
    moved = max((w - begin.pretrained[name]).abs().max() for name, w in training.weights.items())
    assert moved < 1e-9
    change = (training.head_weights()["head.weight"] - head["head.weight"]).abs().max().item()
    assert change == pytest.approx(RECIPE.head_lr, rel=0.01)  # the first step of Adam is as long as its rate


def after_one_step(begin, **changes):
    return snapshot(begin(recipe=dataclasses.replace(RECIPE, warmup_steps=0, **changes)).run(1).weights)


def test_weights_decay_by_their_share_of_the_rate(begin):
    plain, decayed = after_one_step(begin, weight_decay=0.0), after_one_step(begin, weight_decay=0.5)
    for name, start in begin.pretrained.items():
        torch.testing.assert_close(plain[name] - decayed[name], RECIPE.encoder_lr * 0.5 * start, atol=1e-6, rtol=0)
    assert not same(plain, decayed)


def test_gradients_are_clipped(begin):
    def moved(norm):
        found = after_one_step(begin, weight_decay=0.0, max_gradient_norm=norm)
        return max((w - begin.pretrained[name]).abs().max().item() for name, w in found.items())

    assert moved(1.0) == pytest.approx(RECIPE.encoder_lr, rel=0.01)
    assert moved(1e-9) < RECIPE.encoder_lr / 5  # below the epsilon of Adam, steps shrink with the gradient


def test_the_log_counts_steps_examples_and_tokens(begin):
    training = begin("pair", batch_size=3)
    batches = list(itertools.islice(training.lessons[0].batches, 4))
    lengths = [sum(len(s) for i in batch for s in training.lessons[0].rows.sequences[i]) for batch in batches]
    training.lessons[0].batches = iter(batches)
    training.run(4)
    assert [row["step"] for row in training.log] == [1, 2, 3, 4]
    assert [row["examples"] for row in training.log] == [3, 6, 9, 12]
    assert [row["tokens"] for row in training.log] == list(itertools.accumulate(lengths))


def test_running_to_where_it_is_does_nothing(begin):
    training = begin().run(2)
    before = everything(training)
    assert same(everything(training.run(2)), before)
    assert training.step == 2


def test_a_snapshot_is_a_float32_copy():
    parameters = {"a": torch.nn.Parameter(torch.ones(2, dtype=torch.bfloat16)), "b": torch.nn.Parameter(torch.ones(2))}
    taken = snapshot(parameters)
    copy_into(parameters, {"a": torch.tensor([0.1, 5.0]), "b": torch.zeros(2)})
    assert {name: (w.dtype, w.tolist(), w.requires_grad) for name, w in taken.items()} == {
        name: (torch.float32, [1.0, 1.0], False) for name in "ab"
    }
    assert parameters["a"].dtype == torch.bfloat16
    assert parameters["a"].tolist() == [torch.tensor(0.1).bfloat16().item(), 5.0]


@pytest.fixture
def mix(tiny_encoder, tiny_rows, task_of):
    """`mix(sizes, cap)`: a training on several tasks at once, one per shape named."""

    pretrained = snapshot(tiny_encoder.trainable())

    def make(sizes, cap=2**17, seed=1):
        lessons = [
            (task_of[shape], encode(task_of[shape], tiny_rows(shape, size), tiny_encoder.tokenizer, 64))
            for shape, size in sizes.items()
        ]
        return Training(tiny_encoder, lessons, RECIPE, seed, pretrained, "fp32", cap=cap)

    return make


def drawn(training, steps):
    """How often each task's head moved, by the weights of the heads before and after every step."""
    counts = [0] * len(training.lessons)
    for step in range(1, steps + 1):
        before = [lesson.model.head.weight.detach().clone() for lesson in training.lessons]
        training.run(step)
        moved = [not torch.equal(w, o.model.head.weight) for w, o in zip(before, training.lessons, strict=True)]
        assert sum(moved) == 1  # the others have no gradient, and no weight decay either
        counts[moved.index(True)] += 1
    return counts


def test_tasks_are_drawn_in_proportion_to_their_rows_up_to_the_cap(mix):
    few, many = drawn(mix({"pair": 4, "choice": 36}), 40)
    assert few < 12 < many  # a tenth is expected
    few, many = drawn(mix({"pair": 4, "choice": 36}, cap=4), 40)
    assert min(few, many) > 10  # a half is expected


def test_a_mixture_can_be_repeated_bit_for_bit(mix):
    assert mix({"pair": 8, "tagging": 8}).run(6).log == mix({"pair": 8, "tagging": 8}).run(6).log


def test_the_next_stage_goes_on_with_other_rows(begin, tiny_rows, task_of, tiny_encoder):
    training = begin("choice").run(3)
    before = everything(training)
    other = encode(task_of["choice"], tiny_rows("choice", 5), tiny_encoder.tokenizer, 64)
    training.go_on_with(other, stage=1)
    assert same(before, everything(training))
    training.run(4)
    assert training.lessons[0].rows is other and training.step == 4 and not same(before, everything(training))
