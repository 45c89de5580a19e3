"""Adversarial training of a target (Huang et al. 2021, arXiv 2104.08645), and the attack that measures it.

min over weights of E[max over |d| <= r of L(E(x) + d, y)]: every step trains on the perturbation d of the word embeddings that
projected gradient ascent finds in the ball of its row. The default ball and ascent are ours (`models.perturbation`); the
authors' released code has randomized smoothing alone, so theirs were not read.
"""

from dataclasses import dataclass

import torch

from stilts_utils.models import heads
from stilts_utils.models.batches import Encoded, collate, collated
from stilts_utils.models.perturbation import perturbed, worst
from stilts_utils.study.seeds import stable_seed
from stilts_utils.study.settings import Arm
from stilts_utils.training.lessons import Computed, TaskLesson


@dataclass
class Adversarial(TaskLesson):
    """A task's lesson on the worst perturbation of every batch, of which the gradient steps count as operations, too."""

    radius: float
    ascents: int
    generator: torch.Generator

    def on(self, rows: list[int]) -> Computed:
        """The mean loss of some rows at their worst perturbation."""
        batch, encoder = collate(self.rows, rows, self.pad), self.model.encoder

        def loss() -> torch.Tensor:
            return self.model.loss(batch, self.rows, rows)

        change = worst(encoder, batch, loss, self.radius, self.ascents, self.generator)
        with perturbed(encoder, change):
            found = loss()
        # A step of ascent is a forward pass and the half of a backward pass that reaches the inputs.
        return self.computed(batch, rows, found, more=2 * self.ascents)


def lesson(given: TaskLesson, arm: Arm, seed: int, special: list[int]) -> Adversarial:
    """A target's lesson that goes on with adversarial training."""
    generator = torch.Generator().manual_seed(stable_seed(given.task.name, seed, "adversarial"))
    return Adversarial(**vars(given), radius=arm.radius, ascents=arm.ascents, generator=generator)


def accuracy(
    model: heads.TaskModel, rows: Encoded, pad: int, radius: float, ascents: int, seed: int = 0
) -> tuple[float, float]:
    """Accuracy (0-100) of a model of a pair or choice task on rows as they are, and under the attack."""
    generator = torch.Generator().manual_seed(seed)
    right = torch.zeros(2)
    for order, batch in collated(rows, pad):
        gold = torch.tensor([rows.gold[row] for row in order], device=model.encoder.device)

        def loss(batch=batch, order=order) -> torch.Tensor:
            return model.loss(batch, rows, order)

        change = worst(model.encoder, batch, loss, radius, ascents, generator)
        with torch.no_grad():
            plain = model(batch, len(order)).argmax(-1)
            with perturbed(model.encoder, change):
                attacked = model(batch, len(order)).argmax(-1)
        right += torch.tensor([float((found == gold).sum()) for found in (plain, attacked)])
    return tuple((100 * right / len(rows)).tolist())
