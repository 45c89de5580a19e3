import pytest
import torch

from stilts_utils import engines
from stilts_utils.engines import fidelity
from stilts_utils.engines.fidelity import Output
from stilts_utils.models.encoder import load
from stilts_utils.study.engines import ENGINES, REFERENCE
from stilts_utils.study.settings import EncoderSpec

SHAPES = ("pair", "choice", "tagging", "span")


def built(name, task):
    engine = engines.make(ENGINES[name], load(EncoderSpec("random")), task, 64)
    generator = torch.Generator().manual_seed(1)
    weights = {key: value.clone() for key, value in load(EncoderSpec("random")).trainable().items()}
    weights = {key: value.detach() for key, value in weights.items()}
    head = torch.nn.Linear(32, {"pair": 3, "choice": 1, "tagging": len(task.labels), "span": 2}[task.shape])
    weights |= {
        "head.weight": torch.randn(head.weight.shape, generator=generator),
        "head.bias": torch.randn(head.bias.shape, generator=generator),
    }
    engine.use(engine.convert(weights))
    return engine


@pytest.mark.parametrize("shape", SHAPES)
def test_an_engine_agrees_with_itself(shape, task_of, tiny_rows):
    found = fidelity.output(built("eager", task_of[shape]), tiny_rows(shape, 9))
    assert fidelity.compare(found, found) == {"largest_difference": 0.0, "agreement": 1.0}
    assert len(found.decisions) == 9


@pytest.mark.parametrize("shape", ["choice", "tagging"])  # a head over sequences, and one over tokens
@pytest.mark.parametrize(("name", "close"), [("fp32", 1e-4), ("ort", 1e-4), ("ort_int8", 1.0)])
def test_engines_compute_what_the_reference_computes(name, close, shape, task_of, tiny_rows):
    rows = tiny_rows(shape, 24)
    expected = fidelity.output(built(REFERENCE.name, task_of[shape]), rows)
    found = fidelity.compare(fidelity.output(built(name, task_of[shape]), rows), expected)
    assert found["largest_difference"] < close
    assert found["agreement"] >= (0.999 if close < 0.01 else 0.5)
    if name == "ort_int8":
        assert found["largest_difference"] > 1e-4  # it is quantised


def test_padding_is_not_compared(task_of, tiny_rows):
    rows = tiny_rows("tagging", 6)
    found = fidelity.output(built("eager", task_of["tagging"]), rows)
    tokens = built("eager", task_of["tagging"]).answer(rows).tokens
    assert sum(len(logits) for logits in found.logits) == tokens


def test_agreement_in_tagging_is_of_tags():
    one, other = ["A", "B", "C"], ["A", "B", "O"]
    same = [torch.zeros(1, 2)]
    found = fidelity.compare(Output(same, [one, ["A"]]), Output([torch.full((1, 2), 0.5)], [other, ["A"]]))
    assert found == {"largest_difference": 0.5, "agreement": 0.75}


def test_a_logit_that_is_no_number_is_an_error():
    whole, broken = torch.zeros(2, 3), torch.tensor([[0.0, float("nan"), 0.0]])
    with pytest.raises(ValueError, match="difference of logits is nan, allowed: a finite number"):
        fidelity.compare(Output([whole, broken], [0, 1, 2]), Output([whole, torch.zeros(1, 3)], [0, 1, 2]))
