"""The target phase: every target fine-tuned in English from one arm, and scored in every language."""

from collections.abc import Callable
from functools import cache, partial

import pandas as pd

from stilts_utils.models.checkpoints import DTYPES, Weights, copy_into
from stilts_utils.study.settings import CONTROL, PRETRAINED
from stilts_utils.tables import identity
from stilts_utils.tables.schema import TABLES
from stilts_utils.tasks import task
from stilts_utils.training import early_exit, effort
from stilts_utils.training.evaluation import Evaluation
from stilts_utils.training.fine_tuning import fine_tune, is_stored
from stilts_utils.training.intermediate import start
from stilts_utils.training.kept import Frames, kept
from stilts_utils.training.rows import evaluation
from stilts_utils.training.session import Session
from stilts_utils.training.trajectory import Training

Scored = tuple[pd.DataFrame, pd.DataFrame]  # rows of `scores`, rows of `items`


def score_model(session: Session, training: Training, rows: Evaluation, **run) -> Scored:
    """Scores and items of a fine-tuned model in every language of an evaluation."""
    with session.costs.part("evaluate") as part:
        part["tokens"] += rows.tokens
        return rows.of_model(training.model, **run)


def score_retrieval(session: Session, weights: Weights, rows: Evaluation, **run) -> Scored:
    """Scores and items of retrieval by every layer of an encoder with given weights, without a head."""
    with session.costs.part("evaluate") as part:
        part["tokens"] += rows.tokens
        session.encoder.model.to(DTYPES[session.precision]).eval()
        copy_into(session.encoder.trainable(), weights)
        return rows.of_encoder(**run)


def transfer(session: Session, targets: tuple[str, ...], arm: str, duration: int, seed: int) -> Frames:
    """Fine-tune every target from one arm and score it zero-shot: frames of `scores`, `items`, `training`, `exits`, `arms`.

    A target that an earlier try of the run scored from the same is not trained again, see `kept`; if its checkpoint is
    kept, that has to be there, too.
    """
    start_of = cache(lambda: start(session, arm, duration, seed))
    frames = []
    for target in targets:
        made_from = session.fingerprint(identity.of_scores(session.study, target, arm, duration, seed))
        make = partial(_one, session, target, arm, duration, seed, start_of)
        frames.append(kept(session, target, made_from, make, is_stored(session, target, arm, duration, seed)))
    return {name: _joined([each[name] for each in frames]) for name in frames[0]}


def _joined(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """One frame; empty ones, of no types, are left out if there are others."""
    return pd.concat([frame for frame in frames if len(frame)] or frames, ignore_index=True)


def _one(session: Session, target: str, arm: str, duration: int, seed: int, start_of: Callable[[], Weights]) -> Frames:
    """The frames of one target.

    From duration 0, training then goes on: that is the duration-matched control, which spends the steps of every
    duration on the target itself, if the study has a control of it.
    """
    run, rows = _run(arm, duration, seed), evaluation(session, target)
    log, exits, efforts = [], [], []
    if task(target).trainable:
        if session.study.with_exits(target):
            exited = early_exit.train(session, arm, duration, seed, start_of())
            training, exits = exited.training, early_exit.record(session, exited, arm, duration, seed)
        else:
            training = fine_tune(session, target, arm, duration, seed, start_of())
        scored = [score_model(session, training, rows, **run)]
        last = training.step  # later steps are the control's
        if session.study.in_target_phase(arm):
            efforts = [effort.spent(training.log, run, target, last - duration)]
        if arm == PRETRAINED and session.study.controlled(target):
            scored += _control(session, training, seed, rows)
            controls = [_run(CONTROL, steps, seed) for steps in session.study.durations[1:]]
            efforts = [effort.spent(training.log, control, target, last) for control in controls]
            log = effort.logged(training.log[last:], {**controls[-1], "target": target})
        log = effort.logged(training.log[:last], {**run, "target": target}) + log
    else:
        scored = [score_retrieval(session, start_of(), rows, **run)]
    scores, items = (pd.concat(parts, ignore_index=True) for parts in zip(*scored, strict=True))
    others = {"training": log, "exits": exits, "arms": efforts}
    frames = {name: pd.DataFrame(rows, columns=list(TABLES[name].columns)) for name, rows in others.items()}
    return {"scores": scores, "items": items, **frames}


def _control(session: Session, training: Training, seed: int, rows: Evaluation) -> list[Scored]:
    first, scored = training.step, []
    for duration in session.study.durations[1:]:
        session.advance(training, first + duration)
        scored.append(score_model(session, training, rows, **_run(CONTROL, duration, seed)))
    return scored


def _run(arm: str, duration: int, seed: int) -> dict:
    return {"intermediate": arm, "duration": duration, "seed": seed}
