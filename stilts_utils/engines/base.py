"""The base of every engine: a request is text in, decisions out, with the time of each part."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from stilts_utils.models import heads
from stilts_utils.models.batches import Encoded, collated, encode
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
    """One way to deploy the checkpoints of a task. It keeps the encoder it is given and may change it.

    `convert` readies a checkpoint, `use` deploys the converted one, and `logits` computes. `precisions` are those that a
    class computes in; `in_place` says that `use` copies weights into the memory of those before. Raises ValueError for an
    entry in another precision.
    """

    precisions: tuple[str, ...] = ("fp32",)
    in_place = True

    def __init__(self, deployment: Deployment, encoder: Encoder, task: Task, max_length: int, stride: int = 64):
        if deployment.precision not in self.precisions:
            raise ValueError(
                f"precision of engine {deployment.name} is {deployment.precision!r}, allowed with {deployment.runtime}: "
                f"{', '.join(self.precisions)}; correct its entry in stilts_utils/study/engines.py"
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
        with torch.inference_mode():
            clock = _Clock()
            encoded = self.encode(rows)
            batches = list(collated(encoded, self.tokenizer.pad_token_id))
            clock.lap("tokenise_s")
            decisions = heads.decode(self.task, rows, encoded, self._timed(batches, clock))
            release = clock.now + hold * (clock.now - clock.began)
            while clock.now < release:
                clock.lap("decode_s")
        padded = sum(batch["input_ids"].numel() for _, batch in batches)
        return Answer(decisions, **clock.seconds, tokens=encoded.tokens, padded=padded)

    def _timed(self, batches: list, clock: "_Clock") -> Iterator[heads.Output]:
        """The outputs of batches; what is done with one before the next is asked for counts as decoding."""
        for output in heads.run(self.logits, batches):
            if output[-1].is_cuda:  # which computes on while Python goes on
                torch.cuda.synchronize()
            clock.lap("forward_s")
            yield output
            clock.lap("decode_s")


class _Clock:
    """Seconds by part of a request: each lap ends where the next begins."""

    def __init__(self):
        self.seconds = dict.fromkeys(("tokenise_s", "forward_s", "decode_s"), 0.0)
        self.began = self.now = time.perf_counter()

    def lap(self, part: str) -> None:
        self.seconds[part] += -self.now + (now := time.perf_counter())
        self.now = now
