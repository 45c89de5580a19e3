"""Stacked models against `training.Training`, one at a time: the same losses, weights and decisions."""

import numpy as np
import pytest
import torch

from stilts_utils import heads
from stilts_utils.batches import encode
from stilts_utils.cells import ask, rows
from stilts_utils.cells.stack import Embeddings, Shape, Stack, from_row, to_row
from stilts_utils.evaluation import decisions, pooled_layers
from stilts_utils.exit_training import answers
from stilts_utils.recipes import Recipe
from stilts_utils.training import Training, snapshot

SEEDS, STEPS = [1, 2, 1], 3


def sizes(encoder) -> Shape:
    config = encoder.model.config
    return Shape(**{name: getattr(config, name) for name in Shape.__dataclass_fields__})


@pytest.fixture
def starts(tiny_encoder):
    """Weights of three models, apart from each other."""
    torch.manual_seed(0)
    own = snapshot(tiny_encoder.trainable())
    return [{name: w + 0.02 * torch.randn_like(w) for name, w in own.items()} for _ in SEEDS]


def stack_of(encoder, starts, recipe, rates=None) -> Stack:
    shape = sizes(encoder)
    weights = encoder.model.state_dict()
    embeddings = Embeddings(weights, shape, "cpu", torch.float32)
    every = torch.stack([to_row(start, shape) for start in starts])
    return Stack(shape, embeddings, every, rates or [recipe.encoder_lr] * len(starts), recipe, dtype=torch.float32)


def test_a_row_holds_all_weights(tiny_encoder, starts):
    shape = sizes(tiny_encoder)
    row = to_row(starts[0], shape)
    assert len(row) == shape.size == sum(w.numel() for w in starts[0].values())
    back = from_row(row, shape)
    assert back.keys() == starts[0].keys()
    assert all(torch.equal(back[name], w) for name, w in starts[0].items())


@pytest.mark.parametrize(
    ("shape", "exits"), [("pair", ()), ("pair", (1, 2)), ("choice", ()), ("tagging", ()), ("span", ())]
)
def test_stacked_models_train_and_decide_as_each_alone(
    shape, exits, tiny_encoder, tiny_rows, task_of, starts, monkeypatch
):
    from stilts_utils.cells.jobs import Course

    monkeypatch.setattr(rows, "MULTIPLE", 1)
    entry, recipe = task_of[shape], Recipe(warmup_steps=2, batch_size=4, encoder_lr=1e-3)
    given = tiny_rows(shape, 12)
    encoded = encode(entry, given, tiny_encoder.tokenizer, 64, training=True)
    asked = encode(entry, given, tiny_encoder.tokenizer, 64)
    pad = tiny_encoder.tokenizer.pad_token_id
    flat = rows.Rows.of(rows.flatten(encoded, shape), "cpu")
    test = rows.Rows.of(rows.flatten(asked, shape), "cpu")
    batches = rows.training_batches(flat, entry.name, [1, 2], 4, STEPS)

    course = Course.__new__(Course)  # without a device and its pack
    course.at = type(
        "At", (), {"device": "cpu", "pack": type("Pack", (), {"pad": pad}), "of": lambda self, key: test}
    )()
    course.name, course.task, course.recipe, course.seeds = entry.name, entry, recipe, [1, 2]
    course.own = torch.tensor([seed - 1 for seed in SEEDS])
    course.losses, course.examples, course.tokens, course.seconds = [], [], [], {}
    course.stack = stack_of(tiny_encoder, starts, recipe)
    outputs = {"pair": len(entry.labels), "choice": 1, "tagging": len(entry.labels), "span": 2}[shape]
    course.stack.add_head(entry.name, outputs, SEEDS, exits)
    course.train(flat, STEPS, "train")
    found = course.ask("test")
    history = course.history()

    for i, (seed, start) in enumerate(zip(SEEDS, starts, strict=True)):
        alone = Training(tiny_encoder, [(entry, encoded)], recipe, seed, start, "fp32", exits=exits)
        alone.lessons[0].batches = iter(batches[:, seed - 1].tolist())
        alone.run(STEPS)
        assert history["losses"][:, i].tolist() == pytest.approx([row["loss"] for row in alone.log], rel=1e-4)
        assert history["tokens"][:, seed - 1].cumsum().tolist() == [row["tokens"] for row in alone.log]
        trained = from_row(course.stack.master[i], course.stack.shape)
        for name, weight in alone.weights.items():
            # The gradient is 0 but for rounding, which Adam makes as large as any.
            if name.endswith("key.bias") or (
                shape in ("choice", "span") and name == "encoder.layer.1.output.LayerNorm.bias"
            ):
                continue
            torch.testing.assert_close(trained[name], weight.detach(), rtol=1e-3, atol=2e-5)
        assert decided(entry, found, i, given, asked) == decisions(alone.model, entry, given, asked, pad)
        if exits:
            confidence, correct = answers(alone.model, asked, pad)
            np.testing.assert_allclose(found["confidence"][:, i].T, confidence, atol=1e-4)
            np.testing.assert_array_equal(found["correct"][:, i].T, correct.numpy())


def decided(entry, found, model, given, asked):
    from stilts_utils.cells.tables import decisions_of

    return decisions_of(
        entry,
        {name: values[model] for name, values in found.items() if name in ("classes", "tags", "spans", "null")},
        given,
        asked,
    )


def test_models_may_have_rates_of_their_own(tiny_encoder, tiny_rows, task_of, starts):
    """A model whose rate is 0 stays where it is, and the others do not notice."""
    recipe = Recipe(warmup_steps=0, batch_size=4, weight_decay=0.0)
    ends = []
    for rates in ([1e-3, 0.0, 1e-3], [1e-3, 1e-3, 1e-3]):
        stack = stack_of(tiny_encoder, starts, recipe, rates)
        before = stack.master.clone()
        stack.add_head("x", 2, SEEDS)
        ids = torch.randint(5, 90, (4, 6), generator=torch.Generator().manual_seed(0))
        kept = torch.ones(4, 6, dtype=torch.bool)
        states = stack.states(ids, kept)
        stack.step("x", stack.logits("x", states, kept, pooled=True).pow(2).mean((0, 2, 3)))
        assert [bool((stack.master[i] != before[i]).any()) for i in range(3)] == [rate > 0 for rate in rates]
        ends.append(stack.master)
    assert torch.equal(ends[0][[0, 2]], ends[1][[0, 2]])


def test_vectors_of_layers_are_those_of_the_encoder(tiny_encoder, tiny_rows, task_of, starts):
    from stilts_utils.training import copy_into

    encoded = encode(task_of["retrieval"], tiny_rows("retrieval", 9), tiny_encoder.tokenizer, 64)
    found = ask.pooled_layers(
        stack_of(tiny_encoder, starts, Recipe()), rows.Rows.of(rows.flatten(encoded, "retrieval"), "cpu"), 1
    )
    for i, start in enumerate(starts):
        copy_into(tiny_encoder.trainable(), start)
        own = pooled_layers(tiny_encoder, encoded)
        np.testing.assert_allclose(found[:, i], own / np.linalg.norm(own, axis=-1, keepdims=True), atol=2e-6)


def test_the_best_span_is_that_of_one_model():
    logits = torch.randn(2, 3, 5, 2)
    score, best = ask.best_spans(logits, torch.tensor([[1, 4], [0, 5], [2, 3]]))
    for model in range(2):
        for row, (first, past) in enumerate([(1, 4), (0, 5), (2, 3)]):
            offsets = [(i, i + 1) if first <= i < past else None for i in range(5)]
            value, begin, end = heads._best_span(offsets, logits[model, row])
            assert score[model, row].item() == pytest.approx(value)
            assert (best[model, row] + torch.tensor([0, 1])).tolist() == [begin, end]
