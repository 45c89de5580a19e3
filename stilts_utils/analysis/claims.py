"""What a study measures about the claims that the question started from, and a verdict on each by rule. Pure.

A measure is a number in points, paired by seed, at the longest duration; a mean over the targets that were learned, each a mean
over its languages. Its interval is a 95 % t interval over seeds, on the items that were scored.

A claim of a gain, of at least `claimed` points if the claim names a size:
- *disagrees here*: the interval lies below 0, or below the size;
- *agrees here*: the interval lies above 0 and reaches the size;
- *cannot be told here*: otherwise, or with fewer seeds than any claim asks for (`hypotheses.LEAST_SEEDS`).
A claim of no gain agrees if a gain of `NO_GAIN` points is excluded, and disagrees if the interval lies above 0. A claim with
several measures disagrees if one does, and agrees if all do. The rules are younger than the data of the studies that were
stored first: on those they are exploratory.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import pandas as pd

from stilts_utils.analysis import quality
from stilts_utils.analysis.findings import Findings
from stilts_utils.analysis.latency import mean_interval
from stilts_utils.study.arms import CONTROL
from stilts_utils.study.facts import trained_on
from stilts_utils.study.hypotheses import LEAST_SEEDS
from stilts_utils.study.methods import SUPERVISED
from stilts_utils.tasks import TRAINING_LANGUAGE, task

AGREES, DISAGREES, CANNOT = "agrees here", "disagrees here", "cannot be told here"
NO_GAIN = 1.0  # points: a smaller gain counts as none
COUNT = 9

# Claim -> gains in points that it names: of training on a task, of the mixture of all, of the best model of every target.
OF_TASK = {"squad": 8.2, "mnli": 7.5, "hellaswag": 7.0}
OF_BEST = 5.4
MLM = "mlm"  # a method: masked language modelling beside the tasks


@dataclass(frozen=True)
class Measure:
    """A number that bears on a claim: `about` names arms and targets, `claimed` is the size that the claim gives."""

    about: str
    value: float
    low: float
    high: float
    seeds: int
    claimed: float = 0.0
    gain: bool = True

    @property
    def verdict(self) -> str:
        if self.seeds < LEAST_SEEDS:
            return CANNOT
        if not self.gain:
            return DISAGREES if self.low > 0 else AGREES if self.high < NO_GAIN else CANNOT
        if self.high < max(self.claimed, 0):
            return DISAGREES
        return AGREES if self.low > 0 else CANNOT


def joint(measures: list[Measure]) -> str:
    """The verdict on a claim that rests on all these measures."""
    verdicts = {measure.verdict for measure in measures}
    if DISAGREES in verdicts:
        return DISAGREES
    return AGREES if verdicts == {AGREES} else CANNOT


def measured(findings: Findings) -> list[dict]:
    """Per claim, 1 to 9, as plain values: `claim`, `measures` and `verdict`. The last three are about designs: no measures."""
    changes = _changes(findings)
    rows = []
    for number in range(1, COUNT + 1):
        found = MEASURES[number](findings, changes) if number in MEASURES else ()
        kept = [one for one in found if one.seeds > 1]  # one seed has no interval
        rows.append({"claim": number, "verdict": joint(kept), "measures": [asdict(one) for one in kept]})
    return rows


def _changes(findings: Findings) -> pd.DataFrame:
    """`quality.seed_changes` of arms and targets that were learned."""
    rows = quality.seed_changes(findings.seeds)
    rows = rows[(rows.intermediate != CONTROL) & rows.target.map(findings.learned.target).astype(bool)]
    return rows[rows.intermediate.map(findings.learned.arm).astype(bool)]


def _longest(findings: Findings, changes: pd.DataFrame, arm: str) -> pd.DataFrame:
    """Changes of an arm at its longest duration: seeds by targets."""
    rows = changes[(changes.intermediate == arm) & (changes.duration == findings.longest_of(arm))]
    return rows.pivot(index="seed", columns="target", values="change")


def _measure(about: str, values: pd.Series, **more) -> Measure:
    """The mean over seeds and its interval; one seed has none."""
    low, high = mean_interval(values.to_numpy(), 0.95)
    return Measure(about, float(values.mean()), float(low), float(high), len(values), **more)


def _arms(findings: Findings, changes: pd.DataFrame) -> dict[str, dict]:
    """The arms that are in the changes, with their facts; those of results that are older than methods have the first."""
    given = findings.study["intermediate"]
    return {
        name: {"method": SUPERVISED, "languages": None, **given[name]}
        for name in given
        if name in set(changes.intermediate)
    }


def _plain(arm: dict) -> bool:
    """Whether an arm is trained on its tasks in English and on nothing else."""
    return arm["method"] == SUPERVISED and set(arm["languages"] or ()) <= {TRAINING_LANGUAGE}


def _plain_arms(findings: Findings, changes: pd.DataFrame) -> dict[str, dict]:
    return {name: arm for name, arm in _arms(findings, changes).items() if _plain(arm)}


def _of_tasks(findings: Findings, changes: pd.DataFrame) -> Iterator[Measure]:
    for name, arm in _plain_arms(findings, changes).items():
        (first, *others) = trained_on(name, arm)
        if not others and first in OF_TASK:
            yield _measure(f"after {name}", _longest(findings, changes, name).mean(axis=1), claimed=OF_TASK[first])


def _of_mixture(findings: Findings, changes: pd.DataFrame) -> Iterator[Measure]:
    """A mixture of tasks over the best single one, which is chosen on the other seeds."""
    arms = _plain_arms(findings, changes)
    several = {name: len(trained_on(name, arm)) for name, arm in arms.items()}
    singles = {name: _longest(findings, changes, name).mean(axis=1) for name, count in several.items() if count == 1}
    for name, count in several.items():
        if count > 1 and singles:
            best = chosen_elsewhere(pd.DataFrame(singles))
            mixed = _longest(findings, changes, name).mean(axis=1)
            yield _measure(f"{name} ({count} tasks) over the best single task", (mixed - best).dropna())


def chosen_elsewhere(frame: pd.DataFrame) -> pd.Series:
    """Per row (seed), the value of the column with the best mean over the other rows, so that chance does not choose itself.

    Rows with a missing value are left out. With one row there is nothing to choose by: it is missing.
    """
    frame = frame.dropna()
    picked = {
        row: frame.loc[row, frame.drop(index=row).mean().idxmax()] if len(frame) > 1 else float("nan")
        for row in frame.index
    }
    return pd.Series(picked, dtype=float)


def _of_retrieval(findings: Findings, changes: pd.DataFrame) -> Iterator[Measure]:
    for name in _plain_arms(findings, changes):
        wide = _longest(findings, changes, name)
        retrieved = [target for target in wide if task(target).category == "retrieval"]
        others = wide.drop(columns=retrieved)
        if retrieved and len(others.columns):
            values = wide[retrieved].mean(axis=1) - others.mean(axis=1)
            yield _measure(f"retrieval over the other targets after {name}", values)


def _of_targets(findings: Findings, changes: pd.DataFrame) -> Iterator[Measure]:
    for name in _plain_arms(findings, changes):
        wide = _longest(findings, changes, name)
        for target, gain in (("tydiqa", True), ("xnli", False)):
            if target in wide:
                yield _measure(f"{target} after {name}", wide[target], gain=gain)


def _of_best(findings: Findings, changes: pd.DataFrame) -> Iterator[Measure]:
    """The best arm and duration of every target, which are chosen on the other seeds."""
    best, arms = {}, _plain_arms(findings, changes)
    for target, rows in changes[changes.intermediate.isin(list(arms))].groupby("target"):
        best[target] = chosen_elsewhere(rows.pivot(index="seed", columns=["intermediate", "duration"], values="change"))
    values = pd.DataFrame(best).mean(axis=1).dropna()
    if len(values):
        yield _measure(f"mean of {len(best)} targets", values, claimed=OF_BEST)


def _of_alternatives(findings: Findings, changes: pd.DataFrame) -> Iterator[Measure]:
    """Plain English training over the alternatives that train on the same tasks."""
    arms = _arms(findings, changes)
    for name in _plain_arms(findings, changes):
        for other, entry in arms.items():
            way = _alternative(entry)
            if way and trained_on(name, arms[name]) == trained_on(other, entry):
                values = _longest(findings, changes, name).mean(axis=1) - _longest(findings, changes, other).mean(
                    axis=1
                )
                yield _measure(f"{name} over {other} ({way})", values.dropna())


def _alternative(arm: dict) -> str:
    """Which alternative of the source an arm is, "" if none."""
    if arm["method"] == MLM:
        return "with multilingual MLM"
    return "translated" if arm["method"] == SUPERVISED and not _plain(arm) else ""


MEASURES: dict[int, Callable[[Findings, pd.DataFrame], Iterator[Measure]]] = {
    1: _of_tasks,
    2: _of_mixture,
    3: _of_retrieval,
    4: _of_targets,
    5: _of_best,
    6: _of_alternatives,
}
