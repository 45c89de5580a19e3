"""What every engine does with a request: text in, decisions out, each part on the clock."""

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch

from stilts_utils.models import heads
from stilts_utils.models.batches import Encoded, collate, encode, inference_batches
from stilts_utils.models.checkpoints import Weights
from stilts_utils.models.encoder import Encoder
from stilts_utils.study.engines import Deployment
from stilts_utils.tasks import Task


@dataclass(frozen=True)
class Answer:
    """Decisions for a request, the seconds of its three parts, and its tokens without and with padding."""

    decisions: list
    tokenise_s: float
    forward_s: float
    decode_s: float
    tokens: int
    padded: int = 0


class Engine(ABC):
    """One way to deploy the checkpoints of a task. It may change the encoder it is given, which is then its own.

    `convert` readies a checkpoint, `use` deploys what it returned, and `logits` computes. `precisions` are those that a
    class computes in; `in_place` says that `use` copies weights into the memory of those before. Raises ValueError for an
    entry in another precision.
    """

    precisions: tuple[str, ...] = ("fp32",)
    in_place = True

    def __init__(self, deployment: Deployment, encoder: Encoder, task: Task, max_length: int, stride: int = 64):
        if deployment.precision not in self.precisions:
            raise ValueError(
                f"precision of engine {deployment.name} is {deployment.precision!r}, allowed with {deployment.runtime}: "
                f"{', '.join(self.precisions)}; mend its entry in stilts_utils/study/engines.py"
            )
        self.deployment, self.name = deployment, deployment.name
        self.task, self.tokenizer, self.max_length, self.stride = task, encoder.tokenizer, max_length, stride

    def encode(self, rows: list[dict]) -> Encoded:
        """Tokenise rows as evaluation does."""
        return encode(self.task, rows, self.tokenizer, self.max_length, stride=self.stride)

    @abstractmethod
    def convert(self, weights: Weights):
        """A checkpoint's encoder and head weights in this engine's form, ready for `use`."""

    @abstractmethod
    def use(self, converted) -> None:
        """Deploy a converted checkpoint."""

    @abstractmethod
    def logits(self, batch: dict[str, torch.Tensor], rows: int) -> torch.Tensor:
        """Logits of a collated batch of some rows, in the shapes of `heads.TaskModel`."""

    def answer(self, rows: list[dict], hold: float = 0.0) -> Answer:
        """Text in, decisions out, in the order of the rows, which are computed in batches of similar length.

        `hold` keeps the request for that share of its own time longer (a planted slow-down).
        """
        decisions: list = [None] * len(rows)
        forward_s = decode_s = 0.0
        padded = 0
        with torch.inference_mode():
            began = now = time.perf_counter()
            encoded = self.encode(rows)
            batches = [
                (order, collate(encoded, order, self.tokenizer.pad_token_id)) for order in inference_batches(encoded)
            ]
            tokenise_s = -now + (now := time.perf_counter())
            for order, batch in batches:
                logits = self.logits(batch, len(order))
                if logits.is_cuda:  # which computes on while Python goes on
                    torch.cuda.synchronize()
                forward_s += -now + (now := time.perf_counter())
                found = heads.decide(self.task, logits, encoded, order, [rows[i] for i in order])
                for row, decision in zip(order, found, strict=True):
                    decisions[row] = decision
                padded += batch["input_ids"].numel()
                decode_s += -now + (now := time.perf_counter())
            if hold:
                release = now + hold * (now - began)
                while now < release:
                    decode_s += -now + (now := time.perf_counter())
        return Answer(decisions, tokenise_s, forward_s, decode_s, encoded.tokens, padded)
