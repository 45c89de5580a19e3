"""Task heads: one linear layer over an encoder's states, its loss, and the decisions read from its logits."""

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from stilts_utils.batches import IGNORED, Encoded
from stilts_utils.tasks import Task

LONGEST_ANSWER = 30  # tokens, as in the SQuAD baseline of the official XTREME code


def mean_pool(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean over the attention mask, special tokens included: (batch, length, hidden) -> (batch, hidden) float32."""
    weights = mask.unsqueeze(-1).float()
    return (states.float() * weights).sum(1) / weights.sum(1)


class TaskModel(nn.Module):
    """An encoder and a fresh linear head, in float32, for one trainable task.

    Logits are (rows, classes) for pair, (rows, choices) for choice, (rows, length, tags) for tagging and
    (rows, length, 2) for span.
    """

    def __init__(self, encoder: nn.Module, task: Task, seed: int):
        super().__init__()
        self.encoder, self.task = encoder, task
        outputs = {"pair": len(task.labels), "choice": 1, "tagging": len(task.labels), "span": 2}[task.shape]
        self.head = nn.Linear(encoder.config.hidden_size, outputs)
        generator = torch.Generator().manual_seed(seed)
        nn.init.normal_(self.head.weight, std=0.02, generator=generator)
        nn.init.zeros_(self.head.bias)

    def forward(self, batch: dict[str, torch.Tensor], rows: int) -> torch.Tensor:
        mask = batch["attention_mask"]
        states = self.encoder(**batch).last_hidden_state
        if self.task.shape in ("pair", "choice"):
            return self.head(mean_pool(states, mask)).reshape(rows, -1)
        return self.head(states.float())


def loss(task: Task, logits: torch.Tensor, encoded: Encoded, rows: list[int]) -> torch.Tensor:
    """Mean cross-entropy of a batch against its gold answers."""
    if task.shape == "tagging":
        gold = torch.full(logits.shape[:2], IGNORED)
        for i, row in enumerate(rows):
            for position, tag in zip(encoded.words[row], encoded.gold[row], strict=True):
                if position is not None:
                    gold[i, position] = tag
        return cross_entropy(logits.flatten(0, 1), gold.flatten(), ignore_index=IGNORED)
    gold = torch.tensor([encoded.gold[row] for row in rows])
    if task.shape == "span":
        return (cross_entropy(logits[..., 0], gold[:, 0]) + cross_entropy(logits[..., 1], gold[:, 1])) / 2
    return cross_entropy(logits, gold)


def decide(task: Task, logits: torch.Tensor, encoded: Encoded, rows: list[int], sources: list[dict]) -> list:
    """Decisions for a batch: a class or choice index, a tag name per word, or the answer's text ('' for none).

    `sources` are the rows themselves, in the order of `rows`.
    """
    if task.shape in ("pair", "choice"):
        return logits.argmax(-1).tolist()
    if task.shape == "tagging":
        best = logits.argmax(-1).tolist()
        return [
            ["O" if position is None else task.labels[best[i][position]] for position in encoded.words[row]]
            for i, row in enumerate(rows)
        ]
    return [
        _best_span(logits[i], encoded.offsets[row], source["context"])
        for i, (row, source) in enumerate(zip(rows, sources, strict=True))
    ]


def _best_span(logits: torch.Tensor, offsets: list[tuple[int, int] | None], context: str) -> str:
    """The best-scoring span of the context, or '' when the null score of the first token is higher (SQuAD v2.0)."""
    inside = [i for i, span in enumerate(offsets) if span and span[1] > span[0]]
    if not inside:
        return ""
    first, last = inside[0], inside[-1] + 1
    scores = logits[first:last, 0, None] + logits[None, first:last, 1]
    allowed = torch.ones_like(scores, dtype=torch.bool).triu().tril(LONGEST_ANSWER - 1)
    scores = scores.masked_fill(~allowed, float("-inf"))
    best = int(scores.argmax())
    if scores.flatten()[best] <= logits[0].sum():
        return ""
    start, end = divmod(best, last - first)
    return context[offsets[first + start][0] : offsets[first + end][1]]
