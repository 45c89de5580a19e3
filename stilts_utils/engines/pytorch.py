"""PyTorch engines: one module whose weights are swapped in place, so that memory layout stays."""

import torch

from stilts_utils.engines.base import Engine
from stilts_utils.models import hardware, heads
from stilts_utils.models.checkpoints import DTYPES, Weights
from stilts_utils.models.encoder import Encoder
from stilts_utils.study.engines import Deployment
from stilts_utils.tasks import Task


class TorchEngine(Engine):
    """PyTorch in one precision, with one kind of attention, compiled or not. The head stays in float32."""

    precisions = ("fp32", "bf16")

    def __init__(self, deployment: Deployment, encoder: Encoder, task: Task, max_length: int, stride: int = 64):
        super().__init__(deployment, encoder, task, max_length, stride)
        torch.set_num_threads(hardware.cores())
        encoder.model.set_attn_implementation(deployment.attention)
        encoder.model.to(DTYPES[deployment.precision])
        self.model = self._model(encoder, task).eval()
        self._parameters = encoder.trainable() | {f"head.{n}": p for n, p in self.model.head.named_parameters()}
        if deployment.compiled:
            # Lengths are dynamic from the start, so that only the first one is compiled.
            encoder.model.compile(dynamic=True)

    def _model(self, encoder: Encoder, task: Task) -> heads.TaskModel:
        return heads.TaskModel(encoder.model, task, seed=0)

    def convert(self, weights: Weights) -> list[torch.Tensor]:
        """Weights in this engine's precision, ready for `use`."""
        return [weights[name].to(parameter.device, parameter.dtype) for name, parameter in self._parameters.items()]

    def use(self, converted: list[torch.Tensor]) -> None:
        """Deploy other weights in the same memory, all of them before it returns."""
        with torch.no_grad():
            torch._foreach_copy_(list(self._parameters.values()), converted)
        if converted[0].is_cuda:
            torch.cuda.synchronize()

    def logits(self, batch: dict[str, torch.Tensor], rows: int) -> torch.Tensor:
        return self.model(batch, rows)
