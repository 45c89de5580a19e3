import pytest
import torch

from stilts_utils.models import heads
from stilts_utils.models.adapters import ALPHA, RANK, Adapters, merged
from stilts_utils.models.batches import collate, encode_texts
from stilts_utils.models.checkpoints import copy_into, snapshot


@pytest.fixture
def adapted(tiny_encoder):
    """The tiny encoder, its weights, and adapters of which neither factor is 0."""
    adapters = Adapters(tiny_encoder.model, 1)
    with torch.no_grad():
        for factor in adapters.factors.values():
            factor.normal_(std=0.5, generator=torch.Generator().manual_seed(factor.numel()))
    return tiny_encoder, snapshot(tiny_encoder.trainable()), adapters


def states(encoder):
    batch = collate(encode_texts(["some words", "a few more words"], encoder.tokenizer, 32), [0, 1], 1)
    with torch.inference_mode():
        return encoder.model(**heads.encoder_inputs(encoder.model, batch)).last_hidden_state


def test_merged_and_unmerged_agree(adapted):
    encoder, weights, adapters = adapted
    plain = states(encoder)
    adapters.attach()
    beside = states(encoder)
    adapters.attach(False)
    assert torch.equal(states(encoder), plain)
    copy_into(encoder.trainable(), merged(weights, adapters.factors))
    assert (states(encoder) - beside).abs().max() < 1e-5 < 1e-2 < (plain - beside).abs().max()


def test_only_query_and_value_change_and_by_the_product(adapted):
    _, weights, adapters = adapted
    changed = merged(weights, adapters.factors)
    names = {name for name in weights if not torch.equal(weights[name], changed[name])}
    parts = {f"encoder.layer.{n}.attention.self.{part}" for n in (0, 1) for part in ("query", "value")}
    assert names == {f"{part}.weight" for part in parts} and changed.keys() == weights.keys()
    for part in parts:
        down, up = (adapters.factors[f"{part}.{name}"] for name in ("lora_A", "lora_B"))
        assert down.shape[0] == up.shape[1] == RANK == ALPHA / 2
        torch.testing.assert_close(changed[f"{part}.weight"], weights[f"{part}.weight"] + 2 * up @ down)


def test_what_was_merged_can_be_taken_out_again(adapted):
    _, weights, adapters = adapted
    again = merged(merged(weights, adapters.factors), adapters.factors, times=-1)
    for name, weight in weights.items():
        torch.testing.assert_close(again[name], weight)


def test_fresh_adapters_change_nothing_depend_on_the_seed_alone_and_leave_the_encoder_trainable(tiny_encoder):
    before, random = states(tiny_encoder), torch.get_rng_state()
    adapters = Adapters(tiny_encoder.model, 3)
    assert torch.equal(torch.get_rng_state(), random)
    first = snapshot(adapters.factors)
    adapters.attach()
    assert torch.equal(states(tiny_encoder), before)
    adapters.attach(False)
    assert all(parameter.requires_grad for parameter in tiny_encoder.trainable().values())
    assert not any(parameter.requires_grad for parameter in tiny_encoder.model.embeddings.parameters())
    for seed, same in ((3, True), (4, False)):
        second = Adapters(tiny_encoder.model, seed).factors
        assert all(torch.equal(first[name], second[name]) for name in first if name.endswith("A")) == same
