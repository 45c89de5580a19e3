"""Randomized smoothing of a target (Huang et al. 2021, arXiv 2104.08645): a model that is right wherever a row may lie.

RS-RP trains on E(x) + d with d drawn uniformly from the ball of the row. RS-DA trains on rows in which every token is drawn
anew from itself and its neighbours. There the neighbours are of counter-fitted English word vectors, and PAWS-X has 10 copies
and XNLI 3; here they are the nearest tokens in the encoder's own frozen embedding table, and every step draws anew. In a
multilingual table many neighbours are translations, others antonyms or names of the same kind: what they teach may be more,
and less, than synonyms do.
"""

from dataclasses import dataclass

import torch

from stilts_utils.models.batches import collate
from stilts_utils.models.perturbation import at_random, drawn_anew, neighbours, perturbed
from stilts_utils.study.seeds import stable_seed
from stilts_utils.study.settings import Arm
from stilts_utils.training.lessons import Computed, TaskLesson


@dataclass
class RandomPerturbation(TaskLesson):
    """A task's lesson on random perturbations of the word embeddings."""

    radius: float
    generator: torch.Generator

    def on(self, rows: list[int]) -> Computed:
        """The mean loss of some rows, each at a point of its ball."""
        batch = collate(self.rows, rows, self.pad)
        with perturbed(self.model.encoder, at_random(self.model.encoder, batch, self.radius, self.generator)):
            return self.computed(batch, rows, self.model.loss(batch, self.rows, rows))


@dataclass
class Synonyms(TaskLesson):
    """A task's lesson on rows of which the tokens are drawn anew. `near`: (vocabulary, most), -1 for none."""

    near: torch.Tensor
    generator: torch.Generator

    def on(self, rows: list[int]) -> Computed:
        """The mean loss of some rows in other words."""
        batch = collate(self.rows, rows, self.pad)
        tokens = batch["input_ids"]
        batch["input_ids"] = drawn_anew(tokens, self.near[tokens], self.generator)
        return self.computed(batch, rows, self.model.loss(batch, self.rows, rows))


def lesson(given: TaskLesson, arm: Arm, seed: int, special: list[int]) -> TaskLesson:
    """A target's lesson that goes on with the smoothing of an arm's method."""
    generator = torch.Generator().manual_seed(stable_seed(given.task.name, seed, arm.method))
    if arm.method == "random_perturbation":
        return RandomPerturbation(**vars(given), radius=arm.radius, generator=generator)
    return Synonyms(**vars(given), near=table(given, arm.neighbours, arm.similarity, special), generator=generator)


def table(given: TaskLesson, most: int, similarity: float, special: list[int]) -> torch.Tensor:
    """Neighbours of every token of a lesson's rows but the special ones: (vocabulary, most), -1 for none."""
    words = given.model.encoder.get_input_embeddings().weight.detach().cpu()
    used = {token for row in given.rows.sequences for sequence in row for token in sequence}
    tokens = torch.tensor(sorted(used - set(special)), dtype=torch.long)
    near = torch.full((len(words), most), -1)
    near[tokens] = neighbours(words, tokens, most, similarity)
    return near
