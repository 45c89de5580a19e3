"""One training trajectory: AdamW with a linear warm-up and then a constant rate, stopped at any step.

On a CPU with bfloat16 instructions the forward and backward pass run in bfloat16 on a copy of the weights, while the
optimizer keeps the weights in float32 (mixed-precision training, Micikevicius et al. 2018, without loss scaling,
which bfloat16's range makes unnecessary).
"""

from collections.abc import Iterator

import numpy as np
import torch

from stilts_utils.models import heads
from stilts_utils.models.batches import Encoded
from stilts_utils.models.checkpoints import DTYPES, Weights, copy_into, snapshot
from stilts_utils.models.encoder import Encoder
from stilts_utils.study.seeds import stable_seed
from stilts_utils.study.settings import Recipe
from stilts_utils.tasks import Task
from stilts_utils.training import lessons as taught
from stilts_utils.training.lessons import Beside, Lesson

# Of every step; counts are cumulative.
LOGGED = {"step": int, "loss": float, "learning_rate": float, "examples": int, "tokens": int, "operations": float}


def trained(training: "Training") -> Weights:
    """A copy of a training's encoder and head weights."""
    return snapshot(training.weights) | training.head_weights()


class Training:
    """A model being trained from given encoder weights, on one task or on several at once.

    The encoder's module is borrowed: its parameters are overwritten, and it is left in the precision of training.
    Heads, data order and dropout depend on (task, seed) alone, so every duration gets the same ones. If there are several
    tasks, each step draws one in proportion to min(rows, `cap`), and every task has a head of its own. With `exits`,
    layers, there is a head at each of them, and all are trained together (`models.early_exit`). A lesson `beside` the
    tasks takes its share of the steps before a task is drawn for the others.
    """

    def __init__(
        self,
        encoder: Encoder,
        lessons: list[tuple[Task, Encoded]],
        recipe: Recipe,
        seed: int,
        start: Weights,
        precision: str,
        cap: int = 2**17,
        exits: tuple[int, ...] = (),
        beside: Beside | None = None,
    ):
        self.recipe, self.seed, self._beside = recipe, seed, beside
        self.step, self.examples, self.tokens, self.operations = 0, 0, 0, 0.0
        self.log: list[dict] = []
        names = [task.name for task, _ in lessons] or [beside.name]
        torch.manual_seed(stable_seed(*names, seed, "dropout"))
        encoder.model.to(DTYPES[precision])
        self.lessons: list[Lesson] = [
            taught.of_task(encoder, task, rows, recipe, seed, exits) for task, rows in lessons
        ] + ([beside.make(encoder, recipe, seed)] if beside else [])
        self._random = np.random.RandomState(stable_seed(*names, seed, "tasks"))
        sizes = np.array([min(len(rows), cap) for _, rows in lessons], float)
        self._shares = sizes / sizes.sum() if lessons else sizes
        self._compute = encoder.trainable()
        device = encoder.model.device
        self.weights = {name: start[name].to(device, copy=True).requires_grad_() for name in self._compute}
        copy_into(self._compute, self.weights)
        for module in encoder.model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = recipe.dropout
        heads_of = [parameter for lesson in self.lessons for parameter in lesson.model.head.parameters()]
        groups = [
            {"params": list(self.weights.values()), "base": recipe.encoder_lr},
            {"params": heads_of, "base": recipe.head_lr},
        ]
        self._optimizer = torch.optim.AdamW(groups, lr=0.0, weight_decay=recipe.weight_decay, fused=True)

    @property
    def model(self) -> heads.TaskModel:
        """The model of the one task, or of the first of several."""
        return self.lessons[0].model

    def go_on_with(self, rows: Encoded, stage: int) -> None:
        """Take the rows of the task's next training stage; encoder, head and optimizer go on as they are."""
        lesson = self.lessons[0]
        lesson.rows, lesson.batches = rows, taught.order(lesson.task.name, rows, self.recipe, self.seed, stage)

    def run(self, until: int) -> "Training":
        """Train up to optimizer step `until`."""
        for lesson in self.lessons:
            lesson.model.train()
        while self.step < until:
            self._one_step(self._drawn(self.step + 1))
        for lesson in self.lessons:
            lesson.model.eval()
        return self

    def _one_step(self, lesson: Lesson) -> None:
        self.step += 1
        rate = min(1.0, self.step / max(1, self.recipe.warmup_steps))
        for group in self._optimizer.param_groups:
            group["lr"] = group["base"] * rate
        computed = lesson.compute()
        loss = computed.loss
        loss.backward()
        for name, parameter in self._compute.items():
            self.weights[name].grad, parameter.grad = parameter.grad.float(), None
        # Heads of tasks that were not drawn have no gradient: they stay as they are.
        trained = [*self.weights.values(), *lesson.model.head.parameters()]
        torch.nn.utils.clip_grad_norm_(trained, self.recipe.max_gradient_norm)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        copy_into(self._compute, self.weights)
        self.examples += computed.examples
        self.tokens += computed.tokens
        self.operations += computed.operations
        self.log.append(
            {
                "step": self.step,
                "loss": loss.item(),
                "learning_rate": self.recipe.encoder_lr * rate,
                "examples": self.examples,
                "tokens": self.tokens,
                "operations": self.operations,
            }
        )

    def state(self) -> Weights:
        """All that going on from here needs, besides what the training was begun with: tensors by name."""
        state = {f"weight.{name}": weight for name, weight in self.weights.items()}
        state |= {f"head.{i}.{name}": weight for i, name, weight in self._heads()}
        for i, parameter in enumerate(self._parameters()):
            state |= {f"optimizer.{i}.{name}": value for name, value in self._optimizer.state[parameter].items()}
        state["random"] = torch.get_rng_state()
        if self._on_gpu:
            state["random.gpu"] = torch.cuda.get_rng_state()
        state["log"] = torch.tensor([[row[name] for name in LOGGED] for row in self.log], dtype=torch.float64)
        return {name: tensor.detach().clone() for name, tensor in state.items()}

    def restore(self, state: Weights) -> None:
        """Go on from the state of a training that was begun with the same; this one has not begun to train."""
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(state[f"weight.{name}"])
            for i, name, weight in self._heads():
                weight.copy_(state[f"head.{i}.{name}"])
        for i, parameter in enumerate(self._parameters()):
            prefix = f"optimizer.{i}."
            self._optimizer.state[parameter] = {
                name.removeprefix(prefix): value.to(parameter.device)
                for name, value in state.items()
                if name.startswith(prefix)
            }
        self.log = [
            {name: kind(value) for (name, kind), value in zip(LOGGED.items(), row, strict=True)}
            for row in state["log"].tolist()
        ]
        counts = ("step", "examples", "tokens", "operations")
        self.step, self.examples, self.tokens, self.operations = (self.log[-1][name] for name in counts)
        for step in range(1, self.step + 1):
            self._drawn(step).skip()
        torch.set_rng_state(state["random"])
        if self._on_gpu:
            torch.cuda.set_rng_state(state["random.gpu"])
        copy_into(self._compute, self.weights)

    @property
    def _on_gpu(self) -> bool:
        return next(iter(self.weights.values())).is_cuda

    def _drawn(self, step: int) -> Lesson:
        """The lesson of a step."""
        if self._beside and self._beside.takes(step):
            return self.lessons[-1]
        many = len(self._shares) > 1
        return self.lessons[self._random.choice(len(self._shares), p=self._shares) if many else 0]

    def _heads(self) -> Iterator[tuple[int, str, torch.Tensor]]:
        for i, lesson in enumerate(self.lessons):
            for name, parameter in lesson.model.head.named_parameters():
                yield i, name, parameter

    def _parameters(self) -> list[torch.Tensor]:
        return [parameter for group in self._optimizer.param_groups for parameter in group["params"]]

    def head_weights(self) -> Weights:
        """The head's weights, named `head.*`."""
        return {f"head.{name}": parameter.detach().clone() for name, parameter in self.model.head.named_parameters()}
