"""The work of every checkpoint by every engine: hashed operations on fixed requests, apart from anything timed.

Requests are those of the first process, for every seed the same, so that nothing but weights differs between rows.
"""

from itertools import product

import torch

from stilts_utils import engines
from stilts_utils.analysis.work import DENSE
from stilts_utils.engines import Engine, trace
from stilts_utils.models import hardware
from stilts_utils.models.checkpoints import Weights, subnormals
from stilts_utils.models.early_exit import places
from stilts_utils.study.engines import ENGINES, REFERENCE
from stilts_utils.study.place import Place
from stilts_utils.study.study import Study
from stilts_utils.timing import early_exit, paired
from stilts_utils.timing.processes import apart, engine_of
from stilts_utils.training import early_exit as trained_exits
from stilts_utils.training.fine_tuning import fine_tuned
from stilts_utils.training.session import Session


def traced(study: Study, place: Place, seed: int) -> list[dict]:
    """Rows of `work` of one seed, in a fresh process."""
    return apart(of_seed, study, place, seed)


def of_seed(study: Study, place: Place, seed: int) -> list[dict]:
    """Rows of `work` of one seed: all durations, engines that this machine can run, batch sizes and timed languages."""
    session = Session.open(study, place)
    torch.set_num_threads(hardware.cores())
    return _dense(session, seed) + (_exits(session, seed) if study.inference.exits else [])


def _row(arm: str, duration: int, seed: int, engine: Engine, size: int, language: str, rule: str, rows: int) -> dict:
    keys = {"intermediate": arm, "duration": duration, "seed": seed, "target": engine.task.name, "engine": engine.name}
    return keys | {"batch_size": size, "language": language, "rule": rule, "sentences": rows}


def _dense(session: Session, seed: int) -> list[dict]:
    study, timing, rows = session.study, session.study.inference, []
    checkpoints = {arm: fine_tuned(session, timing.target, *arm, seed) for arm in study.timed_arms()}
    asked = {
        (size, language): request
        for size in timing.batch_sizes
        for language, request in paired.requests(study, size, 0).items()
    }
    reference = engine_of(session, REFERENCE, timing.target)
    small = {
        (arm, setting): trace.work(reference, weights, [request]).subnormal_activations
        for (arm, weights), (setting, request) in product(checkpoints.items(), asked.items())
    }
    for name in timing.engines:
        if engines.unavailable(name):
            continue
        engine = engine_of(session, ENGINES[name], timing.target)
        for arm, weights in checkpoints.items():
            counted = subnormals(_deployed(engine, weights))
            for setting, request in asked.items():
                work = trace.work(engine, weights, [request], small[arm, setting])
                keys = _row(*arm, seed, engine, *setting, DENSE, len(request))
                layers = {"layers": session.encoder.layers * len(request)}
                rows.append(keys | layers | {"subnormal_weights": counted} | vars(work))
    return rows


def _exits(session: Session, seed: int) -> list[dict]:
    """Early exit by every rule, on the timed requests of a language and batch size together."""
    study, exits, rows = session.study, session.study.inference.exits, []
    arms = dict((duration, arm) for arm, duration in study.timed_arms())
    checkpoints = {duration: trained_exits.checkpoint(session, arm, duration, seed) for duration, arm in arms.items()}
    layers = places(session.encoder.layers, exits.count)
    engine = engine_of(session, ENGINES[early_exit.engine_name()], exits.target, exits=layers)
    asked = early_exit.requests_of(study)
    for rule, duration, threshold, last in early_exit.rules(study, checkpoints, layers):
        weights = checkpoints[duration]
        counted = subnormals(_deployed(engine, weights))
        engine.threshold, engine.last = threshold, last
        for size, languages in asked.items():
            for language, requests in languages.items():
                engine.computed = 0
                work = trace.work(engine, weights, requests)
                keys = _row(arms[duration], duration, seed, engine, size, language, rule, sum(map(len, requests)))
                rows.append(keys | {"layers": engine.computed, "subnormal_weights": counted} | vars(work))
    return rows


def _deployed(engine: Engine, weights: Weights) -> Weights:
    """The weights that an engine computes with, in its precision; before they are quantised, if they are."""
    if engine.deployment.runtime == "onnxruntime":
        return weights
    return {str(number): tensor for number, tensor in enumerate(engine.convert(weights))}
