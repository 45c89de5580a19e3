import pytest

from stilts_utils import engines, hardware
from stilts_utils.deployments import ENGINES


@pytest.mark.parametrize(("instructions", "reason"), [(None, "no bfloat16 instructions"), ("amx_bf16", "")])
def test_bf16_is_left_out_where_it_would_be_emulated(instructions, reason, monkeypatch):
    monkeypatch.setattr(hardware, "bf16_instructions", lambda: instructions)
    assert engines.unavailable("bf16").startswith(reason) and bool(engines.unavailable("bf16")) == bool(reason)
    assert engines.unavailable("fp32") == engines.unavailable("ort") == ""


def test_compiling_needs_a_compiler(monkeypatch):
    monkeypatch.setattr(engines.shutil, "which", lambda name: None)
    assert "no C++ compiler" in engines.unavailable("compiled")
    monkeypatch.setattr(engines.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert engines.unavailable("compiled") == ""


def test_onnx_runtime_is_for_cpus(monkeypatch):
    monkeypatch.setattr(hardware, "device", lambda: "cuda")
    assert "CPUs only" in engines.unavailable("ort_int8")


@pytest.mark.parametrize("name", ["eager", "fp32", "ort"])
def test_an_engine_is_made_by_its_name(name, tiny_encoder, task_of):
    engine = engines.make(ENGINES[name], tiny_encoder, task_of["pair"], 64)
    assert isinstance(engine, engines.Engine) and (engine.name, engine.deployment) == (name, ENGINES[name])
