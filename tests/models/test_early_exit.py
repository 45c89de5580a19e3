import numpy as np
import pytest
import torch

from stilts_utils.analysis.exit_rules import NEVER
from stilts_utils.models import heads
from stilts_utils.models.batches import collate, encode
from stilts_utils.models.early_exit import ExitModel, places


@pytest.fixture(params=["pair", "choice"])
def asked(request, tiny_encoder, tiny_rows, task_of):
    """A model with exits at all layers, six rows, and their batch."""
    task = task_of[request.param]
    encoded = encode(task, tiny_rows(request.param, 6), tiny_encoder.tokenizer, 32)
    model = ExitModel(tiny_encoder.model, task, 0, tuple(range(1, tiny_encoder.layers + 1))).eval()
    with torch.no_grad():  # every exit its own head, and sharp enough for confidences to differ
        for number, head in enumerate(model.head.values(), start=1):
            torch.nn.init.normal_(head.weight, std=2.0, generator=torch.Generator().manual_seed(number))
    return model, encoded, collate(encoded, list(range(6)), tiny_encoder.tokenizer.pad_token_id)


@torch.inference_mode()
def test_without_stopping_the_last_exit_is_the_plain_model(asked):
    model, encoded, batch = asked
    plain = heads.TaskModel(model.encoder, model.task, 0).eval()
    plain.head = model.head[str(model.layers[-1])]
    torch.testing.assert_close(model(batch, 6), plain(batch, 6))
    found, computed = model.early(batch, 6, NEVER)
    torch.testing.assert_close(found, plain(batch, 6))
    assert computed == 6 * model.layers[-1]


@torch.inference_mode()
@pytest.mark.parametrize("quantile", [0.0, 0.3, 0.6, 1.0])
def test_every_row_stops_at_the_first_exit_that_is_sure(asked, quantile):
    model, encoded, batch = asked
    every = model.at_exits(batch, 6)
    confidence = every.softmax(-1).amax(-1).T.numpy()  # (rows, exits)
    threshold = float(np.quantile(confidence, quantile)) - 1e-4
    sure = confidence >= threshold
    first = np.where(sure.any(1), sure.argmax(1), len(model.layers) - 1)
    found, computed = model.early(batch, 6, threshold)
    torch.testing.assert_close(found, every[first, range(6)], rtol=1e-4, atol=1e-4)
    assert computed == np.take(model.layers, first).sum()


@torch.inference_mode()
def test_a_fixed_exit_stops_all_rows_there(asked):
    model, encoded, batch = asked
    found, computed = model.early(batch, 6, NEVER, last=1)
    torch.testing.assert_close(found, model.at_exits(batch, 6)[0])
    assert computed == 6


def test_the_loss_is_the_mean_over_exits_weighted_by_depth(asked):
    model, encoded, batch = asked
    rows = list(range(6))
    each = [heads.loss(model.task, logits, encoded, rows) for logits in model.at_exits(batch, 6)]
    expected = sum(n * one for n, one in zip(model.layers, each, strict=True)) / sum(model.layers)
    assert model.loss(batch, encoded, rows).item() == pytest.approx(expected.item())
    model.loss(batch, encoded, rows).backward()
    assert all(head.weight.grad.abs().sum() > 0 for head in model.head.values())


def test_exits_are_evenly_spaced_and_end_at_the_last_layer():
    assert places(12, 4) == (3, 6, 9, 12)
    assert places(5, 4) == (1, 2, 4, 5)
    assert places(2, 4) == (1, 2)


def test_other_shapes_and_encoders_are_refused(tiny_encoder, task_of):
    with pytest.raises(ValueError, match="shape of dtag is 'tagging', allowed with exits: pair, choice"):
        ExitModel(tiny_encoder.model, task_of["tagging"], 0, (1, tiny_encoder.layers))
    with pytest.raises(ValueError, match=r"exits are \(1,\), allowed: layers of an encoder"):
        ExitModel(tiny_encoder.model, task_of["pair"], 0, (1,))
    with pytest.raises(ValueError, match="of which this has 0"):
        ExitModel(torch.nn.Linear(2, 2), task_of["pair"], 0, (1,))
