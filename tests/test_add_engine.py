"""The worked example of the page on adding an engine."""

import torch

from stilts_utils import engines
from stilts_utils.engines import admission
from stilts_utils.models.encoder import load
from stilts_utils.study.engines import ENGINES
from stilts_utils.study.settings import EncoderSpec

pytest_plugins = ["tests.own_plugins"]


def test_the_example_gives_the_references_logits_on_one_core(plugged, task_of, monkeypatch):
    study = plugged("example_engine.py", inference={"target": "mc_facts", "engines": ["one_core"]})
    encoder, cores = load(EncoderSpec("random")), []
    assert engines.unavailable("one_core") == "" and admission.check(study, encoder)["one_core"] < admission.TOLERANCE
    engine = engines.make(ENGINES["one_core"], encoder, task_of["choice"], 64)
    monkeypatch.setattr(engine.model, "forward", lambda batch, rows: cores.append(torch.get_num_threads()))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    engine.logits({}, 1)
    assert cores == [1] and torch.get_num_threads() == 2
    torch.set_num_threads(before)
