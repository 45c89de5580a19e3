"""The target phase: every target fine-tuned in English from one arm, and scored in every language."""

import pandas as pd

from stilts_utils.models.checkpoints import DTYPES, Weights, copy_into
from stilts_utils.study.settings import CONTROL, PRETRAINED
from stilts_utils.tasks import task
from stilts_utils.training.evaluation import Evaluation
from stilts_utils.training.fine_tuning import fine_tune
from stilts_utils.training.intermediate import start
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


def transfer(session: Session, targets: tuple[str, ...], arm: str, duration: int, seed: int):
    """Fine-tune every target from one arm and score it zero-shot: frames for `scores`, `items`, and rows of `training`.

    From duration 0, training then goes on: that is the duration-matched control, which spends the steps of every
    duration on the target itself. A retrieval target has nothing to train, and no control.
    """
    scored, logs = [], []
    run, control = _run(arm, duration, seed), _run(CONTROL, session.study.durations[-1], seed)
    weights = start(session, arm, duration, seed)
    for target in targets:
        rows = evaluation(session, target)
        if not task(target).trainable:
            scored.append(score_retrieval(session, weights, rows, **run))
            continue
        training = fine_tune(session, target, arm, duration, seed, weights)
        scored.append(score_model(session, training, rows, **run))
        last = training.step  # later steps are the control's
        if arm == PRETRAINED:
            scored += _control(session, training, seed, rows)
        logs += [{**(run if row["step"] <= last else control), "target": target, **row} for row in training.log]
    scores, items = zip(*scored, strict=True)
    return pd.concat(scores, ignore_index=True), pd.concat(items, ignore_index=True), logs


def _control(session: Session, training: Training, seed: int, rows: Evaluation) -> list[Scored]:
    first, scored = training.step, []
    for duration in session.study.durations[1:]:
        session.advance(training, first + duration)
        scored.append(score_model(session, training, rows, **_run(CONTROL, duration, seed)))
    return scored


def _run(arm: str, duration: int, seed: int) -> dict:
    return {"intermediate": arm, "duration": duration, "seed": seed}
