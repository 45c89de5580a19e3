"""The ways to deploy a checkpoint, by the names that a study file uses. No torch: the room `engines` builds them."""

from dataclasses import dataclass

from stilts_utils.study.validation import require

RUNTIMES = ("torch", "torch exits", "onnxruntime")
PRECISIONS = ("fp32", "bf16", "int8")
ATTENTION = ("eager", "sdpa")


@dataclass(frozen=True)
class Deployment:
    """One engine. `exact`: whether it is meant to decide as the reference does; int8 trades quality for speed."""

    name: str
    runtime: str
    precision: str
    says: str
    attention: str = "sdpa"
    compiled: bool = False

    def __post_init__(self):
        require(self.runtime in RUNTIMES, f"engine {self.name}: runtime", self.runtime, ", ".join(RUNTIMES))
        require(self.precision in PRECISIONS, f"engine {self.name}: precision", self.precision, ", ".join(PRECISIONS))
        require(self.attention in ATTENTION, f"engine {self.name}: attention", self.attention, ", ".join(ATTENTION))

    @property
    def exits(self) -> bool:
        """Whether it deploys only checkpoints that are trained with exits."""
        return self.runtime == "torch exits"

    @property
    def exact(self) -> bool:
        return self.precision != "int8"


ENGINES = {
    entry.name: entry
    for entry in (
        Deployment("eager", "torch", "fp32", "PyTorch with its plain attention: the reference", attention="eager"),
        Deployment("fp32", "torch", "fp32", "PyTorch with fused attention (SDPA)"),
        Deployment("bf16", "torch", "bf16", "PyTorch with fused attention, in bfloat16"),
        Deployment("compiled", "torch", "fp32", "PyTorch compiled for any length (torch.compile)", compiled=True),
        Deployment("compiled_bf16", "torch", "bf16", "PyTorch compiled, in bfloat16", compiled=True),
        Deployment("exit", "torch exits", "fp32", "PyTorch that stops at an exit"),
        Deployment("exit_bf16", "torch exits", "bf16", "PyTorch that stops at an exit, in bfloat16"),
        Deployment("ort", "onnxruntime", "fp32", "ONNX Runtime"),
        Deployment("ort_int8", "onnxruntime", "int8", "ONNX Runtime, weights and activations quantised (dynamic int8)"),
    )
}
REFERENCE = ENGINES["eager"]
