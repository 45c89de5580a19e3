"""Nearest candidates of a query: exact search against a graph index, by faiss on one thread.

The graph is a hierarchical navigable small world (HNSW): every candidate is linked to some near ones, and a query walks
along the links instead of being compared with all candidates (Malkov and Yashunin 2018, doi 10.1109/TPAMI.2018.2889473).
How much the walk saves and misses depends on how the candidates lie, thus on the encoder that made the vectors.
"""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

import faiss
import numpy as np

LINKS = 16  # M: links of a candidate on a layer of the graph; the lowest layer has twice as many
BUILD_WIDTH = 80  # efConstruction: nearest candidates kept in view while a candidate is linked
LEAST_PASSES = 3  # through all queries, of each index
UNIT = 1e-3  # most that the length of a vector may differ from 1
TIE = 1e-6  # cosines this close are of one rank: the two indices add up in different orders


@contextmanager
def _one_thread() -> Iterator[None]:
    """One faiss thread inside the block. It also makes the graph depend on the vectors alone."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _check_vectors(name: str, vectors: np.ndarray) -> None:
    if vectors.ndim != 2 or not vectors.size:
        raise ValueError(f"{name} is of shape {vectors.shape}, allowed: (vectors, dimensions), 1 or more each")
    if vectors.dtype != np.float32:
        raise ValueError(f"{name} is of type {vectors.dtype}, allowed: float32")
    lengths = np.linalg.norm(vectors, axis=1)
    wrong = lengths[~(np.abs(lengths - 1) <= UNIT)]  # holds for NaN, too
    if len(wrong):
        raise ValueError(f"{name} has a vector of length {wrong[0]:.4g}, allowed: 1; divide each by its L2 norm")


def _check(queries: np.ndarray, candidates: np.ndarray, seconds: float, recall: float, k: int) -> None:
    _check_vectors("queries", queries)
    _check_vectors("candidates", candidates)
    if len(queries) < 2:
        raise ValueError("queries has 1 vector, allowed: 2 or more; the width is chosen on every other one")
    if queries.shape[1] != candidates.shape[1]:
        raise ValueError(
            f"queries has {queries.shape[1]} dimensions, allowed: {candidates.shape[1]}, as candidates has"
        )
    if not 1 <= k <= len(candidates):
        raise ValueError(f"k is {k}, allowed: 1 to {len(candidates)}, the number of candidates")
    if not 0 < recall <= 1:
        raise ValueError(f"recall is {recall}, allowed: above 0, at most 1")
    if not seconds > 0:
        raise ValueError(f"seconds is {seconds}, allowed: above 0")


def exact_index(candidates: np.ndarray) -> faiss.Index:
    """An index that compares a query with every candidate (n, d), by inner product."""
    index = faiss.IndexFlatIP(candidates.shape[1])
    index.add(candidates)
    return index


def graph_index(candidates: np.ndarray) -> faiss.Index:
    """The graph of the candidates (n, d), by inner product; the same for the same candidates on one thread."""
    index = faiss.IndexHNSWFlat(candidates.shape[1], LINKS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = BUILD_WIDTH
    index.add(candidates)
    return index


def _recall(cosines: np.ndarray, exact: np.ndarray) -> float:
    """Recall@k: share of the answers, by their cosines (n, k), that are as near as the k-th exact one or nearer.

    Candidates that tie for the k-th rank count alike, as in ANN-Benchmarks (Aumueller et al. 2020).
    """
    return float(np.mean(cosines >= exact[:, -1:] - TIE))


def _width(graph: faiss.Index, queries: np.ndarray, exact: np.ndarray, recall: float) -> tuple[int, float]:
    """The search width (efSearch) and its recall: the smallest tried that reaches `recall`, otherwise the largest.

    Widths are doubled from k up to the number of candidates; then the quarters below the first that reaches it are tried.
    """
    k = exact.shape[1]

    def reached(width: int) -> float:
        graph.hnsw.efSearch = width
        return _recall(graph.search(queries, k)[0], exact)

    width, share = k, reached(k)
    while share < recall and width < graph.ntotal:
        width = min(2 * width, graph.ntotal)
        share = reached(width)
    if share >= recall:
        for quarter in (5, 6, 7):
            smaller = width * quarter // 8
            if k < smaller < width and (less := reached(smaller)) >= recall:
                width, share = smaller, less
                break
    graph.hnsw.efSearch = width
    return width, share


def _pass(index: faiss.Index, queries: np.ndarray, k: int) -> float:
    """Seconds in which an index answers all queries, one at a time as in serving."""
    began = time.perf_counter()
    for i in range(len(queries)):
        index.search(queries[i : i + 1], k)
    return time.perf_counter() - began


def compare(queries: np.ndarray, candidates: np.ndarray, seconds: float, recall: float = 0.95, k: int = 1) -> dict:
    """Exact search and the graph for queries (n, d) over candidates (m, d), L2-normalised float32, by cosine.

    The graph is searched at the smallest width, of those tried, whose recall@k of the exact result is `recall` or more on
    every other query. All other numbers are of the other half, on which nothing was chosen: passes through these queries,
    one at a time, alternate in random order for about `seconds`, and for three passes of each at least; the median pass
    counts. Everything runs on one thread.

    Returns exact_qps and graph_qps (queries/s), recall (0-1, of the timed queries), reached (whether any width was wide
    enough for the queries it was chosen on), ef_search (the width, candidates kept in view), distances_exact and
    distances_graph (candidates compared per query) and build_s (seconds to build the graph).

    Raises ValueError for vectors that are not float32 of length 1, fewer than two queries, dimensions that differ, k above
    m, and a recall or seconds out of range.
    """
    _check(queries, candidates, seconds, recall, k)
    candidates = np.ascontiguousarray(candidates)
    with _one_thread():
        exact = exact_index(candidates)
        began = time.perf_counter()
        graph = graph_index(candidates)
        build_s = time.perf_counter() - began
        chosen_on, queries = np.ascontiguousarray(queries[::2]), np.ascontiguousarray(queries[1::2])
        width, share = _width(graph, chosen_on, exact.search(chosen_on, k)[0], recall)
        timed_recall = _recall(graph.search(queries, k)[0], exact.search(queries, k)[0])
        faiss.cvar.hnsw_stats.reset()
        _pass(graph, queries, k)  # also the warm-up
        distances = faiss.cvar.hnsw_stats.ndis / len(queries)
        _pass(exact, queries, k)
        order, taken = random.Random(0), {"exact": [], "graph": []}
        began = time.perf_counter()
        while len(taken["exact"]) < LEAST_PASSES or time.perf_counter() - began < seconds:
            for name, index in order.sample([("exact", exact), ("graph", graph)], 2):
                taken[name].append(_pass(index, queries, k))
    return {
        **{f"{name}_qps": len(queries) / float(np.median(passes)) for name, passes in taken.items()},
        "recall": timed_recall,
        "reached": share >= recall,
        "ef_search": width,
        "distances_exact": len(candidates),
        "distances_graph": distances,
        "build_s": build_s,
    }
