"""Paired timing of all durations: randomised blocks in one process, weights swapped in place, repeated in processes.

Every block visits every condition in random order: each duration, duration 0 again under another name (A/A), and
duration 0 held for a known share longer (planted). A visit swaps the weights, answers one request unmeasured, and then
times the same real requests. The effect is a ratio to duration 0 within a block; the process is the unit of the
interval, since one process is one sample of memory layouts (Kalibera and Jones 2013; Mytkowicz et al. 2009).
"""

import gc
import hashlib
import itertools
import json
import multiprocessing
import random
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import pandas as pd
import torch

from stilts_utils import encoder, hardware, statistics
from stilts_utils.coverage import evaluation_rows
from stilts_utils.engines import Answer, TorchEngine, available
from stilts_utils.hardware import NoiseWatch
from stilts_utils.phases import Session
from stilts_utils.records import PRETRAINED
from stilts_utils.study import Study
from stilts_utils.tasks import task
from stilts_utils.training import Weights

FOREIGN_LIMIT = 0.10  # share of the machine's CPU time that others may take before a process counts as disturbed
STEAL_LIMIT = 0.05
LEAST_BLOCKS = 5
CALLS = 3  # of every request in a visit, of which the median counts: stalls of a single call are common
MIXED = "mixed"  # the language of a batch that holds several


@dataclass(frozen=True)
class Condition:
    """What a block visits: a checkpoint under a name, and the share by which its requests are held."""

    name: str
    duration: int
    weights: Weights
    hold: float = 0.0


def conditions(study: Study, fine_tuned: dict[int, Weights]) -> list[Condition]:
    """Every duration and the two controls."""
    timed = [Condition(str(duration), duration, weights) for duration, weights in fine_tuned.items()]
    controls = [
        Condition(statistics.SAME, 0, fine_tuned[0]),
        Condition(statistics.PLANTED, 0, fine_tuned[0], study.inference.planted),
    ]
    return timed + controls


def requests(study: Study, batch_size: int) -> dict[str, list[dict]]:
    """Real evaluation rows to answer: one per language at batch 1, else one batch with the languages in turn."""
    target, timing = study.inference.target, study.inference
    share = -(-batch_size // len(timing.languages))
    rows = {language: list(evaluation_rows(study, target, language, share)) for language in timing.languages}
    if batch_size == 1:
        return rows
    turns = [row for rank in itertools.zip_longest(*rows.values()) for row in rank if row is not None]
    return {MIXED: turns[:batch_size]}


def median_answer(engine: TorchEngine, rows: list[dict], hold: float) -> Answer:
    """The answer whose time is the median of a few calls with the same request."""
    answers = [engine.answer(rows, hold) for _ in range(CALLS)]
    return sorted(answers, key=lambda answer: answer.tokenise_s + answer.forward_s + answer.decode_s)[CALLS // 2]


def time_engine(engine: TorchEngine, visits: list[Condition], asked: dict, seconds: float, seed: int):
    """Blocks for about `seconds`: rows of `timings` and of `outputs` without the process's keys, and block count."""
    converted = {visit.name: engine.convert(visit.weights) for visit in visits}
    order, timings, outputs = random.Random(seed), [], {}
    for rows in asked.values():  # every shape once before anything counts
        engine.answer(rows)
    gc.collect()
    gc.disable()
    try:
        began, block = time.perf_counter(), 0
        while block < LEAST_BLOCKS or time.perf_counter() - began < seconds:
            for position, visit in enumerate(order.sample(visits, len(visits))):
                engine.use(converted[visit.name])
                engine.answer(next(iter(asked.values())))  # warm-up after the swap
                keys = {"block": block, "position": position, "condition": visit.name, "duration": visit.duration}
                answers = {language: median_answer(engine, rows, visit.hold) for language, rows in asked.items()}
                for language, answer in answers.items():
                    timings.append(
                        {
                            **keys,
                            "language": language,
                            "sentences": len(answer.decisions),
                            "tokens": answer.tokens,
                            "tokenise_s": answer.tokenise_s,
                            "forward_s": answer.forward_s,
                            "decode_s": answer.decode_s,
                        }
                    )
                decided = [decision for answer in answers.values() for decision in answer.decisions]
                if outputs.setdefault(visit.name, decided) != decided:
                    raise RuntimeError(
                        f"engine {engine.name}: condition {visit.name} decided differently in block {block}"
                    )
            block += 1
    finally:
        gc.enable()
    return timings, outputs, block


def replicate(study: Study, number: int) -> dict[str, pd.DataFrame]:
    """One process: every available engine and batch size over all durations of one seed.

    Returns the frames of `timings`, `noise` (without `stalled`) and `outputs`.
    """
    timing = study.inference
    seed = study.seeds[number % len(study.seeds)]
    session = Session.open(study, "4_inference", f"process-{number}")
    timed = next(iter(study.intermediate))  # latency is compared over the durations of the first intermediate task
    arms = [(timed if duration else PRETRAINED, duration) for duration in study.durations_of(timed)]
    visits = conditions(study, {d: session.fine_tuned(timing.target, name, d, seed) for name, d in arms})
    deployed = session.encoder
    if deployed.model.dtype.itemsize < 4:  # a missing checkpoint was trained here, which rounded the frozen embeddings
        deployed = encoder.load(deployed.spec)
    deployed.model.set_attn_implementation("sdpa")
    torch.set_num_threads(hardware.cores())
    frames: dict[str, list] = {"timings": [], "noise": [], "outputs": []}
    reference: dict[tuple[int, str], list] = {}
    for name in available():
        engine = TorchEngine(name, deployed, task(timing.target), study.max_length(timing.target))
        for batch_size in timing.batch_sizes:
            keys = {
                "replicate": number,
                "seed": seed,
                "target": timing.target,
                "engine": name,
                "batch_size": batch_size,
            }
            asked = requests(study, batch_size)
            watch = NoiseWatch().start()
            rows, outputs, blocks = time_engine(engine, visits, asked, timing.seconds, seed=1000 * number + batch_size)
            noise = watch.stop()
            disturbed = noise["foreign_share"] > FOREIGN_LIMIT or noise["steal_share"] > STEAL_LIMIT
            frames["timings"] += [{**keys, **row} for row in rows]
            frames["noise"].append({**keys, "blocks": blocks, **noise, "disturbed": disturbed})
            for visit in visits:
                decided = outputs[visit.name]
                same = reference.setdefault((batch_size, visit.name), decided)  # the first engine is the reference
                frames["outputs"].append(
                    {
                        **keys,
                        "condition": visit.name,
                        "duration": visit.duration,
                        "sha256": hashlib.sha256(json.dumps(decided).encode()).hexdigest(),
                        "agreement": sum(a == b for a, b in zip(decided, same, strict=True)) / len(decided),
                    }
                )
    return {name: pd.DataFrame(rows) for name, rows in frames.items()}


def replicates(study: Study) -> dict[str, pd.DataFrame]:
    """All process replicates, one after another, each in a fresh process."""
    context = multiprocessing.get_context("spawn")
    found = []
    for number in range(study.inference.replicates):
        with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
            found.append(pool.submit(replicate, study, number).result())
    frames = {name: pd.concat([frames[name] for frames in found], ignore_index=True) for name in found[0]}
    stalled = statistics.stalled_blocks(frames["timings"])[[*statistics.PROCESS, "stalled"]]
    return frames | {"noise": frames["noise"].merge(stalled, on=statistics.PROCESS)}
