"""The outline of a study, from which its cost is planned: which tasks work for how many steps, on rows of which length.

It is read from the study file and `lengths`, without the checks of a study, so that one more of anything can be asked for.
"""

import math
from dataclasses import dataclass, replace

from stilts_utils.study.settings import adapt
from stilts_utils.study.sizes import Sizes
from stilts_utils.study.study import Study
from stilts_utils.tasks import task
from stilts_utils.workflow import lengths
from stilts_utils.workflow.lengths import Texts

QUESTION = 20  # tokens of a question, which every window over a long context repeats
PADDING = 1.15  # padded tokens over tokens, in batches of rows of similar length
LOADGEN_RUNS = 10  # of each engine and duration: the scenarios, accuracy, and the rates that Server tries
START_UP = 12.0  # seconds of a run before it works: kernel, imports, encoder


@dataclass(frozen=True)
class Job:
    """One task at work. `durations`: after how many steps a checkpoint is kept (intermediate) or scored (control)."""

    name: str
    shape: str
    texts: Texts
    max_length: int
    stride: int
    batch_size: int
    steps: int
    durations: tuple[int, ...] = ()
    items: float = 0
    languages: int = 0
    seeds: int | None = None  # of an arm that has its own

    def _cut(self, tokens: float) -> tuple[float, float]:
        """(sequences of a row, tokens of a sequence): a longer context is read in windows, other texts are cut."""
        if self.shape != "span" or tokens <= self.max_length:
            return self.texts.sequences, min(tokens, self.max_length)
        step = max(1, self.max_length - QUESTION - self.stride)
        windows = 1 + math.ceil((tokens - self.max_length) / step)
        return windows, (tokens + (windows - 1) * (self.stride + QUESTION)) / windows

    def training(self, sizes: Sizes, steps: int) -> tuple[float, float]:
        """(tokens, operations) of some optimizer steps."""
        _, length = self._cut(self.texts.trained)  # a window is a row of its own in training
        tokens = steps * self.batch_size * self.texts.sequences * length
        return tokens, sizes.training(PADDING * tokens, length)

    def evaluation(self, sizes: Sizes) -> tuple[float, float]:
        """(tokens, operations) of scoring one model in every language."""
        sequences, length = self._cut(self.texts.evaluated)
        tokens = self.items * self.languages * sequences * length
        return tokens, sizes.forward(PADDING * tokens, length)


@dataclass(frozen=True)
class Late:
    """An arm of the target phase, which goes on with some targets. `passes`: of a step, over those of plain training."""

    durations: tuple[int, ...]
    targets: tuple[str, ...]
    passes: float
    seeds: int | None = None


@dataclass(frozen=True)
class Outline:
    """All that the plan takes from a study."""

    sizes: Sizes
    intermediate: tuple[Job, ...]
    targets: tuple[Job, ...]
    seeds: int
    split_targets: bool
    timing_seconds: float  # of one seed
    exits: Job | None = None  # the target whose exits answer all rows once more
    late: tuple["Late", ...] = ()

    @classmethod
    def of(cls, study: Study, sizes: Sizes) -> "Outline":
        return cls(
            sizes,
            tuple(_intermediate_job(study, name) for name in study.intermediate if not study.in_target_phase(name)),
            tuple(_target_job(study, name) for name in study.targets),
            len(study.seeds),
            study.split_targets,
            _timing_seconds(study),
            _exits_job(study),
            tuple(_late(study, name) for name in study.intermediate if study.in_target_phase(name)),
        )

    @property
    def batch(self) -> tuple[int, int]:
        """(sequences, tokens of a sequence) of the usual training step, the mean over steps."""
        tokens = sequences = steps = 0.0
        for job in (*self.intermediate, *self.targets):
            trained, _ = job.training(self.sizes, job.steps)
            tokens, steps = tokens + trained, steps + job.steps
            sequences += job.steps * job.batch_size * job.texts.sequences
        return max(1, round(sequences / steps)), max(1, round(PADDING * tokens / sequences))


def _timing_seconds(study: Study) -> float:
    """Seconds of timing one seed and of starting its processes; work before and after is not counted."""
    timing, timed = study.inference, len(study.timed_arms())
    settings = len(timing.engines) * len(timing.batch_sizes)
    exits = timing.exits.seconds if timing.exits else 0
    total = timing.replicates * (START_UP + settings * timing.seconds + exits)
    if load := timing.scenarios:
        total += load.processes * (START_UP + 2 * len(load.engines) * (LOADGEN_RUNS + load.turns) * load.seconds)
    if search := timing.search:
        total += START_UP + timed * len(timing.languages) * search.seconds
    return total


def _exits_job(study: Study) -> Job | None:
    """What the exits answer; calibration rows are spread over the languages of the evaluation rows."""
    exits = study.inference.exits
    if exits is None:
        return None
    job = _target_job(study, exits.target)
    return replace(job, durations=(), items=job.items + exits.calibration / job.languages)


def _late(study: Study, name: str) -> Late:
    arm = study.intermediate[name]
    passes = 1 + (2 * arm.ascents / 3 if "ascents" in arm.entry.fields else 0)
    return Late(study.durations_of(name)[1:], study.targets_of(name), passes, arm.seeds and len(arm.seeds))


def _intermediate_job(study: Study, name: str) -> Job:
    """One intermediate arm; one that mixes tasks, or a task and text, is planned as their mean."""
    parts, entry = study.tasks_of(name), study.intermediate[name].entry
    texts = lengths.mean([*map(lengths.of, parts), *[lengths.UNLABELLED] * (entry.module == "mlm" or not parts)])
    longest = max((study.max_length(part) for part in parts), default=study.training.max_length)
    batch_size = adapt(study.training, study.intermediate[name]).batch_size
    durations = study.durations_of(name)[1:]
    shape = task(parts[0]).shape if parts else "pair"
    own = study.intermediate[name].seeds
    return Job(
        *(name, shape, texts, longest, study.training.stride, batch_size, durations[-1], durations),
        seeds=own and len(own),
    )


def _target_job(study: Study, name: str) -> Job:
    entry, fit = task(name), study.targets[name]
    known = set(entry.languages) & set(study.languages) if entry.languages else study.languages
    return Job(
        name,
        entry.shape,
        lengths.of(name, study.candidate_context),
        study.max_length(name),
        study.training.stride,
        adapt(study.training, fit).batch_size,
        sum(fit.steps),
        study.durations[1:] if study.controlled(name) else (),
        lengths.rows(name, study.items_of(name)),
        len(known),
    )
