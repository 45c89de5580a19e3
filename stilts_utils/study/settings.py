"""Settings of a study file: training, each task, timing."""

import dataclasses
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from stilts_utils import ROOT
from stilts_utils.study.arms import CONTROL as CONTROL
from stilts_utils.study.arms import PRETRAINED as PRETRAINED
from stilts_utils.study.engines import ENGINES
from stilts_utils.study.methods import METHODS, SUPERVISED, TARGET, Method
from stilts_utils.study.validation import (
    Above0,
    AtLeast0,
    Count,
    CountOr0,
    Distinct,
    DistinctOrNone,
    Durations,
    Flag,
    Real,
    Share,
    Steps,
    StudyError,
    Whole,
    require,
    settings,
)


@settings
class Recipe:
    """How a model is trained: AdamW with a linear warm-up and then a constant rate.

    The constant rate makes every checkpoint of a trajectory the end of a run of its own length. `max_length` are the
    most tokens a sequence may have; a task whose official length is shorter keeps that. A longer context is read in
    windows that overlap by `stride` tokens. `threads` are for one run: on a few cores, runs side by side get more
    done than one run on all of them, and a score does not depend on how many cores the machine has.
    """

    encoder_lr: AtLeast0 = 1e-4
    head_lr: Above0 = 1e-3
    warmup_steps: CountOr0 = 8
    weight_decay: AtLeast0 = 0.01
    max_gradient_norm: Above0 = 1.0
    dropout: Annotated[Real, Field(ge=0, lt=1)] = 0.0
    batch_size: Count = 16
    max_length: Count = 128
    stride: CountOr0 = 64
    train_rows: Count = 2000
    threads: Count = 1


def adapt(recipe: Recipe, part: "Arm | Fit") -> Recipe:
    """The study's recipe, with the values that an arm or a target sets itself."""
    values = {name: getattr(part, name) for name in ("batch_size", "encoder_lr", "warmup_steps")}
    return replace(recipe, **{name: value for name, value in values.items() if value is not None})


@settings
class Arm:
    """A way to spend the steps of a duration: by a method, on one task or on several at once.

    Without `tasks` it trains on the task of its own name. Several are drawn in proportion to min(rows, `cap`): the
    examples-proportional mixing of Raffel et al. (2020), section 3.5.2, which Phang et al. (2020) use for their multi-task
    arm. `languages`: of the training rows, in equal parts; English alone if there are none. Durations, seeds and recipe are
    the study's unless the arm has its own; its seeds are among them. A rate of 0 is the control that trains nothing.

    `method` is one of `methods.METHODS`, which names the fields that it reads:

    - `mlm`: share of the steps that are masked language modelling
    - `radius`: of the ball of perturbations of a row, in norms of its embeddings (`models.perturbation`)
    - `ascents`: steps of gradient ascent within it
    - `neighbours`: of a token, from which it is replaced, at most; each of a cosine of `similarity` to it, or more
    - `shuffled`: whether words are paired at random; `layer`, counted from 1, and `margin` of their loss
    """

    durations: Durations | None = None
    seeds: Distinct[Whole] | None = None
    batch_size: Count | None = None
    encoder_lr: AtLeast0 | None = None
    warmup_steps: CountOr0 | None = None
    tasks: DistinctOrNone[str] = ()
    cap: Count = 2**17
    languages: Distinct[str] | None = None
    method: str = SUPERVISED
    mlm: Share = 0.5
    radius: Above0 = 0.1
    ascents: Count = 3
    neighbours: Count = 8
    similarity: Share = 0.5
    shuffled: Flag = False
    layer: Count = 2
    margin: Above0 = 0.05

    def __post_init__(self):
        require(self.method in METHODS, "intermediate.method", self.method, ", ".join(METHODS))
        for field in dataclasses.fields(self):
            readers = [method.name for method in METHODS.values() if field.name in method.fields]
            value = getattr(self, field.name)
            unread = readers and self.method not in readers and value != field.default
            require(not unread, f"intermediate.{field.name}", value, f"none but with method {', '.join(readers)}")
        for field in ("tasks", "languages"):
            value = getattr(self, field)
            reads = self.entry.tasks or not value or (field == "languages" and self.entry.languages)
            require(reads, f"intermediate.{field}", value, f"none with method {self.method}, which reads no tasks")
        needs = f"languages to find translations in, with method {self.method}"
        require(self.languages or not self.entry.languages, "intermediate.languages", self.languages, needs)

    @property
    def entry(self) -> Method:
        """The method's entry."""
        return METHODS[self.method]

    @property
    def in_target_phase(self) -> bool:
        """Whether the steps are spent on every target, after its fine-tuning from the pretrained encoder."""
        return self.entry.phase == TARGET

    @property
    def read(self) -> dict:
        """The settings of the method that results depend on; nothing of plain supervised training in English."""
        given = {"method": self.method} if self.method != SUPERVISED else {}
        given |= {name: getattr(self, name) for name in self.entry.fields}
        return given | ({"languages": self.languages} if self.languages else {})


@settings
class Fit:
    """Fine-tuning on a target, with its exceptions from the study's recipe.

    `steps` are optimizer steps of each training stage of the task, one number if there is one stage; none for
    retrieval.
    """

    steps: Steps = ()
    batch_size: Count | None = None
    encoder_lr: AtLeast0 | None = None
    warmup_steps: CountOr0 | None = None
    items: Count | None = None


@settings
class Exits:
    """Early exit: a target of one class or choice a row, trained once more with `count` exits over the depth.

    The confidence at which a row may stop is calibrated on `calibration` held-out English rows at most, so that at most
    `points_lost` points (0-100) of their accuracy are lost. Timed on `requests` rows of each timed language, one by one
    and `batch_size` at a time, in blocks for about `seconds` in each process.
    """

    target: str
    count: Annotated[Whole, Field(ge=2)] = 4
    points_lost: Annotated[Real, Field(ge=0, lt=100)] = 1.0
    calibration: Count = 200
    requests: Count = 8
    batch_size: Count = 8
    seconds: Above0 = 20.0

    def __post_init__(self):
        whole = f"a divisor of requests, {self.requests}: a smaller batch would count as a full one"
        require(self.requests % self.batch_size == 0, "inference.exits.batch_size", self.batch_size, whole)


@settings
class Scenarios:
    """MLPerf scenarios, each of `seconds` at least, on `rows` evaluation rows of every timed language.

    The Server scenario looks for the largest rate whose p99 latency is within `bound_s`; `batch_size` samples at most are
    answered together. The whole is repeated in `processes` fresh processes, over which intervals are. In each of them Offline
    is run again in `turns` pairs of duration 0 and the longest, in which every second pair begins with the longest.
    """

    engines: Distinct[str]
    processes: Count = 1
    turns: CountOr0 = 8
    seconds: Above0 = 600.0
    bound_s: Above0 = 0.1
    batch_size: Count = 8
    rows: Count = 16

    def __post_init__(self):
        check_engines("inference.scenarios.engines", self.engines)


@settings
class Search:
    """Vector search for a retrieval target over `candidates` at most: exact, and by a graph tuned to `recall` of it.

    Timed for `seconds` per duration, seed and language.
    """

    target: str
    candidates: Count = 1000
    recall: Annotated[Real, Field(gt=0, le=1)] = 0.95
    seconds: Above0 = 1.0


BESIDE = "beside"  # the form with adapters beside the weights; the other forms are named for their number of votes


@settings
class Forms:
    """Other forms of one checkpoint of the timed target, against its plain form: see `engines.forms`.

    `adapters`: an arm of lexical injection, whose longest duration is deployed with its adapters beside the weights, against
    merged. `votes`: numbers of perturbed copies of a request that are answered together, against one plain answer, in the ball
    of `radius`; of the longest duration of the arm `voted`, or of duration 0. Timed as all engines are, by those of PyTorch
    that do not compile, in blocks for about `seconds` per engine, batch size and kind of form in each process.
    """

    adapters: str | None = None
    votes: Annotated[tuple[Annotated[Whole, Field(ge=2)], ...], Field()] = ()
    voted: str | None = None
    radius: Above0 = 0.1
    seconds: Above0 = 10.0

    def __post_init__(self):
        require(self.adapters or self.votes, "inference.forms", self.adapters, "adapters, votes, or both")

    def of(self, kind: str) -> tuple[str, ...]:
        """Names of the forms of a kind, adapters or votes, without the plain one."""
        return (BESIDE,) if kind == "adapters" else tuple(map(str, self.votes))


def check_engines(field: str, names: tuple[str, ...]) -> None:
    """Engines are known, and deploy plain checkpoints. Raises StudyError."""
    able = [name for name, entry in ENGINES.items() if not entry.exits]
    for name in names:
        require(name in able, field, name, f"{', '.join(able)}; early exit has a field of its own, `exits`")


@settings
class Timing:
    """Timing: engines, requests, duration, and the margins fixed before any data is seen.

    `exits`, `scenarios`, `search` and `forms` are measured in addition to the engines, unless they are None.
    `checked`: rows of a language, at most, on which every engine is compared with the reference.

    `replicates`: fresh processes for every seed of the timed arm.

    An engine that a machine cannot run is left out there, and the reason recorded.
    """

    target: str
    languages: Distinct[str] = ("en",)
    engines: Distinct[str] = ("fp32", "bf16")
    batch_sizes: Distinct[Count] = (1,)
    replicates: Annotated[Whole, Field(ge=1, le=99)] = 2
    seconds: Above0 = 20.0
    margin: Share = 0.02
    planted: Share = 0.02
    checked: Count = 100
    exits: Exits | None = None
    scenarios: Scenarios | None = None
    search: Search | None = None
    forms: Forms | None = None

    def __post_init__(self):
        check_engines("inference.engines", self.engines)


CACHE = "STILTS_CACHE"  # environment variable


def cache_folder() -> Path:
    """The folder of dequantised weights: $STILTS_CACHE, or runs/cache."""
    return ROOT / os.environ.get(CACHE, "runs/cache")


@dataclass(frozen=True)
class EncoderSpec:
    """Which encoder: `packaged`, `random` (tests only), a local folder or a hub id; and how many of its layers.

    A relative folder is one of the repository.
    """

    name: str = "packaged"
    layers: int | None = None

    def __post_init__(self):
        if self.layers is not None and self.layers < 1:
            raise StudyError(f"encoder layers is {self.layers}, allowed: 1 or more, or none for all")
        if self.name in ("packaged", "random"):
            return
        if not (ROOT / self.name).is_dir() and self.name.count("/") != 1:
            raise StudyError(
                f"encoder is {self.name!r}, allowed: packaged, random, a hub id such as FacebookAI/xlm-roberta-base, "
                "or an existing folder with config.json, model.safetensors and tokenizer.json"
            )
