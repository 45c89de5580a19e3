import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stilts_utils.models.batches import collate, encode_texts
from stilts_utils.models.perturbation import at_random, drawn_anew, neighbours, norms, perturbed, radii, worst

TEXTS = ["one", "a longer text than that", "x"]


@pytest.fixture
def batch(tiny_encoder):
    return collate(encode_texts(TEXTS, tiny_encoder.tokenizer, 32), [0, 1, 2], 1)


def states(model, batch):
    return model(**batch).last_hidden_state


def test_a_change_is_added_within_the_block_alone(tiny_encoder, batch):
    model = tiny_encoder.model
    before = states(model, batch)
    with perturbed(model, torch.zeros(*batch["input_ids"].shape, 32)):
        assert torch.equal(states(model, batch), before)
    with perturbed(model, torch.ones(*batch["input_ids"].shape, 32) * torch.arange(32)):
        assert not torch.equal(states(model, batch), before)
    assert torch.equal(states(model, batch), before)


def test_a_hook_is_removed_after_an_error(tiny_encoder, batch):
    with pytest.raises(ZeroDivisionError), perturbed(tiny_encoder.model, torch.ones(1)):
        1 / 0  # noqa: B018 - raises
    assert not tiny_encoder.model.get_input_embeddings()._forward_hooks


def test_a_random_change_lies_in_the_ball_of_its_sequence_and_leaves_padding_alone(tiny_encoder, batch):
    model, generator = tiny_encoder.model, torch.Generator().manual_seed(1)
    within = radii(model, batch, 0.3)
    embedded = model.get_input_embeddings()(batch["input_ids"][1, :3])
    assert within[1].item() > 0.3 * embedded.norm().item()  # of all its tokens
    change = at_random(model, batch, 0.3, generator)
    assert (norms(change) <= within * 1.0001).all() and (norms(change) > 0.5 * within).all()
    assert (change[batch["attention_mask"] == 0] == 0).all()
    assert not torch.equal(change, at_random(model, batch, 0.3, generator))


def test_the_worst_change_stays_in_the_ball_raises_the_loss_and_gives_weights_no_gradient(tiny_encoder, batch):
    model, target = tiny_encoder.model, torch.arange(32.0)

    def loss():
        return (states(model, batch)[:, 0] - target).pow(2).mean()

    def at(change):
        with torch.no_grad(), perturbed(model, change):
            return loss().item()

    found = worst(model, batch, loss, 0.3, 5, torch.Generator().manual_seed(1))
    assert (norms(found) <= radii(model, batch, 0.3) * 1.0001).all()
    drawn = [at(at_random(model, batch, 0.3, torch.Generator().manual_seed(seed))) for seed in range(20)]
    assert at(found) > max(drawn)
    assert (found[batch["attention_mask"] == 0] == 0).all()
    assert all(parameter.grad is None for parameter in model.parameters())


def test_neighbours_are_the_nearest_by_cosine_that_are_near_enough():
    words = torch.tensor([[1.0, 0.0], [2.0, 0.1], [0.0, 1.0], [-1.0, 0.0], [0.6, 0.6]])
    found = neighbours(words, torch.tensor([0, 3]), most=3, similarity=0.5)
    assert found.tolist() == [[1, 4, -1], [-1, -1, -1]]
    assert neighbours(words, torch.tensor([0]), most=1, similarity=0.5, chunk=1).tolist() == [[1]]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 3))
def test_tokens_are_drawn_from_themselves_and_their_neighbours(seed, most):
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.tensor([[1, 2, 3]])
    near = torch.full((1, 3, 3), -1)
    near[0, 1, :most] = torch.arange(10, 10 + most)
    found = drawn_anew(tokens, near, generator)
    assert found[0, 0] == 1 and found[0, 2] == 3 and found[0, 1].item() in {2, *range(10, 10 + most)}


def test_a_token_and_its_neighbours_are_drawn_in_equal_parts():
    tokens, near = torch.full((3000,), 5), torch.tensor([7, 8, -1]).expand(3000, 3)
    found = drawn_anew(tokens, near, torch.Generator().manual_seed(1))
    assert found.unique().tolist() == [5, 7, 8]
    assert found.bincount()[[5, 7, 8]].tolist() == pytest.approx([1000] * 3, abs=100)
