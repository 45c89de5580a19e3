"""Rows are checked by the shape of their task before they become a data set: nothing is cast in silence.

Every source ends here. Texts are strings; labels and tags are those of the task, and as many as tokens; a choice has the
choices that its label needs; an answer stands in its paragraph where it is said to be; ids are unique. What is not so is
an error that names the set, the row's number in it (from 0), the field, the value and the next step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from stilts_utils.tasks import Task

Columns = dict[str, list]
SHOWN = 80  # characters of a value in an error


@dataclass(frozen=True)
class Origin:
    """Where rows come from, for errors.

    `name` is that of the set, `numbers` those of its rows (None: all in order), `fields` how the set calls our columns, and
    `classes` its raw label values in the order of our class indices, () if they are indices or names.
    """

    name: str
    numbers: Sequence[int] | None = None
    fields: Mapping[str, object] = field(default_factory=dict)
    classes: tuple = ()

    def refuse(self, row: int, column: str, value: object, allowed: str, step: str = "") -> NoReturn:
        number = row if self.numbers is None else self.numbers[row]
        given = self.fields.get(column, column)
        called = column if given == column else f"{column} (from {given!r})"
        shown = repr(value)
        shown = shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}..."
        step = step or "correct the row, or leave it out of the set"
        raise ValueError(f"{self.name}, row {number}: {called} is {shown}, allowed: {allowed}; {step}")


def checked(task: Task, columns: Columns, origin: Origin) -> Columns:
    """The columns of rows (id and those of the task's shape), with labels and tags as class indices.

    Raises ValueError for the first row that cannot be used.
    """
    unique(columns["id"], origin)
    return columns | _CHECKS[task.shape](task, columns, origin)


def unique(ids: Sequence[str], origin: Origin) -> None:
    """Raise ValueError if two rows have one id, or if one is no text."""
    texts("id", ids, origin)
    if len(set(ids)) < len(ids):
        seen: set[str] = set()
        for row, each in enumerate(ids):
            if each in seen:
                origin.refuse(row, "id", each, "an id of its own: another row has this one")
            seen.add(each)


def texts(column: str, values: Sequence, origin: Origin) -> None:
    """Raise ValueError if a value is no text."""
    for row, value in enumerate(values):
        if not isinstance(value, str):
            step = "name a column with texts in the entry, or correct the row"
            origin.refuse(row, column, value, "a text", step)


def _lists_of_texts(column: str, rows: Sequence, least: int, origin: Origin) -> None:
    for row, value in enumerate(rows):
        if not isinstance(value, list) or len(value) < least or not all(isinstance(text, str) for text in value):
            origin.refuse(row, column, value, f"a list of texts, {least} or more")


def _classes(task: Task, origin: Origin) -> tuple[dict, str, str]:
    """Class index of every raw value, the allowed values in words, and what to do about another."""
    step = f"correct the row, or the labels in the entry of {task.name}"
    if origin.classes:
        return {value: i for i, value in enumerate(origin.classes)}, ", ".join(map(str, origin.classes)), step
    index = {i: i for i in range(len(task.labels))} | {name: i for i, name in enumerate(task.labels)}
    return index, f"0 to {len(task.labels) - 1} ({', '.join(task.labels)})", step


def _index(index: dict, value: object) -> int | None:
    try:
        return index.get(value)
    except TypeError:  # a list or a dict
        return None


def _labels(labels: list, index: dict, allowed: str, step: str, origin: Origin) -> list[int]:
    found = [_index(index, label) for label in labels]
    if None in found:
        row = found.index(None)
        step = f"{step}; rows without a label are left out, and counted, if `flaws` of the set name them ('unlabelled')"
        origin.refuse(row, "label", labels[row], allowed, step)
    return found


def _pair(task: Task, columns: Columns, origin: Origin) -> Columns:
    for column in ("text_a", "text_b"):
        texts(column, columns[column], origin)
    return {"label": _labels(columns["label"], *_classes(task, origin), origin)}


def _choice(task: Task, columns: Columns, origin: Origin) -> Columns:
    texts("question", columns["question"], origin)
    choices, labels = columns["choices"], columns["label"]
    _lists_of_texts("choices", choices, 2, origin)
    most = max(map(len, choices), default=0)
    values = origin.classes or range(most)
    allowed = ", ".join(map(str, values))
    found = _labels(labels, {value: i for i, value in enumerate(values)}, allowed, "correct the row", origin)
    for row, (label, given) in enumerate(zip(found, choices, strict=True)):
        if label >= len(given):
            origin.refuse(row, "label", labels[row], f"one of its {len(given)} choices, the first of {allowed}")
    return {"label": found}


def _tagging(task: Task, columns: Columns, origin: Origin) -> Columns:
    tokens, tags = columns["tokens"], columns["tags"]
    _lists_of_texts("tokens", tokens, 1, origin)
    index, allowed, step = _classes(task, origin)
    for row, (words, given) in enumerate(zip(tokens, tags, strict=True)):
        if not isinstance(given, list) or len(given) != len(words):
            origin.refuse(row, "tags", given, f"a list of {len(words)} tags, one for every token")
    try:
        return {"tags": [[index[tag] for tag in given] for given in tags]}
    except (KeyError, TypeError):
        for row, given in enumerate(tags):
            for tag in given:
                if _index(index, tag) is None:
                    origin.refuse(row, "tags", tag, allowed, step)
        raise


def _span(task: Task, columns: Columns, origin: Origin) -> Columns:
    texts("question", columns["question"], origin)
    return {"answers": answers(columns["context"], columns["answers"], origin, none=task.unanswerable)}


def answers(contexts: list, given: list, origin: Origin, none: bool = False) -> list[dict]:
    """Answers of questions on contexts, each {"text": texts, "answer_start": their places, in characters}.

    `none`: whether a question may have no answer. Raises ValueError if an answer is not where it is said to be.
    """
    texts("context", contexts, origin)
    found = []
    lists = "{'text': [...], 'answer_start': [...]} with as many places as texts"
    for row, (context, answer) in enumerate(zip(contexts, given, strict=True)):
        said, starts = (answer.get("text"), answer.get("answer_start")) if isinstance(answer, dict) else (None, None)
        if not isinstance(said, list) or not isinstance(starts, list) or len(said) != len(starts):
            origin.refuse(row, "answers", answer, lists, "write answers as two lists, as SQuAD on the hub has them")
        if not said and not none:
            origin.refuse(row, "answers", answer, "one or more: every question of this task has an answer")
        for text, start in zip(said, starts, strict=True):
            if not misplaced(context, text, start):
                continue
            there = "" if not isinstance(start, int) or start < 0 else f", where {context[start : start + 30]!r} stands"
            step = "correct the place, or name 'misplaced' in `flaws` of the set, which leaves such rows out and counts them"
            origin.refuse(row, "answers", f"{text!r:.60} at {start!r}", f"a text found there{there}", step)
        found.append({"text": said, "answer_start": starts})
    return found


def elsewhere(context: object, answer: object) -> bool:
    """Whether an answer is two lists of texts and places, one of which is not where it is said to be."""
    if not isinstance(context, str) or not isinstance(answer, dict):
        return False
    pairs = zip(answer.get("text") or (), answer.get("answer_start") or (), strict=False)
    return any(misplaced(context, text, start) for text, start in pairs)


def misplaced(context: str, text: object, start: object) -> bool:
    """Whether an answer is not a text that stands at its place in the context."""
    sound = isinstance(text, str) and isinstance(start, int) and start >= 0 and text.strip()
    return not sound or not context.startswith(text, start)


def _retrieval(task: Task, columns: Columns, origin: Origin) -> Columns:
    texts("query", columns["query"], origin)
    _lists_of_texts("right", columns["right"], 1, origin)
    return {}


def candidates(columns: Columns, origin: Origin) -> Columns:
    """The columns id, text and context of candidates. Raises ValueError for one that is no text, or an id of two."""
    for column in ("text", "context"):
        texts(column, columns[column], origin)
    unique(columns["id"], origin)
    return columns


def aligned(task: Task, rows: Mapping[str, Mapping[str, Sequence]]) -> None:
    """Raise ValueError if translations of one row, which share its id, differ in their label.

    `rows` are those of every language, as columns. Nothing but the label can be compared between languages; a row that is
    missing in one language moves all later ones, which then disagree about it.
    """
    if not task.parallel or task.shape not in ("pair", "choice"):
        return
    first: dict[str, tuple[str, int]] = {}
    for language, columns in rows.items():
        for id, label in zip(columns["id"][:], columns["label"][:], strict=True):
            other, given = first.setdefault(id, (language, label))
            if label != given:
                raise ValueError(
                    f"{task.name} in {language}, id {id!r}: label is {label}, allowed: {given}, as in {other}, since the "
                    "sets are translations of each other; correct the order of the rows, or leave the language out"
                )


_CHECKS = {"pair": _pair, "choice": _choice, "tagging": _tagging, "span": _span, "retrieval": _retrieval}
