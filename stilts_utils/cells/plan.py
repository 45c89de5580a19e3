"""The numbers of a study that a device machine needs, as plain JSON in a pack. No other package is needed."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from stilts_utils.study import whole

FILE = "plan.json"


@dataclass(frozen=True)
class Recipe:
    """How the models of a stack are trained: the fields of `settings.Recipe` that are not settled by packed rows."""

    encoder_lr: float
    head_lr: float
    warmup_steps: int
    weight_decay: float
    max_gradient_norm: float
    batch_size: int


@dataclass(frozen=True)
class Work:
    """A task of the study. `steps`: of an intermediate task its durations, 0 first; of a target one number a stage.

    `outputs` are those of its head.
    """

    shape: str
    outputs: int
    metrics: tuple[str, ...]
    steps: tuple[int, ...]
    recipe: Recipe

    @property
    def trainable(self) -> bool:
        return self.shape != "retrieval"


@dataclass(frozen=True)
class Plan:
    """`recipe` is that of the study; `with_exits` the target that is trained with exits."""

    seeds: tuple[int, ...]
    durations: tuple[int, ...]
    intermediate: dict[str, Work]
    targets: dict[str, Work]
    recipe: Recipe
    with_exits: str | None

    def write(self, folder: Path) -> None:
        with whole.file(folder / FILE) as temporary:
            temporary.write_text(json.dumps(dataclasses.asdict(self), indent=1) + "\n", encoding="utf8")

    @classmethod
    def read(cls, folder: Path) -> "Plan":
        values = _tuples(json.loads((folder / FILE).read_text(encoding="utf8")))
        for part in ("intermediate", "targets"):
            works = values[part].items()
            values[part] = {name: Work(**work | {"recipe": Recipe(**work["recipe"])}) for name, work in works}
        return cls(**values | {"recipe": Recipe(**values["recipe"])})


def _tuples(value):
    """JSON's lists as tuples, at any depth."""
    if isinstance(value, dict):
        return {name: _tuples(inner) for name, inner in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
