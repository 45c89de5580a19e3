import sys

import pytest

from stilts_utils import engines
from stilts_utils.models import hardware
from stilts_utils.study.engines import ENGINES, Deployment


@pytest.mark.parametrize(("instructions", "reason"), [(None, "no bfloat16 instructions"), ("amx_bf16", "")])
def test_bf16_is_left_out_where_it_would_be_emulated(instructions, reason, monkeypatch):
    monkeypatch.setattr(hardware, "bf16_arithmetic", lambda: instructions is not None)
    monkeypatch.setattr(hardware, "device", lambda: "cpu")
    assert engines.unavailable("bf16").startswith(reason) and bool(engines.unavailable("bf16")) == bool(reason)
    assert engines.unavailable("fp32") == engines.unavailable("ort") == ""


def test_compiling_needs_the_compiler_that_torch_calls(monkeypatch):
    monkeypatch.setattr(hardware, "device", lambda: "cpu")
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(engines.shutil, "which", lambda name: "/usr/bin/clang++" if name == "clang++" else None)
    assert engines.unavailable("compiled") == "no compiler g++, which torch.compile needs"
    monkeypatch.setenv("CXX", "clang++")
    assert engines.unavailable("compiled") == ""


def test_onnx_runtime_is_for_cpus(monkeypatch):
    monkeypatch.setattr(hardware, "device", lambda: "cuda")
    assert "CPUs only" in engines.unavailable("ort_int8")


def test_an_engine_without_its_packages_is_left_out_and_says_how_to_install_them(monkeypatch):
    monkeypatch.setattr(hardware, "device", lambda: "cpu")
    for name in ("onnx", "onnxscript"):
        monkeypatch.setitem(sys.modules, name, None)
    said = "not installed: onnx, onnxscript; `pip install -c constraints.txt onnx onnxscript`"
    assert engines.unavailable("ort") == engines.unavailable("ort_int8") == said
    assert engines.unavailable("fp32") == engines.unavailable("eager") == ""


@pytest.mark.parametrize("name", ["eager", "fp32", "ort"])
def test_an_engine_is_made_by_its_name(name, tiny_encoder, task_of):
    engine = engines.make(ENGINES[name], tiny_encoder, task_of["pair"], 64)
    assert isinstance(engine, engines.Engine) and (engine.name, engine.deployment) == (name, ENGINES[name])


def test_an_entry_in_a_precision_that_its_runtime_lacks_is_refused(tiny_encoder, task_of):
    for runtime, precision in (("onnxruntime", "bf16"), ("torch", "int8")):
        entry = Deployment("odd", runtime, precision, "says")
        with pytest.raises(ValueError, match=f"precision of engine odd is '{precision}', allowed with {runtime}: fp32"):
            engines.make(entry, tiny_encoder, task_of["pair"], 64)
