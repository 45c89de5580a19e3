import onnx
import pytest
import torch

from stilts_utils import engines
from stilts_utils.engines import fidelity
from stilts_utils.engines import onnx as ort
from stilts_utils.models import encoder, heads
from stilts_utils.study.engines import ENGINES
from stilts_utils.study.settings import EncoderSpec


@pytest.fixture
def parts(tiny_encoder, task_of):
    """An engine, and two checkpoints that decide differently."""
    engine = engines.make(ENGINES["ort"], tiny_encoder, task_of["pair"], 64)
    model = heads.TaskModel(tiny_encoder.model, task_of["pair"], 0)
    plain = {name: p.detach().clone() for name, p in tiny_encoder.trainable().items()}
    generator = torch.Generator().manual_seed(0)
    head = {f"head.{name}": torch.randn(p.shape, generator=generator) for name, p in model.head.named_parameters()}
    scaled = {name: value * (2 if "output.dense.weight" in name else 1) for name, value in plain.items()}
    return engine, [plain | head, scaled | {name: -value for name, value in head.items()}]


def test_the_encoder_of_a_checkpoint_is_deployed_and_not_the_head_alone(parts, tiny_rows):
    engine, (one, other) = parts
    head = {name: value for name, value in one.items() if name.startswith("head.")}
    rows, found = tiny_rows("pair", 12), []
    for weights in (one, other | head):
        engine.use(engine.convert(weights))
        found.append(fidelity.output(engine, rows))
    assert fidelity.compare(*found)["largest_difference"] > 0.01


def test_every_checkpoint_keeps_its_own_session(parts, tiny_rows):
    engine, (one, other) = parts
    sessions, rows, found = [engine.convert(weights) for weights in (one, other)], tiny_rows("pair", 12), []
    for session in (sessions[0], sessions[1], sessions[0]):
        engine.use(session)
        found.append(engine.answer(rows).decisions)
    assert found[0] == found[2] != found[1]


def test_the_graph_is_exported_once_and_holds_no_trained_weight(parts, monkeypatch, tiny_encoder, task_of):
    monkeypatch.setattr(ort, "_export", lambda model: pytest.fail("exported again"))
    again = engines.make(ENGINES["ort_int8"], encoder.load(EncoderSpec("random")), task_of["pair"], 64)
    trained = [tensor for tensor in again._graph.graph.initializer if ".layer." in tensor.name]
    assert len(trained) == len([n for n in tiny_encoder.trainable() if ".layer." in n])
    assert not any(tensor.raw_data for tensor in trained)


def test_a_graph_without_a_weight_is_refused_and_not_kept(monkeypatch, tiny_encoder, task_of, tmp_path):
    monkeypatch.setenv("STILTS_CACHE", str(tmp_path))
    monkeypatch.setattr(ort, "_export", lambda model: onnx.ModelProto())
    with pytest.raises(RuntimeError, match="the ONNX graph has no weights model.encoder.encoder.layer.0"):
        engines.make(ENGINES["ort"], tiny_encoder, task_of["pair"], 64)
    assert not list(tmp_path.rglob("*.onnx"))


def test_int8_quantises_every_matrix_product_with_weights(parts):
    engine, (weights, _) = parts
    kinds = [node.op_type for node in ort._quantised(engine._filled(weights)).graph.node]
    assert kinds.count("MatMulInteger") == 2 * 6 + 1  # two layers of six, and the head
    assert kinds.count("MatMul") == 2 * 2  # what attention multiplies is no weight
