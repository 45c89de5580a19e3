"""The ways to deploy a checkpoint. An engine takes requests in text and gives decisions."""

import time
from dataclasses import dataclass

import torch

from stilts_utils import hardware, heads
from stilts_utils.batches import collate, encode
from stilts_utils.encoder import Encoder
from stilts_utils.study import ENGINES
from stilts_utils.tasks import Task
from stilts_utils.training import DTYPES, Weights


def available() -> list[str]:
    """Engines that this machine can run: bf16 only with instructions for it, since emulation would time something else."""
    return [name for name in ENGINES if name != "bf16" or hardware.bf16_arithmetic()]


@dataclass(frozen=True)
class Answer:
    """Decisions for a request, the seconds of its three parts, and its tokens without padding."""

    decisions: list
    tokenise_s: float
    forward_s: float
    decode_s: float
    tokens: int


class TorchEngine:
    """PyTorch with SDPA attention in one precision. Weights are swapped in place, so that memory layout stays."""

    def __init__(self, name: str, encoder: Encoder, task: Task, max_length: int):
        self.name, self.task, self.tokenizer, self.max_length = name, task, encoder.tokenizer, max_length
        self._dtype = DTYPES[name]
        encoder.model.to(self._dtype)
        self.model = heads.TaskModel(encoder.model, task, seed=0).eval()
        self._parameters = encoder.trainable() | {f"head.{n}": p for n, p in self.model.head.named_parameters()}

    def convert(self, weights: Weights) -> list[torch.Tensor]:
        """Weights in this engine's precision (the head stays in float32), ready for `use`."""
        return [weights[name].to(parameter.device, parameter.dtype) for name, parameter in self._parameters.items()]

    def use(self, converted: list[torch.Tensor]) -> None:
        """Deploy other weights in the same memory."""
        with torch.no_grad():
            torch._foreach_copy_(list(self._parameters.values()), converted)

    def answer(self, rows: list[dict], hold: float = 0.0) -> Answer:
        """Text in, decisions out. `hold` keeps the request for that share of its own time longer (a planted slow-down)."""
        order = list(range(len(rows)))
        with torch.inference_mode():
            began = time.perf_counter()
            encoded = encode(self.task, rows, self.tokenizer, self.max_length)
            batch = collate(encoded, order, self.tokenizer.pad_token_id)
            tokenised = time.perf_counter()
            logits = self.model(batch, len(rows))
            if logits.is_cuda:  # which computes on while Python goes on
                torch.cuda.synchronize()
            computed = time.perf_counter()
            decisions = heads.decide(self.task, logits, encoded, order, rows)
            ended = time.perf_counter()
            if hold:
                release = ended + hold * (ended - began)
                while ended < release:
                    ended = time.perf_counter()
        return Answer(decisions, tokenised - began, computed - tokenised, ended - computed, encoded.tokens)
