"""The columns of a hub data set turned into those of a task's shape."""

from collections.abc import Sequence
from string import Formatter

import numpy as np
import pyarrow as pa
from datasets import ClassLabel, Dataset, Features, List, Value

from stilts_utils.data import row_checks
from stilts_utils.data.row_checks import Origin
from stilts_utils.tasks import HubRows, Task

UNLABELLED = (-1, None, "", "-1")  # how hub data sets mark a row without a gold label
LEFT_OUT = {"unlabelled": "no label", "misplaced": "an answer is not where it is said to be"}  # flaw -> why


def features(task: Task) -> Features:
    """Columns of a task's rows, the same from every source."""
    if task.shape == "pair":
        columns = {"text_a": Value("string"), "text_b": Value("string"), "label": ClassLabel(names=list(task.labels))}
    elif task.shape == "choice":
        columns = {"question": Value("string"), "choices": List(Value("string")), "label": Value("int64")}
    elif task.shape == "tagging":
        columns = {"tokens": List(Value("string")), "tags": List(ClassLabel(names=list(task.labels)))}
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
    """A task's column: a hub column, a field of one, a template of several, or a list of such values per row.

    As they are: what is no text, or lacks the field, is for `row_checks` to refuse. A template with such a part is that part.
    """
    if isinstance(spec, tuple):
        return [list(row) for row in zip(*(values(part, table) for part in spec), strict=True)]
    if "{" in spec:
        names = _needed(spec)
        rows = zip(*(table[name][:] for name in names), strict=True)
        return [_filled(spec, dict(zip(names, row, strict=True))) for row in rows]
    name, *fields = spec.split(".")
    column = list(table[name][:])
    for field in fields:
        column = [row.get(field) if isinstance(row, dict) else row for row in column]
    return column


def _filled(template: str, parts: dict) -> object:
    wrong = [part for part in parts.values() if not isinstance(part, str)]
    return wrong[0] if wrong else template.format_map(parts)


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


def of_language(rows: HubRows, table: Dataset) -> np.ndarray:
    """Numbers of the rows of the language."""
    if not rows.only:
        return np.arange(len(table))
    set_ids = values(rows.columns["id"], table)
    return np.array([i for i, id in enumerate(set_ids) if str(id).startswith(rows.only)], dtype=int)


def flawed(rows: HubRows, table: Dataset) -> dict[str, np.ndarray]:
    """Flaw -> numbers of the rows of the language that have it and are left out for it, of the flaws the set is known for."""
    left, found = of_language(rows, table), {}
    for flaw in rows.flaws:
        if flaw == "unlabelled":
            labels = values(rows.columns["label"], table)
            has = [labels[i] in UNLABELLED for i in left]
        else:
            contexts, answers = (values(rows.columns[name], table) for name in ("context", "answers"))
            has = [row_checks.elsewhere(contexts[i], answers[i]) for i in left]
        has = np.array(has, dtype=bool)
        found[flaw], left = left[has], left[~has]
    return found


def usable(rows: HubRows, table: Dataset) -> np.ndarray:
    """Numbers of the rows of the language without those that are left out (`flawed`).

    Raises ValueError if no row is left.
    """
    kept = of_language(rows, table)
    out = flawed(rows, table)
    kept = np.setdiff1d(kept, np.concatenate(list(out.values()))) if out else kept
    if not len(kept):
        left = "".join(f", {len(numbers)} left out: {LEFT_OUT[flaw]}" for flaw, numbers in out.items())
        raise ValueError(f"{rows} has {len(table)} rows, but none to use{left}; take another set or leave it out")
    return kept


def as_id(value: object) -> object:
    """A text or a number as an id; anything else as it is, to be refused."""
    return str(value) if isinstance(value, int) else value


def own_ids(rows: HubRows, table: Dataset) -> list[str]:
    """The ids that a set gives its rows. Raises ValueError if they do not tell the rows apart."""
    set_ids = [as_id(value) for value in values(rows.columns["id"], table)]
    row_checks.unique(set_ids, Origin(str(rows), fields=rows.columns))
    return set_ids


def ids(rows: HubRows, table: Dataset) -> list[str]:
    """An id for every row: the set's own if no two are the same, otherwise the row's number.

    Raises ValueError for an id that is neither a text nor a number.
    """
    if "id" in rows.columns:
        set_ids = [as_id(value) for value in values(rows.columns["id"], table)]
        row_checks.texts("id", set_ids, Origin(str(rows), fields=rows.columns))
        if len(set(set_ids)) == len(set_ids):
            return set_ids
    return [str(i) for i in range(len(table))]


def origin(task: Task, rows: HubRows, table: Dataset, numbers: Sequence[int] | None = None) -> Origin:
    """Where rows of a set come from; `numbers` are theirs in it."""
    classes = rows.classes or (task.labels if task.folder_only else ())
    tags = table.features.get(rows.columns.get("tags", ""))
    if task.folder_only and isinstance(getattr(tags, "feature", None), ClassLabel):
        classes = ()  # numbers of the set's own classes, whose names are the task's labels
    return Origin(str(rows), numbers, rows.columns, tuple(classes))


def dataset(task: Task, columns: dict[str, list], origin: Origin) -> Dataset:
    """Rows of a task, with the columns of `features`. Raises ValueError for the first that cannot be used (`row_checks`)."""
    return _of_checked(row_checks.checked(task, columns, origin), features(task))


def candidate_set(columns: dict[str, list], origin: Origin) -> Dataset:
    """Candidates, with the columns of `CANDIDATE_FEATURES`. Raises ValueError for the first that cannot be used."""
    return _of_checked(row_checks.candidates(columns, origin), CANDIDATE_FEATURES)


def _of_checked(columns: dict[str, list], features: Features) -> Dataset:
    """Columns that need no cast: Arrow takes them as they are, several times as fast as `Dataset.from_dict`."""
    return Dataset(pa.table(columns, schema=features.arrow_schema))


def convert(
    task: Task, rows: HubRows, table: Dataset, row_ids: list[str], numbers: Sequence[int] | None = None
) -> Dataset:
    """Rows of a pair, choice, tagging or span task, with the columns of `features`, in the table's order.

    `numbers` are those of the rows in the set, if they are not all of it. Raises ValueError as `dataset` does.
    """
    columns = {name: values(spec, table) for name, spec in rows.columns.items() if name != "id"}
    return dataset(task, {"id": row_ids, **columns}, origin(task, rows, table, numbers))
