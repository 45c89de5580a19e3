"""An arm of the target phase: it goes on with a target while some of the tokens cannot be read."""

from dataclasses import dataclass

import torch

from stilts_utils.models.batches import collate
from stilts_utils.study.methods import CLASSES, TARGET, Method
from stilts_utils.study.seeds import stable_seed
from stilts_utils.study.settings import Arm
from stilts_utils.training.lessons import Computed, TaskLesson

HIDDEN = 0.1  # share of the tokens

TOKEN_DROPOUT = Method(
    "token_dropout",
    TARGET,
    "token_dropout",  # its module: this file
    says="one token in ten reads as a special one, which says nothing",
    tasks=False,  # it trains on the rows of the target
    shapes=CLASSES,
)


@dataclass
class TokenDropout(TaskLesson):
    """A task's lesson on rows with hidden tokens."""

    blank: int
    generator: torch.Generator

    def on(self, rows: list[int]) -> Computed:
        """The mean loss of some rows, other tokens of which are hidden every time."""
        batch = collate(self.rows, rows, self.pad)
        hidden = torch.rand(batch["input_ids"].shape, generator=self.generator) < HIDDEN
        batch["input_ids"] = torch.where(hidden & (batch["input_ids"] != self.pad), self.blank, batch["input_ids"])
        return self.computed(batch, rows, self.model.loss(batch, self.rows, rows))


def lesson(given: TaskLesson, arm: Arm, seed: int, special: list[int]) -> TokenDropout:
    """The lesson that takes the place of the target's own."""
    generator = torch.Generator().manual_seed(stable_seed(given.task.name, seed, arm.method))
    return TokenDropout(**vars(given), blank=special[-1], generator=generator)
