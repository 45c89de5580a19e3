"""Other forms of one checkpoint: adapters beside the weights instead of merged into them, and votes of perturbed copies.

Both cost latency whatever the weights are: a training method that needs them changes latency by its form. All forms of a
checkpoint are deployed by one engine, in the same memory.
"""

from dataclasses import dataclass

import torch
from torch.nn.functional import one_hot

from stilts_utils.engines.pytorch import TorchEngine
from stilts_utils.models.adapters import Adapters, merged
from stilts_utils.models.checkpoints import Weights
from stilts_utils.models.encoder import Encoder
from stilts_utils.models.perturbation import at_random, perturbed
from stilts_utils.study.engines import Deployment
from stilts_utils.tasks import Task


@dataclass(frozen=True)
class Form:
    """A checkpoint's weights in an engine's precision, the adapters' factors beside them, if any, and the number of votes."""

    weights: list[torch.Tensor]
    factors: list[torch.Tensor]
    votes: int = 1


class FormEngine(TorchEngine):
    """PyTorch with a checkpoint in any of its forms.

    Beside: W' x + (alpha / rank) B A x, where W' is W without the product, so that the model is the same. A checkpoint that was
    fine-tuned in full from merged weights is one that was fine-tuned beside frozen adapters: the gradients of W and W' are
    equal.

    With k > 1 votes, k copies of every row are computed together, each with its own perturbation of the word embeddings, drawn
    uniformly from the ball of `radius` (`models.perturbation`); the class or choice with most votes is answered, and of equal
    ones that with the higher mean probability. This is the prediction of randomized smoothing (Cohen et al. 2019, section 3.2),
    without its test for abstaining. The draws of a request are the same every time.
    """

    def __init__(
        self,
        deployment: Deployment,
        encoder: Encoder,
        task: Task,
        max_length: int,
        stride: int = 64,
        *,
        adapters: bool = False,
        radius: float = 0.0,
    ):
        super().__init__(deployment, encoder, task, max_length, stride)
        self._votes, self._radius = 1, radius
        self._adapters = Adapters(encoder.model, seed=0, dtype=encoder.model.dtype) if adapters else None

    def convert(self, weights: Weights) -> Form:
        """One vote, and nothing beside the weights."""
        return Form(super().convert(weights), [])

    def beside(self, weights: Weights) -> Form:
        """A checkpoint that has the factors of adapters, with these beside its weights. Raises ValueError if it has none."""
        factors = {name: weights[name] for name in self._adapters.factors if name in weights}
        if len(factors) < len(self._adapters.factors):
            raise ValueError(
                f"weights have {len(factors)} factors of adapters, allowed: {len(self._adapters.factors)}; "
                "take a checkpoint of an arm of lexical injection"
            )
        own = self._adapters.factors
        placed = [factors[name].to(own[name].device, own[name].dtype) for name in own]
        return Form(super().convert(merged(weights, factors, times=-1)), placed)

    def voted(self, weights: Weights, votes: int) -> Form:
        """A checkpoint that answers by votes."""
        return Form(super().convert(weights), [], votes)

    def use(self, converted: Form) -> None:
        """Deploy another form, all of it before it returns."""
        self._votes = converted.votes
        if self._adapters:
            self._adapters.attach(bool(converted.factors))
            if converted.factors:
                with torch.no_grad():
                    torch._foreach_copy_(list(self._adapters.factors.values()), converted.factors)
        super().use(converted.weights)

    def logits(self, batch: dict[str, torch.Tensor], rows: int) -> torch.Tensor:
        """Logits or, with several votes, votes with the mean probability behind the point: (rows, classes or choices)."""
        if self._votes == 1:
            return self.model(batch, rows)
        copies = {name: tensor.repeat(self._votes, 1) for name, tensor in batch.items()}
        generator = torch.Generator().manual_seed(self._votes)
        change = at_random(self.model.encoder, copies, self._radius, generator)
        with perturbed(self.model.encoder, change):
            found = self.model(copies, rows * self._votes).float().softmax(-1)
        found = found.reshape(self._votes, rows, -1)
        counted = one_hot(found.argmax(-1), found.shape[-1]).sum(0)
        return counted + found.mean(0) / 2  # less than one vote
