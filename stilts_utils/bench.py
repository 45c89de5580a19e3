"""Speed, as ratios measured side by side in one run: `python -m stilts_utils.bench studies/mini.yaml`.

Two ways of doing the same take turns in random order; the ratio of their times has a 95 % t interval over rounds.
Nothing else may run meanwhile.
"""

import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from statsmodels.stats.weightstats import DescrStatsW

from stilts_utils import bench_peers, bench_tables, checkpoints, encoder, findings, hardware, launch, report
from stilts_utils.phases import Session
from stilts_utils.study import Study

ROUNDS = 6
STEPS = 4


def compare(name: str, ours: Callable, other: Callable, rounds: int = ROUNDS) -> str:
    """One line: time of `ours` over time of `other`, each called once a round after a call that does not count."""
    ours(), other()
    order, logs = random.Random(0), []
    for _ in range(rounds):
        taken = {}
        for which in order.sample((ours, other), 2):
            began = time.perf_counter()
            which()
            taken[which] = time.perf_counter() - began
        logs.append(np.log(taken[ours] / taken[other]))
    stats = DescrStatsW(np.array(logs))
    low, high = np.exp(stats.tconfint_mean())
    return f"{name}: {np.exp(stats.mean):.2f} [{low:.2f}, {high:.2f}] ({rounds} rounds)"


def stepping(session: Session, name: str, precision: str) -> Callable:
    """A function that trains a few steps more."""
    session.precision = precision
    training = session._intermediate_training(name, session.study.seeds[0])
    return lambda: training.run(training.step + STEPS)


def training_lines(study: Study) -> list[str]:
    """Choices of the training loop against their alternatives, each on its own copy of the encoder."""
    name, own = next(iter(study.intermediate)), hardware.training_precision()
    eager = stepping(Session.open(study, "bench", "eager"), name, own)
    sdpa = stepping(Session.open(study, "bench", "sdpa", attention="sdpa"), name, own)
    lines = [compare(f"training step in {own}, eager attention over SDPA", eager, sdpa)]
    if own != "fp32":
        full = stepping(Session.open(study, "bench", "fp32"), name, "fp32")
        lines.append(compare(f"training step, {own} over fp32", eager, full))
    return lines


def trajectory_line(study: Study) -> str:
    """A trajectory with a stored checkpoint at every duration, over a run to its longest alone."""
    session = Session.open(study, "bench", "trajectory")
    name, seed = next(iter(study.intermediate)), study.seeds[0]
    durations = study.durations_of(name)[1:]

    def every():
        training = session._intermediate_training(name, seed)
        with tempfile.TemporaryDirectory() as folder:
            for duration in durations:
                checkpoints.save(training.run(duration).weights, Path(folder) / f"{duration}.safetensors", "bench")

    def longest():
        session._intermediate_training(name, seed).run(durations[-1])

    return compare(f"{len(durations)} durations of one trajectory over its longest", every, longest, 4)


def study_lines(study: Study) -> list[str]:
    """What the study itself measured, and the time of a start that has nothing to do."""
    values = report.numbers(findings.analyse(study.folder))
    began = time.perf_counter()
    launch.run(f"studies/{study.name}.yaml", "profiles/default", show=lambda line: None)
    again = time.perf_counter() - began
    return [
        f"study: {values['elapsed_minutes']} min, {values['total_minutes']} min of notebooks side by side, of which overhead "
        f"{values['overhead_percent']} %",
        f"peak resident size: {values['peak_memory_gb']} GB; disk: {values['disk_gb']} GB",
        f"start with nothing to do: {again:.1f} s",
    ]


def main() -> None:
    study = Study.load(sys.argv[1])
    began = time.perf_counter()
    encoder.load(encoder.EncoderSpec(study.encoder, study.layers))
    first = time.perf_counter() - began
    began = time.perf_counter()
    encoder.load(encoder.EncoderSpec(study.encoder, study.layers))
    print(f"{hardware.cpu_name()}, {hardware.cores()} cores, bf16: {hardware.bf16_instructions() or 'none'}")
    print(f"encoder and tokenizer: first load {first:.1f} s, again {time.perf_counter() - began:.1f} s")
    watch = hardware.NoiseWatch().start()
    print(trajectory_line(study), flush=True)
    print(bench_tables.line(), flush=True)
    for line in [*training_lines(study), *bench_peers.lines(study, compare)]:
        print(line, flush=True)
    noise = watch.stop()
    print(f"other processes took {100 * noise['foreign_share']:.1f} % of the machine")
    for line in study_lines(study):
        print(line)


if __name__ == "__main__":
    main()
