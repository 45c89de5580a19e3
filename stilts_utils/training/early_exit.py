"""Early exit in the target phase: the target is trained once more, with exits, and every exit's answers are recorded.

A checkpoint also holds the exits' answers to the calibration rows, from which its deployment chooses a threshold.
"""

import pandas as pd
import torch

from stilts_utils.analysis.exit_rules import CALIBRATION, EVALUATION
from stilts_utils.data import study_rows
from stilts_utils.data.study_rows import evaluation_rows
from stilts_utils.models import heads
from stilts_utils.models.batches import Encoded, collated, encode
from stilts_utils.models.checkpoints import Stored, Weights
from stilts_utils.models.early_exit import ExitModel, places
from stilts_utils.study.settings import adapt
from stilts_utils.tables import identity
from stilts_utils.tables.schema import TABLES
from stilts_utils.tasks import TRAINING_LANGUAGE
from stilts_utils.training import fine_tuning
from stilts_utils.training import rows as training_rows
from stilts_utils.training.evaluation import fast_attention
from stilts_utils.training.intermediate import start
from stilts_utils.training.kept import kept
from stilts_utils.training.session import Session
from stilts_utils.training.trajectory import Training

CONFIDENCE, CORRECT = "calibration.confidence", "calibration.correct"  # (rows, exits) float32 each


def answers(model: ExitModel, encoded: Encoded, pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Every exit's highest softmax probability and whether its decision is right (1 or 0): (rows, exits) each."""
    confidence, correct = (torch.empty(len(encoded), len(model.layers)) for _ in range(2))
    with fast_attention(model.encoder):
        for rows, _, logits in heads.run(model.at_exits, collated(encoded, pad)):
            best = logits.float().softmax(-1).cpu().max(-1)
            gold = torch.tensor([encoded.gold[row] for row in rows])
            confidence[rows], correct[rows] = best.values.T, (best.indices == gold).float().T
    return confidence, correct


def train(session: Session, intermediate: str, duration: int, seed: int) -> tuple[Training, Weights, list[str]]:
    """Train the study's exits from one checkpoint and keep the result.

    Returns the training, what was stored and the ids of the calibration rows.
    """
    study, exits, arm = session.study, session.study.inference.exits, (intermediate, duration, seed)
    with session.costs.part("data"):
        rows, held_out = study_rows.calibration_rows(study, exits.target, seed, exits.calibration)
        task, length = session.task(exits.target), study.max_length(exits.target)
        lesson = training_rows.lesson(session, exits.target, rows)
        calibration = encode(task, held_out, session.encoder.tokenizer, length)
    recipe = adapt(study.training, study.targets[exits.target])
    layers = places(session.encoder.layers, exits.count)
    weights = start(session, *arm)
    training = Training(session.encoder, [(task, lesson)], recipe, seed, weights, session.precision, exits=layers)
    session.advance(training, study.targets[exits.target].steps[0])
    with session.costs.part("evaluate"):
        confidence, correct = answers(training.model, calibration, session.encoder.tokenizer.pad_token_id)
    weights = fine_tuning.trained(training) | {CONFIDENCE: confidence, CORRECT: correct}
    with session.costs.part("store"):
        _stored(session, *arm).save(weights)
    return training, weights, [row["id"] for row in held_out]


def trained(session: Session, intermediate: str, duration: int, seed: int) -> Weights:
    """The weights that `train` stores, trained here if they are not stored."""
    arm = (intermediate, duration, seed)
    name = f"model with exits from {intermediate} at {duration} steps, seed {seed}"
    return _stored(session, *arm).load_or_make(name, lambda: train(session, *arm)[1])


def record(session: Session, targets: tuple[str, ...], intermediate: str, duration: int, seed: int) -> pd.DataFrame:
    """Train with exits and let every exit answer every row: the rows of `exits`.

    There are none if the study has no exits, or not for one of the targets. Those that an earlier try of the run recorded
    from the same are taken, see `kept`.
    """
    study, exits = session.study, session.study.inference.exits
    if not exits or exits.target not in targets:
        return pd.DataFrame(columns=list(TABLES["exits"].columns))
    arm = (intermediate, duration, seed)
    scored = identity.of_scores(study, exits.target, *arm)
    made_from = f"{session.fingerprint(scored)} {_stored(session, *arm).made_from}"
    there = _stored(session, *arm).there()
    return kept(session, f"{exits.target}-exits", made_from, lambda: {"exits": _recorded(session, *arm)}, there)[
        "exits"
    ]


def _recorded(session: Session, intermediate: str, duration: int, seed: int) -> pd.DataFrame:
    study, target = session.study, session.study.inference.exits.target
    training, weights, ids = train(session, intermediate, duration, seed)
    run = {"intermediate": intermediate, "duration": duration, "seed": seed, "target": target}
    frames = [
        _rows(run, TRAINING_LANGUAGE, CALIBRATION, ids, training.model.layers, weights[CONFIDENCE], weights[CORRECT])
    ]
    with session.costs.part("evaluate") as part:
        for language in study_rows.available(study, target):
            rows = evaluation_rows(study, target, language, study.items_of(target))
            encoded = encode(session.task(target), rows, session.encoder.tokenizer, study.max_length(target))
            given = answers(training.model, encoded, session.encoder.tokenizer.pad_token_id)
            frames.append(_rows(run, language, EVALUATION, rows["id"], training.model.layers, *given))
            part["tokens"] += encoded.tokens
    return pd.concat(frames, ignore_index=True)


def _rows(run: dict, language: str, split: str, ids, layers, confidence, correct) -> pd.DataFrame:
    frames = [
        pd.DataFrame(
            {
                **run,
                "language": language,
                "split": split,
                "item": list(ids),
                "layer": layer,
                "confidence": confidence[:, place].double().numpy(),
                "correct": correct[:, place].double().numpy(),
            }
        )
        for place, layer in enumerate(layers)
    ]
    return pd.concat(frames, ignore_index=True)


def _stored(session: Session, *arm) -> Stored:
    target = session.study.inference.exits.target
    return session.stored(identity.of_exits(session.study, *arm), f"{target}-exits")
