"""The work of a study's cells in jobs, each of several models that are trained and asked together.

A model is named by (intermediate task, duration, seed), as in the tables.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from stilts_utils.cells import ask
from stilts_utils.cells.pack import Pack
from stilts_utils.cells.rows import Rows, padded, training_batches
from stilts_utils.cells.stack import Embeddings, Shape, Stack, block_of, to_row
from stilts_utils.recipes import adapt
from stilts_utils.records import CONTROL, PRETRAINED
from stilts_utils.tasks import task

Arm = tuple[str, int, int]
Send = Callable[[str, dict[str, np.ndarray]], None]  # a result's name and arrays
DECISIONS = ("classes", "tags", "spans", "null")  # arrays that say what was decided
SMALLEST_NORMAL = torch.finfo(torch.float32).tiny


@dataclass(frozen=True)
class Job:
    """`kind` is trajectory, fit or retrieve; `name` its task; `after`: the starts that must be there."""

    kind: str
    name: str
    arms: tuple[Arm, ...]
    after: frozenset[str] = frozenset()

    def __str__(self) -> str:
        sorts = dict.fromkeys(f"{intermediate}-{duration}" for intermediate, duration, _ in self.arms)
        return f"{self.kind} {self.name} from {', '.join(sorts)}: {len(self.arms)} models"


def start_name(intermediate: str, duration: int) -> str:
    return f"{intermediate}-{duration}"


@dataclass
class Device:
    """What a worker keeps on its device: the encoder, and the rows that it has met."""

    pack: Pack
    starts: Path  # folder of the trajectories' weights
    device: str
    dtype: torch.dtype
    compiled: bool
    rows: dict[str, Rows] = field(default_factory=dict)

    def __post_init__(self):
        self.study, weights = self.pack.study, self.pack.weights()
        self.shape = Shape(**self.pack.sizes)
        self.embeddings = Embeddings(weights, self.shape, self.device, self.dtype)
        self.pretrained = to_row(weights, self.shape).to(self.device)
        self.block = block_of(self.shape)
        if self.compiled:
            torch._dynamo.config.specialize_int = True
            torch._dynamo.config.cache_size_limit = 64
            self.block = torch.compile(self.block, dynamic=True)

    def of(self, key: str) -> Rows:
        if key not in self.rows:
            self.rows[key] = Rows.of(self.pack.rows(key), self.device)
        return self.rows[key]

    def start(self, arm: Arm) -> torch.Tensor:
        if arm[0] == PRETRAINED:
            return self.pretrained
        return torch.load(self.start_file(arm), weights_only=True).to(self.device)

    def start_file(self, arm: Arm) -> Path:
        return self.starts / f"{start_name(*arm[:2])}-s{arm[2]}.pt"

    def stack(self, arms: tuple[Arm, ...], recipe) -> Stack:
        starts = torch.stack([self.start(arm) for arm in arms])
        return Stack(self.shape, self.embeddings, starts, [recipe.encoder_lr] * len(arms), recipe, dtype=self.dtype,
                     block=self.block)  # fmt: skip

    def run(self, job: Job, send: Send) -> None:
        """Run a job and send its results, each with what it cost."""
        {"trajectory": trajectory, "fit": fit, "retrieve": retrieve}[job.kind](self, job, send)
        if self.device == "cuda":
            torch.cuda.empty_cache()


class Course:
    """A stack in training on one task, and what it cost."""

    def __init__(self, at: Device, name: str, arms: tuple[Arm, ...], own, exits: tuple[int, ...] = ()):
        self.at, self.name, self.arms, self.task = at, name, arms, task(name)
        self.recipe = adapt(at.study.training, own)
        self.stack = at.stack(arms, self.recipe)
        self.losses, self.examples, self.tokens, self.seconds = [], [], [], {}
        outputs = {"pair": len(self.task.labels), "choice": 1, "tagging": len(self.task.labels), "span": 2}
        seeds = [seed for *_, seed in arms]
        self.stack.add_head(name, outputs[self.task.shape], seeds, exits)
        self.seeds = list(dict.fromkeys(seeds))
        self.own = torch.tensor([self.seeds.index(seed) for seed in seeds], device=at.device)

    def train(self, rows: Rows, steps: int, key: str, stage: int = 0, offset: int = 0) -> None:
        """Train for some steps, which follow `offset` steps on the same rows."""
        began = time.perf_counter()
        every = training_batches(rows, self.name, self.seeds, self.recipe.batch_size, offset + steps, stage)[offset:]
        choices = rows.choices
        sequences = every[..., None] * choices + np.arange(choices)
        lengths = rows.lengths[sequences]
        widths = [padded(width) for width in lengths.max((1, 2, 3))]
        sequences = torch.from_numpy(sequences).to(self.at.device)
        losses = torch.empty(steps, self.stack.models, device=self.at.device)
        for i in range(steps):
            loss = self.loss(rows, sequences[i][self.own], widths[i])
            self.stack.step(self.name, loss)
            losses[i] = loss.detach()
        self.losses.append(losses.cpu().numpy())
        self.examples.append(np.full((steps, len(self.seeds)), self.recipe.batch_size))
        self.tokens.append(lengths.sum((2, 3)))
        self.spend(key, began)

    def loss(self, rows: Rows, sequences: torch.Tensor, length: int) -> torch.Tensor:
        """The mean loss of every model (models,) on its own sequences (models, rows, choices)."""
        name, shape, flat = self.name, self.task.shape, sequences.flatten(1)
        layers = self.stack.exits(name)
        places, kept = rows.places(flat, length)
        states = self.stack.states(rows.tokens(places, kept, self.at.pack.pad), kept, layers)
        logits = self.stack.logits(name, states, kept, pooled=shape in ("pair", "choice"))
        entropy = torch.nn.functional.cross_entropy
        models = len(flat)
        if shape == "tagging":
            gold = torch.where(kept, rows.more["tags"][places], -100)
            each = entropy(logits[-1].flatten(0, 2), gold.flatten(), ignore_index=-100, reduction="none")
            return each.view(models, -1).sum(1) / (gold != -100).flatten(1).sum(1)
        if shape == "span":
            gold = rows.more["gold"][flat]
            each = entropy(logits[-1].transpose(2, 3).flatten(0, 2), gold.flatten(), reduction="none")
            return each.view(models, -1).mean(1)
        gold = rows.more["gold"][sequences[..., 0] // sequences.shape[-1]]
        logits = logits.view(len(layers), *gold.shape, -1)
        each = entropy(logits.flatten(0, 2), gold.expand(len(layers), *gold.shape).flatten(), reduction="none")
        weights = torch.tensor(layers, device=each.device, dtype=each.dtype)
        return (each.view(len(layers), models, -1).mean(2) * weights[:, None]).sum(0) / weights.sum()

    def ask(self, key: str) -> dict[str, np.ndarray]:
        """What every model decides about the rows of a key."""
        began, rows, pad = time.perf_counter(), self.at.of(key), self.at.pack.pad
        shape, layers = self.task.shape, self.stack.exits(self.name)
        if shape == "tagging":
            found = {"tags": ask.tags(self.stack, self.name, rows, pad)}
        elif shape == "span":
            found = ask.spans(self.stack, self.name, rows, pad)
        else:
            logits = ask.classes(self.stack, self.name, rows, pad, shape == "choice")
            best = logits.softmax(-1).max(-1)
            found = {"classes": best.indices[-1].to(torch.uint8).cpu().numpy()}
            if len(layers) > 1:
                right = best.indices == rows.more["gold"]
                found |= {"confidence": best.values.cpu().numpy(), "correct": right.cpu().numpy()}
        self.spend("evaluate", began)
        return found

    def spend(self, part: str, began: float) -> None:
        self.seconds[part] = self.seconds.get(part, 0.0) + time.perf_counter() - began

    def history(self) -> dict[str, np.ndarray]:
        """Loss (steps, models), and examples and tokens (steps, seeds) of every step; the next history begins anew."""
        types = {"losses": np.float32, "examples": np.int32, "tokens": np.int32}
        found = {name: np.concatenate(getattr(self, name)).astype(kind) for name, kind in types.items()}
        self.losses, self.examples, self.tokens = [], [], []
        return found

    def about(self, arms: tuple[Arm, ...] = (), **more) -> dict[str, np.ndarray]:
        """What must be told beside arrays, as JSON in an array of bytes."""
        peak = torch.cuda.max_memory_allocated() / 1e6 if self.at.device == "cuda" else 0.0
        told = {
            "task": self.name,
            "arms": arms or self.arms,
            "seeds": self.seeds,
            "seconds": self.seconds,
            "peak_mb": peak,
        }
        self.seconds = {}
        return {"about": np.frombuffer(json.dumps(told | more).encode(), np.uint8)}


def trajectory(at: Device, job: Job, send: Send) -> None:
    """An intermediate task at all its durations: weights for the targets, checkpoints, decisions on validation rows.

    Each duration is a result of its own, with the steps since the one before.
    """
    durations, pretrained = at.study.durations_of(job.name), tuple((PRETRAINED, 0, seed) for *_, seed in job.arms)
    course = Course(at, job.name, pretrained, at.study.intermediate[job.name])
    rows = at.of(f"train/{job.name}/0")
    for before, duration in zip(durations, durations[1:], strict=False):
        course.train(rows, duration - before, "train", offset=before)
        began = time.perf_counter()
        weights = course.stack.master
        for row, (*_, seed) in zip(weights, job.arms, strict=True):
            torch.save(row.cpu(), at.start_file((job.name, duration, seed)))
        change = torch.stack([(row - at.pretrained).double().norm() for row in weights]) / at.pretrained.double().norm()
        small = torch.stack([((row != 0) & (row.abs() < SMALLEST_NORMAL)).sum() for row in weights])
        send(f"start/{start_name(job.name, duration)}", {})
        course.spend("store", began)
        found = course.ask(f"validation/{job.name}") | {
            "distance": change.cpu().numpy(),
            "subnormals": small.cpu().numpy(),
        }
        arms = tuple((job.name, duration, seed) for *_, seed in job.arms)
        told = course.about(arms, before=before, parameters=at.shape.size)
        send(f"trajectory-{start_name(job.name, duration)}", {**found, **course.history(), **told})


def fit(at: Device, job: Job, send: Send) -> None:
    """A target from several starts, with exits where the study has them; from duration 0, also its control."""
    study, fitted = at.study, at.study.targets[job.name]
    exits = study.inference.exits
    with_exits = exits is not None and exits.target == job.name
    course = Course(at, job.name, job.arms, fitted, at.pack.exits if with_exits else ())
    for stage, steps in enumerate(fitted.steps):
        rows = at.of(f"train/{job.name}/{stage}")
        course.train(rows, steps, "train", stage)
    found = course.ask(f"test/{job.name}")
    if with_exits:
        found |= {f"calibration/{name}": values for name, values in course.ask(f"calibration/{job.name}").items()}
    file = f"{job.kind}-{job.name}-" + "-".join(dict.fromkeys(start_name(*arm[:2]) for arm in job.arms))
    send(file, {**found, **course.history(), **course.about(exits=course.stack.exits(job.name))})
    if job.name in at.pack.controls and all(arm[0] == PRETRAINED for arm in job.arms):
        control(course, fitted.steps[-1], send)


def control(course: Course, offset: int, send: Send) -> None:
    """Go on with the target's own rows for the steps of every duration, each a result of its own."""
    durations = course.at.study.durations
    rows = course.at.of(f"train/{course.name}/{len(course.at.study.targets[course.name].steps) - 1}")
    for before, duration in zip(durations, durations[1:], strict=False):
        course.train(rows, duration - before, "train", offset=offset + before)
        asked = course.ask(f"test/{course.name}")
        found = {name: values for name, values in asked.items() if name in DECISIONS}
        arms = tuple((CONTROL, duration, seed) for *_, seed in course.arms)
        told = course.about(arms, before=before, offset=course.stack.step_number - duration)
        send(f"control-{course.name}-{duration}", {**found, **course.history(), **told})


def retrieve(at: Device, job: Job, send: Send) -> None:
    """A retrieval target by every layer of several starts, without training."""
    began, pad = time.perf_counter(), at.pack.pad
    stack, found = at.stack(job.arms, at.study.training), {}
    queries = ask.pooled_layers(stack, at.of(f"test/{job.name}"), pad)
    targets = ask.pooled_layers(stack, at.of(f"candidates/{job.name}"), pad)
    for language, (own, pool, right) in at.pack.pools(job.name).items():
        right = torch.from_numpy(right).to(at.device)
        asked, offered = queries[:, :, own[0] : own[1]], targets[:, :, torch.from_numpy(pool).to(at.device)]
        for metric in task(job.name).metrics:
            if metric == "accuracy_to_english":
                values = ask.ranked(
                    "accuracy", offered[:, :, right[:, 0]], asked, torch.arange(len(right), device=at.device)[:, None]
                )
            else:
                values = ask.ranked(metric, asked, offered, right)
            found[f"{language}/{metric}"] = values.to(torch.uint8 if metric != "map20" else torch.float32).cpu().numpy()
    told = {"task": job.name, "arms": job.arms, "seconds": {"evaluate": time.perf_counter() - began}}
    file = f"{job.kind}-{job.name}-" + "-".join(dict.fromkeys(start_name(*arm[:2]) for arm in job.arms))
    send(file, {**found, "about": np.frombuffer(json.dumps(told).encode(), np.uint8)})
