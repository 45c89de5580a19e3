"""The worked example of the page on adding an engine."""

import torch

from stilts_utils import engines
from stilts_utils.engines import fidelity
from stilts_utils.models.encoder import load
from stilts_utils.study import engines as deployments
from stilts_utils.study.settings import EncoderSpec

pytest_plugins = ["tests.own_plugins"]


def test_the_example_answers_with_half_the_layers(plugged, task_of, tiny_rows):
    study = plugged("example_engine.py", inference={"target": "mc_facts", "engines": ["first_half"]})
    assert study.inference.engines == ("first_half",) and engines.unavailable("first_half") == ""
    whole, half = (
        engines.make(deployments.ENGINES[name], load(EncoderSpec("random")), task_of["pair"], 64)
        for name in ("eager", "first_half")
    )
    assert type(half).__name__ == "FirstHalf" and len(half.model.encoder.encoder.layer) == 1
    weights = {name: parameter.detach().clone() for name, parameter in whole._parameters.items()}
    weights["head.weight"] = torch.randn(weights["head.weight"].shape, generator=torch.Generator().manual_seed(0))
    rows = tiny_rows("pair", 16)
    for engine in (whole, half):
        engine.use(engine.convert(weights))
    assert len(half.answer(rows).decisions) == 16
    assert fidelity.compare(fidelity.output(half, rows), fidelity.output(whole, rows))["largest_difference"] > 0
