"""The intermediate phase: one trajectory of an arm, with a checkpoint at every duration."""

import torch

from stilts_utils.models import checkpoints
from stilts_utils.models.checkpoints import Stored, Weights, snapshot
from stilts_utils.study.settings import PRETRAINED
from stilts_utils.tables import identity
from stilts_utils.training import effort, rows
from stilts_utils.training.evaluation import Evaluation
from stilts_utils.training.methods import begin, measured
from stilts_utils.training.session import Session
from stilts_utils.training.trajectory import Training

# In a state: seconds, steps and tokens of some parts up to it; and rows of `validation` up to it, as numbers.
COSTS, PARTS, VALIDATION = "costs", ("train", "evaluate"), "validation"


def trajectory(session: Session, arm: str, seed: int) -> dict[str, list[dict]]:
    """Train one intermediate trajectory with a checkpoint at every duration: rows of tables, by name.

    It goes on from the longest duration whose state is stored, if that was made from the same and every shorter duration has
    its checkpoint and was validated. The state is kept of one duration alone, the last one reached, since it is three times a
    checkpoint's size.
    """
    durations = session.study.durations_of(arm)[1:]
    training = begin(session, arm, seed)
    held_out = [rows.validation(session, name) for name in session.study.tasks_of(arm)]
    reached, validated = _go_on(session, training, arm, seed, durations)
    for duration in (duration for duration in durations if duration > reached):
        session.advance(training, duration)
        validated += _validated(session, training, held_out, duration)
        with session.costs.part("store"):
            _stored(session, arm, duration, seed).save(training.weights)
            spent = torch.tensor([list(session.costs.of(part).values()) for part in PARTS], dtype=torch.float64)
            so_far = {COSTS: spent, VALIDATION: torch.tensor(validated, dtype=torch.float64)}
            _state(session, arm, duration, seed).save(training.state() | so_far)
            for other in durations:
                if other != duration:
                    _state(session, arm, other, seed).files[0].unlink(missing_ok=True)
    log = {row["step"]: row for row in training.log}
    records, of_method = [], measured(session, arm, seed, 0, session.pretrained)
    for duration in durations:
        weights = _stored(session, arm, duration, seed).load()
        for table, found in measured(session, arm, seed, duration, weights).items():
            of_method[table] += found
        records.append(
            {
                "intermediate": arm,
                "duration": duration,
                "seed": seed,
                "examples": log[duration]["examples"],
                "tokens": log[duration]["tokens"],
                "parameters": sum(weights[name].numel() for name in session.pretrained),
                "subnormals": checkpoints.subnormals(weights),
                "distance": checkpoints.distance(weights, session.pretrained),
            }
        )
    run = {"intermediate": arm, "seed": seed}
    return {
        "training": effort.logged(training.log, {**run, "duration": durations[-1], "target": PRETRAINED}),
        "checkpoints": records,
        "validation": _named(validated, held_out, arm, seed),
        "arms": [effort.spent(training.log, {**run, "duration": duration}, PRETRAINED) for duration in durations],
        **of_method,
    }


def _validated(session: Session, training: Training, held_out: list[Evaluation], duration: int) -> list[list[float]]:
    """The scores of every task of the arm as the training stands: duration, place of the task, of its metric, score, items."""
    scored = []
    with session.costs.part("evaluate") as part:
        lessons = [lesson for lesson in training.lessons if lesson.task]
        for place, (lesson, evaluation) in enumerate(zip(lessons, held_out, strict=True)):
            part["tokens"] += evaluation.tokens
            scores = evaluation.of_model(lesson.model)[0].set_index("metric")
            for number, metric in enumerate(evaluation.task.metrics):
                scored.append([duration, place, number, scores.score[metric], scores["items"][metric]])
    return scored


def _named(validated: list[list[float]], held_out: list[Evaluation], arm: str, seed: int) -> list[dict]:
    """Rows of the table `validation`."""
    named = []
    for duration, place, metric, score, items in validated:
        run = {"intermediate": arm, "duration": int(duration), "seed": seed}
        entry = held_out[int(place)].task
        named.append(
            {**run, "task": entry.name, "metric": entry.metrics[int(metric)], "score": score, "items": int(items)}
        )
    return named


def start(session: Session, arm: str, duration: int, seed: int) -> Weights:
    """Encoder weights after `duration` steps of an arm, trained here if they are not stored.

    The pretrained ones of an arm of the target phase: its steps come after those on the target.
    """
    if arm == PRETRAINED or session.study.in_target_phase(arm):
        return session.pretrained
    stored = _stored(session, arm, duration, seed)

    def make() -> Weights:
        training = session.advance(begin(session, arm, seed), duration)
        stored.save(training.weights)
        return snapshot(training.weights)

    return stored.load_or_make(f"checkpoint of {arm} at {duration} steps, seed {seed}", make)


def _go_on(
    session: Session, training: Training, arm: str, seed: int, durations: tuple[int, ...]
) -> tuple[int, list[list[float]]]:
    """Restore the training at the last duration that can be gone on from, and return that, or 0, and what was validated."""
    for place in reversed(range(len(durations))):
        state, shorter = _state(session, arm, durations[place], seed).load(), durations[: place + 1]
        validated = state.pop(VALIDATION).tolist() if state else []
        whole = {row[0] for row in validated} == set(shorter) or not session.study.tasks_of(arm)
        if state and whole and all(_stored(session, arm, duration, seed).there() for duration in shorter):
            for part, (seconds, steps, tokens) in zip(PARTS, state.pop(COSTS).tolist(), strict=True):
                session.costs.add([{"part": part, "seconds": seconds, "steps": int(steps), "tokens": int(tokens)}])
            training.restore(state)
            print(f"{arm}, seed {seed}: goes on from {durations[place]} steps")
            return durations[place], validated
    return 0, []


def _state(session: Session, arm: str, duration: int, seed: int) -> Stored:
    return session.stored(identity.of_intermediate(session.study, arm, duration, seed), "state")


def _stored(session: Session, arm: str, duration: int, seed: int) -> Stored:
    return session.stored(identity.of_intermediate(session.study, arm, duration, seed), "intermediate")
