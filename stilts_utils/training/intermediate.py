"""The intermediate phase: one trajectory of an arm, with a checkpoint at every duration."""

import torch

from stilts_utils.models import checkpoints
from stilts_utils.models.checkpoints import Stored, Weights, snapshot
from stilts_utils.study.settings import PRETRAINED
from stilts_utils.tables import identity
from stilts_utils.training import rows
from stilts_utils.training.session import Session
from stilts_utils.training.trajectory import Training

COSTS = "costs"  # in a state: seconds, steps and tokens of training up to it


def trajectory(session: Session, arm: str, seed: int) -> tuple[list[dict], list[dict]]:
    """Train one intermediate trajectory with a checkpoint at every duration: rows of `training`, `checkpoints`.

    It goes on from the longest duration whose state is stored, if that was made from the same and every shorter duration has
    its checkpoint. The state is kept of one duration alone, the last one reached, since it is three times a checkpoint's size.
    """
    durations = session.study.durations_of(arm)[1:]
    training = begin(session, arm, seed)
    reached = _go_on(session, training, arm, seed, durations)
    for duration in (duration for duration in durations if duration > reached):
        session.advance(training, duration)
        with session.costs.part("store"):
            _stored(session, arm, duration, seed).save(training.weights)
            spent = torch.tensor(list(session.costs.of("train").values()), dtype=torch.float64)
            _state(session, arm, duration, seed).save(training.state() | {COSTS: spent})
            for other in durations:
                if other != duration:
                    _state(session, arm, other, seed).files[0].unlink(missing_ok=True)
    log = {row["step"]: row for row in training.log}
    records = []
    for duration in durations:
        weights = _stored(session, arm, duration, seed).load()
        records.append(
            {
                "intermediate": arm,
                "duration": duration,
                "seed": seed,
                "examples": log[duration]["examples"],
                "tokens": log[duration]["tokens"],
                "parameters": sum(tensor.numel() for tensor in weights.values()),
                "subnormals": checkpoints.subnormals(weights),
                "distance": checkpoints.distance(weights, session.pretrained),
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


def _go_on(session: Session, training: Training, arm: str, seed: int, durations: tuple[int, ...]) -> int:
    """Restore the training at the last duration that can be gone on from, and return that, or 0."""
    for place in reversed(range(len(durations))):
        state = _state(session, arm, durations[place], seed).load()
        if state and all(_stored(session, arm, shorter, seed).there() for shorter in durations[: place + 1]):
            seconds, steps, tokens = state.pop(COSTS).tolist()
            session.costs.add([{"part": "train", "seconds": seconds, "steps": int(steps), "tokens": int(tokens)}])
            training.restore(state)
            print(f"{arm}, seed {seed}: goes on from {durations[place]} steps")
            return durations[place]
    return 0


def _state(session: Session, arm: str, duration: int, seed: int) -> Stored:
    return session.stored(identity.of_intermediate(session.study, arm, duration, seed), "state")


def _stored(session: Session, arm: str, duration: int, seed: int) -> Stored:
    return session.stored(identity.of_intermediate(session.study, arm, duration, seed), "intermediate")
