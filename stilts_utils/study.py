"""A study file, validated, and its list of runs.

This is all that the graph of runs knows of the study; it imports neither torch nor the data.
"""

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from stilts_utils import ROOT
from stilts_utils.config import StudyError, build, require
from stilts_utils.encoder import EncoderSpec
from stilts_utils.records import PRETRAINED
from stilts_utils.tasks import TASKS, task

ENGINES = ("fp32", "bf16")


@dataclass(frozen=True)
class Recipe:
    """How a model is trained: AdamW with a linear warm-up and then a constant rate.

    The constant rate makes every checkpoint of a trajectory the end of a run of its own length.
    """

    encoder_lr: float = 1e-4
    head_lr: float = 1e-3
    warmup_steps: int = 8
    weight_decay: float = 0.01
    max_gradient_norm: float = 1.0
    dropout: float = 0.0
    batch_size: int = 16
    max_length: int = 128
    train_rows: int = 2000

    def __post_init__(self):
        for name in ("encoder_lr", "head_lr", "max_gradient_norm"):
            require(getattr(self, name) > 0, f"training.{name}", getattr(self, name), "above 0")
        for name in ("batch_size", "max_length", "train_rows"):
            require(getattr(self, name) > 0, f"training.{name}", getattr(self, name), "1 or more")
        for name in ("warmup_steps", "weight_decay"):
            require(getattr(self, name) >= 0, f"training.{name}", getattr(self, name), "0 or more")
        require(0 <= self.dropout < 1, "training.dropout", self.dropout, "0 to below 1")


@dataclass(frozen=True)
class Fit:
    """Fine-tuning steps on a target, and what differs from the study's recipe; 0 steps for retrieval."""

    steps: int = 0
    batch_size: int | None = None
    items: int | None = None

    def __post_init__(self):
        require(self.items is None or self.items > 0, "targets.items", self.items, "1 or more")
        require(self.steps >= 0, "targets.steps", self.steps, "0 or more")
        require(self.batch_size is None or self.batch_size > 0, "targets.batch_size", self.batch_size, "1 or more")


@dataclass(frozen=True)
class Timing:
    """What is timed, for how long, and the margins fixed before any data is seen."""

    target: str
    languages: tuple[str, ...] = ("en",)
    batch_sizes: tuple[int, ...] = (1,)
    replicates: int = 4
    seconds: float = 20.0
    margin: float = 0.02
    planted: float = 0.02

    def __post_init__(self):
        require(self.replicates >= 2, "inference.replicates", self.replicates, "2 or more processes")
        require(self.seconds > 0, "inference.seconds", self.seconds, "above 0")
        require(0 < self.margin < 1, "inference.margin", self.margin, "between 0 and 1")
        require(0 < self.planted < 1, "inference.planted", self.planted, "between 0 and 1")
        for name, values in (("languages", self.languages), ("batch_sizes", self.batch_sizes)):
            require(len(set(values)) == len(values) > 0, f"inference.{name}", values, "one or more, distinct")
        require(min(self.batch_sizes) > 0, "inference.batch_sizes", self.batch_sizes, "1 or more each")


@dataclass(frozen=True)
class Run:
    """One executed notebook. `settings` is what its results depend on beside the code; `after`: runs it reads."""

    phase: str
    name: str
    parameters: dict
    settings: str
    after: tuple[str, ...] = ()
    work: float = 1.0  # rough relative cost, for the time left

    @property
    def key(self) -> str:
        return f"{self.phase}/{self.name}"

    def as_json(self, study: str, out: str) -> str:
        """The notebook's parameters, with the study file and the folder of the tables."""
        return json.dumps({"study": study, "out": out, **self.parameters})


@dataclass(frozen=True)
class Study:
    """What to run. Every field is a key of the study file, but `name`, which is the file's stem."""

    name: str
    title: str
    targets: dict[str, Fit]
    inference: Timing
    encoder: str = "packaged"
    layers: int | None = None
    layers_without_bf16: int | None = None
    source: str = "embedded"
    languages: tuple[str, ...] = ("en",)
    missing: str = "error"
    intermediate: tuple[str, ...] = ()
    durations: tuple[int, ...] = (0,)
    seeds: tuple[int, ...] = (1,)
    training: Recipe = field(default_factory=Recipe)
    items: int = 100
    split_targets: bool = False

    def __post_init__(self):
        for layers in (self.layers, self.layers_without_bf16):
            try:
                EncoderSpec(self.encoder, layers)
            except ValueError as error:
                raise StudyError(str(error)) from error
        require(self.source == "embedded", "source", self.source, "embedded")
        require(self.missing in ("error", "skip"), "missing", self.missing, "error, skip")
        require(self.items > 0, "items", self.items, "1 or more")
        require(len(set(self.languages)) == len(self.languages) > 0, "languages", self.languages, "distinct codes")
        require(len(set(self.seeds)) == len(self.seeds) > 0, "seeds", self.seeds, "distinct whole numbers")
        steps = self.durations
        ordered = len(steps) > 1 and steps[0] == 0 and all(a < b for a, b in zip(steps, steps[1:], strict=False))
        require(ordered, "durations", steps, "optimizer steps from 0 upwards, each larger than the one before")
        for role, names in (("intermediate", self.intermediate), ("target", tuple(self.targets))):
            for name in names:
                able = [other.name for other in TASKS.values() if role in other.roles]
                require(name in able, f"{role} task", name, ", ".join(able))
        tasks = self.intermediate
        require(len(set(tasks)) == len(tasks) > 0, "intermediate", tasks, "one or more distinct tasks")
        for name, fit in self.targets.items():
            fits = task(name).trainable == (fit.steps > 0)
            require(fits, f"targets.{name}.steps", fit.steps, "above 0 but for retrieval")
        timed = self.inference.target
        trained = [name for name in self.targets if task(name).trainable]
        require(timed in trained, "inference.target", timed, ", ".join(trained))
        extra = set(self.inference.languages) - set(self.languages)
        require(not extra, "inference.languages", self.inference.languages, "languages of the study")

    @classmethod
    def load(cls, path: str | Path, **overrides) -> "Study":
        """Read a study file; an override that is not None replaces the file's value.

        When languages are overridden, the timed ones are those of them that the file times, else the first.
        Raises StudyError naming the field, its value and what is allowed.
        """
        file = ROOT / path
        if not file.is_file():
            known = ", ".join(str(p.relative_to(ROOT)) for p in sorted((ROOT / "studies").glob("*.yaml")))
            raise StudyError(f"study is {str(path)!r}: there is no such file; there are: {known}")
        values = yaml.safe_load(file.read_text(encoding="utf8"))
        if isinstance(values, dict):
            values = {"name": file.stem, **values, **{k: v for k, v in overrides.items() if v is not None}}
            if overrides.get("languages") and isinstance(values.get("inference"), dict):
                timed = values["inference"].get("languages", ["en"])
                kept = [language for language in timed if language in values["languages"]]
                values["inference"] = values["inference"] | {"languages": kept or values["languages"][:1]}
        return build(cls, values, file.name)

    @property
    def folder(self) -> Path:
        return ROOT / "runs" / self.name

    @property
    def longest(self) -> int:
        return self.durations[-1]

    def items_of(self, target: str) -> int:
        """Evaluation rows asked for per language."""
        return self.targets[target].items or self.items

    def target_names(self, names: list[str] | None = None) -> tuple[str, ...]:
        """The given targets, checked, or all of the study's."""
        for name in names or ():
            require(name in self.targets, "target", name, ", ".join(self.targets))
        return tuple(names or self.targets)

    def check_intermediate(self, intermediate: str, duration: int, seed: int) -> None:
        """Check the parameters of one arm. Raises StudyError."""
        allowed = (*self.intermediate, PRETRAINED)
        require(intermediate in allowed, "intermediate", intermediate, ", ".join(allowed))
        require(duration >= 0, "duration", duration, "0 or more optimizer steps; those of the study file or any other")
        require((duration == 0) == (intermediate == PRETRAINED), "duration", duration, f"0 with {PRETRAINED!r} only")
        require(seed in self.seeds, "seed", seed, ", ".join(map(str, self.seeds)))

    def settings(self, *names: str) -> str:
        """The named fields as JSON: what a run depends on, so that a change re-runs it."""
        values = dataclasses.asdict(self) | {"timed": self.inference.target}
        return json.dumps({name: values[name] for name in names}, sort_keys=True)

    def runs(self) -> list[Run]:
        """Every run of the study but the findings, in an order in which they can be run."""
        return [*self._pretrained(), *self._intermediate(), *self._target(), *self._inference()]

    def _pretrained(self) -> Iterator[Run]:
        settings = json.dumps(dataclasses.asdict(self), sort_keys=True)  # its provenance holds the whole study
        yield Run("1_pretrained", "baseline", {}, settings, work=20)

    def _intermediate(self) -> Iterator[Run]:
        settings = self.settings(*MODEL, "durations")
        for name in self.intermediate:
            for seed in self.seeds:
                parameters = {"intermediate": name, "seed": seed}
                yield Run("2_intermediate", f"{name}-s{seed}", parameters, settings, work=8 + self.longest / 3)

    def _target(self) -> Iterator[Run]:
        settings = self.settings(*MODEL, *TARGETS, "items", "languages", "missing", "timed")
        groups = [[name] for name in self.targets] if self.split_targets else [None]
        for seed in self.seeds:
            arms = [(PRETRAINED, 0, ())]  # with the duration-matched control, which continues it
            arms += [(n, d, (f"2_intermediate/{n}-s{seed}",)) for n in self.intermediate for d in self.durations[1:]]
            for intermediate, duration, after in arms:
                for group in groups:
                    name = "-".join([f"{intermediate}-{duration}-s{seed}", *(group or [])])
                    parameters = {"intermediate": intermediate, "duration": duration, "seed": seed, "targets": group}
                    work = 45 if duration else 110
                    yield Run("3_target", name, parameters, settings, after, work)

    def _inference(self) -> Iterator[Run]:
        settings = self.settings(*MODEL, *TARGETS, "intermediate", "seeds", "inference")
        after = [run.key for run in self._target() if run.parameters["targets"] in (None, [self.inference.target])]
        work = self.inference.replicates * (8 + len(self.inference.batch_sizes) * len(ENGINES) * self.inference.seconds)
        yield Run("4_inference", self.inference.target, {}, settings, tuple(after), work)


# Fields that results depend on: of every training run, and of every run on targets.
MODEL = ("encoder", "layers", "layers_without_bf16", "source", "training")
TARGETS = ("targets", "durations")
