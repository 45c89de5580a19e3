"""Where rows come from: generated (`embedded`), the hub (`hub`), or a folder in hub layout (`mirror`).

Rows have the same columns whatever the source. `root` is the folder of a mirror, or of a licensed set that no hub has.
"""

import dataclasses
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import numpy as np
from datasets import Dataset, concatenate_datasets

from stilts_utils.data import candidates as pools
from stilts_utils.data import columns, embedded, task_sets
from stilts_utils.data.leakage import disjoint, overlap
from stilts_utils.tasks import TRAINING_LANGUAGE, HubRows, Task
from stilts_utils.tasks import task as task_of

__all__ = [
    "SOURCES",
    "available",
    "candidates",
    "disjoint",
    "evaluation_split",
    "lacking",
    "lacking_sets",
    "languages",
    "load",
    "overlap",
    "splits",
    "task",
]

SOURCES = ("embedded", *task_sets.READERS)
EVALUATION_ORDER = 0  # seed of the one order of evaluation rows
Root = str | Path | None


def task(name: str, source: str = "embedded", root: Root = None) -> Task:
    """A task's entry, with the labels of its folder where these are not in the registry (CCG).

    Raises ValueError for an unknown task or source, or where the source does not have the task.
    """
    if source not in SOURCES:
        raise ValueError(f"source is {source!r}, allowed: {', '.join(SOURCES)}; leave it out to use 'embedded'")
    entry = task_of(name)
    if source not in entry.sources:
        raise ValueError(
            f"source is {source!r}, allowed for {name}: {', '.join(entry.sources)}; choose one, or another task"
        )
    if not entry.folder_only:
        return entry
    reader = task_sets.reader(entry, source, root)
    tags = dict.fromkeys(chain.from_iterable(columns.names(rows, reader.read(rows, root)) for rows in entry.sets))
    return dataclasses.replace(entry, labels=tuple(tags))


def splits(name: str, source: str = "embedded") -> tuple[str, ...]:
    """The splits of a task: some of train, validation and test, whether or not the source has their rows."""
    return embedded.splits(name) if source == "embedded" else task_sets.splits(task_of(name))


def evaluation_split(name: str, source: str = "embedded", root: Root = None) -> str:
    """The split that a task is evaluated on: test, the official one, where the source has it.

    "validation" where an intermediate task has no public test rows, or where the source has validation rows in more
    languages: record it beside the scores, since such scores are not comparable with official ones.
    """
    entry = task(name, source, root)
    return "test" if source == "embedded" else task_sets.evaluation_split(entry, source, root)


def languages(name: str, source: str = "embedded", root: Root = None, split: str | None = None) -> tuple[str, ...]:
    """Codes of the languages in which a source has a split of the task, in alphabetical order.

    `split` is validation or test; None: the one that `evaluation_split` gives.

    Raises ValueError for an unknown task or source.
    """
    entry = task(name, source, root)
    if source == "embedded":
        return embedded.languages(name)
    return task_sets.languages(entry, split or task_sets.evaluation_split(entry, source, root), source, root)


def available(name: str, source: str, root: Root = None) -> list[dict]:
    """Every hub data set that a task reads and how many rows of it the source has (`sets.available`)."""
    return task_sets.available(task(name, source, root), source, root)


def lacking(name: str, wanted: Iterable[str], source: str = "embedded", root: Root = None) -> dict[str, str]:
    """The wanted languages in which the source does not have the task's evaluation rows, and why."""
    entry = task(name, source, root)
    split = evaluation_split(name, source, root)
    found = {}
    for language in sorted(set(wanted) - set(languages(name, source, root, split))):
        rows = task_sets.rows_of(entry, split, language)
        unknown = f"{name} does not have the language" if entry.sets else f"no rows in source {source!r}"
        found[language] = f"source {source!r} lacks {rows}" if rows else unknown
    return found


def lacking_sets(name: str, source: str, root: Root = None) -> tuple[str, ...]:
    """Training sets of a task that the source lacks; `load` joins the others when told to skip what is missing."""
    if source == "embedded":
        return ()
    entry = task(name, source, root)
    return tuple(
        str(rows)
        for stage in range(len(entry.train))
        for rows in task_sets.training_sets(entry, stage, source, root)[1]
    )


def load(
    task_name: str,
    language: str,
    split: str,
    *,
    seed: int = 0,
    limit: int | None = None,
    source: str = "embedded",
    root: Root = None,
    stage: int = 0,
    missing: str = "error",
) -> Dataset:
    """Rows of a task in a language, with the columns of `columns.features`.

    `split` is one of `splits`. `seed` draws or shuffles the training rows; evaluation rows are the same whatever it
    is, in an order that is the same for sets of the same length, so that translations of a set stay side by side.
    `limit` keeps the first rows (None: all; more than there are: all). `stage` is the training stage. Where a training
    stage joins several sets, `missing="skip"` does without those that the source lacks (`lacking_sets`).

    An id is the set's own where it tells the rows apart, else the row's number; in a joined stage the set's name
    precedes it. Rows without a gold label are left out. No item of one generated split, in any language, is in
    another split; for data sets, `disjoint` sees to that.

    Raises ValueError naming the argument that is wrong and what it may be, or the set or file that cannot be read.
    """
    entry = task(task_name, source, root)
    _check(entry, language, split, limit, source, root)
    if source == "embedded":
        rows = embedded.rows(task_name, language, split, seed=seed, limit=limit)
        return _dataset(rows, columns.features(entry))
    if split == "train":
        return _joined(entry, _stage(entry, stage, source, root, missing), seed, limit, source, root)
    if entry.shape == "retrieval":
        picked, read = _picked(entry, language, split, limit, source, root)
        return pools.queries(entry, language, picked, read, task_sets.languages(entry, split, source, root))
    return _joined(entry, [task_sets.rows_of(entry, split, language)], EVALUATION_ORDER, limit, source, root)


def candidates(
    task_name: str,
    language: str,
    *,
    limit: int | None = None,
    split: str = "test",
    source: str = "embedded",
    root: Root = None,
) -> Dataset:
    """What a retrieval task's queries in a language may find, with the columns of `columns.CANDIDATE_FEATURES`.

    `limit` keeps those that belong to the first `limit` queries: the pool is smaller then, and finding easier. A task
    with `pool="all"` asks for the candidates of all evaluated languages together; an id stands for one candidate.

    Raises ValueError as `load` does, and for a task that is not retrieval.
    """
    entry = task(task_name, source, root)
    if entry.shape != "retrieval":
        raise ValueError(f"task is {task_name!r}, allowed: retrieval tasks; the shape of {task_name} is {entry.shape}")
    _check(entry, language, split, limit, source, root)
    if source == "embedded":
        return _dataset(embedded.candidates(task_name, language, limit), columns.CANDIDATE_FEATURES)
    picked, read = _picked(entry, language, split, limit, source, root)
    return pools.candidates(entry, language, picked, limit is None, read)


def _check(entry: Task, language: str, split: str, limit: int | None, source: str, root: Root) -> None:
    able = splits(entry.name, source)
    if split not in able:
        why = "" if entry.trainable else f"; {entry.name} has no training rows: load its test split"
        raise ValueError(f"split is {split!r}, allowed for {entry.name}: {', '.join(able)}{why}")
    if limit is not None and limit < 1:
        raise ValueError(f"limit is {limit}, allowed: 1 or more, or None for all rows")
    if source == "embedded":
        has = (language,) if embedded.supports(entry.name, language) else embedded.languages(entry.name)
        has = [each for each in has if split in embedded.splits(entry.name, each)]
    else:
        has = (TRAINING_LANGUAGE,) if split == "train" else task_sets.languages(entry, split, source, root)
    if language not in has:
        raise ValueError(
            f"language is {language!r}, allowed for {entry.name} from source {source!r}, {split}: {', '.join(has)}; "
            "choose one, or a task that has the language"
        )


def _dataset(rows: list[dict], features) -> Dataset:
    return Dataset.from_dict({column: [row[column] for row in rows] for column in features}, features=features)


def _stage(entry: Task, stage: int, source: str, root: Root, missing: str) -> list[HubRows]:
    if stage not in range(entry.stages):
        raise ValueError(f"stage is {stage}, allowed for {entry.name}: 0 to {entry.stages - 1}")
    there, lacks = task_sets.training_sets(entry, stage, source, root)
    if lacks and (missing != "skip" or not there):
        raise ValueError(
            f"training sets of {entry.name} are lacking in source {source!r}: {'; '.join(map(str, lacks))}; "
            + ("set `missing: skip` to train on the others" if there else "take another source or task")
        )
    return there


def _read(entry: Task, rows: HubRows, source: str, root: Root) -> Dataset:
    table = task_sets.reader(entry, source, root).read(rows, root)
    columns.check(entry, rows, table)
    return table


def _shuffled(count: int, seed: int, limit: int | None) -> np.ndarray:
    """The first numbers of a permutation that no release of numpy changes: that is promised of RandomState only."""
    return np.random.RandomState(seed).permutation(count)[:limit]


def _joined(entry: Task, parts: list[HubRows], seed: int, limit: int | None, source: str, root: Root) -> Dataset:
    """Rows of several sets, shuffled together."""
    tables = [_read(entry, rows, source, root) for rows in parts]
    kept = [columns.usable(rows, table) for rows, table in zip(parts, tables, strict=True)]
    part_of = np.repeat(np.arange(len(parts)), [len(numbers) for numbers in kept])
    picked = _shuffled(len(part_of), seed, limit)
    numbers = np.concatenate(kept)[picked]
    found, places = [], []
    for i, (rows, table) in enumerate(zip(parts, tables, strict=True)):
        place = np.flatnonzero(part_of[picked] == i)
        row_ids = columns.ids(rows, table)
        prefix = f"{rows}:" if len(parts) > 1 else ""
        chosen = numbers[place]
        row_ids = [f"{prefix}{row_ids[number]}" for number in chosen]
        found.append(columns.convert(entry, rows, table.select(chosen), row_ids))
        places.append(place)
    return found[0] if len(parts) == 1 else concatenate_datasets(found).select(np.argsort(np.concatenate(places)))


def _picked(entry: Task, language: str, split: str, limit: int | None, source: str, root: Root):
    """Numbers of the first queries, and the function by which `pools` reads the sets of a split ("": candidates)."""

    def read(of: str) -> tuple[HubRows, Dataset]:
        rows = task_sets.rows_of(entry, split, of) if of else entry.candidates
        return rows, _read(entry, rows, source, root)

    kept = columns.usable(*read(language))
    return kept[_shuffled(len(kept), EVALUATION_ORDER, limit)], read
