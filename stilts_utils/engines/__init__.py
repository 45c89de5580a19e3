"""Engines: the ways to deploy a checkpoint. One takes requests in text and gives decisions.

A new engine of a known runtime is an entry of `deployments.ENGINES`; one of a new runtime is also a class in a file of
this folder and a line of `make`.
"""

import shutil

from stilts_utils import hardware
from stilts_utils.deployments import ENGINES, Deployment
from stilts_utils.encoder import Encoder
from stilts_utils.engines.request import Answer, Engine
from stilts_utils.tasks import Task

__all__ = ["Answer", "Engine", "make", "unavailable"]


def unavailable(name: str) -> str:
    """Why this machine cannot run an engine, or the empty string where it can."""
    entry = ENGINES[name]
    if entry.precision == "bf16" and not hardware.bf16_arithmetic():
        return "no bfloat16 instructions: emulation would time something else"
    if entry.runtime == "onnxruntime" and hardware.device() != "cpu":
        return "ONNX Runtime is installed for CPUs only"
    if entry.compiled and hardware.device() == "cpu" and not any(map(shutil.which, ("g++", "clang++"))):
        return "no C++ compiler, which torch.compile needs on a CPU"
    return ""


def make(entry: Deployment, encoder: Encoder, task: Task, max_length: int) -> Engine:
    """An engine over an encoder that is then its own. Imports its runtime only here."""
    if entry.runtime == "onnxruntime":
        from stilts_utils.engines.onnx import OrtEngine

        return OrtEngine(entry, encoder, task, max_length)
    from stilts_utils.engines.pytorch import TorchEngine

    return TorchEngine(entry, encoder, task, max_length)
