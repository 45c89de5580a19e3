import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import classification_report
from sklearn.metrics import accuracy_score

from stilts_utils import scoring
from stilts_utils.scoring import answer_f1, chance, exact_match, normalise_answer, rank_items, score, score_items
from stilts_utils.tasks import TASKS, task


def aggregate(items):
    """The score of every metric from what the items add to it."""
    sums = items.groupby("metric")[["numerator", "denominator"]].sum()
    return {name: 100 * row.numerator / row.denominator if row.denominator else 0.0 for name, row in sums.iterrows()}


def rows_of(golds, **columns):
    return [{"id": f"i{i}", **{column: make(gold) for column, make in columns.items()}} for i, gold in enumerate(golds)]


def answers_row(texts):
    return {"text": list(texts), "answer_start": [0] * len(texts)}


classes = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=20)
tags = st.integers(0, 4)
sentences = st.lists(st.lists(st.tuples(tags, tags), min_size=1, max_size=8), min_size=1, max_size=8)
words = st.sampled_from(["the", "Paris", "a", "paris!", "Rome", ".", "new", ""])
answers = st.lists(words, max_size=4).map(" ".join)
spans = st.lists(st.tuples(st.lists(answers, max_size=3), answers), min_size=1, max_size=12)


@pytest.mark.parametrize("name", ["temprel", "mc_facts"])
@given(pairs=classes)
@settings(max_examples=30, deadline=None)
def test_items_of_classes_add_up_to_the_score(name, pairs):
    rows, decided = rows_of([gold for gold, _ in pairs], label=int), [found for _, found in pairs]
    found = score(task(name), rows, decided)
    assert found == {"accuracy": pytest.approx(100 * accuracy_score([gold for gold, _ in pairs], decided))}
    assert aggregate(score_items(task(name), rows, decided)) == pytest.approx(found, abs=1e-9)


@given(sentences)
@settings(max_examples=80, deadline=None)
@pytest.mark.filterwarnings("ignore")
def test_items_of_tags_add_up_to_the_score_of_seqeval(found):
    labels = task("dtag").labels
    rows = rows_of(found, tags=lambda sentence: [gold for gold, _ in sentence])
    decided = [[labels[tag] for _, tag in sentence] for sentence in found]
    total = score(task("dtag"), rows, decided)
    gold = [[labels[tag] for tag in row["tags"]] for row in rows]
    if any(tag != "O" for sentence in gold for tag in sentence):
        report = classification_report(gold, decided, output_dict=True, zero_division=0)
        assert total["f1"] == pytest.approx(100 * report["micro avg"]["f1-score"])
    assert aggregate(score_items(task("dtag"), rows, decided)) == pytest.approx(total, abs=1e-9)


@given(spans)
@settings(max_examples=60, deadline=None)
def test_items_of_answers_add_up_to_the_score(found):
    rows, decided = rows_of([texts for texts, _ in found], answers=answers_row), [text for _, text in found]
    total = score(task("qa_parts"), rows, decided)
    items = score_items(task("qa_parts"), rows, decided)
    assert set(total) == {"exact_match", "qa_f1"}
    assert aggregate(items) == pytest.approx(total, abs=1e-9)
    assert items.numerator.between(0, 1).all() and (items.denominator == 1).all()


@pytest.mark.parametrize("name", [name for name, found in TASKS.items() if found.trainable])
def test_the_metric_of_a_task_is_one_that_is_scored(name, tiny_rows):
    shape = TASKS[name].shape
    assert TASKS[name].metric == scoring.PRIMARY[shape]
    rows = tiny_rows(shape, 3)
    decided = {"pair": 0, "choice": 0, "tagging": None, "span": ""}[shape]
    decisions = [["O"] * len(row["tokens"]) if shape == "tagging" else decided for row in rows]
    assert TASKS[name].metric in score(TASKS[name], rows, decisions)


def test_entities_by_hand():
    names = task("dtag").labels
    rows = rows_of([["B-DAY", "O", "B-MONTH", "I-MONTH"], ["B-DAY", "O"]], tags=lambda s: [names.index(t) for t in s])
    decided = [["B-DAY", "O", "B-MONTH", "O"], ["O", "B-DAY"]]  # one of three found, three said
    assert score(task("dtag"), rows, decided)["f1"] == pytest.approx(100 / 3)
    items = score_items(task("dtag"), rows, decided)
    assert items[["item", "numerator", "denominator"]].to_numpy().tolist() == [["i0", 2, 4], ["i1", 0, 2]]


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("The  Cat!", "cat"),
        ("a-b", "ab"),
        ("An apple, the pear", "apple pear"),
        ("theatre", "theatre"),
        ("U.S.A.", "usa"),
        ("  ", ""),
        ("the", ""),
        ("«Дом»", "«дом»"),  # only ASCII punctuation
        ("der Hund", "der hund"),  # only English articles
    ],
)
def test_normalised_answers(text, normal):
    assert normalise_answer(text) == normal


@pytest.mark.parametrize(
    ("found", "gold", "exact", "f1"),
    [
        ("the Eiffel Tower", "Eiffel tower.", 1, 1),
        ("Eiffel Tower in Paris", "Eiffel Tower", 0, 2 * 2 / (4 + 2)),
        ("new new york", "new york", 0, 2 * 2 / (3 + 2)),  # words are counted, not only present
        ("Rome", "Paris", 0, 0),
        ("", "", 1, 1),
        ("", "Paris", 0, 0),
        ("Paris", "", 0, 0),
        ("the", "", 1, 1),
        ("!", "Paris", 0, 0),
    ],
)
def test_answers_with_a_known_score(found, gold, exact, f1):
    assert exact_match(found, gold) == exact
    assert answer_f1(found, gold) == pytest.approx(f1)


def test_the_best_of_several_answers_counts():
    rows = rows_of([["Rome", "the city of Rome"]], answers=answers_row)
    assert score(task("qa_parts"), rows, ["City of Rome"]) == {"exact_match": 100, "qa_f1": 100}
    assert score(task("qa_parts"), rows, ["city Rome"])["qa_f1"] == pytest.approx(100 * 2 * 2 / (2 + 3))


CANDIDATES = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [-1.0, 0.0]])


@pytest.mark.parametrize(
    ("query", "gold", "rank"),
    [
        ([1, 0], 0, 1),
        ([2, 0.1], 2, 2),
        ([0.1, 5], 0, 3),
        ([1, 0], 3, 4),
        ([1, 1], 0, 3),  # ties with candidate 1: the right one is the last of equals
        ([0, 0], 2, 4),  # no direction: all tie
    ],
)
def test_ranks_by_hand(query, gold, rank):
    def value(metric):
        found = rank_items(np.array([query], float), CANDIDATES, [gold], ["q"], metric)
        assert found[["metric", "item", "denominator"]].to_numpy().tolist() == [[metric, "q", 1.0]]
        return found.numerator.item()

    assert value("accuracy") == (rank == 1)
    assert value("mrr20") == pytest.approx(1 / rank)


@pytest.mark.parametrize(("rank", "value"), [(20, 1 / 20), (21, 0.0)])
def test_the_reciprocal_rank_is_cut_at_20(rank, value):
    angles = np.linspace(0, 1, 30)
    candidates = np.stack([np.cos(angles), np.sin(angles)], axis=1)  # in the order of their distance from the query
    found = rank_items(np.array([[1.0, 0.0]]), candidates, [rank - 1], ["q"], "mrr20")
    assert found.numerator.item() == pytest.approx(value)


def test_ranking_changes_neither_queries_nor_candidates():
    queries, candidates = CANDIDATES.copy(), CANDIDATES.copy()
    rank_items(queries, candidates, [0, 1, 2, 3], list("abcd"), "accuracy")
    assert (queries == CANDIDATES).all() and (candidates == CANDIDATES).all()


def test_states_that_have_collapsed_score_nothing():
    same = np.ones((5, 3))
    assert rank_items(same, same, list(range(5)), list("abcde"), "accuracy").numerator.tolist() == [0] * 5


@pytest.mark.parametrize(
    ("name", "rows", "expected"),
    [
        ("temprel", rows_of([0, 1], label=int), 100 / 3),
        ("mc_facts", rows_of([2, 4], choices=lambda n: ["x"] * n), 100 * (1 / 2 + 1 / 4) / 2),
        ("dtag", rows_of([[0]], tags=list), 0),
        ("qa_parts", rows_of([[], ["Rome"], [], ["Oslo"]], answers=answers_row), 50),
        ("retr_bitext", rows_of("abca", target_id=str), 100 / 3),
        ("retr_el", rows_of("abca", target_id=str), 100 * (1 + 1 / 2 + 1 / 3) / 3),
    ],
)
def test_chance_by_hand(name, rows, expected):
    assert chance(task(name), rows) == pytest.approx(expected)


@pytest.mark.parametrize("metric", ["accuracy", "mrr20"])
def test_chance_of_retrieval_is_what_random_states_score(metric):
    name = {"accuracy": "retr_bitext", "mrr20": "retr_el"}[metric]
    assert task(name).metric == metric
    rng = np.random.default_rng(0)
    count = 40
    values = [
        rank_items(
            rng.normal(size=(count, 8)), rng.normal(size=(count, 8)), range(count), ["q"] * count, metric
        ).numerator
        for _ in range(60)
    ]
    rows = rows_of(range(count), target_id=str)
    assert 100 * np.mean(values) == pytest.approx(chance(task(name), rows), rel=0.15)
