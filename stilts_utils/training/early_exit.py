"""Early exit in the target phase: a target is trained with exits, and every exit's answers are recorded.

The same model is the dense one: its last exit answers at full depth. A checkpoint also holds the exits' answers to the
calibration rows, from which its deployment chooses a threshold.
"""

from dataclasses import dataclass

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
from stilts_utils.tasks import TRAINING_LANGUAGE
from stilts_utils.training import methods
from stilts_utils.training import rows as training_rows
from stilts_utils.training.evaluation import fast_attention
from stilts_utils.training.intermediate import start
from stilts_utils.training.session import Session
from stilts_utils.training.trajectory import Training, trained

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


@dataclass(frozen=True)
class Exited:
    """A target trained with exits, and its answers to the calibration rows: (rows, exits) each."""

    training: Training
    ids: list[str]
    confidence: torch.Tensor
    correct: torch.Tensor

    @property
    def weights(self) -> Weights:
        """What is stored: encoder, heads and the answers, before training goes on."""
        return trained(self.training) | {CONFIDENCE: self.confidence, CORRECT: self.correct}


def train(session: Session, arm: str, duration: int, seed: int, weights: Weights) -> Exited:
    """Train the study's exits from given encoder weights and store the result."""
    study, exits = session.study, session.study.inference.exits
    with session.costs.part("data"):
        rows, held_out = study_rows.calibration_rows(study, exits.target, seed, exits.calibration)
        task, length = session.task(exits.target), study.max_length(exits.target)
        lesson = training_rows.lesson(session, exits.target, rows)
        calibration = encode(task, held_out, session.encoder.tokenizer, length)
    recipe = adapt(study.training, study.targets[exits.target])
    layers = places(session.encoder.layers, exits.count)
    training = Training(session.encoder, [(task, lesson)], recipe, seed, weights, session.precision, exits=layers)
    session.advance(training, study.targets[exits.target].steps[0])
    methods.finish(session, training, arm, duration)
    with session.costs.part("evaluate"):
        found = answers(training.model, calibration, session.encoder.tokenizer.pad_token_id)
    exited = Exited(training, [row["id"] for row in held_out], *found)
    with session.costs.part("store"):
        stored(session, arm, duration, seed).save(exited.weights)
    return exited


def checkpoint(session: Session, arm: str, duration: int, seed: int) -> Weights:
    """The weights that `train` stores, trained here if they are not stored."""

    def make() -> Weights:
        return train(session, arm, duration, seed, start(session, arm, duration, seed)).weights

    name = f"model with exits from {arm} at {duration} steps, seed {seed}"
    return stored(session, arm, duration, seed).load_or_make(name, make)


def dense(weights: Weights, depth: int) -> Weights:
    """Encoder and head of a dense model: of a checkpoint with exits, the one that answers at full depth."""
    last = f"head.{depth}."
    encoder = {name: tensor for name, tensor in weights.items() if not name.startswith(("head.", "calibration."))}
    return encoder | {f"head.{name.removeprefix(last)}": w for name, w in weights.items() if name.startswith(last)}


def record(session: Session, exited: Exited, arm: str, duration: int, seed: int) -> pd.DataFrame:
    """Let every exit answer every row of the target, as it is trained now: the rows of `exits`."""
    study, target, layers = session.study, session.study.inference.exits.target, exited.training.model.layers
    run = {"intermediate": arm, "duration": duration, "seed": seed, "target": target}
    found = exited.confidence, exited.correct
    frames = [_rows(run, TRAINING_LANGUAGE, CALIBRATION, exited.ids, layers, *found)]
    with session.costs.part("evaluate") as part:
        for language in study_rows.available(study, target):
            rows = evaluation_rows(study, target, language, study.items_of(target))
            encoded = encode(session.task(target), rows, session.encoder.tokenizer, study.max_length(target))
            given = answers(exited.training.model, encoded, session.encoder.tokenizer.pad_token_id)
            frames.append(_rows(run, language, EVALUATION, rows["id"], layers, *given))
            part["tokens"] += encoded.tokens
    return pd.concat(frames, ignore_index=True)


def stored(session: Session, arm: str, duration: int, seed: int) -> Stored:
    """Where the model with exits is kept."""
    target = session.study.inference.exits.target
    return session.stored(identity.of_exits(session.study, arm, duration, seed), f"{target}-exits")


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
