"""Paired timing of all durations: randomised blocks in one process, weights swapped in place, repeated in processes.

Every block asks every condition the same real requests: each duration, duration 0 again under another name (A/A), and
duration 0 held for a known share longer (planted). Conditions take turns with every single request, their weights swapped
in between (in ONNX Runtime, the session). The effect is a ratio to duration 0 within a block; the process is the unit of
the interval, since one process is one sample of memory layouts (Kalibera and Jones 2013; Mytkowicz et al. 2009).
"""

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
from stilts_utils.models import hardware
from stilts_utils.models.checkpoints import Weights
from stilts_utils.study.engines import ENGINES, REFERENCE
from stilts_utils.study.place import Place
from stilts_utils.study.study import Study
from stilts_utils.study.validation import require
from stilts_utils.tables.schema import TABLES
from stilts_utils.tasks import task
from stilts_utils.timing import early_exit
from stilts_utils.timing.noise import NoiseWatch, disturbed, uncollected
from stilts_utils.timing.processes import apart, engine_of
from stilts_utils.training.fine_tuning import fine_tuned
from stilts_utils.training.session import Session

LEAST_BLOCKS = 5
FRAMES = ("timings", "noise", "outputs", "engines", "fidelity", "engine_scores", "exit_timings")


@dataclass(frozen=True)
class Condition:
    """A checkpoint that blocks visit under a name, and the share by which its requests are held."""

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


def requests(study: Study, batch_size: int, place: int) -> dict[str, list[dict]]:
    """Real evaluation rows to answer: one request per language, of `batch_size` rows.

    Every process has the next rows of each language, from the first again after the last scored one, by its `place` among
    all processes, so that the spread between processes includes the spread between requests. Raises StudyError if a timed
    language has fewer rows.
    """
    target, timing = study.inference.target, study.inference
    limit = max(study.items_of(target), batch_size)
    request_of = {}
    for language in timing.languages:
        rows = list(evaluation_rows(study, target, language, limit))
        allowed = f"{len(rows)} or less: {target} has no more rows in {language}"
        require(len(rows) >= batch_size, "inference.batch_sizes", batch_size, allowed)
        request_of[language] = [rows[(place * batch_size + i) % len(rows)] for i in range(batch_size)]
    return request_of


def time_engine(
    engine: Engine,
    visits: list[Condition],
    converted: dict,
    requested: dict[str, list[dict]],
    seconds: float,
    seed: int,
):
    """Blocks for about `seconds`: rows of `timings` without the process's keys, decisions by condition, block count.

    In a block every language has its turn, in random order; in a turn every condition answers the request once, in random
    order. Single requests take turns because the speed of a shared machine drifts within a second: compared requests should
    lie close together. `converted` are the checkpoints of the conditions, by name, in the engine's form.
    """
    order, timings, outputs = random.Random(seed), [], {}
    for rows in requested.values():  # every shape once before anything counts
        engine.answer(rows)
    with uncollected():
        began, block = time.perf_counter(), 0
        while block < LEAST_BLOCKS or time.perf_counter() - began < seconds:
            decided: dict[str, dict[str, list]] = {visit.name: {} for visit in visits}
            turns = [
                (name, visit)
                for name in order.sample(list(requested), len(requested))
                for visit in order.sample(visits, len(visits))
            ]
            for position, (language, visit) in enumerate(turns):
                rows = requested[language]
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
            for name, by_language in decided.items():
                in_order = [decision for language in requested for decision in by_language[language]]
                if outputs.setdefault(name, in_order) != in_order:
                    raise RuntimeError(f"engine {engine.name}: condition {name} decided differently in block {block}")
            block += 1
    return timings, outputs, block


def replicate(study: Study, place: Place, seed: int, number: int) -> dict[str, pd.DataFrame]:
    """One process: every engine that this machine can run, at every batch size, over all durations of one seed.

    Returns the frames of `timings`, `noise` (without `stalled`), `outputs`, `engines` and `exit_timings`, and, from the
    first process of the seed, of `fidelity` and `engine_scores`.
    """
    timing = study.inference
    session = Session.open(study, place)
    visits = _visits(session, seed)
    torch.set_num_threads(hardware.cores())
    process = {"replicate": number, "seed": seed, "target": timing.target}
    frames: dict[str, list] = {name: [] for name in FRAMES}
    rows, expected = checked_rows(study), {}
    nth = seed * timing.replicates + number - study.processes(seed)[0]  # whatever other seeds there are
    requests_of = {size: requests(study, size, nth) for size in timing.batch_sizes}
    first = number == study.processes(seed)[0]
    if first:
        expected = _outputs(engine_of(session, REFERENCE, timing.target), visits, rows)
    for name in timing.engines:
        if reason := engines.unavailable(name):
            frames["engines"].append({**process, "engine": name, "prepare_s": 0.0, "reason": reason})
            continue
        began = time.perf_counter()
        engine = engine_of(session, ENGINES[name], timing.target)
        converted = {visit.name: engine.convert(visit.weights) for visit in visits}
        engine.use(converted[visits[0].name])
        for requested in requests_of.values():  # the first request of a shape compiles, if the engine does
            for texts in requested.values():
                engine.answer(texts)
        prepare_s = time.perf_counter() - began
        frames["engines"].append({**process, "engine": name, "prepare_s": prepare_s, "reason": ""})
        if first:
            for (duration, language), output in _outputs(engine, visits, rows, converted).items():
                checked, reference = rows[language], expected[duration, language]
                keys = {"seed": seed, "target": timing.target, "engine": name, "duration": duration}
                keys |= {"language": language, "items": len(checked)}
                frames["fidelity"].append(keys | fidelity.compare(output, reference))
                scores = [fidelity.score(task(timing.target), checked, one, language) for one in (output, reference)]
                frames["engine_scores"].append(keys | {"score": scores[0], "reference_score": scores[1]})
        for size in timing.batch_sizes:
            keys = {**process, "engine": name, "batch_size": size}
            watch = NoiseWatch().start()
            timed, outputs, blocks = time_engine(
                engine, visits, converted, requests_of[size], timing.seconds, seed=1000 * number + size
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


def checked_rows(study: Study) -> dict[str, list[dict]]:
    """The scored rows, in the timed languages, on which engines are compared with the reference."""
    target = study.inference.target
    limit = min(study.items_of(target), study.inference.checked)
    return {name: list(evaluation_rows(study, target, name, limit)) for name in study.inference.languages}


def _outputs(engine: Engine, visits: list[Condition], rows: dict, converted: dict | None = None) -> dict:
    """An engine's output for every (duration, language), without the controls."""
    outputs = {}
    for visit in visits:
        if visit.name not in latency.CONTROLS:
            engine.use(converted[visit.name] if converted else engine.convert(visit.weights))
            outputs |= {(visit.duration, name): fidelity.output(engine, checked) for name, checked in rows.items()}
    return outputs


def replicates(study: Study, place: Place, seed: int) -> dict[str, pd.DataFrame]:
    """All processes that time a seed, one after another, each in a fresh process.

    Raises StudyError if this machine can run none of the engines.
    """
    reasons = {name: engines.unavailable(name) for name in study.inference.engines}
    able = [name for name in ENGINES if not engines.unavailable(name)]
    require(not all(reasons.values()), "inference.engines", reasons, f"on this machine also one of {', '.join(able)}")
    processes = [apart(replicate, study, place, seed, number) for number in study.processes(seed)]
    frames = {name: pd.concat([frames[name] for frames in processes], ignore_index=True) for name in processes[0]}
    stalled = latency.stalled_blocks(frames["timings"])[[*latency.PROCESS, "stalled"]]
    return frames | {"noise": frames["noise"].merge(stalled, on=latency.PROCESS)}
