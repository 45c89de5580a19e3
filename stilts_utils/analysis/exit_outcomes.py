"""What duration does to early exit, paired by seed, under thresholds chosen beforehand, anew, or once and kept. Pure.

Primary are fixed thresholds, which no row chooses: they show how confidence moves with duration, without the noise of choosing.
Secondary are thresholds chosen for each checkpoint. Chosen at duration 0 and kept after more training is what happens where
nobody calibrates again.
"""

from itertools import product

import numpy as np
import pandas as pd

from stilts_utils.analysis import risk_control
from stilts_utils.analysis.bootstrap import weights
from stilts_utils.analysis.exit_clock import request_model
from stilts_utils.analysis.exit_effects import ENGLISH, OTHER, Recorded
from stilts_utils.analysis.exit_rules import CALIBRATED, CALIBRATION, EQUAL_THRESHOLD, EVALUATION, GRID
from stilts_utils.analysis.seed_interval import paired
from stilts_utils.tasks import TRAINING_LANGUAGE

DRAWS = 500
FIXED = tuple(f"{threshold:g}" for threshold in (0.7, 0.8, 0.9, 0.95))
PRIMARY = "0.9"
CONTROLLED, CONTROLLED_KEPT = "controlled", "controlled_kept"  # by `risk_control`: of each checkpoint, of duration 0
KEPT = EQUAL_THRESHOLD  # that of duration 0, which loses at most the points allowed on its calibration rows, and kept
RULES = (*FIXED, CONTROLLED, CALIBRATED, CONTROLLED_KEPT, KEPT)
QUANTITIES = ("depth", "gained_en", "gained_others", "lost_en", "lost_others", "more_en", "more_others")


def places(recorded: Recorded, points_lost: float, seed: int, draws: int) -> dict[tuple[str, int, int], np.ndarray]:
    """(rule, duration, seed) -> place of the threshold in the grid, (1 + draws,), on resampled calibration rows."""
    found, count = {}, 1 + draws
    for one in recorded.seeds:
        share = recorded.weights(draws, seed, CALIBRATION, TRAINING_LANGUAGE, one)
        rows, chosen = share.shape[1], recorded.places(one, points_lost, share)
        for duration in recorded.durations:
            for rule in FIXED:
                found[rule, duration, one] = np.full(count, np.searchsorted(GRID, float(rule)))
            for rule in (CALIBRATED, KEPT):
                found[rule, duration, one] = chosen[rule, duration]
            trace = recorded.trace(CALIBRATION, TRAINING_LANGUAGE, duration, one)
            harmed = np.round(rows * share @ risk_control.harm(trace.right, trace.full).T)
            found[CONTROLLED, duration, one] = risk_control.controlled(harmed, rows, points_lost / 100)
            found[CONTROLLED_KEPT, duration, one] = found[CONTROLLED, 0, one]
    return found


def outcomes(
    recorded: Recorded, exit_timings: pd.DataFrame | None, points_lost: float, seed: int = 0, draws: int = DRAWS
) -> pd.DataFrame:
    """Per (rule, duration): `depth`, mean exit layer, and against duration 0 under the same rule, paired by seed:
    `depth_ratio`, of the mean exit layers; `ratio`, of latency one request at a time, mean over timed languages; `gained_en`
    and `gained_others`, points of accuracy; `more_en` and `more_others`, how much more is lost to full depth, where
    `lost_en` and `lost_others` are the points lost.

    Each has `_low` and `_high`, 95 % intervals of `seed_interval.paired` over seeds, items, calibration rows and, of
    `ratio`, processes. `least` and `most`: the thresholds, the lowest and highest of a seed; `NEVER` exits early. Latency is
    a line through the measured times of fixed depths, and what asking takes, see `request_model`; without timings there is no
    `ratio`.
    """
    at = places(recorded, points_lost, seed, draws)
    measured = _measured(recorded, at, seed, draws)
    if exit_timings is not None:
        measured["log_s"] = _log_seconds(recorded, exit_timings, measured["layers"], seed, draws)
    groups = {"en": recorded.of(ENGLISH), "others": recorded.of(OTHER)}
    rows = []
    for rule, duration in product(RULES, recorded.durations):
        now, start = (
            {name: values[rule, steps] for name, values in measured.items()} for steps in (duration, 0)
        )  # (seeds, languages, 1 + draws); log_s (seeds, 1 + draws)
        effects = {
            "depth": now["layers"].mean(1),
            "depth_ratio": np.log(now["layers"].mean(1)) - np.log(start["layers"].mean(1)),
        }
        if exit_timings is not None:
            effects["ratio"] = now["log_s"] - start["log_s"]
        for name, languages in groups.items():
            own = [place for place, one in enumerate(recorded.languages) if one in languages]
            if own:
                right, lost, before = (part[:, own].mean(1) for part in (now["right"], now["lost"], start["lost"]))
                effects[f"gained_{name}"] = right - start["right"][:, own].mean(1)
                effects[f"lost_{name}"], effects[f"more_{name}"] = lost, lost - before
        used = GRID[[at[rule, duration, one][0] for one in recorded.seeds]]
        row = {"rule": rule, "duration": duration, "least": float(used.min()), "most": float(used.max())}
        for name, values in effects.items():
            numbers = paired(values[:, 0], values.mean(0)[1:])
            numbers = np.exp(numbers) if name.endswith("ratio") else numbers
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), map(float, numbers), strict=True))
        rows.append(row)
    return pd.DataFrame(rows)


def _measured(recorded: Recorded, at: dict, seed: int, draws: int) -> dict[str, dict[tuple, np.ndarray]]:
    """`layers`, `right` and `lost` (points), each (rule, duration) -> (seeds, languages, 1 + draws) on evaluation rows."""
    shape, each = (len(recorded.seeds), len(recorded.languages), 1 + draws), np.arange(1 + draws)
    keys = list(product(RULES, recorded.durations))
    made = {name: {key: np.empty(shape) for key in keys} for name in ("layers", "right", "lost")}
    for column, language in enumerate(recorded.languages):
        by_item = recorded.weights(draws, seed, EVALUATION, language, recorded.seeds[0])
        for duration, (row, one) in product(recorded.durations, enumerate(recorded.seeds)):
            trace = recorded.trace(EVALUATION, language, duration, one)
            deep, right, full = by_item @ trace.depth.T, 100 * by_item @ trace.right.T, 100 * by_item @ trace.full
            for rule in RULES:
                place, key = at[rule, duration, one], (rule, duration)
                made["layers"][key][row, column] = deep[each, place]
                made["right"][key][row, column] = right[each, place]
                made["lost"][key][row, column] = full - right[each, place]
    return made


def _log_seconds(
    recorded: Recorded, exit_timings: pd.DataFrame, layers: dict[tuple, np.ndarray], seed: int, draws: int
) -> dict[tuple, np.ndarray]:
    """Log seconds of a request at batch 1, mean over timed languages and drawn processes: key -> (seeds, 1 + draws)."""
    lines, timed = clock(recorded, exit_timings)
    by_process = weights(draws, len(lines[timed[0]]), [seed, 1]) / len(lines[timed[0]])
    made = {}
    for key, depth in layers.items():
        logs = 0.0
        for language in timed:
            line, deep = lines[language], depth[:, recorded.languages.index(language)]
            seconds = (line.start + line.asking).to_numpy() + deep[..., None] * line.slope.to_numpy()
            logs = logs + (np.log(seconds) * by_process).sum(-1)
        made[key] = logs / len(timed)
    return made


def clock(recorded: Recorded, exit_timings: pd.DataFrame) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """`request_model` by language, a row per process, and the languages that are both recorded and timed."""
    model = request_model(exit_timings).sort_values("replicate")
    timed = sorted(set(model.language) & set(recorded.languages))
    if not timed or len(model) != model.language.nunique() * model.replicate.nunique():
        raise ValueError("exit_timings: allowed: fixed layers at batch 1 in the same languages in every process")
    return {language: model[model.language == language] for language in timed}, timed
