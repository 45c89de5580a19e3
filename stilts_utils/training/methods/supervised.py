"""Supervised intermediate training: every step is one of a task, or of several in proportion to their rows."""

from stilts_utils.training import rows
from stilts_utils.training.session import Session
from stilts_utils.training.trajectory import Training


def begin(session: Session, arm: str, seed: int, **options) -> Training:
    """The training on the tasks of an arm, at step 0."""
    settings = session.study.intermediate[arm]
    names = session.study.tasks_of(arm)
    return rows.training(session, names, seed, session.pretrained, settings, cap=settings.cap, **options)
