import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score
from sklearn.neighbors import NearestNeighbors

from stilts_utils.scoring import retrieval
from stilts_utils.scoring.metrics import chance, ratio
from stilts_utils.scoring.retrieval import pool, retrieval_items
from stilts_utils.tasks import task

BOTH, MANY, MINED = task("tatoeba"), task("lareqa"), task("bucc")
ONE = dataclasses.replace(BOTH, also=())


def candidates_of(count):
    return [{"id": f"c{i}", "text": f"text {i}", "context": ""} for i in range(count)]


def rows_of(right):
    return [{"id": f"q{i}", "query": f"query {i}", "right": [f"c{j}" for j in found]} for i, found in enumerate(right)]


def values(entry, queries, targets, right):
    items = retrieval_items(entry, rows_of(right), candidates_of(len(targets)), np.array(queries), np.array(targets))
    assert (items.metric == entry.metric).all() and items.item.tolist() == [f"q{i}" for i in range(len(right))]
    return items


@st.composite
def problems(draw, most=40):
    """Vectors without ties, and one or several right candidates a query."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, m = draw(st.integers(1, 12)), draw(st.integers(2, most))
    right = [sorted(rng.choice(m, rng.integers(1, 1 + min(m, 25)), replace=False)) for _ in range(n)]
    return rng.normal(size=(n, 5)), rng.normal(size=(m, 5)), right


@given(problems())
@settings(deadline=None)
def test_accuracy_is_that_of_the_nearest_neighbour(found):
    queries, targets, right = found
    nearest = NearestNeighbors(n_neighbors=1, metric="cosine", algorithm="brute").fit(targets)
    places = nearest.kneighbors(queries, return_distance=False)[:, 0]
    expected = 100 * np.mean([place in own for place, own in zip(places, right, strict=True)])
    assert ratio(values(ONE, queries, targets, right)) == pytest.approx(expected, abs=1e-6)


@given(problems())
@settings(deadline=None)
def test_accuracy_to_english_is_that_of_a_candidate_among_the_queries(found):
    """Candidate i translates query i; the official direction, from the query, keeps its name."""
    queries, targets, _ = found
    n = min(len(queries), len(targets))
    items = retrieval_items(BOTH, rows_of([[i] for i in range(n)]), candidates_of(n), queries[:n], targets[:n])
    similar = cosines(queries[:n], targets[:n])
    expected = {"accuracy": similar.argmax(1), "accuracy_to_english": similar.argmax(0)}
    assert items.metric.unique().tolist() == list(expected)
    for metric, nearest in expected.items():
        own = items[items.metric == metric]
        assert own.item.tolist() == [f"q{i}" for i in range(n)]
        assert own.numerator.tolist() == (nearest == np.arange(n)).tolist()


def test_the_directions_differ_where_one_sentence_is_near_to_many():
    """Both English sentences are nearest to the first one of the language; each of these finds its own."""
    english, other = np.array([[1.0, 0.0], [0.8, 0.6]]), np.array([[0.96, 0.28], [0.28, 0.96]])
    items = retrieval_items(BOTH, rows_of([[0], [1]]), candidates_of(2), english, other)
    assert items.groupby("metric").numerator.apply(list).to_dict() == {
        "accuracy": [1, 0],
        "accuracy_to_english": [1, 1],
    }


def test_a_sentence_that_occurs_twice_ties_with_itself_in_both_directions():
    english, other = np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])
    items = retrieval_items(BOTH, rows_of([[0], [1]]), candidates_of(2), english, other)
    assert items[items.metric == "accuracy"].numerator.tolist() == [1, 0]
    assert items[items.metric == "accuracy_to_english"].numerator.tolist() == [0, 0]


def cosines(queries, targets):
    return (queries / np.linalg.norm(queries, axis=1)[:, None]) @ (targets / np.linalg.norm(targets, axis=1)[:, None]).T


@given(problems(most=20))
@settings(deadline=None)
def test_average_precision_of_few_candidates_is_that_of_scikit_learn(found):
    queries, targets, right = found
    expected = [
        average_precision_score(np.isin(np.arange(len(targets)), own), similar)
        for own, similar in zip(right, cosines(queries, targets), strict=True)
    ]
    assert values(MANY, queries, targets, right).numerator.tolist() == pytest.approx(expected, abs=1e-6)


@given(problems())
@settings(deadline=None)
def test_average_precision_cut_at_20_is_that_of_the_definition(found):
    queries, targets, right = found
    expected = []
    for own, similar in zip(right, cosines(queries, targets), strict=True):
        hits = total = 0
        for rank, place in enumerate(sorted(range(len(targets)), key=lambda j, s=similar: -s[j])[:20], start=1):
            if place in own:
                hits += 1
                total += hits / rank
        expected.append(total / min(len(own), 20))
    assert values(MANY, queries, targets, right).numerator.tolist() == pytest.approx(expected, abs=1e-6)


def test_blocks_of_queries_do_not_change_the_scores(monkeypatch):
    rng = np.random.default_rng(0)
    queries, targets = rng.normal(size=(23, 6)).astype(np.float32), rng.normal(size=(31, 6)).astype(np.float32)
    right = [[i, i + 5] for i in range(23)]
    whole = [values(entry, queries, targets, right) for entry in (ONE, MANY, MINED)]
    monkeypatch.setattr(retrieval, "BLOCK", 4)
    for entry, expected in zip((ONE, MANY, MINED), whole, strict=True):
        assert values(entry, queries, targets, right).equals(expected)


CANDIDATES = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [-1.0, 0.0]]


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
    query = [[float(x) for x in query]]
    assert values(ONE, query, CANDIDATES, [[gold]]).numerator.tolist() == [rank == 1]
    assert values(MANY, query, CANDIDATES, [[gold]]).numerator.tolist() == pytest.approx([1 / rank])


@pytest.mark.parametrize(
    ("right", "value"),
    [
        ([0, 1], 1),
        ([0, 2], (1 + 2 / 3) / 2),
        ([2, 5], (1 / 3 + 2 / 6) / 2),
        ([0, 25], 1 / 2),  # the second is beyond rank 20
        ([20, 25], 0),
        ([19], 1 / 20),
        (list(range(25)), 1),  # 25 right ones: no more than 20 can be counted
        ([*range(19), *range(20, 26)], 19 / 20),
    ],
)
def test_average_precision_by_hand(right, value):
    angles = np.linspace(0, 1, 30)
    targets = np.stack([np.cos(angles), np.sin(angles)], axis=1)  # in the order of their distance from the query
    items = values(MANY, [[1.0, 0.0]], targets, [right])
    assert items.numerator.tolist() == pytest.approx([value])
    assert items.denominator.tolist() == [1]


def test_ranking_changes_neither_queries_nor_candidates():
    same = np.array(CANDIDATES) + 2
    queries, candidates = same.copy(), same.copy()
    for entry in (ONE, MANY, MINED):
        retrieval_items(entry, rows_of([[0], [1], [2], [3]]), candidates_of(4), queries, candidates)
    assert (queries == same).all() and (candidates == same).all()


def test_states_that_have_collapsed_score_nothing():
    same = np.ones((5, 3))
    assert values(ONE, same, same, [[i] for i in range(5)]).numerator.tolist() == [0] * 5


def test_right_candidates_that_the_pool_lacks_do_not_count():
    items = retrieval_items(
        MANY, [{"id": "q", "query": "q", "right": ["elsewhere", "c0"]}], candidates_of(3), np.eye(1, 3), np.eye(3)
    )
    assert items.numerator.tolist() == [1]


def test_a_query_without_a_right_candidate():
    with pytest.raises(ValueError, match=r"query q1: right is \['c7'\], allowed for tatoeba: ids of candidates; load"):
        values(ONE, np.eye(2), np.eye(2), [[0], [7]])


# Mining


def mined_reference(queries, targets, right, query_texts=None, target_texts=None):
    """F1 of XTREME's mining, by search over all thresholds.

    Of copies of a text the last one is mined (`unique_embeddings`), and pairs of a text that has copies are dropped
    afterwards (`read_sent2id`); all gold pairs count.
    """
    query_texts = query_texts or [str(i) for i in range(len(queries))]
    target_texts = target_texts or [str(i) for i in range(len(targets))]
    gold = {(i, j) for i, own in enumerate(right) for j in own}
    last = [{text: i for i, text in enumerate(texts)} for texts in (query_texts, target_texts)]
    asked, offered = (list(places.values()) for places in last)
    queries, targets = queries[asked], targets[offered]
    count = min(4, len(targets)), min(4, len(queries))
    near = NearestNeighbors(metric="cosine", algorithm="brute").fit(targets).kneighbors(queries, count[0])
    back = NearestNeighbors(metric="cosine", algorithm="brute").fit(queries).kneighbors(targets, count[1])
    around_query, around_target = (1 - near[0]).mean(1), (1 - back[0]).mean(1)
    similar = cosines(queries, targets)

    def margin(i, j):
        return similar[i, j] / ((around_query[i] + around_target[j]) / 2)

    best = {(i, max(near[1][i], key=lambda j, i=i: margin(i, j))) for i in range(len(queries))}
    best |= {(max(back[1][j], key=lambda i, j=j: margin(i, j)), j) for j in range(len(targets))}
    chosen = []
    for i, j in sorted(best, key=lambda pair: -margin(*pair)):
        if margin(i, j) > 0 and all(i != a and j != b for a, b in chosen):
            chosen.append((i, j))
    chosen = [(asked[i], offered[j]) for i, j in chosen]
    chosen = [
        (i, j) for i, j in chosen if query_texts.count(query_texts[i]) == target_texts.count(target_texts[j]) == 1
    ]
    return max(200 * len(gold & set(chosen[:k])) / (k + len(gold)) for k in range(len(chosen) + 1))


@given(st.integers(0, 2**32 - 1), st.integers(1, 15), st.integers(0, 10), st.floats(0.05, 2))
@settings(max_examples=60, deadline=None)
def test_mining_is_that_of_the_definition(seed, pairs, more, noise):
    rng = np.random.default_rng(seed)
    targets = rng.normal(size=(pairs + more, 6)) + 1  # around a common direction, as states are
    queries = np.concatenate([targets[:pairs] + noise * rng.normal(size=(pairs, 6)), rng.normal(size=(more, 6)) + 1])
    right = [[i] for i in range(pairs)] + [[]] * more
    items = values(MINED, queries, targets, right)
    assert ratio(items) == pytest.approx(mined_reference(queries, targets, right), abs=1e-6)
    assert (items.numerator <= items.denominator).all() and ratio(items) <= 100


@given(st.integers(0, 2**32 - 1), st.integers(2, 12), st.data())
@settings(max_examples=60, deadline=None)
def test_mining_with_repeated_sentences_is_that_of_the_definition(seed, pairs, data):
    rng = np.random.default_rng(seed)
    targets = rng.normal(size=(pairs, 6)) + 1
    queries = targets + 0.5 * rng.normal(size=(pairs, 6))
    texts = [
        [f"{side}{i}" for i in data.draw(st.lists(st.integers(0, 9), min_size=pairs, max_size=pairs))] for side in "ab"
    ]
    for vectors, of in ((queries, texts[0]), (targets, texts[1])):  # an encoder gives copies one vector
        vectors[:] = vectors[[of.index(text) for text in of]]
    right = [[i] for i in range(pairs)]
    rows = [row | {"query": text} for row, text in zip(rows_of(right), texts[0], strict=True)]
    offered = [row | {"text": text} for row, text in zip(candidates_of(pairs), texts[1], strict=True)]
    expected = mined_reference(queries, targets, right, *texts)
    assert ratio(retrieval_items(MINED, rows, offered, queries, targets)) == pytest.approx(expected, abs=1e-6)


def test_a_repeated_sentence_takes_the_place_of_another_before_its_pairs_are_dropped():
    """Without both copies from the beginning F1 would be 40; the official script gives 0."""
    queries = np.array([[1.01, 0.01], [1.01, 0.01], [-2.01, 1.01], [0.98, -0.99]])
    targets = np.array([[2.01, -1.01], [-1.01, 1.99], [-2, -0.99], [-1.98, -1]])
    rows, offered = rows_of([[i] for i in range(4)]), candidates_of(4)
    rows[1]["query"] = rows[0]["query"]
    assert ratio(retrieval_items(MINED, rows, offered, queries, targets)) == 0
    assert mined_reference(queries, targets, [[i] for i in range(4)], [row["query"] for row in rows]) == 0


def test_pairs_that_are_each_other_s_neighbours_are_all_mined():
    assert ratio(values(MINED, np.eye(8), np.eye(8), [[i] for i in range(8)])) == 100


def test_a_threshold_leaves_out_pairs_that_are_none():
    rng = np.random.default_rng(0)
    targets = rng.normal(size=(10, 30))
    queries = np.concatenate([targets[:5], rng.normal(size=(5, 30))])  # of ten, five have a translation
    items = values(MINED, queries, targets, [[i] for i in range(5)] + [[]] * 5)
    assert items.numerator.tolist() == [2] * 5 + [0] * 5
    assert items.denominator.tolist() == [2] * 5 + [0] * 5


@pytest.mark.parametrize("state", [0.0, 1.0])
@pytest.mark.parametrize("count", [1, 2])
def test_states_that_have_collapsed_mine_nothing(count, state):
    same = np.full((count, 3), state)
    expected = 100 if (count, state) == (1, 1.0) else 0  # a single pair is found; of tied pairs the right ones are last
    assert ratio(values(MINED, same, same, [[i] for i in range(count)])) == expected


def test_pairs_of_one_margin_are_taken_or_left_together():
    correct, gold = np.array([True, False, True, False]), 2
    assert retrieval._best_cut(correct, np.array([4.0, 3.0, 2.0, 1.0]), gold) == 3
    assert retrieval._best_cut(correct, np.array([4.0, 3.0, 2.0, 2.0]), gold) == 1
    assert retrieval._best_cut(correct[:2], np.array([4.0, 4.0]), 1) == 2


def test_sentences_that_occur_twice_are_not_mined_but_missed():
    rows, candidates = rows_of([[i] for i in range(6)]), candidates_of(6)
    rows[0]["query"] = rows[1]["query"]
    candidates[2]["text"] = candidates[3]["text"]
    items = retrieval_items(MINED, rows, candidates, np.eye(6) + 1, np.eye(6) + 1)
    assert items.numerator.tolist() == [0, 0, 0, 0, 2, 2]
    assert items.denominator.tolist() == [1, 1, 1, 1, 2, 2]


# Pools


def test_whose_candidates_a_query_meets():
    found = {"en": candidates_of(2), "de": [{"id": "d", "text": "Text", "context": ""}, candidates_of(1)[0]]}
    assert [row["id"] for row in pool(ONE, found, "de")] == ["d", "c0"]
    assert [row["id"] for row in pool(MANY, found, "de")] == ["c0", "c1", "d"]


def test_an_id_stands_for_one_text():
    found = {"en": candidates_of(1), "de": [{"id": "c0", "text": "other", "context": ""}]}
    assert len(pool(ONE, found, "de")) == 1
    with pytest.raises(ValueError, match="candidates of lareqa: id 'c0' stands for two texts"):
        pool(MANY, found, "de")


@pytest.mark.parametrize("entry", [ONE, MANY], ids=lambda entry: entry.metric)
@pytest.mark.parametrize("right", [1, 3])
def test_chance_is_what_random_states_score(entry, right):
    rng = np.random.default_rng(0)
    count = 40
    rows = rows_of([rng.choice(count, right, replace=False) for _ in range(count)])
    found = [
        ratio(retrieval_items(entry, rows, candidates_of(count), *rng.normal(size=(2, count, 8)))) for _ in range(80)
    ]
    assert np.mean(found) == pytest.approx(chance(entry, rows, candidates_of(count)), rel=0.15)
    assert chance(dataclasses.replace(entry, metric="mining_f1"), rows, candidates_of(count)) == 0
