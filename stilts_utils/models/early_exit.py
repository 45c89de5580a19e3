"""A model with exits: a head at several layers; at inference a row stops at the first sure one.

A row stops by its highest softmax probability; the heads are trained together with weights that grow with depth. Such
models go back to DeeBERT (Xin et al. 2020) and PABEE (Zhou et al. 2020), which differ in rule and training. For tasks
whose rows have one class or choice.
"""

import torch
from torch import nn
from transformers.masking_utils import create_bidirectional_mask

from stilts_utils.models import heads
from stilts_utils.models.batches import Encoded
from stilts_utils.tasks import Task

SHAPES = ("pair", "choice")


def places(depth: int, count: int) -> tuple[int, ...]:
    """The layers of `count` exits, evenly spaced over `depth` layers, the last among them: all if there are fewer."""
    count = min(count, depth)
    return tuple(round(depth * number / count) for number in range(1, count + 1))


def entered(encoder: nn.Module, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor | None]:
    """What the first layer of an encoder takes: embedded tokens (batch, length, hidden) and the mask of its attention."""
    states = encoder.embeddings(**{name: tensor for name, tensor in inputs.items() if name != "attention_mask"})
    mask = inputs["attention_mask"]
    return states, create_bidirectional_mask(config=encoder.config, inputs_embeds=states, attention_mask=mask)


def walk(encoder: nn.Module, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """Last hidden states (batch, length, hidden), computed one layer after another as `ExitModel.early` does."""
    states, attended = entered(encoder, inputs)
    for block in encoder.encoder.layer:
        states = block(states, attended)
    return states


class ExitModel(heads.TaskModel):
    """An encoder with a fresh linear head at each of some layers, numbered from 1, of which the last is its depth.

    Raises ValueError for a task of another shape than pair and choice, and for an encoder whose layers are not in
    `encoder.encoder.layer`.
    """

    def __init__(self, encoder: nn.Module, task: Task, seed: int, layers: tuple[int, ...]):
        self.layers = layers
        if task.shape not in SHAPES:
            raise ValueError(f"shape of {task.name} is {task.shape!r}, allowed with exits: {', '.join(SHAPES)}")
        depth = len(getattr(getattr(encoder, "encoder", None), "layer", ()))
        if not layers or layers[-1] != depth:
            raise ValueError(
                f"exits are {layers}, allowed: layers of an encoder like BERT's, of which this has {depth}"
            )
        super().__init__(encoder, task, seed)

    def fresh_head(self, seed: int) -> nn.ModuleDict:
        """A head for every exit, all with the same weights."""
        return nn.ModuleDict({str(layer): super(ExitModel, self).fresh_head(seed) for layer in self.layers})

    def read_at(self, layer: int, states: torch.Tensor, mask: torch.Tensor, rows: int) -> torch.Tensor:
        """Logits (rows, classes or choices) of one exit from the states of its layer."""
        return self.head[str(layer)](heads.mean_pool(states, mask)).reshape(rows, -1)

    def at_exits(self, batch: dict[str, torch.Tensor], rows: int) -> torch.Tensor:
        """Logits at every exit without stopping: (exits, rows, classes or choices)."""
        inputs = heads.encoder_inputs(self.encoder, batch)
        states = self.encoder(**inputs, output_hidden_states=True).hidden_states
        return torch.stack([self.read_at(n, states[n], inputs["attention_mask"], rows) for n in self.layers])

    def forward(self, batch: dict[str, torch.Tensor], rows: int) -> torch.Tensor:
        """Logits of the last exit."""
        return self.at_exits(batch, rows)[-1]

    def loss(self, batch: dict[str, torch.Tensor], encoded: Encoded, rows: list[int]) -> torch.Tensor:
        """Mean of the exits' cross-entropies, each weighted by its layer."""
        logits = zip(self.layers, self.at_exits(batch, len(rows)), strict=True)
        losses = [layer * heads.loss(self.task, at_exit, encoded, rows) for layer, at_exit in logits]
        return torch.stack(losses).sum() / sum(self.layers)

    def early(
        self, batch: dict[str, torch.Tensor], rows: int, threshold: float, last: int | None = None
    ) -> tuple[torch.Tensor, int]:
        """Logits of every row from the first exit at which its confidence reaches `threshold`, otherwise from the last.

        `last`: the exit at which all rows stop, and the only head computed. Rows that have stopped are dropped from the
        batch. Also returns the number of layers computed, summed over rows.
        """
        encoder, inputs = self.encoder, heads.encoder_inputs(self.encoder, batch)
        mask = inputs["attention_mask"]
        states, attended = entered(encoder, inputs)
        exits = (last,) if last else self.layers
        active, computed, answers = torch.arange(rows, device=states.device), 0, None
        for layer, block in enumerate(encoder.encoder.layer[: exits[-1]], start=1):
            states = block(states, attended)
            computed += len(active)
            if layer not in exits:
                continue
            logits = self.read_at(layer, states, mask, len(active))
            answers = torch.empty(rows, logits.shape[1], device=logits.device) if answers is None else answers
            answers[active] = logits
            unsure = logits.softmax(-1).amax(-1) < threshold
            if not unsure.any():
                break
            if not unsure.all():
                active, kept = active[unsure], unsure.repeat_interleave(len(states) // len(unsure))
                states, mask = states[kept], mask[kept]
                attended = None if attended is None else attended[kept]
        return answers, computed
