"""Perturbations of a row: of its word embeddings within a ball, at random or as the loss rises most, and of its tokens.

The ball of a sequence x with embeddings E (length, hidden) is {d: |d| <= radius * |E|} in the Frobenius norm, over tokens that
are no padding: relative, so that encoders with long and short embeddings are perturbed alike. Huang et al. (2021,
arXiv 2104.08645) train with perturbations of the embeddings within a ball; its size relative to E is ours.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.functional import normalize

STRIDE = (
    2.5  # of the whole ascent, in radii: it can cross the ball, as in the common choice of projected gradient steps
)


@contextmanager
def perturbed(encoder: nn.Module, change: torch.Tensor) -> Iterator[None]:
    """Within the block, `change` (sequences, length, hidden) is added to the word embeddings of what is computed."""
    words = encoder.get_input_embeddings()
    handle = words.register_forward_hook(lambda _module, _inputs, found: found + change.to(found.dtype))
    try:
        yield
    finally:
        handle.remove()


def radii(encoder: nn.Module, batch: dict[str, torch.Tensor], radius: float) -> torch.Tensor:
    """The radius of the ball of every sequence of a collated batch: (sequences, 1, 1) float32."""
    with torch.no_grad():
        embedded = encoder.get_input_embeddings()(batch["input_ids"].to(encoder.device)).float()
        return radius * norms(embedded * batch["attention_mask"].to(encoder.device).unsqueeze(-1))


def norms(change: torch.Tensor) -> torch.Tensor:
    """The Frobenius norm of every sequence: (sequences, length, hidden) -> (sequences, 1, 1)."""
    return change.flatten(1).norm(dim=1)[:, None, None]


def at_random(
    encoder: nn.Module, batch: dict[str, torch.Tensor], radius: float, generator: torch.Generator
) -> torch.Tensor:
    """A change drawn uniformly from the ball of every sequence: (sequences, length, hidden) float32, 0 at padding."""
    mask = batch["attention_mask"].unsqueeze(-1)
    hidden = encoder.config.hidden_size
    drawn = torch.randn(*mask.shape[:2], hidden, generator=generator) * mask
    share = torch.rand(len(mask), 1, 1, generator=generator) ** (1 / (mask.sum((1, 2), keepdim=True) * hidden))
    return (share * drawn / norms(drawn)).to(encoder.device) * radii(encoder, batch, radius)


def worst(
    encoder: nn.Module,
    batch: dict[str, torch.Tensor],
    loss: Callable[[], torch.Tensor],
    radius: float,
    ascents: int,
    generator: torch.Generator,
) -> torch.Tensor:
    """A change within the ball of every sequence at which `loss()` is high, by projected gradient ascent.

    From a random change, `ascents` times: d <- P(d + a g / |g|) with g the gradient of the loss, P the projection onto the
    ball of radius r and a = 2.5 r / `ascents`. The maximisation is that of Madry et al. (2018, arXiv 1706.06083), on
    embeddings as by Miyato et al. (2017, arXiv 1605.07725). How Huang et al. (2021) find their perturbation was not read:
    number, length and start of the steps are ours. Weights get no gradient.
    """
    within, mask = radii(encoder, batch, radius), batch["attention_mask"].to(encoder.device).unsqueeze(-1)
    change = at_random(encoder, batch, radius, generator)
    for _ in range(ascents):
        change.requires_grad_()
        with perturbed(encoder, change):
            (gradient,) = torch.autograd.grad(loss(), change)
        with torch.no_grad():
            gradient = gradient * mask
            change = change + STRIDE / ascents * within * gradient / norms(gradient).clamp(min=1e-30)
            change = change * (within / norms(change).clamp(min=1e-30)).clamp(max=1)
    return change.detach()


def neighbours(
    words: torch.Tensor, tokens: torch.Tensor, most: int, similarity: float, chunk: int = 256
) -> torch.Tensor:
    """The nearest tokens of some in an embedding table (vocabulary, hidden) by cosine: (tokens, most), -1 for none.

    `similarity`: the least cosine of a neighbour. A token is no neighbour of its own.
    """
    table = normalize(words.float(), dim=1)
    found = []
    for part in tokens.split(chunk):
        cosines = table[part] @ table.T
        cosines[torch.arange(len(part)), part] = -1
        best = cosines.topk(min(most, len(table) - 1), dim=1)
        found.append(best.indices.masked_fill(best.values < similarity, -1))
    return torch.cat(found) if found else torch.empty(0, most, dtype=torch.long)


def drawn_anew(tokens: torch.Tensor, near: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Every token drawn anew from itself and its neighbours, in equal parts.

    `near` (*tokens.shape, most): -1 for none. As in the code of Huang et al. (2021), which draws a word from itself and its
    neighbours in counter-fitted English vectors.
    """
    count = (near >= 0).sum(-1)
    choice = (torch.rand(tokens.shape, generator=generator) * (count + 1)).long().clamp(max=near.shape[-1])
    # The neighbours that there are come first, since they are in the order of their cosine.
    return torch.cat([tokens.unsqueeze(-1), near], -1).gather(-1, choice.unsqueeze(-1)).squeeze(-1)
