"""What a study costs, before anything runs: `python -m stilts_utils.workflow.plan studies/mini.yaml`.

Runs, optimizer steps, tokens, floating-point operations, disk and hours of every phase, and what one more duration,
seed, task or language adds. It is arithmetic over the `outline` of the study, the sizes of the encoder (`sizes`) and the speed
of a device (`devices`); no data, no weights and no network are needed.
"""

import argparse
import dataclasses
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
from tabulate import tabulate

from stilts_utils.models import hardware
from stilts_utils.study import sizes
from stilts_utils.study.sizes import Sizes
from stilts_utils.study.study import Study
from stilts_utils.study.validation import StudyError
from stilts_utils.workflow import devices, memory
from stilts_utils.workflow.devices import Device
from stilts_utils.workflow.outline import PADDING, START_UP, Job, Outline

RUN_BYTES, ITEM_BYTES = 60_000, 2.5  # a run's notebook, its log and its tables; a row of `items` in Parquet
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
    return phases(outline, devices.measure(size, *outline.batch, 2.0))


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
            device = devices.measure(outline.sizes, *outline.batch, arguments.measure)
        else:
            device = devices.named(arguments.device, arguments.utilisation)
    except (StudyError, ValueError) as error:
        print(error)
        return 2
    print(report(study, outline, device))
    return 0


if __name__ == "__main__":
    sys.exit(main())
