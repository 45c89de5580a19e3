"""A study file, validated, and its list of runs.

The graph of runs knows nothing else of a study. Neither torch nor data are imported.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field

from stilts_utils import ROOT
from stilts_utils.study import plugins
from stilts_utils.study.hypotheses import HYPOTHESES
from stilts_utils.study.methods import CLASSES
from stilts_utils.study.plugins import Plugins
from stilts_utils.study.settings import (
    CONTROL,
    PRETRAINED,
    Arm,
    EncoderSpec,
    Fit,
    Forms,
    Recipe,
    Timing,
)
from stilts_utils.study.source import MIRROR, Source
from stilts_utils.study.validation import (
    Count,
    CountOr0,
    Distinct,
    Durations,
    Flag,
    Named,
    StudyError,
    Whole,
    build,
    require,
    require_name,
    settings,
)
from stilts_utils.tasks import LANGUAGES, TASKS, TRAINING_LANGUAGE, task


@dataclass(frozen=True)
class Run:
    """One executed notebook. `after` are the runs that it reads; what else it depends on, `tables.identity` says."""

    phase: str
    name: str
    parameters: dict
    after: tuple[str, ...] = ()
    work: float = 1.0  # rough relative cost, for the time left

    @property
    def key(self) -> str:
        return f"{self.phase}/{self.name}"

    @property
    def given(self) -> dict:
        """The parameters that are not left to the study file."""
        return {name: value for name, value in self.parameters.items() if value is not None}

    def as_json(self, study: str, out: str) -> str:
        """The notebook's parameters, with the study file and the folder of the tables."""
        return json.dumps({"study": study, "out": out, **self.parameters})


@settings
class Study:
    """What to run. Every field is a key of the study file, but `name`, which is the file's stem.

    `layers` are the encoder's first that are kept (None: all); `layers_without_bf16` take their place on a machine that
    trains in float32.
    `candidate_context`: whether a candidate that has a context is read with it, as the official code does, or alone,
    which is several times cheaper.
    `controls`: targets of which duration 0 goes on for the steps of every duration, the duration-matched control; None: all.
    `hypotheses`: numbers of `hypotheses.HYPOTHESES` that are registered before any data.
    `plugins`: files, from the study file's folder, and installed packages that bring tasks, methods and engines of your own.
    """

    name: str
    title: str
    targets: Named[Fit]
    inference: Timing
    intermediate: Annotated[Named[Arm], Field(min_length=1)]
    durations: Durations
    encoder: str = "packaged"
    layers: Count | None = None
    layers_without_bf16: Count | None = None
    source: Literal["embedded", "hub", "mirror"] = "embedded"
    mirror: str | None = None
    languages: Distinct[str] = ("en",)
    missing: Literal["error", "skip"] = "error"
    seeds: Distinct[Whole] = (1,)
    training: Recipe = field(default_factory=Recipe)
    items: Count = 100
    candidate_context: Flag = True
    controls: tuple[str, ...] | None = None
    hypotheses: tuple[str, ...] = tuple(HYPOTHESES)
    split_targets: Flag = False
    gpus: CountOr0 = 0
    plugins: Plugins = ()

    def __post_init__(self):
        require_name("name of the study file", self.name)
        EncoderSpec(self.encoder)
        for language in self.languages:  # a misspelt one would otherwise be recorded as missing
            known = f"{', '.join(LANGUAGES)}; correct it, or add the code to an entry of stilts_utils/tasks"
            require(language in LANGUAGES, "languages", language, known)
        for number in self.hypotheses:
            require(number in HYPOTHESES, "hypotheses", number, ", ".join(HYPOTHESES))
        for name, arm in self.intermediate.items():
            require_name("intermediate task", name)
            require(name not in (PRETRAINED, CONTROL), "intermediate task", name, "another name for several tasks")
            self._check_arm(name, arm)
            extra = set(arm.seeds or ()) - set(self.seeds)
            require(not extra, f"intermediate.{name}.seeds", arm.seeds, f"of the study's seeds, {self.seeds}")
        timed = next(iter(self.intermediate))
        of_intermediate = [name for name, arm in self.intermediate.items() if not arm.in_target_phase]
        allowed = (
            f"first an arm whose durations can be timed, {', '.join(of_intermediate) or 'of an intermediate task'}"
        )
        require(timed in of_intermediate, "intermediate", timed, allowed)
        for name, fit in self.targets.items():
            self._check_task("target", name)
            stages = task(name).stages
            require(len(fit.steps) == stages, f"targets.{name}.steps", fit.steps, f"{stages} number(s), one per stage")
        extra = set(self.controls or ()) - set(self.targets)
        require(not extra, "controls", self.controls, f"targets of the study: {', '.join(self.targets)}")
        timed = self.inference.target
        trained = [name for name in self.targets if task(name).trainable]
        require(timed in trained, "inference.target", timed, ", ".join(trained))
        if search := self.inference.search:
            able = [name for name in self.targets if not task(name).trainable]
            require(search.target in able, "inference.search.target", search.target, ", ".join(able) or "none of these")
            queries = self.items_of(search.target)
            require(
                queries > 1, f"items of {search.target}", queries, "2 or more: the graph is tuned on every other query"
            )
        if exits := self.inference.exits:
            able = [name for name in trained if task(name).shape in ("pair", "choice") and task(name).stages == 1]
            require(exits.target in able, "inference.exits.target", exits.target, ", ".join(able) or "none of these")
        if forms := self.inference.forms:
            self._check_forms(forms)
        processes = len(self.timed_seeds) * self.inference.replicates
        require(processes > 1, "inference.replicates", self.inference.replicates, "2 or more with one seed")
        extra = set(self.inference.languages) - set(self.languages)
        require(not extra, "inference.languages", self.inference.languages, "languages of the study")

    def _check_arm(self, name: str, arm: Arm) -> None:
        for part in self.tasks_of(name):
            self._check_task("intermediate", part)
            shapes, said = arm.entry.shapes, f"tasks that {arm.method} can train: {', '.join(arm.entry.shapes)}"
            require(task(part).shape in shapes, f"intermediate.{name}", part, said)
        for language in arm.languages or ():
            require(language in LANGUAGES, f"intermediate.{name}.languages", language, ", ".join(LANGUAGES))
        if arm.entry.languages:  # what they do is to be seen in the study's scores
            others = set(self.languages) - {TRAINING_LANGUAGE}
            allowed = f"some of the study's, but English: {', '.join(sorted(others))}"
            require(set(arm.languages) <= others, f"intermediate.{name}.languages", arm.languages, allowed)
        able = f"a study with a target of the shapes that {arm.method} can train: {', '.join(arm.entry.shapes)}"
        require(self.targets_of(name), f"intermediate.{name}.method", arm.method, able)

    def _check_forms(self, forms: Forms) -> None:
        injected = [name for name, arm in self.intermediate.items() if arm.entry.packages == ("peft",)]
        if forms.adapters:
            allowed = f"arms with adapters: {', '.join(injected) or 'none of these'}"
            require(forms.adapters in injected, "inference.forms.adapters", forms.adapters, allowed)
        if forms.voted:
            require(
                forms.voted in self.intermediate, "inference.forms.voted", forms.voted, ", ".join(self.intermediate)
            )
        shape = task(self.inference.target).shape
        allowed = f"none with the timed target {self.inference.target}: rows of one class or choice are voted on"
        require(shape in CLASSES or not forms.votes, "inference.forms.votes", forms.votes, allowed)
        for name in {arm for arm, duration in self.formed().values() if duration}:
            lost = set(self.timed_seeds) - set(self.seeds_of(name))
            require(
                not lost, f"intermediate.{name}.seeds", self.seeds_of(name), f"with those timed, {self.timed_seeds}"
            )

    def _check_task(self, role: str, name: str) -> None:
        able = [other.name for other in TASKS.values() if role in other.roles and self.source in other.sources]
        require(name in able, f"{role} task", name, f"{', '.join(able)} (source {self.source})")

    @classmethod
    def load(cls, path: str | Path, **overrides) -> "Study":
        """Read a study file; an override that is not None replaces the file's value.

        If languages are overridden, the timed ones are those that the file times, or else the first.
        Raises StudyError naming the field, its value and what is allowed.
        """
        file = ROOT / path
        if not file.is_file():
            known = ", ".join(str(p.relative_to(ROOT)) for p in sorted((ROOT / "studies").glob("*.yaml")))
            raise StudyError(f"study is {str(path)!r}: there is no such file; there are: {known}")
        values = yaml.safe_load(file.read_text(encoding="utf8"))
        if isinstance(values, dict):
            plugins.load(values, file)
            values = {"name": file.stem, **values, **{k: v for k, v in overrides.items() if v is not None}}
            if overrides.get("languages") and isinstance(values.get("inference"), dict):
                timed = values["inference"].get("languages", ["en"])
                kept = [language for language in timed if language in values["languages"]]
                values["inference"] = values["inference"] | {"languages": kept or values["languages"][:1]}
        return build(cls, values, file.name)

    @property
    def folder(self) -> Path:
        return ROOT / "runs" / self.name

    def encoder_at(self, precision: str) -> EncoderSpec:
        """The encoder that is trained in a precision: in float32 with fewer layers if the study says so."""
        shallow = self.layers_without_bf16 if precision == "fp32" else None
        return EncoderSpec(self.encoder, shallow or self.layers)

    @property
    def longest(self) -> int:
        """The longest duration of any intermediate task."""
        return max(self.durations_of(name)[-1] for name in self.intermediate)

    @property
    def data_source(self) -> Source:
        """Where the rows come from. The environment variable STILTS_MIRROR goes before the field `mirror`.

        Raises StudyError for a mirror without a folder.
        """
        named = None if self.source == "embedded" else os.environ.get(MIRROR) or self.mirror
        allowed = (
            "a folder of Parquet files in hub layout; name it by the field `mirror` of the study file or by the environment "
            f"variable {MIRROR}"
        )
        require(named or self.source != "mirror", "mirror", named, allowed)
        return Source(self.source, ROOT / named if named else None)

    def durations_of(self, intermediate: str) -> tuple[int, ...]:
        """Durations of one intermediate task, 0 first."""
        return self.intermediate[intermediate].durations or self.durations

    def seeds_of(self, intermediate: str) -> tuple[int, ...]:
        """Seeds of one intermediate task; all of the study's of no intermediate training."""
        return (intermediate != PRETRAINED and self.intermediate[intermediate].seeds) or self.seeds

    @property
    def timed_seeds(self) -> tuple[int, ...]:
        """Seeds of the first intermediate task, whose durations are timed."""
        return self.seeds_of(next(iter(self.intermediate)))

    def processes(self, seed: int) -> tuple[int, ...]:
        """Numbers of the processes that time a seed: they do not depend on the other seeds."""
        return tuple(100 * seed + number for number in range(1, self.inference.replicates + 1))

    def timed_arms(self) -> list[tuple[str, int]]:
        """What is timed against each other, (task, duration): the durations of the first intermediate task."""
        timed = next(iter(self.intermediate))
        return [(timed if duration else PRETRAINED, duration) for duration in self.durations_of(timed)]

    def formed(self) -> dict[str, tuple[str, int]]:
        """What is timed in several forms: kind of form -> (task, duration); nothing if the study asks for none."""
        forms, found = self.inference.forms, {}
        if forms and forms.adapters:
            found["adapters"] = (forms.adapters, self.durations_of(forms.adapters)[-1])
        if forms and forms.votes:
            found["votes"] = (forms.voted, self.durations_of(forms.voted)[-1]) if forms.voted else (PRETRAINED, 0)
        return found

    def tasks_of(self, intermediate: str) -> tuple[str, ...]:
        """The registered tasks that an arm trains on: itself, or the tasks it mixes; none if its method reads none."""
        arm = self.intermediate[intermediate]
        return arm.tasks or ((intermediate,) if arm.entry.tasks else ())

    def in_target_phase(self, intermediate: str) -> bool:
        """Whether an arm spends its steps on every target, after its fine-tuning from the pretrained encoder."""
        return intermediate != PRETRAINED and self.intermediate[intermediate].in_target_phase

    def targets_of(self, intermediate: str) -> tuple[str, ...]:
        """The targets that are scored from an arm: all, unless the arm's method trains some shapes of targets alone."""
        if not self.in_target_phase(intermediate):
            return tuple(self.targets)
        shapes = self.intermediate[intermediate].entry.shapes
        return tuple(name for name in self.targets if task(name).shape in shapes)

    def with_exits(self, target: str) -> bool:
        """Whether a target is trained with exits: its dense model is then the last of them."""
        return self.inference.exits is not None and self.inference.exits.target == target

    def controlled(self, target: str) -> bool:
        """Whether a target has a duration-matched control: not a retrieval target, on which nothing is trained."""
        return task(target).trainable and (self.controls is None or target in self.controls)

    def max_length(self, name: str) -> int:
        """Most tokens of a task's sequences: its official length, within the study's."""
        return min(task(name).max_length or self.training.max_length, self.training.max_length)

    @property
    def longest_sequence(self) -> int:
        """Most tokens of any task's sequences."""
        names = {*self.targets, *(part for name in self.intermediate for part in self.tasks_of(name))}
        return max(self.max_length(name) for name in names)

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
        require(
            duration >= 0, "duration", duration, "0 or more optimizer steps, also others than those of the study file"
        )
        require((duration == 0) == (intermediate == PRETRAINED), "duration", duration, f"0 with {PRETRAINED!r} only")
        require(seed in self.seeds_of(intermediate), "seed", seed, ", ".join(map(str, self.seeds_of(intermediate))))

    def runs(self) -> list[Run]:
        """Every run of the study but the findings, in an order in which they can be run."""
        return [*self._pretrained(), *self._intermediate(), *self._target(), *self._inference()]

    def _pretrained(self) -> Iterator[Run]:
        yield Run("1_pretrained", "baseline", {}, work=20)

    def _intermediate(self) -> Iterator[Run]:
        for name in self.intermediate:
            if self.in_target_phase(name):
                continue
            work = 8 + self.durations_of(name)[-1] / 3
            for seed in self.seeds_of(name):
                parameters = {"intermediate": name, "seed": seed}
                yield Run("2_intermediate", f"{name}-s{seed}", parameters, work=work)

    def _target(self) -> Iterator[Run]:
        for seed in self.seeds:
            arms = [(PRETRAINED, 0, ())]  # with the duration-matched control, which continues it
            for name in (name for name in self.intermediate if seed in self.seeds_of(name)):
                after = () if self.in_target_phase(name) else (f"2_intermediate/{name}-s{seed}",)
                arms += [(name, d, after) for d in self.durations_of(name)[1:]]
            for intermediate, duration, after in arms:
                for group in self._groups(intermediate):
                    split = group if self.split_targets else ()
                    name = "-".join([f"{intermediate}-{duration}-s{seed}", *split])
                    parameters = {"intermediate": intermediate, "duration": duration, "seed": seed, "targets": group}
                    work = 45 if duration else 110
                    yield Run("3_target", name, parameters, after, work)

    def _groups(self, intermediate: str) -> list[list[str] | None]:
        """Targets that are scored in one run each; None: all of the study."""
        names = list(self.targets_of(intermediate))
        if self.split_targets:
            return [[name] for name in names]
        return [None if names == list(self.targets) else names]

    def _inference(self) -> Iterator[Run]:
        timing = self.inference
        timed = {timing.target} | ({timing.exits.target} if timing.exits else set())
        exits = timing.exits.seconds if timing.exits else 0
        work = timing.replicates * (8 + len(timing.batch_sizes) * len(timing.engines) * timing.seconds + exits)
        for seed in self.timed_seeds:
            models = [(*arm, seed) for arm in [*self.timed_arms(), *self.formed().values()]]
            after = [
                run.key
                for run in self._target()
                if timed & set(run.parameters["targets"] or timed)
                and tuple(run.parameters[name] for name in ("intermediate", "duration", "seed")) in models
            ]
            yield Run("4_inference", f"{timing.target}-s{seed}", {"seed": seed}, tuple(after), work)
