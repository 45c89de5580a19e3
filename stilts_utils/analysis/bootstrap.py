"""Intervals of scores and of their differences to the pretrained encoder, over seeds and items.

Pure functions over the table `items`. An arm is one (intermediate, duration). Its score with one seed is
100 * sum(numerator) / sum(denominator) over items, 0 where the denominator is 0; its score is the mean over seeds.
"""

import zlib
from collections.abc import Iterator

import numpy as np
import pandas as pd

from stilts_utils.study.settings import PRETRAINED

DRAWS, TAIL = 1000, 10  # resamples at least, and how many of them beyond each end of an interval at least
MEAN = "mean"  # the `language` of rows that hold the mean over languages
ARM = ["intermediate", "duration"]
GROUP = ["target", "layer", "metric"]
KEYS = [*ARM, "target", "language", "layer", "metric"]


def weights(draws: int, size: int, key: list[int]) -> np.ndarray:
    """How often each of `size` units counts, as (1 + draws, size): row 0 once each. The same key, the same draws."""
    drawn = np.random.default_rng(key).integers(size, size=(draws, size))
    places = drawn + size * np.arange(draws)[:, None]  # of a unit within a draw: several times as fast as a multinomial
    counts = np.bincount(places.ravel(), minlength=draws * size).reshape(draws, size)
    return np.concatenate([np.ones((1, size)), counts])


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return 100 * np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def _resampled(items: pd.DataFrame, draws: int, seed: int) -> Iterator[tuple[tuple, pd.MultiIndex, str, np.ndarray]]:
    """Yield ((target, layer, metric), arms, language, scores) with scores as (1 + draws, arms).

    Row 0 is the observed score, the others are resampled. One draw takes the same seeds and the same items for all
    arms, so that differences between rows of one draw are paired on both. The draws depend on nothing but `seed`, the
    number of seeds and the ids of the items: they are the same for every layer and metric, and for languages that
    share their items (translations of one another), which are then drawn jointly; other languages are independent.
    """
    for group, rows in items.groupby(GROUP):
        cells = rows.set_index([*ARM, "seed", "language", "item"])[["numerator", "denominator"]]
        table = cells.unstack(["language", "item"]).sort_index().sort_index(axis=1)
        arms, seeds = table.index.droplevel("seed").unique(), table.index.unique("seed")
        if len(table) != len(arms) * len(seeds) or table.isna().any(axis=None):
            where = dict(zip(GROUP, group, strict=True))
            raise ValueError(f"items: {where} has arms that differ in seeds, languages or items")
        by_seed = weights(draws, len(seeds), [seed]) / len(seeds)
        scores = {}
        for language in sorted(rows.language.unique()):
            numerator, denominator = (table[name][language] for name in ("numerator", "denominator"))
            ids = numerator.columns.astype(str)
            key = zlib.crc32("\n".join([group[0], *ids]).encode())
            by_item = weights(draws, len(ids), [seed, key])
            by_run = _ratio(by_item @ numerator.to_numpy().T, by_item @ denominator.to_numpy().T)
            by_arm = by_run.reshape(1 + draws, len(arms), len(seeds))
            scores[language] = np.einsum("das,ds->da", by_arm, by_seed)
        scores[MEAN] = np.mean(list(scores.values()), axis=0)
        for language, values in scores.items():
            yield group, arms, language, values


def _draws(level: float) -> int:
    return max(DRAWS, round(2 * TAIL / (1 - level)))


def _summary(
    group: tuple, arms: pd.MultiIndex, language: str, values: np.ndarray, name: str, level: float
) -> pd.DataFrame:
    """Observed value and percentile interval of each arm, from values as (1 + draws, arms)."""
    names = [*KEYS, name, "low", "high"]
    low, high = np.quantile(values[1:], [(1 - level) / 2, (1 + level) / 2], axis=0)
    named = dict(zip(GROUP, group, strict=True), language=language)
    return arms.to_frame(index=False).assign(**named, **{name: values[0], "low": low, "high": high})[names]


def bootstrap_scores(items: pd.DataFrame, draws: int = DRAWS, seed: int = 0, level: float = 0.95) -> pd.DataFrame:
    """Score (0-100) and its interval per (intermediate, duration, target, language, layer, metric).

    The interval is the percentile interval (Efron & Tibshirani 1993, ch. 13) of a two-level bootstrap: a draw
    resamples seeds and, within a (target, language), items, the same for all arms and seeds. Rows with language "mean"
    hold the mean over languages, which are fixed and not resampled. scipy.stats.bootstrap has one level only.
    With few seeds the spread between seeds is underestimated, by (n - 1) / n in variance: read the interval with n.

    Returns the keys, score, low, high. Raises ValueError where arms differ in seeds, languages or items.
    """
    frames = [_summary(*part, "score", level) for part in _resampled(items, draws, seed)]
    return pd.concat(frames).sort_values(KEYS, ignore_index=True)


def bootstrap_differences(
    items: pd.DataFrame,
    reference_intermediate: str = PRETRAINED,
    draws: int | None = None,
    seed: int = 0,
    level: float = 0.95,
    same_duration: bool = False,
) -> pd.DataFrame:
    """Score of an arm minus that of the reference, in points, paired on items and seeds; otherwise `bootstrap_scores`.

    The reference is (reference_intermediate, duration 0), or that at the arm's own duration, of the same target,
    language, layer and metric; it has no row. `draws`: as many as the level needs in its tails, unless told.

    Returns the keys, difference, low, high. Raises ValueError where a target has no reference.
    """
    frames = []
    for group, arms, language, values in _resampled(items, draws or _draws(level), seed):
        kept, differences = _to_reference(group, arms, values, reference_intermediate, same_duration)
        frames.append(_summary(group, kept, language, differences, "difference", level))
    return pd.concat(frames).sort_values(KEYS, ignore_index=True)


def _to_reference(group: tuple, arms: pd.MultiIndex, values: np.ndarray, reference: str, same_duration: bool):
    """The arms that are no reference, and in every draw what they are above theirs: (1 + draws, arms)."""
    references = [(reference, duration if same_duration else 0) for _, duration in arms]
    at = arms.get_indexer(pd.MultiIndex.from_tuples(references, names=ARM))
    if (at < 0).any():
        lacking = references[at.argmin()]
        raise ValueError(f"items: {dict(zip(GROUP, group, strict=True))} lacks the reference {lacking}")
    others = np.arange(len(arms)) != at
    return arms[others], values[:, others] - values[:, at[others]]


def layer_gaps(items: pd.DataFrame, last: int, middle: int, seed: int = 0, level: float = 0.95) -> pd.DataFrame:
    """Change against duration 0 at the last layer minus that at the middle one, in points; rows of `bootstrap_differences`.

    A draw takes the same seeds and items at both layers.
    """
    changes, frames = {}, []
    kept = items[items.layer.isin([last, middle])]
    for group, arms, language, values in _resampled(kept, _draws(level), seed):
        own, change = _to_reference(group, arms, values, PRETRAINED, False)
        target, layer, metric = group
        changes[target, metric, language, layer] = own, change
    for (target, metric, language, layer), (own, change) in changes.items():
        if layer == last:
            gap = change - changes[target, metric, language, middle][1]
            frames.append(_summary((target, last, metric), own, language, gap, "difference", level))
    return pd.concat(frames).sort_values(KEYS, ignore_index=True)
