"""Which hub data sets a task reads, by split and language, and which of them a source has."""

from types import ModuleType

from stilts_utils.data import hub, mirror
from stilts_utils.study.source import MIRROR, Source
from stilts_utils.tasks import LANGUAGES, TRAINING_LANGUAGE, HubRows, Task, translated

READERS: dict[str, ModuleType] = {"hub": hub, "mirror": mirror}


def reader(task: Task, source: Source) -> ModuleType:
    """The module that reads a task's sets. Raises ValueError for a folder-only task without its folder."""
    if not task.folder_only:
        return READERS[source.kind]
    if source == Source("hub"):
        places = ", ".join(f"{rows.hub}/{rows.config}/{rows.split}.parquet" for rows in task.sets)
        columns = ", ".join(task.sets[0].columns.values())
        raise ValueError(
            f"the folder of {task.name} is not named, allowed: one with {places} (columns: {columns}); its licence "
            f"({task.licence}) allows no hub to have it: make these files from your copy and name the folder by the "
            f"environment variable {MIRROR}, or take {task.name} out of the study file"
        )
    return mirror


def rows_of(task: Task, split: str, language: str) -> HubRows | None:
    """The set that holds an evaluation split in a language, by the hub's code for it; None if there is none."""
    rows = task.validation if split == "validation" else task.test
    if split == "test" and language == TRAINING_LANGUAGE and task.english_test:
        rows = task.english_test
    if rows is None or language not in task.languages:
        return None
    if not rows.multilingual and language != TRAINING_LANGUAGE:
        return None
    return rows.of(task.languages[language])


def splits(task: Task) -> tuple[str, ...]:
    """The splits that a task's entry names."""
    named = {"train": task.train, "validation": task.validation, "test": task.test}
    return tuple(split for split, rows in named.items() if rows)


def available(task: Task, source: Source) -> list[dict]:
    """Every set that a task reads, in every language: one row each.

    Columns: task, use (train, validation, test or candidates), stage (of training, otherwise None), language, hub,
    config, split (the hub's), rows: how many the source has, 0 if the set is missing and None if only loading tells.
    """
    module = reader(task, source)
    sets = [("train", stage, TRAINING_LANGUAGE, rows) for stage, joined in enumerate(task.train) for rows in joined]
    for split in ("validation", "test"):
        sets += [(split, None, language, rows_of(task, split, language)) for language in task.languages]
    sets.append(("candidates", None, "", task.candidates))
    return [
        {
            "task": task.name,
            "use": use,
            "stage": stage,
            "language": language,
            "hub": rows.hub,
            "config": rows.config,
            "split": rows.split,
            "rows": 0 if source.kind == "hub" and language in task.not_on_hub else module.count(rows, source),
        }
        for use, stage, language, rows in sets
        if rows
    ]


def languages(task: Task, split: str, source: Source) -> tuple[str, ...]:
    """Codes of the languages in which a source has an evaluation split, in alphabetical order."""
    return tuple(sorted(row["language"] for row in available(task, source) if row["use"] == split and row["rows"] != 0))


def evaluation_split(task: Task, source: Source) -> str:
    """The split to evaluate on: test, unless the source has validation rows in more languages than test rows."""
    return max(("test", "validation"), key=lambda split: len(languages(task, split, source)))


def training_sets(task: Task, stage: int, source: Source) -> tuple[list[HubRows], list[HubRows]]:
    """The sets of a training stage that the source has, and the missing ones."""
    counts = [(rows, reader(task, source).count(rows, source)) for rows in task.train[stage]]
    return [rows for rows, count in counts if count != 0], [rows for rows, count in counts if count == 0]


def trained_in(task: Task, source: Source) -> tuple[str, ...]:
    """The languages in which a source has training rows of a task: English, and those of its translated sets."""
    sets = {language: translated(task.name, language) for language in LANGUAGES if language != TRAINING_LANGUAGE}
    found = [language for language, rows in sets.items() if rows and reader(task, source).count(rows, source) != 0]
    return (TRAINING_LANGUAGE, *found)
