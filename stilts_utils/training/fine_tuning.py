"""Fine-tuning a target in English, and the stored weights of the target that is timed."""

from stilts_utils.models.checkpoints import Stored, Weights
from stilts_utils.tables import identity
from stilts_utils.training import early_exit, methods, rows
from stilts_utils.training.intermediate import start
from stilts_utils.training.session import Session
from stilts_utils.training.trajectory import Training, trained


def fine_tune(session: Session, target: str, arm: str, duration: int, seed: int, weights: Weights) -> Training:
    """Fine-tune a target from given encoder weights; the result is stored if the study times the target.

    An arm of the target phase then goes on with its own steps.
    """
    fit, until = session.study.targets[target], 0
    training = rows.training(session, (target,), seed, weights, fit)
    for stage, steps in enumerate(fit.steps):
        if stage:
            with session.costs.part("data"):
                training.go_on_with(rows.training_rows(session, target, seed, stage), stage)
        until += steps
        session.advance(training, until)
    methods.finish(session, training, arm, duration)
    if target == session.study.inference.target:
        with session.costs.part("store"):
            _stored(session, target, arm, duration, seed).save(trained(training))
    return training


def fine_tuned(session: Session, target: str, arm: str, duration: int, seed: int) -> Weights:
    """Encoder and head weights of a fine-tuned target, trained here if they are not stored.

    Of the target that is trained with exits, those of the last one.
    """
    if session.study.with_exits(target):
        return early_exit.dense(early_exit.checkpoint(session, arm, duration, seed), session.encoder.layers)

    def make() -> Weights:
        begin = start(session, arm, duration, seed)
        return trained(fine_tune(session, target, arm, duration, seed, begin))

    name = f"{target} from {arm} at {duration} steps, seed {seed}"
    return _stored(session, target, arm, duration, seed).load_or_make(name, make)


def is_stored(session: Session, target: str, arm: str, duration: int, seed: int) -> bool:
    """Whether the fine-tuned target is stored, if the study keeps it."""
    if session.study.with_exits(target):
        return early_exit.stored(session, arm, duration, seed).there()
    if target != session.study.inference.target:
        return True
    return _stored(session, target, arm, duration, seed).there()


def _stored(session: Session, target: str, arm: str, duration: int, seed: int) -> Stored:
    return session.stored(identity.of_target(session.study, target, arm, duration, seed), target)
