"""The rows of a study, tokenised: to train on, and to evaluate on."""

from datasets import Dataset

from stilts_utils.data import study_rows
from stilts_utils.models.batches import Encoded, encode
from stilts_utils.models.checkpoints import Weights
from stilts_utils.study.settings import Arm, Fit, adapt
from stilts_utils.tasks import TRAINING_LANGUAGE, task
from stilts_utils.training.evaluation import Evaluation
from stilts_utils.training.session import Session
from stilts_utils.training.trajectory import Training

ENGLISH = (TRAINING_LANGUAGE,)


def training_rows(
    session: Session, name: str, seed: int, stage: int = 0, languages: tuple[str, ...] = ENGLISH
) -> Encoded:
    """Training rows of one of a task's stages, tokenised; English unless other languages are given."""
    rows = study_rows.training_rows(session.study, name, seed, stage=stage, languages=languages)
    return lesson(session, name, rows, languages)


def lesson(session: Session, name: str, rows: Dataset, languages: tuple[str, ...] = ENGLISH) -> Encoded:
    """Training rows of a task, without those that occur in evaluation rows, tokenised."""
    study = session.study
    rows = study_rows.apart(study, name, rows, languages)
    length, stride = study.max_length(name), study.training.stride
    return encode(session.task(name), rows, session.encoder.tokenizer, length, stride=stride, training=True)


def training(
    session: Session,
    names: tuple[str, ...],
    seed: int,
    start: Weights,
    changes: Arm | Fit,
    languages: tuple[str, ...] | None = None,
    **options,
) -> Training:
    """A training on the rows of some tasks, by the study's recipe with the changes of an arm or a target."""
    with session.costs.part("data"):
        tasks = [
            (session.task(name), training_rows(session, name, seed, languages=languages or ENGLISH)) for name in names
        ]
    recipe = adapt(session.study.training, changes)
    return Training(session.encoder, tasks, recipe, seed, start, session.precision, **options)


def evaluation(session: Session, target: str, languages: list[str] | None = None) -> Evaluation:
    """The target's evaluation rows in every language of the study that the source has."""
    study, limit = session.study, session.study.items_of(target)
    with session.costs.part("data"):
        languages = languages or study_rows.available(study, target)
        scored = study_rows.evaluations(study, target, languages, limit)
        rows = {language: list(of_language) for language, of_language in scored.items()}
        candidates = None
        if not task(target).trainable:
            # If all rows are asked for, so are all candidates: those of Mewsli-X that answer no row, too.
            most = limit if any(len(of_language) == limit for of_language in rows.values()) else None
            candidates = {name: list(study_rows.candidates(study, target, name, most)) for name in languages}
            if not study.candidate_context:
                candidates = {name: [row | {"context": ""} for row in pool] for name, pool in candidates.items()}
        length, stride = study.max_length(target), study.training.stride
        return Evaluation(session.task(target), rows, session.encoder, length, stride=stride, candidates=candidates)


def validation(session: Session, name: str, limit: int = study_rows.VALIDATION_ROWS) -> Evaluation:
    """The held-out English rows on which an intermediate task is scored itself."""
    study = session.study
    with session.costs.part("data"):
        rows = {TRAINING_LANGUAGE: list(study_rows.validation_rows(study, name, limit))}
        length, stride = study.max_length(name), study.training.stride
        return Evaluation(session.task(name), rows, session.encoder, length, stride=stride)
