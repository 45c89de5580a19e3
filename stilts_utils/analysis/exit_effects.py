"""The effects of early exit on latency and quality, from the answers of every exit (the table `exits`) and the clock. Pure.

Thresholds are chosen on calibration rows, all results are on evaluation rows. Intervals resample the calibration rows, too,
because most of the noise comes from them.
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from stilts_utils.analysis import exit_rules
from stilts_utils.analysis.bootstrap import weights
from stilts_utils.analysis.exit_clock import request_model
from stilts_utils.analysis.exit_rules import CALIBRATION, EVALUATION, GRID, RULES, Trace
from stilts_utils.study.settings import PRETRAINED
from stilts_utils.tasks import TRAINING_LANGUAGE

DRAWS = 500
MEAN, OTHERS = "mean", "others"  # of all languages; of all but English
ENGLISH, OTHER = "English", "other languages"


@dataclass(frozen=True)
class Recorded:
    """The answers of every exit over one task's trajectory, as arrays."""

    layers: tuple[int, ...]
    durations: tuple[int, ...]
    seeds: tuple[int, ...]
    languages: tuple[str, ...]
    answers: dict[tuple, tuple[np.ndarray, np.ndarray]]  # (split, language, duration, seed): confidence, correct
    ids: dict[tuple, tuple[str, ...]]  # (split, language, seed): ids of the rows, the same for all durations

    @classmethod
    def read(cls, exits: pd.DataFrame, intermediate: str) -> "Recorded":
        """Duration 0 and the durations of one intermediate task.

        Raises ValueError if durations differ in their rows, or seeds in their evaluation rows.
        """
        rows = exits[exits.intermediate.isin([PRETRAINED, intermediate])]
        rows = rows[rows.seed.isin(rows.seed[rows.intermediate == intermediate].unique())]  # those of the task alone
        rows = rows.sort_values(["split", "language", "seed", "duration", "item", "layer"])
        layers, durations, seeds = (tuple(sorted(rows[name].unique())) for name in ("layer", "duration", "seed"))
        if 0 not in durations:
            raise ValueError(f"exits: durations of {intermediate!r} are {durations}, allowed: with 0")
        answers, ids = {}, {}
        for (split, language, seed), group in rows.groupby(["split", "language", "seed"]):
            items, shape = sorted(group.item.unique()), (len(durations), -1, len(layers))
            grid = pd.MultiIndex.from_product([durations, items, layers])
            if not grid.equals(pd.MultiIndex.from_frame(group[["duration", "item", "layer"]])):
                raise ValueError(f"exits: {split} rows of {language}, seed {seed}, differ between durations or layers")
            ids[split, language, seed] = tuple(items)
            grids = (group[name].to_numpy().reshape(shape) for name in ("confidence", "correct"))
            for duration, *pair in zip(durations, *grids, strict=True):
                answers[split, language, duration, seed] = tuple(pair)
        languages = tuple(rows[rows.split == EVALUATION].language.unique())
        for language, seed in product(languages, seeds):
            rows, first = ids.get((EVALUATION, language, seed)), ids.get((EVALUATION, language, seeds[0]))
            if rows != first or (CALIBRATION, TRAINING_LANGUAGE, seed) not in ids:
                raise ValueError(f"exits: seed {seed} has no calibration rows or differs in its rows of {language}")
        return cls(layers, durations, seeds, languages, answers, ids)

    def trace(self, split: str, language: str, duration: int, seed: int) -> Trace:
        return exit_rules.trace(*self.answers[split, language, duration, seed], self.layers)

    def places(self, seed: int, points_lost: float, weights: np.ndarray) -> dict[tuple[str, int], np.ndarray]:
        """(rule, duration) -> place of the threshold in the grid, (draws,). `weights` of calibration rows: (draws, rows)."""
        traces = {d: self.trace(CALIBRATION, TRAINING_LANGUAGE, d, seed) for d in self.durations}
        right, depth, full = (
            {d: weights @ getattr(trace, name).T for d, trace in traces.items()} for name in ("right", "depth", "full")
        )
        return exit_rules.chosen(right, depth, full, points_lost)

    def weights(self, draws: int, key: int, split: str, language: str, seed: int) -> np.ndarray:
        """Shares of rows in every draw, (1 + draws, rows): the same wherever the ids are, so that translations go together."""
        rows = self.ids[split, language, seed]
        return weights(draws, len(rows), [key, zlib.crc32("\n".join([split, *rows]).encode())]) / len(rows)

    def of(self, group: str) -> list[str]:
        """The languages of a group."""
        return [one for one in self.languages if (one == TRAINING_LANGUAGE) == (group == ENGLISH)]


def _ends(values: np.ndarray) -> tuple[float, float]:
    """95 % percentile interval of the draws after the observed value."""
    return tuple(float(end) for end in np.percentile(values[1:], [2.5, 97.5])) if len(values) > 1 else (np.nan, np.nan)


def by_language(recorded: Recorded, points_lost: float) -> pd.DataFrame:
    """Per (rule, duration, language), means over seeds: `depth` (mean exit layer), `full` and `accuracy` (0-100 points
    at full depth and with exits), `lost` (their difference), `early_wrong` and `harmed` (percent of rows that stop early
    and are wrong, and those of them that full depth has right), `ece` (calibration error at full depth, points).

    Languages also: the mean over all, and over all but English.
    """
    rows = []
    for seed in recorded.seeds:
        places = recorded.places(seed, points_lost, recorded.weights(0, 0, CALIBRATION, TRAINING_LANGUAGE, seed))
        for language, duration in product(recorded.languages, recorded.durations):
            key = (EVALUATION, language, duration, seed)
            trace, (confidence, correct) = recorded.trace(*key), recorded.answers[key]
            full, ece = 100 * trace.full.mean(), exit_rules.calibration_error(confidence[:, -1], correct[:, -1])
            for rule in RULES:
                place = places[rule, duration][0]
                right, wrong = trace.right[place], trace.early[place] & (trace.right[place] == 0)
                accuracy, harmed = 100 * right.mean(), 100 * (wrong & (trace.full == 1)).mean()
                numbers = full, accuracy, full - accuracy, 100 * wrong.mean(), harmed, ece
                rows.append((rule, duration, language, trace.depth[place].mean(), *numbers))
    names = ["rule", "duration", "language", "depth", "full", "accuracy", "lost", "early_wrong", "harmed", "ece"]
    frame = pd.DataFrame(rows, columns=names).groupby(names[:3], as_index=False, sort=False).mean()
    parts = [frame]
    for name, part in ((MEAN, frame), (OTHERS, frame[frame.language != TRAINING_LANGUAGE])):
        means = part.drop(columns="language").groupby(names[:2], as_index=False, sort=False).mean()
        parts.append(means.assign(language=name))
    return pd.concat(parts, ignore_index=True)


def _log_seconds(model: pd.DataFrame, languages: Iterable[str], depth: dict[str, np.ndarray], by_process: np.ndarray):
    """Mean over languages and drawn processes of log seconds at the languages' depths: all (1 + draws,)."""
    lines = {language: model[model.language == language].sort_values("replicate") for language in languages}
    logs = [np.log(line.start.to_numpy() + np.outer(depth[name], line.slope)) for name, line in lines.items()]
    return (by_process * np.mean(logs, axis=0)).sum(1)


def _seed_draws(recorded: Recorded, seed: int, draws: int) -> np.ndarray:
    """Shares of seeds in every draw, (1 + draws, seeds)."""
    return weights(draws, len(recorded.seeds), [seed, 0]) / len(recorded.seeds)


def _draws(recorded: Recorded, exit_timings: pd.DataFrame, seed: int, draws: int):
    """`request_model`, the languages that are both recorded and timed, and the draws of seeds and of processes."""
    model = request_model(exit_timings)
    timed, processes = sorted(set(model.language) & set(recorded.languages)), model.replicate.nunique()
    if not timed or len(model) != model.language.nunique() * processes:
        raise ValueError("exit_timings: allowed: fixed layers at batch 1 in the same languages in every process")
    by_process = weights(draws, processes, [seed, 1]) / processes
    return model, timed, _seed_draws(recorded, seed, draws), by_process


def effects(
    recorded: Recorded, exit_timings: pd.DataFrame | None, points_lost: float, seed: int = 0, draws: int = DRAWS
) -> pd.DataFrame:
    """Per (rule, duration): `ratio` of latency to duration 0 under the same rule, one request at a time, mean over timed
    languages; `depth`, the difference of the mean exit layer; `lost_en` and `lost_others`, points lost to full depth, and
    `more_en` and `more_others`, by how much that is more than at duration 0.

    Each with `_low` and `_high` (of `ratio`: low and high), a 95 % percentile interval over draws of seeds, of calibration
    rows with thresholds chosen anew, of evaluation items and of timed processes. A draw takes the same for all durations
    and rules, and the same rows for all seeds and languages that share them, as in `bootstrap`. Without `exit_timings`
    there is no `ratio`.
    """
    if exit_timings is None:
        by_seed = _seed_draws(recorded, seed, draws)
    else:
        model, timed, by_seed, by_process = _draws(recorded, exit_timings, seed, draws)
        model = model.assign(start=model.start + model.asking)
    places = {
        one: recorded.places(one, points_lost, recorded.weights(draws, seed, CALIBRATION, TRAINING_LANGUAGE, one))
        for one in recorded.seeds
    }
    keys = [(rule, duration) for rule in RULES for duration in recorded.durations]
    depth, lost = ({key: dict.fromkeys(recorded.languages, 0.0) for key in keys} for _ in range(2))
    each = np.arange(1 + draws)
    for language in recorded.languages:
        by_item = recorded.weights(draws, seed, EVALUATION, language, recorded.seeds[0])
        for duration, (number, one) in product(recorded.durations, enumerate(recorded.seeds)):
            trace, share = recorded.trace(EVALUATION, language, duration, one), by_seed[:, number]
            deep, right, full = by_item @ trace.depth.T, by_item @ trace.right.T, by_item @ trace.full
            for rule in RULES:
                place = places[one][rule, duration]
                depth[rule, duration][language] += share * deep[each, place]
                lost[rule, duration][language] += share * 100 * (full - right[each, place])

    def mean(values: dict, languages: Iterable[str]) -> np.ndarray:
        return np.mean([values[one] for one in languages], axis=0) if languages else np.full(1 + draws, np.nan)

    rows = []
    for rule, duration in keys:
        key, start = (rule, duration), (rule, 0)
        values = {"depth": mean(depth[key], recorded.languages) - mean(depth[start], recorded.languages)}
        if exit_timings is not None:
            now, before = (_log_seconds(model, timed, depth[at], by_process) for at in (key, start))
            values = {"ratio": np.exp(now - before)} | values
        for name, languages in (("en", recorded.of(ENGLISH)), ("others", recorded.of(OTHER))):
            values[f"lost_{name}"] = mean(lost[key], languages)
            values[f"more_{name}"] = values[f"lost_{name}"] - mean(lost[start], languages)
        row = {"rule": rule, "duration": duration}
        for name, value in values.items():
            prefix = "" if name == "ratio" else f"{name}_"
            row |= {name: float(value[0])} | dict(zip((f"{prefix}low", f"{prefix}high"), _ends(value), strict=True))
        rows.append(row)
    return pd.DataFrame(rows)


def frontier(recorded: Recorded, exit_timings: pd.DataFrame | None, seed: int = 0, draws: int = DRAWS) -> pd.DataFrame:
    """Every threshold and every fixed layer: per (duration, group of languages) the `kind` (threshold, layer), `at`, mean
    exit layer `depth`, `accuracy` (0-100) with `low` and `high`, a 95 % percentile interval over draws of seeds and items, and
    `ms`, milliseconds of a request at batch 1, by the `request_model` of the timed languages of the group, or of all if none
    was timed; NaN without timings. The lowest of the thresholds that do the same.
    """
    model, parts = None if exit_timings is None else request_model(exit_timings), []
    kinds = ["threshold"] * len(GRID) + ["layer"] * len(recorded.layers)
    for group in (ENGLISH, OTHER):
        start, slope, asking = [np.nan] * 3
        if model is not None:
            lines = model[model.language.isin(recorded.of(group))]
            start, slope, asking = (lines if len(lines) else model)[["start", "slope", "asking"]].mean()
        for duration in recorded.durations if recorded.of(group) else ():
            keys = [
                (EVALUATION, language, duration, seed) for language in recorded.of(group) for seed in recorded.seeds
            ]
            traces = [recorded.trace(*key) for key in keys]
            depth, right = (np.mean([getattr(one, n).mean(1) for one in traces], axis=0) for n in ("depth", "right"))
            fixed = np.mean([recorded.answers[key][1].mean(0) for key in keys], axis=0)
            points = pd.DataFrame({"kind": kinds, "at": np.append(GRID, recorded.layers)})
            points = points.assign(depth=np.append(depth, recorded.layers), accuracy=100 * np.append(right, fixed))
            points = points.assign(**_accuracy_ends(recorded, recorded.of(group), duration, seed, draws))
            seconds = start + slope * points.depth + asking * (points.kind == "threshold")
            parts.append(points.assign(duration=duration, group=group, ms=1000 * seconds))
    names = ["duration", "group", "kind", "at", "depth", "accuracy", "low", "high", "ms"]
    return pd.concat(parts)[names].drop_duplicates([*names[:3], "depth", "accuracy"], ignore_index=True)


def _accuracy_ends(
    recorded: Recorded, languages: list[str], duration: int, seed: int, draws: int
) -> dict[str, np.ndarray]:
    """`low` and `high` of the accuracy (0-100) of every threshold, then of every layer, mean over languages and seeds."""
    by_seed, accuracy = _seed_draws(recorded, seed, draws), 0.0
    for language in languages:
        by_item = recorded.weights(draws, seed, EVALUATION, language, recorded.seeds[0])
        for number, one in enumerate(recorded.seeds):
            key = (EVALUATION, language, duration, one)
            right = np.hstack([recorded.trace(*key).right.T, recorded.answers[key][1]])
            accuracy = accuracy + by_seed[:, [number]] * 100 * (by_item @ right) / len(languages)
    return dict(zip(("low", "high"), np.percentile(accuracy[1:], [2.5, 97.5], axis=0), strict=True))


def equal_quality(recorded: Recorded, exit_timings: pd.DataFrame, seed: int = 0, draws: int = DRAWS) -> pd.DataFrame:
    """Per duration the smallest fixed depth that reaches the accuracy of duration 0 at full depth, mean over languages.

    `layer`: that depth, 0 if none reaches it; `accuracy` there (at full depth if none does) and `wanted`; `share` of the
    draws in which that depth does reach it; `gain`: throughput over full depth at batch 1, with low and high, a 95 %
    percentile interval over draws of seeds, items and processes, the depth chosen anew. 0 if none reaches it.
    """
    model, timed, by_seed, by_process = _draws(recorded, exit_timings, seed, draws)
    accuracy = dict.fromkeys(recorded.durations, 0.0)  # (1 + draws, exits)
    for language in recorded.languages:
        by_item = recorded.weights(draws, seed, EVALUATION, language, recorded.seeds[0])
        for duration, (number, one) in product(recorded.durations, enumerate(recorded.seeds)):
            share = by_item @ recorded.answers[EVALUATION, language, duration, one][1]
            accuracy[duration] = accuracy[duration] + by_seed[:, [number]] * 100 * share / len(recorded.languages)
    wanted = accuracy[0][:, -1:] - 1e-9
    at = [dict.fromkeys(timed, np.full(1 + draws, layer)) for layer in recorded.layers]
    seconds = np.array([_log_seconds(model, timed, depth, by_process) for depth in at])
    gains, rows = np.exp(seconds[-1] - seconds).T, []  # (1 + draws, exits)
    for duration in recorded.durations:
        able = accuracy[duration] >= wanted
        reached, place = able.any(1), int(able[0].argmax()) if able[0].any() else -1
        gain = np.where(reached, gains[np.arange(1 + draws), able.argmax(1)], 0.0)
        layer, share = recorded.layers[place] if reached[0] else 0, able[1:, place].mean() if draws else np.nan
        numbers = accuracy[duration][0, place], accuracy[0][0, -1], share, gain[0], *_ends(gain)
        rows.append((duration, layer, *numbers))
    return pd.DataFrame(rows, columns=["duration", "layer", "accuracy", "wanted", "share", "gain", "low", "high"])
