"""Engines: the ways to deploy a checkpoint, which take requests in text and give decisions.

`base` answers a request and measures it; `pytorch`, `onnx` and `early_exit` are the runtimes, `forms` deploys one checkpoint
in several ways; `fidelity` says how far an engine is from the reference, `trace` which operations it executes, `admission`
whether those of a study can take its encoder. A new engine of a known runtime is an entry of `study.engines`; one of a new
runtime is also a class in a file of this folder and a line of `CLASSES`.
"""

import os
import shutil

from stilts_utils.engines.base import Answer, Engine
from stilts_utils.models import hardware
from stilts_utils.models.encoder import Encoder
from stilts_utils.study import packages, plugins
from stilts_utils.study.engines import ENGINES, Deployment
from stilts_utils.tasks import Task

__all__ = ["Answer", "Engine", "make", "unavailable"]


def _torch() -> type[Engine]:
    from stilts_utils.engines.pytorch import TorchEngine

    return TorchEngine


def _exits() -> type[Engine]:
    from stilts_utils.engines.early_exit import ExitEngine

    return ExitEngine


def _onnxruntime() -> type[Engine]:
    from stilts_utils.engines.onnx import OrtEngine

    return OrtEngine


# The class of every runtime: only the runtimes that are used are imported.
CLASSES = {"torch": _torch, "torch exits": _exits, "onnxruntime": _onnxruntime}
plugins.each("runtime", CLASSES.__setitem__)


def unavailable(name: str) -> str:
    """Why this machine cannot run an engine, or the empty string if it can."""
    entry = ENGINES[name]
    if entry.precision == "bf16" and not hardware.bf16_arithmetic():
        return "no bfloat16 instructions: emulation would time something else"
    if entry.runtime == "onnxruntime" and hardware.device() != "cpu":
        return "ONNX Runtime is installed for CPUs only"
    if missing := packages.lacking(packages.OF_RUNTIME.get(entry.runtime, ())):
        return f"not installed: {', '.join(missing)}; {packages.install(missing)}"
    compiler = os.environ.get("CXX", "g++") if hardware.device() == "cpu" else os.environ.get("CC", "gcc")
    if entry.compiled and not shutil.which(compiler):
        return f"no compiler {compiler}, which torch.compile needs"
    return ""


def make(entry: Deployment, encoder: Encoder, task: Task, max_length: int, stride: int = 64, **options) -> Engine:
    """An engine over an encoder, which it may change; `options` are those of its class.

    Imports its runtime only here.
    """
    return CLASSES[entry.runtime]()(entry, encoder, task, max_length, stride, **options)
