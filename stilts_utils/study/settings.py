"""What a study file says of training, of each task, and of timing: validated fields."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from stilts_utils import ROOT
from stilts_utils.study.engines import ENGINES
from stilts_utils.study.validation import require


@dataclass(frozen=True)
class Recipe:
    """How a model is trained: AdamW with a linear warm-up and then a constant rate.

    The constant rate makes every checkpoint of a trajectory the end of a run of its own length. `max_length` are the
    most tokens a sequence may have; a task whose official length is shorter keeps that. A longer context is read in
    windows that overlap by `stride` tokens. `threads` are those of one run: on a few cores, runs side by side get more
    done than one run on all of them, and a score does not depend on how many cores the machine has.
    """

    encoder_lr: float = 1e-4
    head_lr: float = 1e-3
    warmup_steps: int = 8
    weight_decay: float = 0.01
    max_gradient_norm: float = 1.0
    dropout: float = 0.0
    batch_size: int = 16
    max_length: int = 128
    stride: int = 64
    train_rows: int = 2000
    threads: int = 1

    def __post_init__(self):
        for name in ("encoder_lr", "head_lr", "max_gradient_norm"):
            require(getattr(self, name) > 0, f"training.{name}", getattr(self, name), "above 0")
        for name in ("batch_size", "max_length", "train_rows", "threads"):
            require(getattr(self, name) > 0, f"training.{name}", getattr(self, name), "1 or more")
        for name in ("warmup_steps", "weight_decay", "stride"):
            require(getattr(self, name) >= 0, f"training.{name}", getattr(self, name), "0 or more")
        require(0 <= self.dropout < 1, "training.dropout", self.dropout, "0 to below 1")


def adapt(recipe: Recipe, own: "Arm | Fit") -> Recipe:
    """The study's recipe with what an arm or a target says otherwise. Raises StudyError for a value out of range."""
    said = {name: getattr(own, name) for name in ("batch_size", "encoder_lr", "warmup_steps")}
    return replace(recipe, **{name: value for name, value in said.items() if value is not None})


@dataclass(frozen=True)
class Arm:
    """One intermediate task, or several at once: `tasks` are then drawn in proportion to min(rows, `cap`).

    That is the examples-proportional mixing of Raffel et al. (2020), section 3.5.2, which Phang et al. (2020) use for
    their multi-task arm. Durations and recipe are the study's, but for what an arm says otherwise.
    """

    durations: tuple[int, ...] | None = None
    batch_size: int | None = None
    encoder_lr: float | None = None
    warmup_steps: int | None = None
    tasks: tuple[str, ...] = ()
    cap: int = 2**17

    def __post_init__(self):
        if self.durations is not None:
            check_durations("intermediate.durations", self.durations)
        mixed = len(self.tasks) != 1 and len(set(self.tasks)) == len(self.tasks)
        require(mixed, "intermediate.tasks", self.tasks, "two or more distinct tasks, or none")
        require(self.cap > 0, "intermediate.cap", self.cap, "1 or more rows")


def check_durations(name: str, steps: tuple[int, ...]) -> None:
    """Durations begin with 0 and increase. Raises StudyError."""
    ordered = len(steps) > 1 and steps[0] == 0 and all(a < b for a, b in zip(steps, steps[1:], strict=False))
    require(ordered, name, steps, "optimizer steps from 0 upwards, each larger than the one before")


@dataclass(frozen=True)
class Fit:
    """Fine-tuning on a target, and what differs from the study's recipe.

    `steps` are optimizer steps of each training stage of the task, one number where there is one stage; none for
    retrieval.
    """

    steps: tuple[int, ...] = ()
    batch_size: int | None = None
    encoder_lr: float | None = None
    warmup_steps: int | None = None
    items: int | None = None

    def __post_init__(self):
        require(self.items is None or self.items > 0, "targets.items", self.items, "1 or more")
        require(all(steps > 0 for steps in self.steps), "targets.steps", self.steps, "above 0 for every stage")


@dataclass(frozen=True)
class Exits:
    """Early exit: a target of one class or choice a row, trained once more with `count` exits over the depth.

    The confidence at which a row may stop is calibrated on `calibration` held-out English rows at most, so that at most
    `points_lost` points (0-100) of their accuracy are lost. Timed on `requests` rows of each timed language, one by one
    and `batch_size` at a time, in blocks for about `seconds` in each process.
    """

    target: str
    count: int = 4
    points_lost: float = 1.0
    calibration: int = 200
    requests: int = 8
    batch_size: int = 8
    seconds: float = 20.0

    def __post_init__(self):
        for name in ("calibration", "requests", "batch_size"):
            require(getattr(self, name) > 0, f"inference.exits.{name}", getattr(self, name), "1 or more")
        whole = f"a divisor of requests, {self.requests}: a smaller batch would count as a full one"
        require(self.requests % self.batch_size == 0, "inference.exits.batch_size", self.batch_size, whole)
        require(self.count > 1, "inference.exits.count", self.count, "2 or more")
        require(self.seconds > 0, "inference.exits.seconds", self.seconds, "above 0")
        require(0 <= self.points_lost < 100, "inference.exits.points_lost", self.points_lost, "0 to below 100")


@dataclass(frozen=True)
class Scenarios:
    """MLPerf scenarios, each of `seconds` at least, on `rows` evaluation rows of every timed language.

    The Server scenario looks for the largest rate whose p99 latency is within `bound_s`; `batch_size` samples at most are
    answered together.
    """

    engines: tuple[str, ...]
    seconds: float = 600.0
    bound_s: float = 0.1
    batch_size: int = 8
    rows: int = 16

    def __post_init__(self):
        for name in ("seconds", "bound_s", "batch_size", "rows"):
            require(getattr(self, name) > 0, f"inference.scenarios.{name}", getattr(self, name), "above 0")
        check_engines("inference.scenarios.engines", self.engines)


@dataclass(frozen=True)
class Search:
    """Vector search for a retrieval target over `candidates` at most: exact, and by a graph tuned to `recall` of it.

    Timed for `seconds` per duration, seed and language.
    """

    target: str
    candidates: int = 1000
    recall: float = 0.95
    seconds: float = 1.0

    def __post_init__(self):
        require(self.candidates > 0, "inference.search.candidates", self.candidates, "1 or more")
        require(0 < self.recall <= 1, "inference.search.recall", self.recall, "above 0, 1 at most")
        require(self.seconds > 0, "inference.search.seconds", self.seconds, "above 0")


def check_engines(field: str, names: tuple[str, ...]) -> None:
    """Engines are known, distinct, and of those that deploy plain checkpoints. Raises StudyError."""
    able = [name for name, entry in ENGINES.items() if not entry.exits]
    for name in names:
        require(name in able, field, name, f"{', '.join(able)}; early exit has a field of its own, `exits`")
    require(len(set(names)) == len(names) > 0, field, names, "one or more, distinct")


@dataclass(frozen=True)
class Timing:
    """What is timed, for how long, and the margins fixed before any data is seen.

    `exits`, `scenarios` and `search` are measured beside the engines; None: they are not.
    `checked`: rows of a language, at most, on which every engine is compared with the reference.

    An engine that a machine cannot run is left out there, and the reason recorded.
    """

    target: str
    languages: tuple[str, ...] = ("en",)
    engines: tuple[str, ...] = ("fp32", "bf16")
    batch_sizes: tuple[int, ...] = (1,)
    replicates: int = 4
    seconds: float = 20.0
    margin: float = 0.02
    planted: float = 0.02
    checked: int = 100
    exits: Exits | None = None
    scenarios: Scenarios | None = None
    search: Search | None = None

    def __post_init__(self):
        require(self.replicates >= 2, "inference.replicates", self.replicates, "2 or more processes")
        require(self.checked > 0, "inference.checked", self.checked, "1 or more rows")
        require(self.seconds > 0, "inference.seconds", self.seconds, "above 0")
        require(0 < self.margin < 1, "inference.margin", self.margin, "between 0 and 1")
        require(0 < self.planted < 1, "inference.planted", self.planted, "between 0 and 1")
        check_engines("inference.engines", self.engines)
        for name in ("languages", "batch_sizes"):
            values = getattr(self, name)
            require(len(set(values)) == len(values) > 0, f"inference.{name}", values, "one or more, distinct")
        require(min(self.batch_sizes) > 0, "inference.batch_sizes", self.batch_sizes, "1 or more each")


def cache_folder() -> Path:
    """Where dequantised weights are kept: $STILTS_CACHE, else runs/cache."""
    return ROOT / os.environ.get("STILTS_CACHE", "runs/cache")


@dataclass(frozen=True)
class EncoderSpec:
    """Which encoder: `packaged`, `random` (tests only), a local folder or a hub id; and how many of its layers.

    A relative folder is one of the repository.
    """

    name: str = "packaged"
    layers: int | None = None

    def __post_init__(self):
        if self.layers is not None and self.layers < 1:
            raise ValueError(f"encoder layers is {self.layers}, allowed: 1 or more, or none for all")
        if self.name in ("packaged", "random"):
            return
        if not (ROOT / self.name).is_dir() and self.name.count("/") != 1:
            raise ValueError(
                f"encoder is {self.name!r}, allowed: packaged, random, a hub id such as FacebookAI/xlm-roberta-base, "
                "or an existing folder with config.json, model.safetensors and tokenizer.json"
            )


# Values of `intermediate` beside the names of tasks.
PRETRAINED = "none"  # duration 0: the encoder as it was pretrained

CONTROL = "target"  # the duration-matched control: the steps are spent on the target itself
