"""The rows of a task from any source (`study.source.Source`), with the same columns whatever the source."""

import dataclasses
from collections.abc import Iterable
from itertools import chain

import numpy as np
from datasets import Dataset, concatenate_datasets

from stilts_utils.data import candidates as pools
from stilts_utils.data import columns, embedded, task_sets
from stilts_utils.study.source import EMBEDDED, Source
from stilts_utils.tasks import TRAINING_LANGUAGE, HubRows, Task, translated
from stilts_utils.tasks import task as task_of

EVALUATION_ORDER = 0  # seed of the one order of evaluation rows


def task(name: str, source: Source = EMBEDDED) -> Task:
    """A task's entry, with the labels of its folder if they are not in the registry (CCG).

    Raises ValueError for an unknown task, or if the source does not have the task.
    """
    entry = task_of(name)
    if source.kind not in entry.sources:
        raise ValueError(
            f"source is {source.kind!r}, allowed for {name}: {', '.join(entry.sources)}; choose one, or another task"
        )
    if not entry.folder_only:
        return entry
    reader = task_sets.reader(entry, source)
    tags = dict.fromkeys(chain.from_iterable(columns.names(rows, reader.read(rows, source)) for rows in entry.sets))
    return dataclasses.replace(entry, labels=tuple(tags))


def splits(name: str, source: Source = EMBEDDED) -> tuple[str, ...]:
    """The splits of a task: some of train, validation and test, whether or not the source has their rows."""
    return embedded.splits(name) if source == EMBEDDED else task_sets.splits(task_of(name))


def evaluation_split(name: str, source: Source = EMBEDDED) -> str:
    """The split that a task is evaluated on: test, the official one, if the source has it.

    "validation" if an intermediate task has no public test rows, or if the source has validation rows in more
    languages: record it along with the scores, since such scores are not comparable with official ones.
    """
    entry = task(name, source)
    return "test" if source == EMBEDDED else task_sets.evaluation_split(entry, source)


def languages(name: str, source: Source = EMBEDDED, split: str | None = None) -> tuple[str, ...]:
    """Codes of the languages in which a source has a split of the task, in alphabetical order.

    `split` is validation or test; None: the one that `evaluation_split` gives.

    Raises ValueError for an unknown task.
    """
    entry = task(name, source)
    if source == EMBEDDED:
        return embedded.languages(name)
    return task_sets.languages(entry, split or task_sets.evaluation_split(entry, source), source)


def available(name: str, source: Source) -> list[dict]:
    """Every hub data set that a task reads and how many rows of it the source has (`task_sets.available`)."""
    return task_sets.available(task(name, source), source)


def lacking(name: str, wanted: Iterable[str], source: Source = EMBEDDED) -> dict[str, str]:
    """The wanted languages in which the source does not have the task's evaluation rows, and why."""
    entry = task(name, source)
    split = evaluation_split(name, source)
    reasons = {}
    for language in sorted(set(wanted) - set(languages(name, source, split))):
        rows = task_sets.rows_of(entry, split, language)
        unknown = f"{name} does not have the language" if entry.sets else f"no rows in {source}"
        reasons[language] = f"{source} lacks {rows}" if rows else unknown
    return reasons


def lacking_sets(name: str, source: Source) -> tuple[str, ...]:
    """Training sets of a task that the source does not have; `load` joins the others when told to skip missing ones."""
    if source == EMBEDDED:
        return ()
    entry = task(name, source)
    return tuple(
        str(rows) for stage in range(len(entry.train)) for rows in task_sets.training_sets(entry, stage, source)[1]
    )


def left_out(name: str, source: Source, split: str, language: str, stage: int = 0) -> list[dict]:
    """Rows of a split, or a training stage, that `load` leaves out for a flaw that their set is known to have.

    One row for every set and flaw that it has: set, reason, rows, and the rows that the set has in the language (`of`).
    """
    if source == EMBEDDED:
        return []
    entry, found = task(name, source), []
    parts = [task_sets.rows_of(entry, split, language)]
    if split == "train":
        parts, _ = task_sets.training_sets(entry, stage, source)
    for rows in parts:
        if rows.flaws:
            table = _read(entry, rows, source)
            count = len(columns.of_language(rows, table))
            for flaw, numbers in columns.flawed(rows, table).items():
                if len(numbers):
                    reason = columns.LEFT_OUT[flaw]
                    found.append({"set": str(rows), "reason": reason, "rows": len(numbers), "of": count})
    return found


def load(
    task_name: str,
    language: str,
    split: str,
    source: Source = EMBEDDED,
    *,
    seed: int = 0,
    limit: int | None = None,
    stage: int = 0,
    missing: str = "error",
) -> Dataset:
    """Rows of a task in a language, with the columns of `columns.features`.

    `split` is one of `splits`. `seed` draws or shuffles the training rows; evaluation rows are the same whatever it
    is, in an order that is the same for sets of the same length, so that translations of a set stay side by side.
    `limit` keeps the first rows (None: all; more than there are: all). `stage` is the training stage. If a training
    stage joins several sets, `missing="skip"` does without the missing ones (`lacking_sets`).

    An id is the set's own if it tells the rows apart, otherwise the row's number; in a joined stage the set's name
    precedes it. Rows with a flaw that the set is known for are left out (`left_out`). No item of one generated split, in
    any language, is in another split; for data sets, `leakage.disjoint` sees to that.

    Raises ValueError naming the argument that is wrong and what it may be, the set or file that cannot be read, or the row
    that cannot be used.
    """
    entry = task(task_name, source)
    _check(entry, language, split, limit, source)
    if source == EMBEDDED:
        rows = embedded.rows(task_name, language, split, seed=seed, limit=limit)
        return columns.dataset(entry, _columns(rows, columns.features(entry)), _generated(entry, language, split))
    if split == "train" and language != TRAINING_LANGUAGE:
        return _joined(entry, [translated(task_name, language)], seed, limit, source)
    if split == "train":
        return _joined(entry, _stage(entry, stage, source, missing), seed, limit, source)
    if entry.shape == "retrieval":
        picked, read = _picked(entry, language, split, limit, source)
        return pools.queries(entry, language, picked, read, task_sets.languages(entry, split, source))
    return _joined(entry, [task_sets.rows_of(entry, split, language)], EVALUATION_ORDER, limit, source)


def candidates(
    task_name: str, language: str, source: Source = EMBEDDED, *, limit: int | None = None, split: str = "test"
) -> Dataset:
    """What a retrieval task's queries in a language may find, with the columns of `columns.CANDIDATE_FEATURES`.

    `limit` keeps those that belong to the first `limit` queries: the pool is smaller then, and finding easier. A task
    with `pool="all"` asks for the candidates of all evaluated languages together; an id stands for one candidate.

    Raises ValueError as `load` does, and for a task that is not retrieval.
    """
    entry = task(task_name, source)
    if entry.shape != "retrieval":
        raise ValueError(f"task is {task_name!r}, allowed: retrieval tasks; the shape of {task_name} is {entry.shape}")
    _check(entry, language, split, limit, source)
    if source == EMBEDDED:
        rows = _columns(embedded.candidates(task_name, language, limit), columns.CANDIDATE_FEATURES)
        return columns.candidate_set(rows, _generated(entry, language, "candidates"))
    picked, read = _picked(entry, language, split, limit, source)
    return pools.candidates(entry, language, picked, limit is None, read)


def _check(entry: Task, language: str, split: str, limit: int | None, source: Source) -> None:
    allowed = splits(entry.name, source)
    if split not in allowed:
        hint = "" if entry.trainable else f"; {entry.name} has no training rows: load its test split"
        raise ValueError(f"split is {split!r}, allowed for {entry.name}: {', '.join(allowed)}{hint}")
    if limit is not None and limit < 1:
        raise ValueError(f"limit is {limit}, allowed: 1 or more, or None for all rows")
    if source == EMBEDDED:
        known = (language,) if embedded.supports(entry.name, language) else embedded.languages(entry.name)
        known = [each for each in known if split in embedded.splits(entry.name, each)]
    else:
        known = task_sets.trained_in(entry, source) if split == "train" else task_sets.languages(entry, split, source)
    if language not in known:
        raise ValueError(
            f"language is {language!r}, allowed for {entry.name} from {source}, {split}: {', '.join(known)}; "
            "choose one, or a task that has the language"
        )


def _columns(rows: list[dict], features: Iterable[str]) -> dict[str, list]:
    return {column: [row[column] for row in rows] for column in features}


def _generated(entry: Task, language: str, split: str) -> columns.Origin:
    return columns.Origin(f"generated rows of {entry.name}, {language}, {split}")


def _stage(entry: Task, stage: int, source: Source, missing: str) -> list[HubRows]:
    if stage not in range(entry.stages):
        raise ValueError(f"stage is {stage}, allowed for {entry.name}: 0 to {entry.stages - 1}")
    present, absent = task_sets.training_sets(entry, stage, source)
    if absent and (missing != "skip" or not present):
        raise ValueError(
            f"training sets of {entry.name} are missing from {source}: {'; '.join(map(str, absent))}; "
            + ("set `missing: skip` to train on the others" if present else "take another source or task")
        )
    return present


def _read(entry: Task, rows: HubRows, source: Source) -> Dataset:
    table = task_sets.reader(entry, source).read(rows, source)
    columns.check(entry, rows, table)
    return table


def _shuffled(count: int, seed: int, limit: int | None) -> np.ndarray:
    """The first numbers of a permutation that no release of numpy changes: that is promised of RandomState only."""
    return np.random.RandomState(seed).permutation(count)[:limit]


def _joined(entry: Task, parts: list[HubRows], seed: int, limit: int | None, source: Source) -> Dataset:
    """Rows of several sets, shuffled together."""
    tables = [_read(entry, rows, source) for rows in parts]
    usable = [columns.usable(rows, table) for rows, table in zip(parts, tables, strict=True)]
    part_of = np.repeat(np.arange(len(parts)), [len(numbers) for numbers in usable])
    picked = _shuffled(len(part_of), seed, limit)
    numbers, part_of = np.concatenate(usable)[picked], part_of[picked]
    converted = []
    for i, (rows, table) in enumerate(zip(parts, tables, strict=True)):
        own = entry.parallel and "id" in rows.columns  # ids say which rows are translations of each other
        chosen, row_ids = numbers[part_of == i], (columns.own_ids if own else columns.ids)(rows, table)
        prefix = f"{rows}:" if len(parts) > 1 else ""
        converted.append(
            columns.convert(
                entry, rows, table.select(chosen), [f"{prefix}{row_ids[number]}" for number in chosen], chosen
            )
        )
    if len(parts) == 1:
        return converted[0]
    return concatenate_datasets(converted).select(np.argsort(np.argsort(part_of, kind="stable")))


def _picked(entry: Task, language: str, split: str, limit: int | None, source: Source):
    """Numbers of the first queries, and the function by which `pools` reads the sets of a split ("": candidates)."""

    def read(of: str) -> tuple[HubRows, Dataset]:
        rows = task_sets.rows_of(entry, split, of) if of else entry.candidates
        return rows, _read(entry, rows, source)

    usable = columns.usable(*read(language))
    return usable[_shuffled(len(usable), EVALUATION_ORDER, limit)], read
