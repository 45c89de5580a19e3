"""Many models of one architecture at once: the weights of every layer are stacked, so that one call computes all models.

A small encoder leaves a data-centre GPU idle between its many short operations. Here `models` of them, which differ in
their weights, go through each operation together; gradients, clipping and updates stay those of each model alone. For
encoders like BERT's, of which the embeddings are frozen and shared. Only torch is needed.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional

from stilts_utils.seeds import stable_seed

SELF, DENSE = "attention.self", "output.dense"
# Weights of a layer, in the order in which they lie in a row of the stack; those of a tuple lie side by side.
PARTS = (
    tuple(f"{SELF}.{name}.weight" for name in ("query", "key", "value")),
    tuple(f"{SELF}.{name}.bias" for name in ("query", "key", "value")),
    *((f"{name}.{kind}",) for name in ("attention.output.dense", "attention.output.LayerNorm") for kind in ("weight", "bias")),
    *((f"{name}.{kind}",) for name in ("intermediate.dense", DENSE, "output.LayerNorm") for kind in ("weight", "bias")),
)  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """The sizes of an encoder, as a BERT configuration names them."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    layer_norm_eps: float

    @property
    def parts(self) -> list[tuple[int, ...]]:
        """The sizes of `PARTS`."""
        hidden, wide = self.hidden_size, self.intermediate_size
        vector = (hidden,)
        square, up, down = (hidden, hidden), (wide, hidden), (hidden, wide)
        return [(3 * hidden, hidden), (3 * hidden,), square, vector, vector, vector, up, (wide,), down, *[vector] * 3]

    @property
    def size(self) -> int:
        """Weights of one model's layers."""
        return self.num_hidden_layers * sum(math.prod(part) for part in self.parts)


def to_row(weights: dict[str, torch.Tensor], shape: Shape) -> torch.Tensor:
    """The layers' weights, named as in `Encoder.trainable`, as one row (size,) float32."""
    names = [name for part in PARTS for name in part]
    every = (weights[f"encoder.layer.{i}.{name}"] for i in range(shape.num_hidden_layers) for name in names)
    return torch.cat([weight.detach().float().flatten() for weight in every])


def from_row(row: torch.Tensor, shape: Shape) -> dict[str, torch.Tensor]:
    """A row as named weights: the inverse of `to_row`."""
    found, at = {}, 0
    for i in range(shape.num_hidden_layers):
        for names, (first, *rest) in zip(PARTS, shape.parts, strict=True):
            for name in names:
                sizes = (first // len(names), *rest)
                found[f"encoder.layer.{i}.{name}"] = row[at : at + math.prod(sizes)].reshape(sizes)
                at += math.prod(sizes)
    return found


def _norm(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float) -> torch.Tensor:
    return functional.layer_norm(x, x.shape[-1:], eps=eps) * weight[:, None] + bias[:, None]


def _linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    return torch.baddbmm(bias[:, None], x, weight.transpose(1, 2))


def block_of(shape: Shape) -> Callable:
    """One layer of all models: states (models, rows * length, hidden) and the mask of `mask_of` to states."""
    heads, eps = shape.num_attention_heads, shape.layer_norm_eps
    wide = shape.hidden_size // heads

    def block(x, mask, qkv, qkv_bias, out, out_bias, norm, norm_bias, up, up_bias, down, down_bias, norm2, norm2_bias):
        models, tokens, hidden = x.shape
        rows, length = mask.shape[0], mask.shape[-1]
        every = _linear(x, qkv, qkv_bias).view(rows, length, 3, heads, wide).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(*every.unbind(0), attn_mask=mask)
        attended = attended.transpose(1, 2).reshape(models, tokens, hidden)
        x = _norm(x + _linear(attended, out, out_bias), norm, norm_bias, eps)
        inner = functional.gelu(_linear(x, up, up_bias))
        return _norm(x + _linear(inner, down, down_bias), norm2, norm2_bias, eps)

    return block


class Embeddings:
    """The frozen embeddings of an encoder: token ids (rows, length) to states (rows, length, hidden)."""

    def __init__(self, weights: dict[str, torch.Tensor], shape: Shape, device: str, dtype: torch.dtype):
        def given(name):
            return weights[f"embeddings.{name}"].to(device, dtype)

        self._words, self._places = given("word_embeddings.weight"), given("position_embeddings.weight")
        self._type = given("token_type_embeddings.weight")[0]
        self._norm = given("LayerNorm.weight"), given("LayerNorm.bias")
        self._eps = shape.layer_norm_eps

    @torch.no_grad()
    def __call__(self, ids: torch.Tensor) -> torch.Tensor:
        x = self._words[ids] + self._type + self._places[: ids.shape[-1]]
        return functional.layer_norm(x, x.shape[-1:], *self._norm, self._eps)


def mask_of(kept: torch.Tensor, heads: int, dtype: torch.dtype) -> torch.Tensor:
    """What attention adds to its scores: tokens that are kept (rows, length) to (rows, heads, length, length)."""
    hidden = torch.zeros(kept.shape, dtype=dtype, device=kept.device).masked_fill(~kept, -torch.inf)
    rows, length = kept.shape
    return hidden[:, None, None].expand(rows, heads, length, length)


class Stack:
    """Models that are trained or asked together.

    `starts` (models, size) are their encoders' weights, `rates` the highest learning rate of each. Weights are kept in
    float32 and computed with in `dtype`, as `training.Training` does; `heads` are float32.
    """

    def __init__(self, shape: Shape, embeddings: Embeddings, starts: torch.Tensor, rates: list[float], recipe, *,
                 dtype: torch.dtype, block: Callable | None = None):  # fmt: skip
        self.shape, self.embeddings, self.recipe, self.dtype = shape, embeddings, recipe, dtype
        self.master = starts
        self.models, self.device = len(starts), starts.device
        self.compute = starts.to(dtype)
        self._block = block or block_of(shape)
        self._gradients = torch.zeros_like(self.compute)
        self._exact = None  # the clipped gradients in float32, made at the first step
        self._layers = self._views()
        self._rates, self._heads, self.step_number = rates, {}, 0
        self._groups, self._optimizer = [], None

    def _views(self) -> list[list[torch.Tensor]]:
        layers, at = [], 0
        for _ in range(self.shape.num_hidden_layers):
            layers.append([])
            for sizes in self.shape.parts:
                part = slice(at, at + math.prod(sizes))
                leaf = self.compute[:, part].unflatten(1, sizes).detach().requires_grad_()
                leaf.grad = self._gradients[:, part].unflatten(1, sizes)
                layers[-1].append(leaf)
                at = part.stop
        return layers

    def add_head(self, name: str, outputs: int, seeds: list[int], layers: tuple[int, ...] = ()) -> None:
        """A linear head for every model at the last layer, or at several; of one seed, all start with the same weights."""
        hidden, layers = self.shape.hidden_size, layers or (self.shape.num_hidden_layers,)
        rows = torch.zeros(len(seeds), len(layers), outputs, hidden + 1)
        for row, seed in zip(rows, seeds, strict=True):
            generator = torch.Generator().manual_seed(stable_seed(name, seed, "head"))
            row[..., :hidden] = torch.empty(outputs, hidden).normal_(std=0.02, generator=generator)
        self._heads[name] = layers, rows.to(self.device).requires_grad_()

    def exits(self, name: str) -> tuple[int, ...]:
        """Layers at which a head stands."""
        return self._heads[name][0]

    def states(self, ids: torch.Tensor, kept: torch.Tensor, layers: tuple[int, ...] = ()) -> dict[int, torch.Tensor]:
        """States (models, rows, length, hidden) of the given layers (0 the embeddings), else of the last.

        `ids` and `kept` are (rows, length), the same for all models, or (models, rows, length).
        """
        layers = layers or (self.shape.num_hidden_layers,)
        x = self.embeddings(ids)
        if ids.dim() == 2:
            x, kept = x.expand(self.models, *x.shape), kept.expand(self.models, *kept.shape)
        sizes = x.shape
        mask = mask_of(kept.flatten(0, 1), self.shape.num_attention_heads, self.dtype)
        found = {0: x} if 0 in layers else {}
        x = x.reshape(self.models, -1, sizes[-1])
        for number, weights in enumerate(self._layers[: max(layers)], start=1):
            x = self._block(x, mask, *weights)
            if number in layers:
                found[number] = x.view(sizes)
        return found

    def logits(self, name: str, states: dict[int, torch.Tensor], kept: torch.Tensor, pooled: bool) -> torch.Tensor:
        """(exits, models, rows, outputs) of pooled states, or (exits, models, rows, length, outputs), in float32."""
        layers, head = self._heads[name]
        found = []
        for place, layer in enumerate(layers):
            x = mean_pool(states[layer], kept) if pooled else states[layer].float()
            flat = x.flatten(1, -2)
            weight, bias = head[:, place, :, :-1], head[:, place, :, -1]
            found.append(_linear(flat, weight, bias).view(*x.shape[:-1], -1))
        return torch.stack(found)

    def step(self, name: str, losses: torch.Tensor) -> None:
        """One optimizer step of every model by its own loss (models,)."""
        if self._optimizer is None:
            self._make_optimizer()
        self.step_number += 1
        self._gradients.zero_()
        head = self._heads[name][1]
        losses.sum().backward()
        own = torch.linalg.vector_norm(self._gradients, dim=1, dtype=torch.float32)
        heads = torch.linalg.vector_norm(head.grad.flatten(1), dim=1)
        scale = (self.recipe.max_gradient_norm / (torch.hypot(own, heads) + 1e-6)).clamp(max=1)
        torch.mul(self._gradients, scale[:, None], out=self._exact)
        head.grad.mul_(scale[:, None, None, None])
        share = min(1.0, self.step_number / max(1, self.recipe.warmup_steps))
        for group in self._optimizer.param_groups:
            group["lr"] = group["base"] * share
        self._optimizer.step()
        for _, other in self._heads.values():
            other.grad = None  # heads of tasks that are not drawn stay as they are
        self.compute.copy_(self.master)

    def _make_optimizer(self) -> None:
        self._exact = torch.zeros_like(self.master)
        groups = []
        for rate in dict.fromkeys(self._rates):
            rows = [self.master[i].detach().requires_grad_() for i in range(self.models) if self._rates[i] == rate]
            places = [i for i in range(self.models) if self._rates[i] == rate]
            for row, place in zip(rows, places, strict=True):
                row.grad = self._exact[place]
            groups.append({"params": rows, "base": rate})
        groups.append({"params": [head for _, head in self._heads.values()], "base": self.recipe.head_lr})
        self._optimizer = torch.optim.AdamW(groups, lr=0.0, weight_decay=self.recipe.weight_decay, fused=True)


def mean_pool(states: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """Mean of the kept tokens' states in float32: (models, rows, length, hidden) to (models, rows, hidden)."""
    weights = kept.unsqueeze(-1).float()
    return (states.float() * weights).sum(-2) / weights.sum(-2)
