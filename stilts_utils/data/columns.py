"""The columns of a hub data set turned into those of a task's shape."""

from string import Formatter

import numpy as np
from datasets import ClassLabel, Dataset, Features, List, Value

from stilts_utils.tasks import HubRows, Task

UNLABELLED = (-1, None, "", "-1")  # how hub data sets mark a row without a gold label


def features(task: Task) -> Features:
    """Columns of a task's rows, the same from every source."""
    if task.shape == "pair":
        columns = {"text_a": Value("string"), "text_b": Value("string"), "label": ClassLabel(names=task.labels)}
    elif task.shape == "choice":
        columns = {"question": Value("string"), "choices": List(Value("string")), "label": Value("int64")}
    elif task.shape == "tagging":
        columns = {"tokens": List(Value("string")), "tags": List(ClassLabel(names=task.labels))}
    elif task.shape == "span":  # no answer: both lists empty, as in SQuAD v2.0
        answers = {"text": List(Value("string")), "answer_start": List(Value("int64"))}
        columns = {"context": Value("string"), "question": Value("string"), "answers": answers}
    else:  # `right` holds the ids of all right candidates, even if a pool does not hold them
        columns = {"query": Value("string"), "right": List(Value("string"))}
    return Features({"id": Value("string"), **columns})


# Columns of the rows that retrieval finds; `context` is "" for a candidate that stands alone.
CANDIDATE_FEATURES = Features({column: Value("string") for column in ("id", "text", "context")})


def _needed(spec: str | tuple[str, ...]) -> list[str]:
    if isinstance(spec, tuple):
        return [name for part in spec for name in _needed(part)]
    if "{" in spec:
        return [name for _, name, _, _ in Formatter().parse(spec) if name]
    return [spec.split(".")[0]]


def values(spec: str | tuple[str, ...], table: Dataset) -> list:
    """A task's column: a hub column, a field of one, a template of several, or a list of such values per row."""
    if isinstance(spec, tuple):
        return [list(row) for row in zip(*(values(part, table) for part in spec), strict=True)]
    if "{" in spec:
        names = _needed(spec)
        rows = zip(*(table[name][:] for name in names), strict=True)
        return [spec.format_map(dict(zip(names, row, strict=True))) for row in rows]
    name, *fields = spec.split(".")
    column = list(table[name][:])
    for field in fields:
        column = [row[field] for row in column]
    return column


def check(task: Task, rows: HubRows, table: Dataset) -> None:
    """Raise ValueError if columns are missing, or if the set's class names are not the task's."""
    needed = {name for spec in rows.columns.values() for name in _needed(spec)}
    if missing := sorted(needed - set(table.column_names)):
        raise ValueError(
            f"{rows}: columns {', '.join(missing)} are missing, there are: {', '.join(table.column_names)}; "
            f"correct `columns` in the entry of {task.name}"
        )
    spec = rows.columns.get("tags", rows.columns.get("label", ""))
    feature = table.features.get(spec)
    feature = feature.feature if isinstance(feature, List) else feature
    if task.labels and not rows.classes and isinstance(feature, ClassLabel) and feature.names != list(task.labels):
        raise ValueError(
            f"{rows}: classes of {spec} are {', '.join(feature.names)}, those of {task.name}: {', '.join(task.labels)}; "
            "the order must be the same: correct `labels` or name the raw values in `classes`"
        )


def names(rows: HubRows, table: Dataset) -> list[str]:
    """Tag names of a set that brings its own: the names of its classes, or every tag that occurs, sorted.

    Raises ValueError for numbers without names.
    """
    feature = table.features[rows.columns["tags"]].feature
    if isinstance(feature, ClassLabel):
        return feature.names
    tags = {tag for row in table[rows.columns["tags"]] for tag in row}
    if unnamed := [tag for tag in tags if not isinstance(tag, str)]:
        raise ValueError(f"{rows}: a tag is {unnamed[0]!r}, allowed: names; write names, or a class label column")
    return sorted(tags)


def usable(rows: HubRows, table: Dataset) -> np.ndarray:
    """Numbers of the rows of the language that have a label, if their shape has labels.

    Raises ValueError if no row is left.
    """
    kept = np.arange(len(table))
    if rows.only:
        ids = values(rows.columns["id"], table)
        kept = np.array([i for i in kept if ids[i].startswith(rows.only)], dtype=int)
    if "label" in rows.columns:
        labels = values(rows.columns["label"], table)
        kept = np.array([i for i in kept if labels[i] not in UNLABELLED], dtype=int)
    if not len(kept):
        labelled = " with a label" if "label" in rows.columns else ""
        raise ValueError(f"{rows} has {len(table)} rows, but none{labelled} to use; take another set or leave it out")
    return kept


def ids(rows: HubRows, table: Dataset) -> list[str]:
    """An id for every row: the set's own if no two are the same, otherwise the row's number."""
    if "id" in rows.columns:
        set_ids = [str(value) for value in values(rows.columns["id"], table)]
        if len(set(set_ids)) == len(set_ids):
            return set_ids
    return [str(i) for i in range(len(table))]


def convert(task: Task, rows: HubRows, table: Dataset, row_ids: list[str]) -> Dataset:
    """Rows of a pair, choice, tagging or span task, with the columns of `features`, in the table's order.

    Raises ValueError if a label is not among `classes`, or an answer is missing that the task needs.
    """
    columns = {name: values(spec, table) for name, spec in rows.columns.items() if name != "id"}
    classes = {value: i for i, value in enumerate(rows.classes or (task.labels if task.folder_only else ()))}
    try:
        if classes and "label" in columns:
            columns["label"] = [classes[value] for value in columns["label"]]
        elif classes and not isinstance(table.features[rows.columns["tags"]].feature, ClassLabel):
            columns["tags"] = [[classes[tag] for tag in tags] for tags in columns["tags"]]
    except KeyError as error:
        allowed = ", ".join(map(str, classes))
        raise ValueError(f"{rows}: a label is {error.args[0]!r}, allowed by {task.name}: {allowed}") from error
    if "answers" in columns:
        columns["answers"] = [{key: row[key] for key in ("text", "answer_start")} for row in columns["answers"]]
        unanswered = sum(not row["text"] for row in columns["answers"])
        if unanswered and not task.unanswerable:
            raise ValueError(f"{rows}: {unanswered} questions have no answer, which {task.name} does not allow")
    return Dataset.from_dict({"id": row_ids, **columns}, features=features(task))
