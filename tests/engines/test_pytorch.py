import pytest
import torch

from stilts_utils.engines.pytorch import TorchEngine
from stilts_utils.models import encoder
from stilts_utils.models.batches import collate, encode
from stilts_utils.models.checkpoints import snapshot
from stilts_utils.study import settings
from stilts_utils.study.engines import ENGINES
from stilts_utils.study.settings import Recipe
from stilts_utils.training import evaluation
from stilts_utils.training.trajectory import Training

SHAPES = ("pair", "choice", "tagging", "span")


@pytest.fixture
def trained(tiny_encoder, tiny_rows, task_of):
    """`trained(shape, steps)`: encoder and head weights whose decisions depend on the steps."""
    start = snapshot(tiny_encoder.trainable())

    def make(shape, steps):
        rows = encode(task_of[shape], tiny_rows(shape, 24), tiny_encoder.tokenizer, 64)
        recipe = Recipe(encoder_lr=1e-3, head_lr=1e-2, batch_size=8)
        training = Training(tiny_encoder, [(task_of[shape], rows)], recipe, steps, start, "fp32").run(steps)
        return snapshot(training.weights) | training.head_weights()

    return make


@torch.inference_mode()
def logits(engine, rows):
    encoded = encode(engine.task, rows, engine.tokenizer, engine.max_length)
    return engine.model(collate(encoded, list(range(len(rows))), engine.tokenizer.pad_token_id), len(rows))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("shape", SHAPES)
def test_swapping_weights_there_and_back_restores_everything(
    shape, precision, trained, tiny_encoder, tiny_rows, task_of
):
    weights = [trained(shape, steps) for steps in (60, 1)]
    engine, rows = TorchEngine(ENGINES[precision], tiny_encoder, task_of[shape], 64), tiny_rows(shape, 12)
    one, other = map(engine.convert, weights)
    places = [parameter.data_ptr() for parameter in engine.model.parameters()]
    found = []
    for converted in (one, other, one):
        engine.use(converted)
        found.append((engine.answer(rows).decisions, logits(engine, rows)))
    assert found[0][0] == found[2][0] != found[1][0]
    assert torch.equal(found[0][1], found[2][1])
    assert [parameter.data_ptr() for parameter in engine.model.parameters()] == places


@pytest.mark.parametrize("shape", SHAPES)
def test_an_engine_decides_what_the_evaluation_decides(shape, trained, tiny_encoder, tiny_rows, task_of):
    of, rows = task_of[shape], tiny_rows(shape, 16)
    engine = TorchEngine(ENGINES["fp32"], tiny_encoder, of, 64)
    engine.use(engine.convert(trained(shape, 60)))
    encoded = encode(of, rows, tiny_encoder.tokenizer, 64)
    expected = evaluation.decisions(engine.model, of, rows, encoded, tiny_encoder.tokenizer.pad_token_id)
    answer = engine.answer(rows)
    assert answer.decisions == expected
    assert answer.tokens == encoded.tokens
    assert [engine.answer([row]).decisions[0] for row in rows] == expected
    assert min(answer.tokenise_s, answer.forward_s, answer.decode_s) > 0
    assert answer.padded >= answer.tokens


@pytest.mark.parametrize(("name", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_an_engine_computes_in_its_precision_with_a_float32_head(name, dtype, trained, tiny_encoder, task_of):
    weights = trained("pair", 2)
    before = {key: w.clone() for key, w in weights.items()}
    engine = TorchEngine(ENGINES[name], tiny_encoder, task_of["pair"], 64)
    engine.use(engine.convert(weights))
    assert {p.dtype for p in engine.model.encoder.parameters()} == {dtype}
    assert {p.dtype for p in engine.model.head.parameters()} == {torch.float32}
    assert not engine.model.training
    assert all(torch.equal(weights[key], before[key]) for key in weights)
    for key, parameter in engine.model.encoder.encoder.named_parameters():
        assert torch.equal(parameter, weights[f"encoder.{key}"].to(dtype))
    assert torch.equal(engine.model.head.weight, weights["head.weight"])


def test_a_compiled_engine_computes_the_same_and_follows_the_weights(tiny_rows, task_of):
    def built(name):
        return TorchEngine(ENGINES[name], encoder.load(settings.EncoderSpec("random", 1)), task_of["pair"], 64)

    plain, compiled, rows = built("fp32"), built("compiled"), tiny_rows("pair", 12)
    assert compiled.model.encoder._compiled_call_impl is not None
    weights = {name: parameter.detach().clone() for name, parameter in plain._parameters.items()}
    found = []
    for factor in (1, 2):
        changed = {name: value * (factor if "dense.weight" in name else 1) for name, value in weights.items()}
        for engine in (plain, compiled):
            engine.use(engine.convert(changed))
        found.append(logits(plain, rows))
        torch.testing.assert_close(logits(compiled, rows), found[-1], atol=1e-5, rtol=1e-4)
    assert (found[0] - found[1]).abs().max() > 1e-3  # of the encoder's weights
