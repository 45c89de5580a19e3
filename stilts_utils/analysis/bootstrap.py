"""Intervals of scores and of their differences to the pretrained encoder, over seeds and items.

Pure functions over the table `items`. An arm is one (intermediate, duration). Its score with one seed is
100 * sum(numerator) / sum(denominator) over items, 0 if the denominator is 0; its score is the mean over seeds.
"""

import zlib
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from stilts_utils.study.settings import CONTROL, PRETRAINED

DRAWS, TAIL = 1000, 10  # resamples at least, and how many of them beyond each end of an interval at least
SHARED = (PRETRAINED, CONTROL)  # arms that all others are compared with
MEAN = "mean"  # the `language` of rows that hold the mean over languages
ARM = ["intermediate", "duration"]
GROUP = ["target", "layer", "metric"]
KEYS = [*ARM, "target", "language", "layer", "metric"]


@dataclass(frozen=True)
class Sample:
    """Scores of arms in one language of one target, layer and metric: as observed, and in every draw.

    `own`: the arms that the sample is about; the others are what they are compared with, see `families`.
    """

    target: str
    layer: int
    metric: str
    language: str
    arms: list[tuple[str, int]]
    values: np.ndarray  # (1 + draws, arms), row 0 as observed
    own: frozenset[tuple[str, int]]

    def only(self, durations: Container[int]) -> "Sample":
        """Only the arms of some durations."""
        at = [i for i, (_, duration) in enumerate(self.arms) if duration in durations]
        return replace(self, arms=[self.arms[i] for i in at], values=self.values[:, at])

    def to_reference(self, intermediate: str = PRETRAINED, same_duration: bool = False) -> "Sample":
        """Scores minus that of (intermediate, duration 0), or of the arm's own duration; without the references."""
        references = [(intermediate, duration if same_duration else 0) for _, duration in self.arms]
        if missing := [arm for arm in references if arm not in self.arms]:
            where = {"target": self.target, "layer": self.layer, "metric": self.metric}
            raise ValueError(f"items: {where} lacks the reference {missing[0]}")
        others = [i for i, arm in enumerate(self.arms) if arm != references[i]]
        at = [self.arms.index(references[i]) for i in others]
        return replace(self, arms=[self.arms[i] for i in others], values=self.values[:, others] - self.values[:, at])


class Summary:
    """A table that grows by samples: what was observed of every arm, and its percentile interval."""

    def __init__(self, name: str, level: float = 0.95):
        self.name, self.level = name, level
        self.keys: list[tuple] = []
        self.values: list[np.ndarray] = [np.empty((3, 0))]

    def add(self, sample: Sample) -> None:
        at = [i for i, arm in enumerate(sample.arms) if arm in sample.own]
        interval = np.quantile(sample.values[1:, at], [(1 - self.level) / 2, (1 + self.level) / 2], axis=0)
        self.values.append(np.vstack([sample.values[0, at], interval]))
        place = (sample.target, sample.language, sample.layer, sample.metric)
        self.keys += [(*sample.arms[i], *place) for i in at]

    def frame(self) -> pd.DataFrame:
        """The keys, the value as `name`, low, high."""
        values = dict(zip((self.name, "low", "high"), np.concatenate(self.values, axis=1), strict=True))
        return pd.DataFrame(self.keys, columns=KEYS).assign(**values).sort_values(KEYS, ignore_index=True)


def weights(draws: int, size: int, key: list[int]) -> np.ndarray:
    """How often each of `size` units counts, as (1 + draws, size): row 0 once each. The same key, the same draws."""
    drawn = np.random.default_rng(key).integers(size, size=(draws, size))
    places = drawn + size * np.arange(draws)[:, None]  # of a unit within a draw: several times as fast as a multinomial
    counts = np.bincount(places.ravel(), minlength=draws * size).reshape(draws, size)
    return np.concatenate([np.ones((1, size)), counts])


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return 100 * np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def _once(denominator: np.ndarray) -> np.ndarray:
    """The first column alone if all are equal, as where they count gold answers: half of the work of a draw is saved."""
    return denominator[:, :1] if (denominator == denominator[:, :1]).all() else denominator


def resampled(items: pd.DataFrame, draws: int = DRAWS, seed: int = 0) -> Iterator[Sample]:
    """A sample for every target, layer, metric and language, and after the languages one for their mean.

    If arms have different seeds, there is one for each of the `families`.

    One draw takes the same seeds and the same items for all arms, so that differences between rows of one draw are
    paired on both. The draws depend on nothing but `seed`, the number of seeds and the ids of the items: they are the
    same for every layer and metric, and for languages that share their items (translations of one another), which are
    then drawn jointly; other languages are independent.

    Raises ValueError if arms of a family differ in seeds, languages or items.
    """
    for (target, layer, metric), every in items.groupby(GROUP):
        for rows, own in families(every):
            arms, seeds, cells = _cells(rows, {"target": target, "layer": layer, "metric": metric})
            by_seed = weights(draws, seeds, [seed]) / seeds
            scores, drawn_by = {}, None
            for language, (ids, numerator, denominator) in cells.items():
                key = zlib.crc32("\n".join([target, *ids]).encode())
                if drawn_by != (key, len(ids)):
                    drawn_by, by_item = (key, len(ids)), weights(draws, len(ids), [seed, key])
                by_run = _ratio(by_item @ numerator, by_item @ _once(denominator))
                scores[language] = np.einsum("das,ds->da", by_run.reshape(1 + draws, len(arms), seeds), by_seed)
            scores[MEAN] = np.mean(list(scores.values()), axis=0)
            for language, values in scores.items():
                yield Sample(target, layer, metric, language, arms, values, own)


def families(items: pd.DataFrame) -> Iterator[tuple[pd.DataFrame, frozenset[tuple[str, int]]]]:
    """Parts of a target's items of which the arms have the same seeds, and the arms that each part is about.

    A part has the arms of one set of seeds and, on these seeds alone, duration 0 and the control, with which they are compared.
    """
    of_run = pd.MultiIndex.from_frame(items[[*ARM, "seed"]])
    seeds_of: dict[tuple[str, int], set[int]] = {}
    for *arm, seed in of_run.unique():
        seeds_of.setdefault(tuple(arm), set()).add(seed)
    sets = {frozenset(seeds) for seeds in seeds_of.values()}
    for seeds in sorted(sets, key=lambda seeds: (-len(seeds), sorted(seeds))):
        own = frozenset(arm for arm, its in seeds_of.items() if its == seeds)
        arms = own | {arm for arm in seeds_of if arm[0] in SHARED}
        runs = [(*arm, seed) for arm in arms for seed in seeds]
        yield items if len(sets) == 1 else items[of_run.isin(runs)], own


def _cells(rows: pd.DataFrame, group: dict) -> tuple[list, int, dict[str, tuple]]:
    """The arms, the number of seeds, and language -> item ids, numerators and denominators as (items, arms * seeds)."""
    arms = list(rows[ARM].drop_duplicates().sort_values(ARM).itertuples(index=False, name=None))
    number = {arm: i for i, arm in enumerate(arms)}
    (language, languages), (item, ids) = (pd.factorize(rows[name], sort=True) for name in ("language", "item"))
    (seed, seeds), (task, tasks), (duration, durations) = (pd.factorize(rows[name]) for name in ("seed", *ARM))
    arm = np.array([[number.get((t, d), -1) for d in durations] for t in tasks])[task, duration]
    run = arm * len(seeds) + np.argsort(np.argsort(seeds))[seed]
    runs, order = len(arms) * len(seeds), np.lexsort((run, item, language))
    ordered = [column[order] for column in (language, item, run, *rows[["numerator", "denominator"]].to_numpy().T)]
    cells = {}
    for code, name in enumerate(languages):
        _, items, of_run, *values = (
            column[slice(*np.searchsorted(ordered[0], [code, code + 1]))] for column in ordered
        )
        shown = np.unique(items)
        every_run = np.array_equal(of_run, np.tile(np.arange(runs), len(shown)))
        if not every_run or not np.array_equal(items, np.repeat(shown, runs)) or np.isnan(values).any():
            raise ValueError(f"items: {group} has arms that differ in seeds, languages or items")
        cells[name] = (ids[shown].astype(str), *(value.reshape(len(shown), runs) for value in values))
    return arms, len(seeds), cells


def draws_of(level: float) -> int:
    """As many draws as leave enough beyond each end of an interval."""
    return max(DRAWS, round(2 * TAIL / (1 - level)))


def bootstrap_scores(items: pd.DataFrame, draws: int = DRAWS, seed: int = 0, level: float = 0.95) -> pd.DataFrame:
    """Score (0-100) and its interval per (intermediate, duration, target, language, layer, metric).

    The interval is the percentile interval (Efron & Tibshirani 1993, ch. 13) of a two-level bootstrap: a draw
    resamples seeds and, within a (target, language), items, the same for all arms and seeds. Rows with language "mean"
    hold the mean over languages, which are fixed and not resampled. scipy.stats.bootstrap has one level only.
    With few seeds the spread between seeds is underestimated, by (n - 1) / n in variance: read the interval with n.

    Returns the keys, score, low, high. Raises ValueError if arms differ in seeds, languages or items.
    """
    return _summed(resampled(items, draws, seed), Summary("score", level))


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

    Returns the keys, difference, low, high. Raises ValueError if a target has no reference.
    """
    samples = resampled(items, draws or draws_of(level), seed)
    differences = (sample.to_reference(reference_intermediate, same_duration) for sample in samples)
    return _summed(differences, Summary("difference", level))


def layer_gaps(items: pd.DataFrame, last: int, middle: int, seed: int = 0, level: float = 0.95) -> pd.DataFrame:
    """Change against duration 0 at the last layer minus that at the middle one, in points; rows of `bootstrap_differences`.

    A draw takes the same seeds and items at both layers.
    """
    kept = items[items.layer.isin([last, middle])]
    samples = [sample.to_reference() for sample in resampled(kept, draws_of(level), seed)]
    return _summed(gaps(samples, last, middle), Summary("difference", level))


def gaps(changes: Iterable[Sample], last: int, middle: int) -> Iterator[Sample]:
    """What is left of the changes at the last layer when those at the middle one are taken off."""
    by_place = {(sample.target, sample.metric, sample.language, sample.own, sample.layer): sample for sample in changes}
    for (*place, layer), sample in by_place.items():
        if layer == last:
            yield replace(sample, values=sample.values - by_place[*place, middle].values)


def _summed(samples: Iterable[Sample], summary: Summary) -> pd.DataFrame:
    for sample in samples:
        summary.add(sample)
    return summary.frame()
