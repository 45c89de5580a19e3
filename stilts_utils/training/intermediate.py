"""The intermediate phase: one trajectory of an arm, with a checkpoint at every duration."""

from stilts_utils.models import checkpoints
from stilts_utils.models.checkpoints import Stored, Weights, snapshot
from stilts_utils.study.settings import PRETRAINED
from stilts_utils.tables import identity
from stilts_utils.training import rows
from stilts_utils.training.session import Session
from stilts_utils.training.trajectory import Training


def trajectory(session: Session, arm: str, seed: int) -> tuple[list[dict], list[dict]]:
    """Train one intermediate trajectory with a checkpoint at every duration: rows of `training`, `checkpoints`."""
    records, durations = [], session.study.durations_of(arm)[1:]
    training = begin(session, arm, seed)
    for duration in durations:
        session.advance(training, duration)
        with session.costs.part("store"):
            _stored(session, arm, duration, seed).save(training.weights)
            records.append(
                {
                    "intermediate": arm,
                    "duration": duration,
                    "seed": seed,
                    "examples": training.examples,
                    "tokens": training.tokens,
                    "parameters": sum(weights.numel() for weights in training.weights.values()),
                    "subnormals": checkpoints.subnormals(training.weights),
                    "distance": checkpoints.distance(training.weights, session.pretrained),
                }
            )
    run = {"intermediate": arm, "duration": durations[-1], "seed": seed, "target": PRETRAINED}
    return [{**run, **row} for row in training.log], records


def begin(session: Session, arm: str, seed: int) -> Training:
    """The training of an arm's trajectory, at step 0."""
    settings = session.study.intermediate[arm]
    names = session.study.tasks_of(arm)
    return rows.training(session, names, seed, session.pretrained, settings, cap=settings.cap)


def start(session: Session, arm: str, duration: int, seed: int) -> Weights:
    """Encoder weights after `duration` steps of an arm, trained here if they are not stored."""
    if arm == PRETRAINED:
        return session.pretrained
    stored = _stored(session, arm, duration, seed)

    def make() -> Weights:
        training = session.advance(begin(session, arm, seed), duration)
        stored.save(training.weights)
        return snapshot(training.weights)

    return stored.load_or_make(f"checkpoint of {arm} at {duration} steps, seed {seed}", make)


def _stored(session: Session, arm: str, duration: int, seed: int) -> Stored:
    return session.stored(identity.of_intermediate(session.study, arm, duration, seed), "intermediate")
