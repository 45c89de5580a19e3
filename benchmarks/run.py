"""Speed, as ratios measured side by side in one run: `python -m benchmarks.run studies/mini.yaml`.

Two ways of doing the same take turns in random order; the ratio of their times has a 95 % t interval over rounds. A ratio of
throughput is above 1 if ours is the faster one. The goals of this project stand in brackets. Nothing else may run meanwhile.
"""

import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks import embeddings, engines, tables
from benchmarks import training as bench_training
from stilts_utils.analysis import findings
from stilts_utils.models import checkpoints, encoder, hardware
from stilts_utils.report import numbers
from stilts_utils.study import settings
from stilts_utils.study.place import Place
from stilts_utils.study.study import Study
from stilts_utils.timing import noise as timing_noise
from stilts_utils.training import intermediate
from stilts_utils.training.session import Session
from stilts_utils.workflow import launch

ROUNDS = 6


def compare(name: str, first: Callable, second: Callable, rounds: int = ROUNDS) -> str:
    """One line: time of `first` over time of `second`, each called once a round after a call that does not count."""
    first(), second()
    order, logs = random.Random(0), []
    for _ in range(rounds):
        taken = {}
        for which in order.sample((first, second), 2):
            taken[which] = seconds(which)
        logs.append(np.log(taken[first] / taken[second]))
    return f"{name}: {engines.ratio_text(np.array(logs))} ({rounds} rounds)"


def seconds(call: Callable) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def trajectory_line(study: Study) -> str:
    """A trajectory with a stored checkpoint at every duration, over a run to its longest alone."""
    session = Session.open(study, Place.of(study, "bench", run="trajectory"))
    name, seed = next(iter(study.intermediate)), study.seeds[0]
    durations = study.durations_of(name)[1:]

    def every():
        training = intermediate.begin(session, name, seed)
        with tempfile.TemporaryDirectory() as folder:
            for duration in durations:
                checkpoints.save(training.run(duration).weights, Path(folder) / f"{duration}.safetensors", "bench")

    def longest():
        intermediate.begin(session, name, seed).run(durations[-1])

    return compare(
        f"{len(durations)} durations of one trajectory over its longest (to reach: at most 1.10)", every, longest, 4
    )


def study_lines(study: Study) -> list[str]:
    """The costs that the study itself measured, and the time of a start that has nothing to do."""
    values = numbers.numbers(findings.analyse(study.folder))
    again = seconds(lambda: launch.run(f"studies/{study.name}.yaml", "profiles/default", show=lambda line: None))
    return [
        f"study: {values['elapsed_minutes']} min, {values['total_minutes']} min of notebooks side by side, of which overhead "
        f"{values['overhead_percent']} % (to reach: at most 15 %)",
        f"peak resident size: {values['peak_memory_gb']} GB; disk: {values['disk_gb']} GB",
        f"start with nothing to do: {again:.1f} s (to reach: at most 5 s)",
    ]


def main() -> None:
    study = Study.load(sys.argv[1])
    first, again = (seconds(lambda: encoder.load(settings.EncoderSpec(study.encoder, study.layers))) for _ in range(2))
    print(f"{hardware.cpu_name()}, {hardware.cores()} cores, bf16: {hardware.bf16_instructions() or 'none'}")
    print(f"encoder and tokenizer: first load {first:.1f} s, again {again:.1f} s")
    watch = timing_noise.NoiseWatch().start()
    print(trajectory_line(study), flush=True)
    print(tables.line(), flush=True)
    for part in (bench_training, engines, embeddings):
        for line in part.lines(study, compare):
            print(line, flush=True)
    noise = watch.stop()
    print(f"other processes took {100 * noise['foreign_share']:.1f} % of the machine")
    for line in study_lines(study):
        print(line)


if __name__ == "__main__":
    main()
