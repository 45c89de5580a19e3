"""How far an engine is from the reference on real text: the largest difference of a logit, and agreement of decisions."""

import math
from dataclasses import dataclass

import torch

from stilts_utils.engines import Engine
from stilts_utils.models import heads
from stilts_utils.models.batches import collated
from stilts_utils.scoring import metrics
from stilts_utils.tasks import Task


@dataclass(frozen=True)
class Output:
    """An engine's output for some rows: the logits of every batch without padding, and a decision for every row."""

    logits: list[torch.Tensor]
    decisions: list


@torch.inference_mode()
def output(engine: Engine, rows: list[dict]) -> Output:
    """The output of an engine with the checkpoint that it uses."""
    encoded, logits = engine.encode(rows), []

    def compute(batch: dict[str, torch.Tensor], count: int) -> torch.Tensor:
        values = engine.logits(batch, count).float().cpu()
        whole_rows = engine.task.shape in ("pair", "choice")
        logits.append(values if whole_rows else values[batch["attention_mask"].bool()])
        return values

    outputs = heads.run(compute, collated(encoded, engine.tokenizer.pad_token_id))
    return Output(logits, heads.decode(engine.task, rows, encoded, outputs))


def compare(output: Output, expected: Output) -> dict[str, float]:
    """`largest_difference` of a logit, absolute, and `agreement`: the share of equal decisions, in tagging of tags.

    Raises ValueError if a logit is not finite.
    """
    difference = float(
        torch.stack([(a - b).abs().max() for a, b in zip(output.logits, expected.logits, strict=True)]).max()
    )
    if not math.isfinite(difference):
        raise ValueError(
            f"difference of logits is {difference}, allowed: a finite number; look at the checkpoint's loss"
        )
    pairs = list(zip(_single(output.decisions), _single(expected.decisions), strict=True))
    return {"largest_difference": difference, "agreement": sum(a == b for a, b in pairs) / len(pairs)}


def score(task: Task, rows: list[dict], output: Output, language: str) -> float:
    """The target's own metric, 0-100, of an engine's decisions."""
    return metrics.score(task, rows, output.decisions, language)[task.metric]


def _single(decisions: list) -> list:
    return [one for decision in decisions for one in (decision if isinstance(decision, list) else [decision])]
