"""What trained models decide about rows, as small arrays: labels, tags, spans, confidences and ranks."""

import numpy as np
import torch

from stilts_utils.cells.rows import Rows
from stilts_utils.cells.stack import Stack, mean_pool
from stilts_utils.heads import LONGEST_ANSWER

CUT = 20  # as in scoring.retrieval, which needs more packages than a device machine has
TOKENS = 98_304  # padded tokens of all models in a batch


def _forward(stack: Stack, rows: Rows, pad: int, layers: tuple[int, ...]):
    """Yield the sequences of a batch, which of their tokens are kept, where these lie, and their states."""
    with torch.no_grad():
        for sequences, length in rows.batches(max(1, TOKENS // stack.models)):
            places, kept = rows.places(sequences, length)
            states = stack.states(rows.tokens(places, kept, pad), kept, layers)
            yield sequences, kept.expand(stack.models, *kept.shape), places, states


def classes(stack: Stack, name: str, rows: Rows, pad: int, choice: bool) -> torch.Tensor:
    """Logits (exits, models, rows, classes) of a pair task, or of a choice task whose rows all have as many choices."""
    found = None
    for sequences, kept, _, states in _forward(stack, rows, pad, stack.exits(name)):
        logits = stack.logits(name, states, kept, pooled=True)
        if found is None:
            found = logits.new_empty(*logits.shape[:2], len(rows), logits.shape[-1])
        found[:, :, sequences] = logits
    return found.reshape(*found.shape[:2], len(rows.counts), -1) if choice else found


def tags(stack: Stack, name: str, rows: Rows, pad: int) -> np.ndarray:
    """The tag (models, words) of every word; that of a word without a token is left to who reads it."""
    found = torch.empty(stack.models, len(rows.ids), dtype=torch.uint8, device=rows.ids.device)
    for _, kept, places, states in _forward(stack, rows, pad, ()):
        best = stack.logits(name, states, kept, pooled=False)[-1].argmax(-1).to(torch.uint8)
        found[:, places[kept[0]]] = best[:, kept[0]]
    return found[:, rows.more["words"].clamp(min=0)].cpu().numpy()


def spans(stack: Stack, name: str, rows: Rows, pad: int) -> dict[str, np.ndarray]:
    """`spans`: window, first and last token of the best span (models, rows, 3); `null`: whether no answer is better."""
    scores = torch.empty(stack.models, len(rows), device=rows.ids.device)
    nulls, found = (
        torch.empty_like(scores),
        torch.empty(stack.models, len(rows), 2, dtype=torch.int64, device=scores.device),
    )
    for sequences, kept, _, states in _forward(stack, rows, pad, ()):
        logits = stack.logits(name, states, kept, pooled=False)[-1]
        scores[:, sequences], found[:, sequences] = best_spans(logits, rows.more["inside"][sequences])
        nulls[:, sequences] = logits[:, :, 0].sum(-1)
    ends = np.cumsum(rows.counts)
    scores, found, nulls = scores.cpu().numpy(), found.cpu().numpy(), nulls.cpu().numpy()
    best = np.empty((stack.models, len(ends), 3), np.int16)
    null = np.empty((stack.models, len(ends)), bool)
    for row, (begin, end) in enumerate(zip(ends - rows.counts, ends, strict=True)):
        window = scores[:, begin:end].argmax(1)
        every = np.arange(stack.models)
        best[:, row, 0], best[:, row, 1:] = window, found[every, begin + window]
        null[:, row] = nulls[:, begin:end].min(1) > scores[every, begin + window]
    return {"spans": best, "null": null}


def best_spans(logits: torch.Tensor, inside: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Score (models, rows) and first and last token (models, rows, 2) of the best span, as `heads.decide` finds it."""
    length = logits.shape[2]
    places = torch.arange(length, device=logits.device)
    there = (places >= inside[:, :1]) & (places < inside[:, 1:])
    start, end = logits.masked_fill(~there[None, :, :, None], -torch.inf).unbind(-1)
    end = torch.nn.functional.pad(end, (0, LONGEST_ANSWER - 1), value=-torch.inf)
    every = start[..., None] + end.unfold(2, LONGEST_ANSWER, 1)  # (models, rows, first, length of the span - 1)
    score, best = every.flatten(2).max(-1)
    first = best // LONGEST_ANSWER
    return score, torch.stack([first, first + best % LONGEST_ANSWER], dim=-1)


def pooled_layers(stack: Stack, rows: Rows, pad: int) -> torch.Tensor:
    """Mean-pooled states of every layer of unit length: (layers + 1, models, rows, hidden) float32."""
    layers = tuple(range(stack.shape.num_hidden_layers + 1))
    found = torch.empty(len(layers), stack.models, len(rows), stack.shape.hidden_size, device=rows.ids.device)
    for sequences, kept, _, states in _forward(stack, rows, pad, layers):
        for layer in layers:
            pooled = mean_pool(states[layer], kept)
            found[layer, :, sequences] = pooled / pooled.norm(dim=-1, keepdim=True).clamp(min=1e-12)
    return found


def ranked(metric: str, queries: torch.Tensor, targets: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """`scoring.retrieval.ranked` of vectors (..., queries, hidden) and (..., candidates, hidden): (..., queries).

    `right` (queries, most) are the right candidates of every query, -1 where there are fewer.
    """
    similar = queries @ targets.transpose(-1, -2)
    there = right >= 0
    at = right.clamp(min=0).expand(*similar.shape[:-1], right.shape[-1])
    own = similar.gather(-1, at).masked_fill(~there, -torch.inf)
    query = torch.arange(len(right), device=right.device)[:, None].expand_as(right)[there]
    similar[..., query, right[there]] = -torch.inf
    own = own.sort(-1, descending=True).values
    number = torch.arange(1, own.shape[-1] + 1, device=own.device)
    before = torch.stack([(similar >= own[..., k : k + 1]).sum(-1) for k in range(own.shape[-1])], dim=-1)
    ranks = number + before
    if metric == "accuracy":
        return (ranks[..., 0] == 1).float()
    counted = (ranks <= CUT) & (own > -torch.inf)
    return torch.where(counted, number / ranks, 0).sum(-1) / there.sum(-1).clamp(max=CUT)
