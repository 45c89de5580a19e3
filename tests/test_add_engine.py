"""The worked example of the page on adding an engine."""

import importlib.util

import pytest
import torch

from stilts_utils import ROOT, engines
from stilts_utils.engines import fidelity
from stilts_utils.models.encoder import load
from stilts_utils.study import engines as deployments
from stilts_utils.study.settings import EncoderSpec


@pytest.fixture
def example(monkeypatch):
    """The example's module, registered as the page says."""
    spec = importlib.util.spec_from_file_location("example_engine", ROOT / "book" / "example_engine.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(deployments, "RUNTIMES", (*deployments.RUNTIMES, "truncated"))
    spec.loader.exec_module(module)
    monkeypatch.setitem(engines.CLASSES, "truncated", lambda: module.FirstHalf)
    monkeypatch.setitem(deployments.ENGINES, "first_half", module.FIRST_HALF)
    return module


def test_the_example_answers_with_half_the_layers(example, task_of, tiny_rows):
    assert engines.unavailable("first_half") == ""
    whole, half = (
        engines.make(deployments.ENGINES[name], load(EncoderSpec("random")), task_of["pair"], 64)
        for name in ("eager", "first_half")
    )
    assert isinstance(half, example.FirstHalf) and len(half.model.encoder.encoder.layer) == 1
    weights = {name: parameter.detach().clone() for name, parameter in whole._parameters.items()}
    weights["head.weight"] = torch.randn(weights["head.weight"].shape, generator=torch.Generator().manual_seed(0))
    rows = tiny_rows("pair", 16)
    for engine in (whole, half):
        engine.use(engine.convert(weights))
    assert len(half.answer(rows).decisions) == 16
    assert fidelity.compare(fidelity.output(half, rows), fidelity.output(whole, rows))["largest_difference"] > 0
