"""Arms beside each other: what their steps cost, and what they change in quality at equal steps and at equal operations. Pure.

An arm before the target is compared with the first of the study, plain English training on its task; an arm of the target
phase with the control, which spends as many further steps on the target without its method. Changes are against duration 0
with the same seed, a mean over the targets that both arms train and that were learned; intervals are 95 % t intervals over
seeds, on the items that were scored.

At equal operations, both arms are read at the fewer of what they spend at their longest duration, along straight lines
between durations: an arm's change at `o` floating-point operations is interpolated between those that were measured, and is 0
at none.
"""

import numpy as np
import pandas as pd

from stilts_utils.analysis import quality
from stilts_utils.analysis.findings import Findings
from stilts_utils.analysis.latency import mean_interval
from stilts_utils.analysis.verdict import NOT_LEARNED, UNDECIDED, Verdict, of_interval, with_seeds
from stilts_utils.study.arms import CONTROL, PRETRAINED
from stilts_utils.study.hypotheses import LEAST_SEEDS
from stilts_utils.study.methods import INTERMEDIATE, TARGET

COSTS = ["steps", "examples", "tokens", "operations", "seconds"]
EQUAL = {"steps": "at equal steps", "operations": "at equal operations"}


def phase_of(findings: Findings, arm: str) -> str:
    """The phase that an arm trains in; results that are older than methods have none but the first."""
    return TARGET if arm == CONTROL else findings.study["intermediate"][arm].get("phase", INTERMEDIATE)


def against(findings: Findings, arm: str) -> str:
    """The arm with which one is compared."""
    return CONTROL if phase_of(findings, arm) == TARGET else findings.intermediates[0]


def costs(findings: Findings) -> pd.DataFrame:
    """What every arm, and the control, spends at its longest duration, mean over seeds, and in the target phase over targets.

    Returns intermediate, duration, steps, examples, tokens, operations and seconds of training; seconds are NaN in the target
    phase, where they are not measured apart from the target's own steps.
    """
    spent = findings.tables["arms"]
    longest = spent[spent.duration == spent.groupby("intermediate").duration.transform("max")]
    rows = longest.groupby(["intermediate", "duration"], sort=False)[COSTS[:-1]].mean().reset_index()
    runs = findings.tables["costs"].query("phase == '2_intermediate' and part == 'train'")
    seconds = runs.assign(intermediate=runs.run.str.rsplit("-", n=1).str[0]).groupby("intermediate").seconds.mean()
    return rows.assign(seconds=rows.intermediate.map(seconds))


def compared(findings: Findings) -> pd.DataFrame:
    """Every arm against the one it is compared with, at its longest duration: intermediate, against, equal (steps or
    operations), at (so many of them), targets and seeds (counts), difference (points), low, high, and verdict, its direction
    and half_width.
    """
    changes = quality.seed_changes(findings.seeds)
    changes = changes[changes.target.map(findings.learned.target).astype(bool)]
    spent, rows = findings.tables["arms"], []
    for arm in findings.intermediates:
        other = against(findings, arm)
        both = changes[changes.intermediate == arm], changes[changes.intermediate == other]
        if arm == other or any(frame.empty for frame in both):
            continue
        counted = all(name in set(spent.intermediate) for name in (arm, other))
        for equal in EQUAL if counted else ["steps"]:
            axes = [_axis(spent, name, frame, equal) for name, frame in zip((arm, other), both, strict=True)]
            rows.append((arm, other, equal, *_difference(findings, arm, other, *axes)))
    names = ["intermediate", "against", "equal", "at", "targets", "seeds", "difference", "low", "high"]
    return pd.DataFrame(rows, columns=[*names, "verdict", "direction", "half_width"])


def _axis(spent: pd.DataFrame, arm: str, changes: pd.DataFrame, equal: str) -> pd.DataFrame:
    """Changes with `amount`: of steps or operations after every duration, those of a target if they were spent on it."""
    if equal == "steps":
        return changes.assign(amount=changes.duration.astype(float))
    amounts = spent[spent.intermediate == arm].groupby(["target", "duration"]).operations.mean()
    places = [target if target in amounts.index else PRETRAINED for target in changes.target]
    keys = zip(places, changes.duration, strict=True)
    return changes.assign(amount=[amounts.get(key, np.nan) for key in keys]).dropna(subset="amount")


def _difference(findings: Findings, arm: str, other: str, own: pd.DataFrame, theirs: pd.DataFrame) -> tuple:
    """at, targets, seeds, difference, low, high, verdict, direction and half-width of two arms with amounts."""
    targets = sorted(set(own.target) & set(theirs.target))
    values, at = {}, []
    for target in targets:
        pair = [frame[frame.target == target] for frame in (own, theirs)]
        amount = min(frame.amount.max() for frame in pair)
        at.append(amount)
        here, there = (read_at(frame, amount) for frame in pair)
        values[target] = here - there
    by_seed = pd.DataFrame(values).dropna().mean(axis=1).to_numpy()
    if not len(by_seed):
        return np.nan, len(targets), 0, np.nan, np.nan, np.nan, NOT_LEARNED, 0, np.nan
    low, high = mean_interval(by_seed, 0.95)
    given = _verdict(findings, arm, other, low, high, len(by_seed))
    numbers = float(np.mean(at)), len(targets), len(by_seed), float(by_seed.mean()), low, high
    return *numbers, given.kind, given.direction, given.half_width


def read_at(changes: pd.DataFrame, amount: float) -> pd.Series:
    """Per seed, the change at an amount, on straight lines through 0 and the measured amounts; the last one beyond them."""
    wide = changes.pivot(index="seed", columns="amount", values="change").sort_index(axis=1)
    known = [0.0, *wide.columns]
    return wide.apply(lambda row: float(np.interp(amount, known, [0.0, *row])), axis=1)


def _verdict(findings: Findings, arm: str, other: str, low: float, high: float, seeds: int) -> Verdict:
    if not all(findings.learned.arm(name) for name in (arm, other)):
        return Verdict(NOT_LEARNED)
    if not np.isfinite([low, high]).all():
        return Verdict(UNDECIDED, half_width=np.inf)
    return with_seeds(of_interval(low, high), seeds, LEAST_SEEDS)


def at_rate_0(findings: Findings) -> dict[str, bool]:
    """Arm whose checkpoints are those of duration 0 -> whether all its predictions are those of duration 0, item by item."""
    moved = findings.tables["checkpoints"].groupby("intermediate").distance.max()
    items = findings.tables["items"]
    keys = [name for name in items if name not in ("intermediate", "duration", "numerator", "denominator")]
    before = items[items.intermediate == PRETRAINED].set_index(keys)[["numerator", "denominator"]]
    same = {}
    for arm in moved.index[moved == 0]:
        rows = items[items.intermediate == arm].set_index(keys)[["numerator", "denominator"]]
        same[arm] = bool(len(rows)) and rows.equals(before.reindex(rows.index))
    return same


def cosines(findings: Findings) -> pd.DataFrame:
    """Lexical injection: change in the mean cosine of word pairs against duration 0, at the longest duration.

    Returns intermediate, layer, pairs (trained, control or random), before and after (means over languages and seeds) and
    change, low, high (95 % t interval over languages and seeds, each a pair of cells).
    """
    rows, names = findings.tables["lexical"], ["intermediate", "layer", "pairs"]
    found = []
    for key, cells in rows.groupby(names, sort=False):
        wide = cells.pivot(index=["seed", "language"], columns="duration", values="cosine")
        change = (wide[wide.columns.max()] - wide[0]).dropna()
        low, high = mean_interval(change.to_numpy(), 0.95)
        found.append((*key, wide[0].mean(), wide[wide.columns.max()].mean(), change.mean(), low, high))
    return pd.DataFrame(found, columns=[*names, "before", "after", "change", "low", "high"])
