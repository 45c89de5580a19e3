"""Timing of early exit: real requests, one by one and in batches, by a model that really stops.

Unlike a dense forward pass, how long this takes is a property of the weights. In a block every duration under every rule
(`rules`) answers every request; they take turns with each request, in random order, in one process and the same memory, because
the speed of a shared machine drifts within a second, as in `paired`.
"""

import random
import time
from itertools import product

from stilts_utils import engines
from stilts_utils.analysis import exit_rules
from stilts_utils.analysis.exit_rules import FIXED, NEVER
from stilts_utils.analysis.latency import FEWEST_BLOCKS
from stilts_utils.data.study_rows import evaluation_rows
from stilts_utils.models.checkpoints import Weights
from stilts_utils.models.early_exit import places
from stilts_utils.study.engines import ENGINES
from stilts_utils.study.study import Study
from stilts_utils.study.validation import require
from stilts_utils.timing.noise import NoiseWatch, disturbed, uncollected
from stilts_utils.timing.processes import engine_of
from stilts_utils.training import early_exit
from stilts_utils.training.session import Session


def engine_name() -> str:
    """The engine that deploys exits on this machine: in bfloat16 if it has the instructions."""
    return "exit" if engines.unavailable("exit_bf16") else "exit_bf16"


def rules(study: Study, checkpoints: dict[int, Weights], layers: tuple[int, ...]) -> list[tuple]:
    """The visits of a block: (rule, duration, threshold, last layer or None)."""
    calibration = {
        duration: (weights[early_exit.CONFIDENCE].numpy(), weights[early_exit.CORRECT].numpy())
        for duration, weights in checkpoints.items()
    }
    thresholds = exit_rules.thresholds(calibration, layers, study.inference.exits.points_lost)
    sure = [(rule, duration, threshold, None) for (rule, duration), threshold in thresholds.items()]
    return sure + [(f"{FIXED}{layer}", duration, NEVER, layer) for duration in checkpoints for layer in layers]


def measure(study: Study, session: Session, number: int, seed: int) -> list[dict]:
    """Rows of `exit_timings` of one process: blocks for about `seconds`, `FEWEST_BLOCKS` at least, over all durations.

    Raises StudyError if a timed language has fewer rows than `requests`.
    """
    exits = study.inference.exits
    checkpoints = {
        duration: early_exit.checkpoint(session, name, duration, seed) for name, duration in study.timed_arms()
    }
    layers = places(session.encoder.layers, exits.count)
    engine = engine_of(session, ENGINES[engine_name()], exits.target, exits=layers)
    converted = {duration: engine.convert(weights) for duration, weights in checkpoints.items()}
    requests = requests_of(study)
    visits, order, rows = rules(study, checkpoints, layers), random.Random(number), []
    process = {"replicate": number, "seed": seed, "target": exits.target, "engine": engine.name}
    engine.use(converted[0])
    for layer in layers:  # every shape once, at every depth, before anything counts
        engine.threshold, engine.last = NEVER, layer
        for size, language in product(requests, study.inference.languages):
            for texts in requests[size][language]:
                engine.answer(texts)
    with uncollected():
        watch, began, block = NoiseWatch().start(), time.perf_counter(), 0
        while block < FEWEST_BLOCKS or time.perf_counter() - began < exits.seconds:
            for size, language in product(requests, study.inference.languages):
                for request, texts in enumerate(requests[size][language]):
                    for position, (rule, duration, threshold, last) in enumerate(order.sample(visits, len(visits))):
                        engine.use(converted[duration])
                        engine.threshold, engine.last, engine.computed = threshold, last, 0
                        answer = engine.answer(texts)
                        rows.append(
                            {
                                **process,
                                "batch_size": size,
                                "block": block,
                                "position": position,
                                "rule": rule,
                                "duration": duration,
                                "language": language,
                                "request": request,
                                "sentences": len(texts),
                                "tokens": answer.tokens,
                                "layers": engine.computed,
                                "seconds": answer.tokenise_s + answer.forward_s + answer.decode_s,
                            }
                        )
            block += 1
        noisy = disturbed(watch.stop())
    return [row | {"disturbed": noisy} for row in rows]


def requests_of(study: Study) -> dict[int, dict[str, list[list[dict]]]]:
    """Batch size -> language -> requests, each a list of rows."""
    exits, requests = study.inference.exits, {1: {}, study.inference.exits.batch_size: {}}
    for language in study.inference.languages:
        rows = list(evaluation_rows(study, exits.target, language, exits.requests))
        allowed = f"{len(rows)} or less: {exits.target} has no more rows in {language}"
        require(len(rows) == exits.requests, "inference.exits.requests", exits.requests, allowed)
        for size, languages in requests.items():
            languages[language] = [rows[i : i + size] for i in range(0, len(rows), size)]
    return requests
