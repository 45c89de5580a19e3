"""Supervised intermediate training: every step is one of a task, or of several in proportion to their rows.

With `languages` that is training on translated intermediate data (Phang et al. 2020, variant ii): the rows are those of
generators, exact in every language, or of the translated sets that the hub has (`tasks.translated`).
"""

from stilts_utils.training import rows
from stilts_utils.training.session import Session
from stilts_utils.training.trajectory import Training


def begin(session: Session, arm: str, seed: int, **options) -> Training:
    """The training on the tasks of an arm, at step 0."""
    settings = session.study.intermediate[arm]
    names = session.study.tasks_of(arm)
    options |= {"cap": settings.cap, "languages": settings.languages}
    return rows.training(session, names, seed, session.pretrained, settings, **options)
