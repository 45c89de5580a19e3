"""Where rows come from. A source is a module with `tasks`, `splits`, `languages`, `supports` and `rows`."""

from types import ModuleType

from datasets import Dataset

from stilts_utils.sources import embedded
from stilts_utils.tasks import task as task_of

SOURCES: dict[str, ModuleType] = {"embedded": embedded}


def _source(name: str, task: str) -> ModuleType:
    if name not in SOURCES:
        raise ValueError(f"source is {name!r}, allowed: {', '.join(SOURCES)}; leave it out to use 'embedded'")
    task_of(task)
    if task not in SOURCES[name].tasks():
        allowed = ", ".join(SOURCES[name].tasks())
        raise ValueError(f"task is {task!r}, allowed with source {name!r}: {allowed}; choose one or another source")
    return SOURCES[name]


def languages(task: str, source: str = "embedded") -> tuple[str, ...]:
    """Codes of the languages in which a source has the task, in alphabetical order.

    Raises ValueError for an unknown task or source.
    """
    return _source(source, task).languages(task)


def load(
    task: str, language: str, split: str, *, seed: int = 0, limit: int | None = None, source: str = "embedded"
) -> Dataset:
    """Rows of a task in a language, with the columns of `tasks.Task.features`.

    `split` is train, validation or test; retrieval tasks have only test. `seed` draws the training rows: evaluation
    rows are the same whatever it is. `limit` keeps the first rows (None: all; more than there are: all). No item of
    one split, in any language, is in another split.

    Raises ValueError naming the argument that is wrong and what it may be.
    """
    module = _source(source, task)
    if split not in module.splits(task):
        allowed = ", ".join(module.splits(task))
        why = "" if task_of(task).trainable else f"; {task} has no training rows: load its test split"
        raise ValueError(f"split is {split!r}, allowed for {task}: {allowed}{why}")
    if limit is not None and limit < 1:
        raise ValueError(f"limit is {limit}, allowed: 1 or more, or None for all rows")
    if not module.supports(task, language):
        raise ValueError(
            f"language is {language!r}, allowed for {task} from source {source!r}: {', '.join(module.languages(task))};"
            " choose one, or a task that has the language"
        )
    rows = module.rows(task, language, split, seed=seed, limit=limit)
    features = task_of(task).features
    return Dataset.from_dict({column: [row[column] for row in rows] for column in features}, features=features)
