import dataclasses

import pytest
import torch

from benchmarks import engines, run
from stilts_utils import engines as engines_module
from stilts_utils.models import encoder
from stilts_utils.study import sizes
from stilts_utils.study.engines import ENGINES
from stilts_utils.study.settings import EncoderSpec


@pytest.fixture
def checkpoint(tiny_encoder, task_of):
    generator = torch.Generator().manual_seed(0)
    labels = len(task_of["tagging"].labels)
    weights = {name: parameter.detach().clone() for name, parameter in tiny_encoder.trainable().items()}
    return weights | {
        "head.weight": torch.randn((labels, tiny_encoder.hidden), generator=generator),
        "head.bias": torch.randn(labels, generator=generator),
    }


@pytest.mark.parametrize("name", engines.PEERS)
def test_a_peer_decides_as_an_engine_does(name, checkpoint, task_of, tiny_rows):
    rows = tiny_rows("tagging", 40)
    engine = engines_module.make(ENGINES["fp32"], encoder.load(EncoderSpec("random")), task_of["tagging"], 64)
    engine.use(engine.convert(checkpoint))
    ask = engines.PEERS[name](encoder.load(EncoderSpec("random")), task_of["tagging"], checkpoint)
    expected = engine.answer(rows).decisions
    assert ask(rows) == expected and ask(rows[:1]) == expected[:1]
    assert len({tag for row in expected for tag in row}) > 2


def test_a_word_has_the_tag_of_its_first_token_and_one_without_a_token_has_none():
    tokens = [{"start": start, "entity": entity} for start, entity in ((0, "A"), (2, "B"), (4, "C"))]
    assert engines.word_tags(["abc", "d", "e"], tokens) == ["A", "C", "O"]


def test_rows_are_of_all_languages_in_turn(tiny_study, monkeypatch):
    monkeypatch.setattr(
        engines, "evaluation_rows", lambda study, target, language, share: [f"{language}{i}" for i in range(share)]
    )
    assert engines.rows_of(tiny_study, "dtag", 4) == ["en0", "de0", "zh0", "en1"]


def test_every_engine_is_compared_and_its_share_of_the_machine_given(tiny_study, monkeypatch):
    monkeypatch.setattr(engines, "apart", lambda call, *given: call(*given))  # a process takes seconds to start
    timed = dataclasses.replace(tiny_study.inference, target="dtag", engines=("fp32",))
    said = list(engines.lines(dataclasses.replace(tiny_study, inference=timed), run.compare))
    ours = ("fp32", "ort")
    for name, (pipeline, plain, share) in zip(ours, (said[:3], said[3:6]), strict=True):
        assert pipeline.startswith(f"throughput, 128 sentences, {name} over the transformers pipeline (to reach: 3.0; ")
        assert plain.startswith(f"throughput, 128 sentences, {name} over plain ONNX Runtime (to reach: 1.3; ")
        assert all("decisions as the pipeline's: 100.0 %): " in line for line in (pipeline, plain))
        assert share.startswith(f"{name}: ")
    alone = [*(f"one sentence, {name}: p50 " for name in (*ours, *engines.PEERS)), "one sentence, "]
    rest = [*alone, *(f"{name}: " for name in (*ours, *engines.PEERS))]
    assert all(line.startswith(start) for line, start in zip(said[6:], rest, strict=True))


def test_single_sentences_are_compared_between_the_fastest_of_ours_and_of_the_peers(monkeypatch):
    clock, cost = [0.0], {"fast": 1.0, "slow": 4.0, "peer": 2.0, "late": 8.0}
    monkeypatch.setattr(engines.time, "perf_counter", lambda: clock[0])

    def call(name):
        def answer(rows):
            clock[0] += cost[name] * rows[0]["cost"] / 1e3

        return answer

    rows = [{"cost": 1 + i % 3} for i in range(6)]
    *alone, ratio = engines.single_lines(
        {name: call(name) for name in ("slow", "fast")}, {name: call(name) for name in ("late", "peer")}, rows
    )
    assert alone[1] == "one sentence, fast: p50 2.0 ms, p95 3.0 ms"
    assert ratio.startswith("one sentence, fast over peer, the fastest of each (to reach: 1.0): 2.00 [2.00, 2.00] (6 ")


def test_a_shape_without_a_pipeline_is_said(tiny_study):
    (line,) = engines.lines(tiny_study, run.compare)
    assert line == "no peer: transformers has no pipeline for the shape of mc_facts, choice"


def test_sizes_of_a_loaded_encoder_are_those_of_the_table(tiny_encoder):
    assert sizes.of_config(tiny_encoder.model.config) == sizes.KNOWN["random"]
