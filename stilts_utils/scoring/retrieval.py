"""Retrieval by cosine: the nearest candidate, average precision cut at 20, and mining of translated pairs."""

from collections import Counter
from functools import partial

import numpy as np
import pandas as pd

from stilts_utils.tasks import Task

CUT = 20  # ranks that average precision counts
NEIGHBOURS = 4  # in each direction, of the margin by which pairs are mined
BLOCK = 512  # queries whose similarities are held at once: 512 * 13,000 candidates are 27 MB


def pool(task: Task, candidates: dict[str, list[dict]], language: str) -> list[dict]:
    """The candidates that queries in a language meet, every id once: those of the language, or of all languages.

    Raises ValueError if two candidates of a pool share an id and not the text.
    """
    by_id: dict[str, dict] = {}
    for each in candidates if task.pool == "all" else (language,):
        for row in candidates[each]:
            if by_id.setdefault(row["id"], row) != row:
                raise ValueError(
                    f"candidates of {task.name}: id {row['id']!r} stands for two texts, allowed: one; make ids unique"
                )
    return list(by_id.values())


def retrieval_items(
    task: Task, rows: list[dict], candidates: list[dict], queries: np.ndarray, targets: np.ndarray
) -> pd.DataFrame:
    """What every query adds to every metric of a task: columns metric, item, numerator, denominator.

    `rows` are the n queries and `candidates` the m candidates they meet, with the vectors `queries` (n, hidden) and
    `targets` (m, hidden). A query's right candidates are those of its `right` that are among the candidates.

    Raises ValueError for a query that has none, unless pairs are mined.
    """
    place = {row["id"]: i for i, row in enumerate(candidates)}
    right = [[place[id] for id in row["right"] if id in place] for row in rows]
    frames = []
    for metric in task.metrics:
        if metric == "mining_f1":
            texts = [row["query"] for row in rows], [row["text"] for row in candidates]
            numerator, denominator = mined(queries, targets, right, *texts)
        else:
            if not all(right):
                row = rows[right.index([])]
                raise ValueError(
                    f"query {row['id']}: right is {row['right']}, allowed for {task.name}: ids of candidates; "
                    "load queries and candidates with the same limit"
                )
            search = _ranked_back if metric == "accuracy_to_english" else partial(ranked, metric)
            numerator, denominator = search(queries, targets, right), 1.0
        ids = [row["id"] for row in rows]
        columns = {"metric": metric, "item": ids, "numerator": numerator, "denominator": denominator}
        frames.append(pd.DataFrame(columns).astype({"numerator": float, "denominator": float}))
    return pd.concat(frames, ignore_index=True)


def ranked(metric: str, queries: np.ndarray, targets: np.ndarray, right: list[list[int]]) -> np.ndarray:
    """The value of every query (n,), in 0..1, from the cosine of its vector to every candidate's.

    `accuracy`: whether the nearest candidate is a right one. `map20`: the precision at the rank of every right
    candidate up to rank 20, summed and divided by min(right ones, 20). With one right candidate that is the reciprocal
    rank cut at 20. Of tied candidates the right one ranks last, so that states that have collapsed into one point score
    as wrong.
    """
    queries, targets = _unit(queries), _unit(targets)
    most = max(map(len, right))
    places = np.array([ids + [-1] * (most - len(ids)) for ids in right])
    values = [
        _ranked_block(metric, queries[i : i + BLOCK] @ targets.T, places[i : i + BLOCK])
        for i in range(0, len(queries), BLOCK)
    ]
    return np.concatenate(values)


def _ranked_back(queries: np.ndarray, targets: np.ndarray, right: list[list[int]]) -> np.ndarray:
    """Accuracy the other way round (n,): whether the nearest query of a query's first right candidate is one of its own."""
    asked = [found[0] for found in right]
    own: dict[int, list[int]] = {}
    for query, found in enumerate(right):
        for place in found:
            own.setdefault(place, []).append(query)
    return ranked("accuracy", targets[asked], queries, [own[place] for place in asked])


def _ranked_block(metric: str, similar: np.ndarray, places: np.ndarray) -> np.ndarray:
    query, column = np.nonzero(places >= 0)
    right = np.full(places.shape, -np.inf, similar.dtype)
    right[query, column] = similar[query, places[query, column]]
    similar[query, places[query, column]] = -np.inf
    right = -np.sort(-right, axis=1)
    wrong_before = np.stack([(similar >= value[:, None]).sum(1) for value in right.T], axis=1)
    number = np.arange(1, right.shape[1] + 1)
    ranks = number + wrong_before
    if metric == "accuracy":
        return (ranks[:, 0] == 1).astype(float)
    counted = (ranks <= CUT) & (right > -np.inf)
    return np.where(counted, number / ranks, 0).sum(1) / np.minimum((places >= 0).sum(1), CUT)


def mined(
    queries: np.ndarray,
    targets: np.ndarray,
    right: list[list[int]],
    query_texts: list[str],
    target_texts: list[str],
) -> tuple[np.ndarray, np.ndarray]:
    """Bitext mining as XTREME scores BUCC: 2 * correct pairs (n,), and mined plus gold pairs (n,), of every query.

    A pair scores its cosine over the mean cosine of both sides to their 4 nearest neighbours (ratio margin, Artetxe and
    Schwenk 2019). The best partner of every query and of every candidate is kept, one to one by descending score. The
    threshold is the one with the highest F1 *on these gold pairs*, as it is officially: the F1 is an upper bound, and
    intervals that resample items hold the threshold fixed. Of sentences that occur twice the last copy is mined, and its
    pairs are dropped afterwards, before the threshold is set: it can take a neighbour's place or its partner, and gold pairs
    that name it count as missed.
    """
    gold = {(i, j) for i, ids in enumerate(right) for j in ids}
    numerator, denominator = np.zeros(len(queries)), np.array([len(ids) for ids in right], float)
    asked, offered = _last_copies(query_texts), _last_copies(target_texts)
    query_once, target_once = _unrepeated(query_texts), _unrepeated(target_texts)
    if len(asked) and len(offered):
        pairs, margins = _best_pairs(_unit(queries[asked]), _unit(targets[offered]))
        pairs = [(int(asked[i]), int(offered[j])) for i, j in pairs]
        correct = np.array([pair in gold for pair in pairs])
        taken_queries, taken_targets, kept = set(), set(), []
        for place in np.lexsort((correct, -margins)):  # of tied pairs the right one comes last
            i, j = pairs[place]
            if margins[place] > 0 and i not in taken_queries and j not in taken_targets:
                taken_queries.add(i)
                taken_targets.add(j)
                if query_once[i] and target_once[j]:
                    kept.append(place)
        for place in kept[: _best_cut(correct[kept], margins[kept], len(gold))]:
            numerator[pairs[place][0]] += 2 * correct[place]
            denominator[pairs[place][0]] += 1
    return numerator, denominator


def _best_pairs(queries: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The best partner of every query and of every candidate: pairs (n + m, 2), and their ratio margins (n + m,)."""
    forward, to = _neighbours(queries, targets)
    backward, back = _neighbours(targets, queries)
    around_queries, around_targets = forward.mean(1), backward.mean(1)
    with np.errstate(divide="ignore", invalid="ignore"):  # states without direction have no margin
        forward /= (around_queries[:, None] + around_targets[to]) / 2
        backward /= (around_targets[:, None] + around_queries[back]) / 2
    n, m = np.arange(len(queries)), np.arange(len(targets))
    pairs = np.concatenate(
        [np.stack([n, to[n, forward.argmax(1)]], axis=1), np.stack([back[m, backward.argmax(1)], m], axis=1)]
    )
    return pairs, np.concatenate([forward.max(1), backward.max(1)])


def _neighbours(queries: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cosine and place of the 4 nearest candidates of every query, each (n, 4), in no order."""
    count, similarities, places = min(NEIGHBOURS, len(targets)), [], []
    for i in range(0, len(queries), BLOCK):
        similar = queries[i : i + BLOCK] @ targets.T
        nearest = np.argpartition(-similar, count - 1, axis=1)[:, :count].copy()  # a view would keep the block
        similarities.append(np.take_along_axis(similar, nearest, axis=1))
        places.append(nearest)
    return np.concatenate(similarities), np.concatenate(places)


def _best_cut(correct: np.ndarray, margins: np.ndarray, gold: int) -> int:
    """How many of the pairs, by descending margin, to take for the highest F1; pairs of one margin go together."""
    if not len(correct):
        return 0
    f1 = 2 * np.cumsum(correct) / (np.arange(1, len(correct) + 1) + gold)
    f1[:-1][margins[:-1] == margins[1:]] = -1
    return int(f1.argmax()) + 1


def _last_copies(texts: list[str]) -> np.ndarray:
    """Places of the last copy of every text, in the order of the first ones, as XTREME unifies them."""
    return np.array(list({text: i for i, text in enumerate(texts)}.values()), dtype=int)


def _unrepeated(texts: list[str]) -> np.ndarray:
    """Whether a text is there once, but for the space around it."""
    times = Counter(text.strip() for text in texts)
    return np.array([times[text.strip()] == 1 for text in texts])


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def chance(metric: str, rows: list[dict], candidates: list[dict]) -> float:
    """The expected score, in 0-100, of candidates in random order; of pairs mined at random, as good as none, 0.

    At rank k a right one of R among m candidates has, in expectation, (k - 1)(R - 1) / (m - 1) right ones before it.
    """
    if metric == "mining_f1":
        return 0.0
    ids, m = {row["id"] for row in candidates}, len(candidates)
    values = []
    for row in rows:
        right = len(ids.intersection(row["right"]))
        rank = np.arange(1, 1 + (min(CUT, m) if metric == "map20" else 1))
        precision = (1 + (rank - 1) * (right - 1) / max(1, m - 1)) / rank
        values.append(right / m * precision.sum() / (min(right, CUT) if metric == "map20" else 1))
    return 100 * float(np.mean(values))
