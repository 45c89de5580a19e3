import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stilts_utils.timing import nearest
from stilts_utils.timing.nearest import compare, exact_index, graph_index


def unit(vectors):
    vectors = np.asarray(vectors, np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def clustered(count, seed=0, clusters=50, dimensions=32):
    """Candidates around some centres, and queries that are candidates with noise: as sentences and translations lie."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(clusters, dimensions))
    candidates = centres[rng.integers(clusters, size=count)] + 0.5 * rng.normal(size=(count, dimensions))
    queries = candidates[rng.choice(count, 100)] + 0.2 * rng.normal(size=(100, dimensions))
    return unit(queries), unit(candidates)


@pytest.fixture(scope="module")
def vectors():
    return clustered(5000)


@pytest.fixture(scope="module")
def found(vectors):
    return compare(*vectors, seconds=0.01)


def test_exact_search_is_the_largest_cosine(vectors):
    queries, candidates = vectors
    cosines, ids = exact_index(candidates).search(queries, 1)
    assert ids[:, 0].tolist() == (queries @ candidates.T).argmax(1).tolist()
    assert cosines[:, 0] == pytest.approx((queries @ candidates.T).max(1), abs=1e-5)


def test_the_graph_reaches_the_recall_with_fewer_distances(found):
    assert found["recall"] >= 0.9 and found["reached"]
    assert found["distances_exact"] == 5000
    assert 0 < found["distances_graph"] < found["distances_exact"]
    assert found["exact_qps"] > 0 and found["graph_qps"] > 0 and found["build_s"] > 0


def test_recall_is_that_of_the_width_by_hand(vectors, found):
    queries, candidates = vectors
    with nearest._one_thread():
        graph = graph_index(candidates)
    graph.hnsw.efSearch = found["ef_search"]
    right = graph.search(queries, 1)[1][:, 0] == (queries @ candidates.T).argmax(1)
    assert np.mean(right[::2]) >= 0.95  # the queries on which the width was chosen
    assert found["recall"] == np.mean(right[1::2])


def test_everything_but_the_times_depends_on_the_vectors_alone(vectors, found):
    again = compare(*vectors, seconds=0.01)
    for name in ("recall", "reached", "ef_search", "distances_exact", "distances_graph"):
        assert again[name] == found[name]


def test_a_higher_recall_takes_a_wider_search(vectors, found):
    wider = compare(*vectors, seconds=0.01, recall=1.0, k=5)
    assert wider["recall"] >= found["recall"] and wider["ef_search"] > found["ef_search"]
    assert wider["distances_graph"] > found["distances_graph"]


def test_the_width_is_the_smallest_of_those_tried(monkeypatch):
    class Graph:
        class hnsw:
            efSearch = 0

        ntotal = 100

        def search(self, queries, k):
            tried.append(self.hnsw.efSearch)
            return np.full((10, k), 1.0 if self.hnsw.efSearch >= needed else 0.0), None

    for needed, expected, widths in (
        (1, 1, [1]),
        (7, 7, [1, 2, 4, 8, 5, 6, 7]),
        (90, 100, [1, 2, 4, 8, 16, 32, 64, 100, 62, 75, 87]),
        (101, 100, [1, 2, 4, 8, 16, 32, 64, 100]),
    ):
        tried = []
        assert nearest._width(Graph(), None, np.ones((10, 1)), 0.95) == (expected, float(needed <= 100))
        assert tried == widths and Graph.hnsw.efSearch == expected


def test_candidates_that_tie_count_alike():
    queries = unit(np.eye(4, 8))
    assert compare(queries, np.repeat(queries, 5, axis=0), seconds=0.01, k=2)["recall"] == 1
    assert nearest._recall(np.float32([[0.9, 0.7], [0.8, -3e38]]), np.float32([[0.9, 0.8], [0.8, 0.8]])) == 0.5


def test_the_number_of_threads_is_restored(vectors, monkeypatch):
    before, seen = faiss.omp_get_max_threads(), []
    try:
        faiss.omp_set_num_threads(2)
        monkeypatch.setattr(
            nearest, "graph_index", lambda candidates: seen.append(faiss.omp_get_max_threads()) or 1 / 0
        )
        with pytest.raises(ZeroDivisionError):
            compare(*vectors, seconds=0.01)
        assert seen == [1] and faiss.omp_get_max_threads() == 2
    finally:
        faiss.omp_set_num_threads(before)


ROWS = unit(np.eye(3, 4))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"queries": ROWS[:1]}, "queries has 1 vector, allowed: 2 or more"),
        ({"queries": ROWS[0]}, r"queries is of shape \(4,\), allowed: \(vectors, dimensions\)"),
        ({"candidates": ROWS[:0]}, r"candidates is of shape \(0, 4\), allowed"),
        ({"queries": ROWS.astype(np.float64)}, "queries is of type float64, allowed: float32"),
        ({"candidates": ROWS * np.float32(np.nan)}, "candidates has a vector of length nan, allowed: 1"),
        ({"queries": ROWS[:, :3]}, "queries has 3 dimensions, allowed: 4"),
        ({"k": 4}, "k is 4, allowed: 1 to 3"),
        ({"k": 0}, "k is 0, allowed: 1 to 3"),
        ({"recall": 1.5}, "recall is 1.5, allowed: above 0, at most 1"),
        ({"seconds": 0}, "seconds is 0, allowed: above 0"),
    ],
)
def test_what_is_not_allowed_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        compare(**{"queries": ROWS, "candidates": ROWS, "seconds": 0.01, **change})


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.integers(2, 12), st.integers(0, 2**32 - 1), st.floats(0.01, 100))
def test_only_vectors_of_length_1_are_compared(count, seed, factor):
    vectors = unit(np.random.default_rng(seed).normal(size=(count, 8)))
    found = compare(vectors, vectors, seconds=1e-6, k=count)
    assert found["distances_exact"] == count and 0 <= found["recall"] <= 1
    if abs(factor - 1) > 2 * nearest.UNIT:
        scaled = vectors.copy()
        scaled[seed % count] *= np.float32(factor)
        with pytest.raises(ValueError, match="candidates has a vector of length .* allowed: 1"):
            compare(vectors, scaled, seconds=1e-6)
