"""The ways to spend an arm's steps, one module each; `study.methods` is their registry.

A module of the phase `intermediate` has `begin(session, arm, seed) -> Training`: `supervised` trains on tasks alone, `mlm`
with masked language modelling beside them or alone, `lexical` adapters on word pairs; it may also have
`measured(session, arm, seed, duration, weights)`, rows of the table that bears its name. One of the phase `target` has
`lesson(given, arm, seed, special) -> TaskLesson`, by which the training of a target goes on: `adversarial`, and
`smoothing` by random perturbations or synonyms.
"""

from importlib import import_module
from types import ModuleType

from stilts_utils.models.checkpoints import Weights
from stilts_utils.study.methods import SUPERVISED
from stilts_utils.study.settings import Arm
from stilts_utils.study.validation import require
from stilts_utils.training.methods import supervised
from stilts_utils.training.session import Session
from stilts_utils.training.trajectory import Training


def _module(arm: Arm) -> ModuleType:
    """Imported by no name: the code of a method counts in the identities of its own arms alone (`tables.identity`)."""
    return supervised if arm.method == SUPERVISED else import_module(f"{__name__}.{arm.entry.module}")


def begin(session: Session, arm: str, seed: int) -> Training:
    """The training of an arm's trajectory, at step 0. Raises StudyError for an arm of the target phase."""
    settings = session.study.intermediate[arm]
    said = "an arm of the intermediate phase: this one has no trajectory, and goes on with every target"
    require(not settings.in_target_phase, "intermediate", arm, said)
    return _module(settings).begin(session, arm, seed)


def measured(session: Session, arm: str, seed: int, duration: int, weights: Weights) -> dict[str, list[dict]]:
    """What the method of an arm itself records of a checkpoint: rows of the table with the name of its module, if any."""
    name = session.study.intermediate[arm].entry.module
    record = getattr(_module(session.study.intermediate[arm]), "measured", None)
    return {name: record(session, arm, seed, duration, weights)} if record else {}


def finish(session: Session, training: Training, arm: str, duration: int) -> None:
    """Spend the steps of an arm of the target phase on a target that was fine-tuned from the pretrained encoder.

    Rows, head, optimizer and the order of batches go on as they are: the duration-matched control does the same without the
    method. An arm of another phase has spent its steps before.
    """
    if session.study.in_target_phase(arm):
        settings, special = session.study.intermediate[arm], session.encoder.tokenizer.all_special_ids
        training.lessons[0] = _module(settings).lesson(training.lessons[0], settings, training.seed, special)
        session.advance(training, training.step + duration)
