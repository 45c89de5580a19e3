"""What a training learns from: lessons, each of which gives the loss of its next batch."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import nn

from stilts_utils.models import heads
from stilts_utils.models.batches import Encoded, collate, training_order
from stilts_utils.models.early_exit import ExitModel
from stilts_utils.models.encoder import Encoder
from stilts_utils.study import sizes
from stilts_utils.study.seeds import stable_seed
from stilts_utils.study.settings import Recipe
from stilts_utils.study.sizes import Sizes
from stilts_utils.tasks import Task


@dataclass(frozen=True)
class Computed:
    """A batch's loss, and what it is of: examples, tokens without padding, and floating-point operations.

    The operations are those of all its forward and backward passes, with padding (`study.sizes`); heads are not counted
    unless they are as large as those of masked language modelling.
    """

    loss: torch.Tensor
    examples: int
    tokens: int
    operations: float


class Lesson(ABC):
    """Batches for ever. `model` has the `head` that is trained with the encoder; `task` is None if it is no task."""

    task: Task | None
    model: nn.Module

    @abstractmethod
    def compute(self) -> Computed:
        """The loss of the next batch, with its graph."""

    @abstractmethod
    def skip(self) -> None:
        """Pass over the next batch, as if it had been computed."""


@dataclass
class TaskLesson(Lesson):
    """One task: its rows, its head on the shared encoder, and its batches."""

    task: Task
    rows: Encoded
    model: heads.TaskModel
    batches: Iterator[list[int]]
    pad: int
    sizes: Sizes

    def compute(self) -> Computed:
        """The mean loss of the next rows."""
        return self.on(next(self.batches))

    def skip(self) -> None:
        """Pass over the next rows."""
        next(self.batches)

    def on(self, rows: list[int]) -> Computed:
        """The mean loss of some rows."""
        batch = collate(self.rows, rows, self.pad)
        return self.computed(batch, rows, self.model.loss(batch, self.rows, rows))

    def computed(
        self, batch: dict[str, torch.Tensor], rows: list[int], loss: torch.Tensor, more: float = 0
    ) -> Computed:
        """A loss with its counts; `more`: forward passes that it took besides the one of training and its backward pass."""
        mask = batch["attention_mask"]
        passes = self.sizes.forward(mask.numel(), mask.shape[1])
        return Computed(loss, len(rows), int(mask.sum()), (3 + more) * passes)


def of_task(
    encoder: Encoder, task: Task, rows: Encoded, recipe: Recipe, seed: int, exits: tuple[int, ...] = ()
) -> TaskLesson:
    """The lesson of a task, with a fresh head or, with `exits`, layers, one at each of them."""
    own = stable_seed(task.name, seed, "head")
    model = ExitModel(encoder.model, task, own, exits) if exits else heads.TaskModel(encoder.model, task, own)
    pad, size = encoder.tokenizer.pad_token_id, sizes.of_config(encoder.model.config)
    return TaskLesson(task, rows, model, order(task.name, rows, recipe, seed), pad, size)


def order(name: str, rows: Encoded, recipe: Recipe, seed: int, *stage) -> Iterator[list[int]]:
    """The batches of a lesson: they depend on its name and the seed alone."""
    return training_order(rows, recipe.batch_size, stable_seed(name, seed, "order", *stage))


@dataclass(frozen=True)
class Beside:
    """A lesson that is no task and takes a share of the steps, spread evenly among them; all of them if it is 1."""

    name: str
    share: float
    make: Callable[[Encoder, Recipe, int], Lesson]  # encoder, recipe, seed

    def takes(self, step: int) -> bool:
        """Whether it takes an optimizer step, counted from 1."""
        return int(step * self.share) > int((step - 1) * self.share)
