import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score

from stilts_utils.scoring.metrics import PARTS, WITHOUT_ITEMS, chance, ratio, score, score_items
from stilts_utils.tasks import TASKS, task

classes = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=20)
SCORED = [name for name, found in TASKS.items() if found.trainable and (found.labels or found.shape == "span")]


def rows_of(golds, **columns):
    return [{"id": f"i{i}", **{column: make(gold) for column, make in columns.items()}} for i, gold in enumerate(golds)]


def answers_row(texts):
    return {"text": list(texts), "answer_start": [0] * len(texts)}


def right_decisions(entry, rows):
    """What a decision is for every row, had the model been right."""
    read = {
        "pair": lambda row: row["label"],
        "tagging": lambda row: [entry.labels[tag] for tag in row["tags"]],
        "span": lambda row: (row["answers"]["text"] or [""])[0],
    }[entry.shape]
    return [read(row) for row in rows]


@st.composite
def predictions(draw, entry):
    """Rows of a task with any gold answers, and any decisions."""
    count = draw(st.integers(1, 8))
    if entry.shape == "pair":
        label = st.integers(0, len(entry.labels) - 1)
        return rows_of(draw(st.lists(label, min_size=count, max_size=count)), label=int), [
            draw(label) for _ in range(count)
        ]
    if entry.shape == "tagging":
        tag = st.integers(0, len(entry.labels) - 1)
        golds = [draw(st.lists(tag, min_size=1, max_size=6)) for _ in range(count)]
        return rows_of(golds, tags=list), [[entry.labels[draw(tag)] for _ in gold] for gold in golds]
    text = st.lists(st.sampled_from(["the", "Rome", "el", "2", "«a»", ".", "罗马"]), min_size=1, max_size=3).map(
        " ".join
    )
    golds = [draw(st.lists(text, min_size=0 if entry.unanswerable else 1, max_size=3)) for _ in range(count)]
    return rows_of(golds, answers=answers_row), [draw(text) for _ in golds]


@pytest.mark.parametrize("name", SCORED)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_scores_lie_in_0_to_100_and_are_the_ratio_of_their_items(name, data):
    rows, decided = data.draw(predictions(TASKS[name]))
    found, items = score(TASKS[name], rows, decided, "es"), score_items(TASKS[name], rows, decided, "es")
    assert list(found) == list(TASKS[name].metrics)
    assert all(0 <= value <= 100 for value in found.values())
    for metric, value in found.items():
        own = items[items.metric == metric]
        assert (metric in WITHOUT_ITEMS) == own.empty
        if not own.empty:
            assert own.item.tolist() == [row["id"] for row in rows]
            assert (own.numerator >= 0).all() and (own.numerator <= own.denominator).all()
            assert ratio(own) == pytest.approx(value)


@pytest.mark.parametrize("name", SCORED)
def test_right_decisions_score_100(name):
    entry = TASKS[name]
    if entry.shape == "pair":
        rows = rows_of([0, 1, 1], label=int)
    elif entry.shape == "tagging":
        rows = rows_of([[1, 2, 0], [1]], tags=list)
    else:
        rows = rows_of([["Rome", "the city"], ["5 May"]], answers=answers_row)
    found = score(entry, rows, right_decisions(entry, rows), "en")
    assert found == pytest.approx(dict.fromkeys(entry.metrics, 100))


@pytest.mark.parametrize("name", [name for name, found in TASKS.items() if found.trainable])
def test_every_metric_of_a_task_is_scored(name):
    assert set(TASKS[name].metrics) <= {*PARTS, *WITHOUT_ITEMS}


@pytest.mark.parametrize("name", ["temprel", "mc_facts"])
@given(pairs=classes)
@settings(max_examples=30, deadline=None)
def test_accuracy_is_that_of_scikit_learn(name, pairs):
    rows, decided = rows_of([gold for gold, _ in pairs], label=int), [found for _, found in pairs]
    expected = 100 * accuracy_score([gold for gold, _ in pairs], decided)
    assert score(task(name), rows, decided, "en")["accuracy"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "rows", "expected"),
    [
        ("temprel", rows_of([0, 1], label=int), 100 / 3),
        ("mc_facts", rows_of([2, 4], choices=lambda n: ["x"] * n), 100 * (1 / 2 + 1 / 4) / 2),
        ("dtag", rows_of([[0]], tags=list), 0),
        ("qa_parts", rows_of([[], ["Rome"], [], ["Oslo"]], answers=answers_row), 50),
        ("xquad", rows_of([["Rome"], ["Oslo"]], answers=answers_row), 0),
        ("retr_bitext", rows_of("abc", right=list), 100 / 3),
        ("retr_el", rows_of("abc", right=list), 100 * (1 + 1 / 2 + 1 / 3) / 3),
    ],
)
def test_chance_by_hand(name, rows, expected):
    candidates = [{"id": id, "text": id, "context": ""} for id in "abc"]
    assert chance(task(name), rows, candidates) == pytest.approx(expected)


def test_an_unknown_metric_is_not_passed_over():
    with pytest.raises(KeyError, match="bleu"):
        score(dataclasses.replace(task("temprel"), metric="bleu"), rows_of([0], label=int), [0], "en")
