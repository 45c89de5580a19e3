"""Timing of early exit: real requests, one by one and in batches, by a model that really stops.

Unlike a dense forward pass, how long this takes is a property of the weights. Every block visits, in random order, every
duration under every rule of `exits.rules`, in one process and the same memory as `timing` does.
"""

import gc
import random
import time
from itertools import chain

from stilts_utils import engines
from stilts_utils.analysis import exit_rules
from stilts_utils.analysis.exit_rules import FIXED, NEVER
from stilts_utils.analysis.latency import FEWEST_BLOCKS
from stilts_utils.data.study_rows import evaluation_rows
from stilts_utils.models import encoder
from stilts_utils.models.checkpoints import Weights
from stilts_utils.models.early_exit import places
from stilts_utils.study.engines import ENGINES
from stilts_utils.study.study import Study
from stilts_utils.study.validation import require
from stilts_utils.tasks import task
from stilts_utils.timing.noise import NoiseWatch, disturbed
from stilts_utils.training import early_exit
from stilts_utils.training.session import Session


def engine_name() -> str:
    """The engine that deploys exits on this machine: in bfloat16 where it has the instructions."""
    return "exit" if engines.unavailable("exit_bf16") else "exit_bf16"


def rules(study: Study, checkpoints: dict[int, Weights], layers: tuple[int, ...]) -> list[tuple]:
    """(rule, duration, threshold, last layer or None): what a block visits."""
    calibration = {
        duration: (weights[early_exit.CONFIDENCE].numpy(), weights[early_exit.CORRECT].numpy())
        for duration, weights in checkpoints.items()
    }
    found = exit_rules.thresholds(calibration, layers, study.inference.exits.points_lost)
    sure = [(rule, duration, threshold, None) for (rule, duration), threshold in found.items()]
    return sure + [(f"{FIXED}{layer}", duration, NEVER, layer) for duration in checkpoints for layer in layers]


def measure(study: Study, session: Session, number: int, seed: int) -> list[dict]:
    """Rows of `exit_timings` of one process: blocks for about `seconds`, `FEWEST_BLOCKS` at least, over all durations.

    Raises StudyError where a timed language has fewer rows than `requests`.
    """
    own = study.inference.exits
    checkpoints = {duration: early_exit.trained(session, name, duration, seed) for name, duration in study.timed_arms()}
    layers, length = places(session.encoder.layers, own.count), study.max_length(own.target)
    loaded = encoder.load(session.encoder.spec, tokenizer=session.encoder.tokenizer)
    engine = engines.make(ENGINES[engine_name()], loaded, task(own.target), length, study.training.stride, exits=layers)
    converted = {duration: engine.convert(weights) for duration, weights in checkpoints.items()}
    asked = _asked(study)
    visits, order, found = rules(study, checkpoints, layers), random.Random(number), []
    process = {"replicate": number, "seed": seed, "target": own.target, "engine": engine.name}
    engine.use(converted[0])
    for layer in layers:  # every shape once, at every depth, before anything counts
        engine.threshold, engine.last = NEVER, layer
        for languages in asked.values():
            for texts in chain.from_iterable(languages.values()):
                engine.answer(texts)
    gc.collect()
    gc.disable()
    try:
        watch, began, block = NoiseWatch().start(), time.perf_counter(), 0
        while block < FEWEST_BLOCKS or time.perf_counter() - began < own.seconds:
            for position, (rule, duration, threshold, last) in enumerate(order.sample(visits, len(visits))):
                engine.use(converted[duration])
                engine.threshold, engine.last = threshold, last
                for size, languages in asked.items():
                    engine.answer(next(iter(languages.values()))[0])  # warm-up
                    for language, requests in languages.items():
                        for request, texts in enumerate(requests):
                            engine.computed = 0
                            answer = engine.answer(texts)
                            found.append(
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
    finally:
        gc.enable()
    return [row | {"disturbed": noisy} for row in found]


def _asked(study: Study) -> dict[int, dict[str, list[list[dict]]]]:
    """Batch size -> language -> requests, each a list of rows."""
    own, asked = study.inference.exits, {1: {}, study.inference.exits.batch_size: {}}
    for language in study.inference.languages:
        rows = list(evaluation_rows(study, own.target, language, own.requests))
        allowed = f"{len(rows)} or less: {own.target} has no more rows in {language}"
        require(len(rows) == own.requests, "inference.exits.requests", own.requests, allowed)
        for size, languages in asked.items():
            languages[language] = [rows[i : i + size] for i in range(0, len(rows), size)]
    return asked
