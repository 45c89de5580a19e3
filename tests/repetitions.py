"""Does the protocol of timing decide rightly, again and again? `python tests/repetitions.py`, with nothing else running.

A repetition is the study's own protocol for one engine (fp32) at batch size 1: fresh processes, paired blocks in random
order, real requests, and the rules of `verdicts`. Its conditions are duration 0, an identical checkpoint ("a/a")
and a planted slow-down of known size. The checkpoint is the pretrained encoder of the study with a head drawn from the
seed: what is judged is the difference of conditions that share it, and nothing has to be trained first.

The identical checkpoint has to be declared equivalent by the study's test at the study's margin, as a family of one, and
the planted slow-down has to be found by the rule of `verdicts.control_verdicts`. Both have to hold in 9 of 10
repetitions. Disturbed repetitions count: they are shown, and a study would not use them.
"""

import argparse
import dataclasses
import sys
from dataclasses import dataclass

import pandas as pd

from stilts_utils import engines
from stilts_utils.analysis import controls as verdicts
from stilts_utils.analysis import latency
from stilts_utils.data import sources
from stilts_utils.models import encoder, hardware
from stilts_utils.models.checkpoints import snapshot
from stilts_utils.models.heads import TaskModel
from stilts_utils.study.engines import ENGINES
from stilts_utils.study.study import Study
from stilts_utils.timing import noise as timing_noise
from stilts_utils.timing import paired
from stilts_utils.timing.processes import apart

ENGINE, BATCH_SIZE = "fp32", 1
EQUIVALENT = 0.05  # p below which the identical checkpoint is declared equivalent, as in a study
NEEDED = 0.9  # share of repetitions in which each verdict has to be right


@dataclass(frozen=True)
class Repetition:
    """The verdicts of one repetition; ratios are to duration 0, with the 90 % interval of the identical checkpoint's."""

    same_ratio: float
    low90: float
    high90: float
    equivalent: bool
    planted_ratio: float
    found: bool
    disturbed: bool

    def __str__(self) -> str:
        return (
            f"A/A {self.same_ratio:.4f} [{self.low90:.4f}, {self.high90:.4f}] "
            f"{'equivalent' if self.equivalent else 'not equivalent'}; planted {self.planted_ratio:.4f} "
            f"{'found' if self.found else 'not found'}; {'disturbed' if self.disturbed else 'not disturbed'}"
        )


def judge(timings: pd.DataFrame, noise: pd.DataFrame, margin: float, planted: float) -> Repetition:
    """The verdicts on the timings of one repetition: conditions "0", "a/a" and "planted" of one engine and batch size."""
    ratios, controls = verdicts.latency_verdicts(timings, noise, margin, planted)
    same, control = ratios[ratios.condition == latency.SAME].iloc[0], controls.iloc[0]
    return Repetition(
        same_ratio=float(same.ratio),
        low90=float(same.low90),
        high90=float(same.high90),
        equivalent=bool(same.p_equivalence < EQUIVALENT),
        planted_ratio=float(control.planted_ratio),
        found="planted slow-down" not in control.reason,  # not found, reads too small, or timed in too few processes
        disturbed=bool(control.disturbed),
    )


def count(repetitions: list[Repetition]) -> tuple[str, bool]:
    """The last line, and whether each verdict was right often enough."""
    total = len(repetitions)
    names = ("equivalent", "found", "disturbed")
    equivalent, found, disturbed = (sum(getattr(one, name) for one in repetitions) for name in names)
    counts = f"identical declared equivalent: {equivalent} of {total}; planted found: {found} of {total}"
    line = f"{counts}; disturbed: {disturbed}"
    return line, min(equivalent, found) >= NEEDED * total


def process(study: Study, number: int) -> tuple[list[dict], dict]:
    """One process: rows of `timings` and the row of `noise` that `statistics` needs of them."""
    target, seed = study.inference.target, study.seeds[number % len(study.seeds)]
    own, length = sources.task(target, study.data_source), study.max_length(target)
    loaded = encoder.load(study.encoder_at(hardware.training_precision()))
    head = TaskModel(loaded.model, own, seed).head.state_dict()
    weights = snapshot(loaded.trainable()) | {f"head.{name}": tensor for name, tensor in head.items()}
    visits = paired.conditions(study, {0: weights})
    engine = engines.make(ENGINES[ENGINE], loaded, own, length, study.training.stride)
    converted = {visit.name: engine.convert(visit.weights) for visit in visits}
    engine.use(converted[visits[0].name])
    keys = {"replicate": number, "engine": ENGINE, "batch_size": BATCH_SIZE}
    asked, seconds, order = (
        paired.requests(study, BATCH_SIZE, number),
        study.inference.seconds,
        1000 * number + BATCH_SIZE,
    )
    watch = timing_noise.NoiseWatch().start()
    timings, _, _ = paired.time_engine(engine, visits, converted, asked, seconds, order)
    noise = watch.stop()
    return [{**keys, **row} for row in timings], {**keys, **noise, "disturbed": timing_noise.disturbed(noise)}


def repeat(study: Study, repetition: int) -> Repetition:
    """One repetition: its processes one after another, each fresh and with an order of visits of its own."""
    timings, noise = [], []
    for replicate in range(study.inference.replicates):
        rows, row = apart(process, study, repetition * study.inference.replicates + replicate)
        timings += rows
        noise.append(row)
    return judge(pd.DataFrame(timings), pd.DataFrame(noise), study.inference.margin, study.inference.planted)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=6, help="of timing in each process")
    parser.add_argument("--replicates", type=int, default=5, help="processes of a repetition")
    parser.add_argument("--study", default="studies/mini.yaml", help="gives encoder, requests, margin and slow-down")
    asked = parser.parse_args()
    if asked.repetitions < 1:
        parser.error(f"--repetitions is {asked.repetitions}, allowed: 1 or more")
    study = Study.load(asked.study)
    own = {"seconds": asked.seconds, "replicates": asked.replicates}
    study = dataclasses.replace(study, inference=dataclasses.replace(study.inference, **own))
    print(
        f"{hardware.cpu_name()}, {hardware.cores()} cores; {study.encoder}, engine {ENGINE}, batch size {BATCH_SIZE}; "
        f"{asked.replicates} processes of {asked.seconds:g} s; margin {100 * study.inference.margin:g} %, "
        f"planted {100 * study.inference.planted:g} %",
        flush=True,
    )
    done = []
    for number in range(asked.repetitions):
        done.append(repeat(study, number))
        print(f"{number + 1}: {done[-1]}", flush=True)
    line, right = count(done)
    print(line)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
