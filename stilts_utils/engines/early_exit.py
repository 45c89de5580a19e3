"""PyTorch that stops at an exit: at the first that is sure enough, or at a layer fixed beforehand."""

import torch

from stilts_utils.analysis.exit_rules import NEVER
from stilts_utils.engines.pytorch import TorchEngine
from stilts_utils.models import heads
from stilts_utils.models.early_exit import ExitModel
from stilts_utils.models.encoder import Encoder
from stilts_utils.study.engines import Deployment
from stilts_utils.tasks import Task


class ExitEngine(TorchEngine):
    """The checkpoints of `ExitModel`. `threshold` and `last` are those of `ExitModel.early`, and may be set anew.

    `computed` counts layers, summed over rows, since it was last set to 0.
    """

    def __init__(
        self,
        deployment: Deployment,
        encoder: Encoder,
        task: Task,
        max_length: int,
        stride: int = 64,
        *,
        exits: tuple[int, ...],
    ):
        self.exits, self.threshold, self.last, self.computed = exits, NEVER, None, 0
        super().__init__(deployment, encoder, task, max_length, stride)

    def _model(self, encoder: Encoder, task: Task) -> heads.TaskModel:
        return ExitModel(encoder.model, task, 0, self.exits)

    def logits(self, batch: dict[str, torch.Tensor], rows: int) -> torch.Tensor:
        logits, computed = self.model.early(batch, rows, self.threshold, self.last)
        self.computed += computed
        return logits
