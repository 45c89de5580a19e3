"""Paired timing of all durations: randomised blocks in one process, weights swapped in place, repeated in processes.

Every block asks every condition the same real requests: each duration, duration 0 again under another name (A/A), and
duration 0 held for a known share longer (planted). Conditions take turns with every single request, their weights swapped
in between (in ONNX Runtime, the session). The effect is a ratio to duration 0 within a block; the process is the unit of
the interval, since one process is one sample of memory layouts (Kalibera and Jones 2013; Mytkowicz et al. 2009).
"""

import gc
import hashlib
import json
import random
import time
from dataclasses import dataclass

import pandas as pd
import torch

from stilts_utils import engines
from stilts_utils.analysis import latency
from stilts_utils.data.study_rows import evaluation_rows
from stilts_utils.engines import Engine, fidelity
from stilts_utils.models import encoder, hardware
from stilts_utils.models.checkpoints import Weights
from stilts_utils.study.engines import ENGINES, REFERENCE, Deployment
from stilts_utils.study.study import Study
from stilts_utils.study.validation import require
from stilts_utils.tables.schema import TABLES
from stilts_utils.tasks import task
from stilts_utils.timing import early_exit
from stilts_utils.timing.noise import NoiseWatch, disturbed
from stilts_utils.timing.processes import apart
from stilts_utils.training.fine_tuning import fine_tuned
from stilts_utils.training.session import Session

LEAST_BLOCKS = 5
FRAMES = ("timings", "noise", "outputs", "engines", "fidelity", "engine_scores", "exit_timings")


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
        Condition(latency.SAME, 0, fine_tuned[0]),
        Condition(latency.PLANTED, 0, fine_tuned[0], study.inference.planted),
    ]
    return timed + controls


def requests(study: Study, batch_size: int, process: int) -> dict[str, list[dict]]:
    """Real evaluation rows to answer: one request per language, of `batch_size` rows.

    Every process has the next rows of each language, from the first again after the last scored one, so that the spread
    between processes holds that between requests. Raises StudyError where a timed language has fewer rows.
    """
    target, timing = study.inference.target, study.inference
    limit = max(study.items_of(target), batch_size)
    asked = {}
    for language in timing.languages:
        rows = list(evaluation_rows(study, target, language, limit))
        allowed = f"{len(rows)} or less: {target} has no more rows in {language}"
        require(len(rows) >= batch_size, "inference.batch_sizes", batch_size, allowed)
        asked[language] = [rows[(process * batch_size + i) % len(rows)] for i in range(batch_size)]
    return asked


def time_engine(
    engine: Engine, visits: list[Condition], converted: dict, asked: dict[str, list[dict]], seconds: float, seed: int
):
    """Blocks for about `seconds`: rows of `timings` without the process's keys, decisions by condition, block count.

    In a block every language has its turn, in random order; in a turn every condition answers the request once, in random
    order. Single requests take turns because the speed of a shared machine drifts within a second: what is compared should
    lie close together. `converted` are the checkpoints of the conditions, by name, in the engine's form.
    """
    order, timings, outputs = random.Random(seed), [], {}
    for rows in asked.values():  # every shape once before anything counts
        engine.answer(rows)
    gc.collect()
    gc.disable()
    try:
        began, block = time.perf_counter(), 0
        while block < LEAST_BLOCKS or time.perf_counter() - began < seconds:
            decided: dict[str, dict[str, list]] = {visit.name: {} for visit in visits}
            turns = [
                (name, visit)
                for name in order.sample(list(asked), len(asked))
                for visit in order.sample(visits, len(visits))
            ]
            for position, (language, visit) in enumerate(turns):
                rows = asked[language]
                engine.use(converted[visit.name])
                if not engine.in_place:
                    engine.answer(rows)  # weights in other memory are not in the caches yet
                answer = engine.answer(rows, visit.hold)
                decided[visit.name][language] = answer.decisions
                timings.append(
                    {
                        "block": block,
                        "position": position,
                        "condition": visit.name,
                        "duration": visit.duration,
                        "language": language,
                        "sentences": len(answer.decisions),
                        "tokens": answer.tokens,
                        "padded": answer.padded,
                        "tokenise_s": answer.tokenise_s,
                        "forward_s": answer.forward_s,
                        "decode_s": answer.decode_s,
                    }
                )
            for name, found in decided.items():
                in_order = [decision for language in asked for decision in found[language]]
                if outputs.setdefault(name, in_order) != in_order:
                    raise RuntimeError(f"engine {engine.name}: condition {name} decided differently in block {block}")
            block += 1
    finally:
        gc.enable()
    return timings, outputs, block


def replicate(study: Study, number: int) -> dict[str, pd.DataFrame]:
    """One process: every engine that this machine can run, at every batch size, over all durations of one seed.

    Returns the frames of `timings`, `noise` (without `stalled`), `outputs`, `engines` and `exit_timings`, and, from the
    first process of each seed, of `fidelity` and `engine_scores`.
    """
    timing = study.inference
    seed = study.seeds[number % len(study.seeds)]
    session = Session.open(study, "4_inference", f"process-{number}")
    visits, spec = _visits(session, seed), session.encoder.spec
    torch.set_num_threads(hardware.cores())
    process = {"replicate": number, "seed": seed, "target": timing.target}
    frames: dict[str, list] = {name: [] for name in FRAMES}

    def built(entry: Deployment) -> Engine:
        length, stride = study.max_length(timing.target), study.training.stride
        return engines.make(
            entry, encoder.load(spec, tokenizer=session.encoder.tokenizer), task(timing.target), length, stride
        )

    rows, expected = _checked_rows(study), {}
    asked_of = {size: requests(study, size, number) for size in timing.batch_sizes}
    first = number < len(study.seeds)
    if first:
        expected = _outputs(built(REFERENCE), visits, rows)
    for name in timing.engines:
        if reason := engines.unavailable(name):
            frames["engines"].append({**process, "engine": name, "prepare_s": 0.0, "reason": reason})
            continue
        began = time.perf_counter()
        engine = built(ENGINES[name])
        converted = {visit.name: engine.convert(visit.weights) for visit in visits}
        engine.use(converted[visits[0].name])
        for requested in asked_of.values():  # the first request of a shape compiles, where an engine does
            for asked in requested.values():
                engine.answer(asked)
        prepare_s = time.perf_counter() - began
        frames["engines"].append({**process, "engine": name, "prepare_s": prepare_s, "reason": ""})
        if first:
            for key, output in _outputs(engine, visits, rows, converted).items():
                duration, language = key
                asked = rows[language]
                compared = {"seed": seed, "target": timing.target, "engine": name, "duration": duration}
                compared |= {"language": language, "items": len(asked)}
                frames["fidelity"].append(compared | fidelity.compare(output, expected[key]))
                scores = [fidelity.score(task(timing.target), asked, one, language) for one in (output, expected[key])]
                frames["engine_scores"].append(compared | {"score": scores[0], "reference_score": scores[1]})
        for size in timing.batch_sizes:
            keys = {**process, "engine": name, "batch_size": size}
            watch = NoiseWatch().start()
            timed, outputs, blocks = time_engine(
                engine, visits, converted, asked_of[size], timing.seconds, seed=1000 * number + size
            )
            noise = watch.stop()
            frames["timings"] += [{**keys, **row} for row in timed]
            frames["noise"].append({**keys, "blocks": blocks, **noise, "disturbed": disturbed(noise)})
            frames["outputs"] += [
                {
                    **keys,
                    "condition": visit.name,
                    "duration": visit.duration,
                    "sha256": hashlib.sha256(json.dumps(outputs[visit.name]).encode()).hexdigest(),
                }
                for visit in visits
            ]
    if timing.exits:
        frames["exit_timings"] = early_exit.measure(study, session, number, seed)
    return {
        name: pd.DataFrame(rows, columns=None if rows else list(TABLES[name].columns)) for name, rows in frames.items()
    }


def _visits(session: Session, seed: int) -> list[Condition]:
    """The conditions of a process, from stored checkpoints; a missing one is trained."""
    study, target = session.study, session.study.inference.target
    return conditions(study, {d: fine_tuned(session, target, name, d, seed) for name, d in study.timed_arms()})


def _checked_rows(study: Study) -> dict[str, list[dict]]:
    """The rows on which engines are compared with the reference: of those that are scored, in the timed languages."""
    target = study.inference.target
    limit = min(study.items_of(target), study.inference.checked)
    return {name: list(evaluation_rows(study, target, name, limit)) for name in study.inference.languages}


def _outputs(engine: Engine, visits: list[Condition], rows: dict, converted: dict | None = None) -> dict:
    """An engine's output for every (duration, language), without the controls."""
    found = {}
    for visit in visits:
        if visit.name not in latency.CONTROLS:
            engine.use(converted[visit.name] if converted else engine.convert(visit.weights))
            found |= {(visit.duration, name): fidelity.output(engine, asked) for name, asked in rows.items()}
    return found


def replicates(study: Study) -> dict[str, pd.DataFrame]:
    """All process replicates, one after another, each in a fresh process.

    Raises StudyError where this machine can run none of the engines.
    """
    reasons = {name: engines.unavailable(name) for name in study.inference.engines}
    able = [name for name in ENGINES if not engines.unavailable(name)]
    require(not all(reasons.values()), "inference.engines", reasons, f"on this machine also one of {', '.join(able)}")
    found = [apart(replicate, study, number) for number in range(study.inference.replicates)]
    frames = {name: pd.concat([frames[name] for frames in found], ignore_index=True) for name in found[0]}
    stalled = latency.stalled_blocks(frames["timings"])[[*latency.PROCESS, "stalled"]]
    return frames | {"noise": frames["noise"].merge(stalled, on=latency.PROCESS)}
