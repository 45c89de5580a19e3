"""One training trajectory: AdamW with a linear warm-up and then a constant rate, stopped at any step.

On a CPU with bfloat16 instructions the forward and backward pass run in bfloat16 on a copy of the weights, while the
optimizer keeps the weights in float32 (mixed-precision training, Micikevicius et al. 2018, without loss scaling,
which bfloat16's range makes unnecessary).
"""

import zlib

import torch

from stilts_utils import heads
from stilts_utils.batches import Encoded, collate, training_order
from stilts_utils.encoder import Encoder
from stilts_utils.study import Recipe
from stilts_utils.tasks import Task

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
Weights = dict[str, torch.Tensor]


def snapshot(parameters: dict) -> Weights:
    """A float32 copy of named parameters, which later training cannot reach."""
    return {name: parameter.detach().float().clone() for name, parameter in parameters.items()}


def copy_into(parameters: dict, weights: Weights) -> None:
    """Copy weights into parameters in place, converting to the parameters' type."""
    with torch.no_grad():
        torch._foreach_copy_(list(parameters.values()), [weights[name] for name in parameters])


def stable_seed(*parts) -> int:
    """A 32-bit seed that depends on its parts alone."""
    return zlib.crc32("/".join(map(str, parts)).encode())


class Training:
    """A model being trained on one task from given encoder weights.

    The encoder's module is borrowed: its parameters are overwritten, and it is left in the precision of training.
    Head, data order and dropout depend on (task, seed) alone, so every duration gets the same ones.
    """

    def __init__(
        self,
        encoder: Encoder,
        task: Task,
        rows: Encoded,
        recipe: Recipe,
        seed: int,
        start: Weights,
        precision: str,
        batch_size: int | None = None,
    ):
        self.task, self.rows, self.recipe = task, rows, recipe
        self.step = self.examples = self.tokens = 0
        self.log: list[dict] = []
        self._pad = encoder.tokenizer.pad_token_id
        torch.manual_seed(stable_seed(task.name, seed, "dropout"))
        encoder.model.to(DTYPES[precision])
        self.model = heads.TaskModel(encoder.model, task, stable_seed(task.name, seed, "head"))
        self._compute = encoder.trainable()
        self.weights = {name: start[name].clone().requires_grad_() for name in self._compute}
        copy_into(self._compute, self.weights)
        for module in encoder.model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = recipe.dropout
        groups = [
            {"params": list(self.weights.values()), "base": recipe.encoder_lr},
            {"params": list(self.model.head.parameters()), "base": recipe.head_lr},
        ]
        self._optimizer = torch.optim.AdamW(groups, lr=0.0, weight_decay=recipe.weight_decay, fused=True)
        self._batches = training_order(rows, batch_size or recipe.batch_size, stable_seed(task.name, seed, "order"))

    def run(self, until: int) -> "Training":
        """Train up to optimizer step `until`."""
        self.model.train()
        while self.step < until:
            self._one_step(next(self._batches))
        self.model.eval()
        return self

    def _one_step(self, rows: list[int]) -> None:
        self.step += 1
        rate = min(1.0, self.step / max(1, self.recipe.warmup_steps))
        for group in self._optimizer.param_groups:
            group["lr"] = group["base"] * rate
        batch = collate(self.rows, rows, self._pad)
        loss = heads.loss(self.task, self.model(batch, len(rows)), self.rows, rows)
        loss.backward()
        for name, parameter in self._compute.items():
            self.weights[name].grad, parameter.grad = parameter.grad.float(), None
        trained = [*self.weights.values(), *self.model.head.parameters()]
        torch.nn.utils.clip_grad_norm_(trained, self.recipe.max_gradient_norm)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        copy_into(self._compute, self.weights)
        self.examples += len(rows)
        self.tokens += int(batch["attention_mask"].sum())
        self.log.append(
            {
                "step": self.step,
                "loss": loss.item(),
                "learning_rate": self.recipe.encoder_lr * rate,
                "examples": self.examples,
                "tokens": self.tokens,
            }
        )

    def head_weights(self) -> Weights:
        """The head's weights, named `head.*`."""
        return {f"head.{name}": parameter.detach().clone() for name, parameter in self.model.head.named_parameters()}
