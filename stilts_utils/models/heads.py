"""Task heads: one linear layer over an encoder's states, its loss, and the decisions read from its logits."""

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from stilts_utils.models.batches import IGNORED, Encoded
from stilts_utils.models.windows import Offset
from stilts_utils.tasks import Task

LONGEST_ANSWER = 30  # tokens, as in the SQuAD baseline of the official XTREME code


def mean_pool(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean over the attention mask, special tokens included: (batch, length, hidden) -> (batch, hidden) float32."""
    weights = mask.unsqueeze(-1).float()
    return (states.float() * weights).sum(1) / weights.sum(1)


def encoder_inputs(encoder: nn.Module, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A batch on the encoder's device, without token types if the encoder has only one."""
    several = getattr(encoder.config, "type_vocab_size", 0) > 1
    return {name: tensor.to(encoder.device) for name, tensor in batch.items() if several or name != "token_type_ids"}


class TaskModel(nn.Module):
    """An encoder and a fresh linear head, in float32, for one trainable task.

    Logits are (rows, classes) for pair, (rows, choices) for choice, (sequences, length, tags) for tagging and
    (sequences, length, 2) for span, a row having one sequence or several.
    """

    def __init__(self, encoder: nn.Module, task: Task, seed: int):
        super().__init__()
        self.encoder, self.task = encoder, task
        self.head = self.fresh_head(seed)

    def fresh_head(self, seed: int) -> nn.Module:
        """A head for the task, with weights drawn from a seed."""
        task = self.task
        outputs = {"pair": len(task.labels), "choice": 1, "tagging": len(task.labels), "span": 2}[task.shape]
        head = nn.Linear(self.encoder.config.hidden_size, outputs)
        generator = torch.Generator().manual_seed(seed)
        nn.init.normal_(head.weight, std=0.02, generator=generator)
        nn.init.zeros_(head.bias)
        return head.to(self.encoder.device)

    def forward(self, batch: dict[str, torch.Tensor], rows: int) -> torch.Tensor:
        inputs = encoder_inputs(self.encoder, batch)
        logits = self.read(self.encoder(**inputs).last_hidden_state, inputs["attention_mask"])
        return logits.reshape(rows, -1) if self.task.shape in ("pair", "choice") else logits

    def loss(self, batch: dict[str, torch.Tensor], encoded: Encoded, rows: list[int]) -> torch.Tensor:
        """Mean cross-entropy of a collated batch, the given rows of `encoded`, against its gold answers."""
        return loss(self.task, self(batch, len(rows)), encoded, rows)

    def read(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The head over an encoder's states: of a whole sequence (pair, choice), or of each of its tokens."""
        return self.head(mean_pool(states, mask) if self.task.shape in ("pair", "choice") else states.float())


def loss(task: Task, logits: torch.Tensor, encoded: Encoded, rows: list[int]) -> torch.Tensor:
    """Mean cross-entropy of a batch against its gold answers."""
    if task.shape == "tagging":
        gold = torch.full(logits.shape[:2], IGNORED)
        parts = gold.split([len(encoded.sequences[row]) for row in rows])  # views of it
        for part, row in zip(parts, rows, strict=True):
            for place, tag in zip(encoded.words[row], encoded.gold[row], strict=True):
                if place is not None:
                    part[place] = tag
        return cross_entropy(logits.flatten(0, 1), gold.flatten().to(logits.device), ignore_index=IGNORED)
    if task.shape == "span":
        gold = torch.tensor([span for row in rows for span in encoded.gold[row]], device=logits.device)
        return (cross_entropy(logits[..., 0], gold[:, 0]) + cross_entropy(logits[..., 1], gold[:, 1])) / 2
    return cross_entropy(logits, torch.tensor([encoded.gold[row] for row in rows], device=logits.device))


Output = tuple[list[int], dict[str, torch.Tensor], torch.Tensor]  # row indices, their batch, its logits


def run(compute: Callable, batches: Iterable[tuple[list[int], dict[str, torch.Tensor]]]) -> Iterator[Output]:
    """The logits of one batch of `collated` after another: `compute(batch, rows)`, such as a `TaskModel`."""
    for rows, batch in batches:
        yield rows, batch, compute(batch, len(rows))


def decode(task: Task, rows: list[dict], encoded: Encoded, outputs: Iterable[Output]) -> list:
    """A decision for every row, in the rows' order, from the outputs of all their batches."""
    decisions: list = [None] * len(rows)
    for order, _, logits in outputs:
        decided = decide(task, logits, encoded, order, [rows[i] for i in order])
        for row, decision in zip(order, decided, strict=True):
            decisions[row] = decision
    return decisions


def decide(task: Task, logits: torch.Tensor, encoded: Encoded, rows: list[int], sources: list[dict]) -> list:
    """Decisions for a batch: a class or choice index, a tag name per word, or the answer's text ('' for none).

    `sources` are the rows themselves, in the order of `rows`. A word without a token is tagged O.
    """
    if task.shape in ("pair", "choice"):
        return logits.argmax(-1).tolist()
    parts = logits.cpu().split([len(encoded.sequences[row]) for row in rows])
    if task.shape == "tagging":
        best = [part.argmax(-1).tolist() for part in parts]
        return [
            ["O" if place is None else task.labels[part[place[0]][place[1]]] for place in encoded.words[row]]
            for part, row in zip(best, rows, strict=True)
        ]
    return [
        _best_answer(list(zip(encoded.offsets[row], part, strict=True)), source["context"], task.unanswerable)
        for row, part, source in zip(rows, parts, sources, strict=True)
    ]


def _best_answer(windows: list[tuple[list[Offset], torch.Tensor]], context: str, unanswerable: bool) -> str:
    """The best-scoring span of all windows of a context, without space around it.

    `windows` are the offsets and the logits (length, 2) of each. An unanswerable task has '' if the null score, the
    lowest of the windows' scores of the first token, is higher (SQuAD v2.0). Every span of up to LONGEST_ANSWER tokens
    counts; the official code looks only at those between the 20 best starts and ends.
    """
    spans = [_best_span(offsets, logits) for offsets, logits in windows]
    score, first, past = max(spans, key=lambda span: span[0])
    null = min(float(logits[0].sum()) for _, logits in windows)
    return "" if unanswerable and null > score else context[first:past].strip()


def _best_span(offsets: list[Offset], logits: torch.Tensor) -> tuple[float, int, int]:
    """Score of a window's best span, and its first character and the one after its last."""
    inside = [i for i, span in enumerate(offsets) if span and span[1] > span[0]]
    if not inside:
        return float("-inf"), 0, 0
    first, last = inside[0], inside[-1] + 1
    scores = logits[first:last, 0, None] + logits[None, first:last, 1]
    allowed = torch.ones_like(scores, dtype=torch.bool).triu().tril(LONGEST_ANSWER - 1)
    scores = scores.masked_fill(~allowed, float("-inf"))
    best = int(scores.argmax())
    start, end = divmod(best, last - first)
    return float(scores.flatten()[best]), offsets[first + start][0], offsets[first + end][1]
