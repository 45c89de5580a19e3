"""What a study costs, before anything runs: `python -m stilts_utils.workflow.plan studies/mini.yaml`.

Runs, optimizer steps, tokens, floating-point operations, disk and hours of every phase, and what one more duration,
seed, task or language adds. It is arithmetic over the study file, the sizes of the encoder (`sizes`), the speed of a
device (`devices`) and the assumptions below; no data, no weights and no network are needed.
"""

import argparse
import dataclasses
import math
import sys
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from tabulate import tabulate

from stilts_utils.models import hardware
from stilts_utils.study import sizes
from stilts_utils.study.settings import adapt
from stilts_utils.study.sizes import Sizes
from stilts_utils.study.study import Study
from stilts_utils.study.validation import StudyError
from stilts_utils.tasks import task
from stilts_utils.workflow import devices, lengths, memory
from stilts_utils.workflow.devices import Device
from stilts_utils.workflow.lengths import Texts

QUESTION = 20  # tokens of a question, which every window over a long context repeats
PADDING = 1.15  # padded tokens over tokens, in batches of rows of similar length
LOADGEN_RUNS = 10  # of each engine and duration: the scenarios, accuracy, and the rates that Server tries
START_UP = 12.0  # seconds of a run before it works: kernel, imports, encoder
RUN_BYTES, ITEM_BYTES = 60_000, 2.5  # a run's notebook, its log and its tables; a row of `items` in Parquet


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
    """All that the plan takes from a study, without its checks, so that one more of anything can be asked for."""

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


def _timing_seconds(study: Study) -> float:
    """Seconds of timing one seed and of starting its processes; work before and after is not counted."""
    timing, timed = study.inference, len(study.timed_arms())
    settings = len(timing.engines) * len(timing.batch_sizes)
    exits = timing.exits.seconds if timing.exits else 0
    total = timing.replicates * (START_UP + settings * timing.seconds + exits)
    if load := timing.scenarios:
        total += load.processes * (START_UP + 2 * len(load.engines) * LOADGEN_RUNS * load.seconds)
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


TOTALS = ["runs", "steps", "trained", "evaluated", "operations", "bytes", "seconds"]


def phases(outline: Outline, device: Device) -> pd.DataFrame:
    """One row per phase: runs, optimizer steps, tokens trained on and evaluated, operations, bytes stored, seconds."""
    size, seeds = outline.sizes, outline.seeds
    checkpoint = 4 * size.trained
    rows = {"1_pretrained": _row(1, 4 * size.parameters)}

    row = rows["2_intermediate"] = _row(0, 0)
    for job in outline.intermediate:
        own = job.seeds or seeds
        _add(row, own, own * len(job.durations) * checkpoint)
        _train(row, job, size, job.steps, own)

    row = rows["3_target"] = _row(0, 0)
    arms = seeds + sum((job.seeds or seeds) * len(job.durations) for job in outline.intermediate)
    _add(row, arms * (len(outline.targets) if outline.split_targets else 1), arms * checkpoint)
    for job in outline.targets:
        scored = arms + seeds * len(
            job.durations
        )  # the control goes on from duration 0 and is scored at every duration
        _train(row, job, size, job.steps, arms)
        _train(row, job, size, max(job.durations, default=0), seeds)
        tokens, operations = job.evaluation(size)
        row["evaluated"] += scored * tokens
        row["forward"] += scored * operations
        layers = 1 if job.steps else size.layers + 1  # retrieval is scored at every layer
        row["bytes"] += scored * job.items * job.languages * layers * ITEM_BYTES

    for late in outline.late:
        own = (late.seeds or seeds) * len(late.durations)
        jobs = [job for job in outline.targets if job.name in late.targets]
        _add(row, own * (len(jobs) if outline.split_targets else 1), own * checkpoint)
        for job in jobs:
            _train(row, job, size, job.steps, own)
            for duration in late.durations:
                _train(row, job, size, duration, late.seeds or seeds, late.passes)
            tokens, operations = job.evaluation(size)
            row["evaluated"] += own * tokens
            row["forward"] += own * operations
            row["bytes"] += own * job.items * job.languages * ITEM_BYTES

    if job := outline.exits:
        tokens, operations = job.evaluation(size)
        row["evaluated"] += arms * tokens
        row["forward"] += arms * operations

    timed = outline.intermediate[0].seeds or seeds
    rows["4_inference"] = _row(timed, 0) | {"fixed": timed * outline.timing_seconds}
    frame = pd.DataFrame(rows).T.rename_axis("phase").reset_index()
    frame["bytes"] += RUN_BYTES * frame.runs
    frame["operations"] = frame.training + frame.forward
    launched = frame.steps * size.layers * device.launch
    working = np.maximum(frame.training / device.training, launched) + frame.forward / device.forward
    frame["seconds"] = START_UP * frame.runs + frame.fixed + working
    return frame[["phase", *TOTALS]]


def here(study: Study) -> pd.DataFrame:
    """`phases` of a study on this machine, which is measured."""
    size = sizes.of(study.encoder, layers=study.encoder_at(hardware.training_precision()).layers)
    outline = Outline.of(study, size)
    return phases(outline, devices.measure(size, *batch_of(outline), 2.0))


def _row(runs: int, stored: float) -> dict[str, float]:
    zero = dict.fromkeys(("steps", "trained", "evaluated", "training", "forward", "fixed"), 0.0)
    return {"runs": runs, "bytes": stored, **zero}


def _add(row: dict, runs: int, stored: float) -> None:
    row["runs"] += runs
    row["bytes"] += stored


def _train(row: dict, job: Job, size: Sizes, steps: int, times: int, passes: float = 1) -> None:
    tokens, operations = job.training(size, steps)
    row["steps"] += times * steps
    row["trained"] += times * tokens
    row["training"] += times * operations * passes


def growth(outline: Outline, device: Device) -> pd.DataFrame:
    """What one more of each adds to the totals: one row each, with the columns of `phases`."""
    first, trained = outline.intermediate[0], next(job for job in outline.targets if job.steps)
    arms = [(job, _longer(job.durations)) for job in outline.intermediate]
    more = {
        f"duration ({arms[0][1][-1]} steps of {first.name})": replace(
            outline,
            intermediate=tuple(replace(job, durations=longer, steps=longer[-1]) for job, longer in arms),
            targets=tuple(replace(job, durations=_longer(job.durations)) for job in outline.targets),
        ),
        "seed": replace(outline, seeds=outline.seeds + 1),
        f"intermediate task (as {first.name})": replace(outline, intermediate=(*outline.intermediate, first)),
        f"target (as {trained.name})": replace(outline, targets=(*outline.targets, trained)),
        "language": replace(
            outline,
            targets=tuple(replace(job, languages=job.languages + 1) for job in outline.targets),
            exits=outline.exits and replace(outline.exits, languages=outline.exits.languages + 1),
        ),
    }
    before = phases(outline, device)[TOTALS].sum()
    rows = [{"one more": name, **(phases(larger, device)[TOTALS].sum() - before)} for name, larger in more.items()]
    return pd.DataFrame(rows)


def _longer(durations: tuple[int, ...]) -> tuple[int, ...]:
    """With one more duration, as much longer than the last as that is than the one before."""
    if not durations:
        return ()
    factor = max(2, round(durations[-1] / durations[-2])) if len(durations) > 1 else 2
    return (*durations, factor * durations[-1])


def longest(study: Study, rows: pd.DataFrame) -> tuple[str, float]:
    """The key of the run that takes longest, and its seconds: its share of the work of its phase in rows of `phases`."""
    seconds, runs = rows.set_index("phase").seconds, study.runs()
    work = {phase: sum(run.work for run in runs if run.phase == phase) for phase in seconds.index}
    return max(((run.key, seconds[run.phase] * run.work / work[run.phase]) for run in runs), key=lambda found: found[1])


def batch_of(outline: Outline) -> tuple[int, int]:
    """(sequences, tokens of a sequence) of the usual training step, the mean over steps."""
    tokens = sequences = steps = 0.0
    for job in (*outline.intermediate, *outline.targets):
        trained, _ = job.training(outline.sizes, job.steps)
        tokens, steps = tokens + trained, steps + job.steps
        sequences += job.steps * job.batch_size * job.texts.sequences
    return max(1, round(sequences / steps)), max(1, round(PADDING * tokens / sequences))


HEADINGS = {
    "runs": ("runs", 1, ",.0f"),
    "steps": ("steps", 1, ",.0f"),
    "trained": ("tokens trained (M)", 1e6, ",.2f"),
    "evaluated": ("evaluated (M)", 1e6, ",.2f"),
    "operations": ("PFLOP", 1e15, ",.3g"),
    "bytes": ("disk (GB)", 1e9, ",.2f"),
    "seconds": ("hours", 3600, ",.2f"),
}


def table(frame: pd.DataFrame) -> str:
    """A frame of `phases` or `growth` in the units that a reader sees."""
    shown = frame.iloc[:, :1].copy()
    for name, (heading, unit, form) in HEADINGS.items():
        shown[heading] = [format(value / unit, form) for value in frame[name]]
    return tabulate(shown, headers="keys", showindex=False, disable_numparse=True, colalign=("left", *["right"] * 7))


def report(study: Study, outline: Outline, device: Device) -> str:
    """What `make plan` prints."""
    size, rows = outline.sizes, phases(outline, device)
    total = pd.DataFrame([{"phase": "total", **rows[TOTALS].sum()}])
    key, seconds = longest(study, rows)
    used = {job.name: job.texts for job in (*outline.intermediate, *outline.targets)}
    assumed = [(name, *(f"{value:.3g}" for value in dataclasses.astuple(texts))) for name, texts in used.items()]
    return "\n".join(
        [
            f"{study.name}: {study.encoder}, {size.layers} layers, {size.trained / 1e6:.1f} M parameters trained, "
            f"{(size.parameters - size.trained) / 1e6:.1f} M frozen in the embeddings",
            f"on {device.name}: {_rate(device.training)} in training, {_rate(device.forward)} in forward passes"
            + (f"; at least {1000 * device.launch:.0f} ms a layer and step" if device.launch else ""),
            "hours: of one such device, one run after another",
            "",
            table(pd.concat([rows, total])),
            "",
            f"longest run: {key}, {seconds / 3600:,.2f} hours; a cluster is asked for "
            f"{memory.asked_mb(study)[key.split('/')[0]]:,} MB",
            "",
            table(growth(outline, device)),
            "",
            "Assumed: texts in tokens, cut or windowed at `max_length`; "
            f"{PADDING:.0%} with padding; {START_UP:.0f} s to start a run",
            tabulate(assumed, ["task", "sequences a row", "trained, English", "evaluated"]),
        ]
    )


def _rate(operations: float) -> str:
    return f"{operations / 1e9:,.0f} GFLOP/s" if operations < 1e12 else f"{operations / 1e12:,.0f} TFLOP/s"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", help="a study file, such as studies/mini.yaml")
    parser.add_argument("--device", default=devices.HERE, help=f"{devices.HERE} or one of {', '.join(devices.PEAKS)}")
    parser.add_argument("--measure", type=float, default=2.0, help="seconds of steps that measure this machine")
    parser.add_argument("--utilisation", type=float, default=devices.UTILISATION, help="share of a device's peak")
    for name in ("layers", "hidden", "intermediate", "vocabulary"):
        parser.add_argument(f"--{name}", type=int, help="size of an encoder that is not known")
    arguments = parser.parse_args()
    given = {name: getattr(arguments, name) for name in ("layers", "hidden", "intermediate", "vocabulary")}
    try:
        study, here = Study.load(arguments.study), arguments.device == devices.HERE
        spec = study.encoder_at(hardware.training_precision() if here else "bf16")
        given["layers"] = spec.layers if given["layers"] is None else given["layers"]
        outline = Outline.of(study, sizes.of(study.encoder, **given))
        if here:
            device = devices.measure(outline.sizes, *batch_of(outline), arguments.measure)
        else:
            device = devices.named(arguments.device, arguments.utilisation)
    except (StudyError, ValueError) as error:
        print(error)
        return 2
    print(report(study, outline, device))
    return 0


if __name__ == "__main__":
    sys.exit(main())
