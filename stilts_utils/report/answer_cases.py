"""The comparisons behind a row of the answer: what a study says of its longest duration, setting by setting."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stilts_utils.analysis import exit_outcomes, factors, latency, throughput
from stilts_utils.analysis.exit_rules import CALIBRATED
from stilts_utils.analysis.findings import MEAN, Findings
from stilts_utils.analysis.verdict import (
    CHANGED,
    NOT_LEARNED,
    NOT_MEASURED,
    UNDECIDED,
    Verdict,
    of_interval,
    with_seeds,
)
from stilts_utils.report import estimand_verdicts
from stilts_utils.report.sentences import at_longest, dense
from stilts_utils.study.engines import ENGINES
from stilts_utils.study.hypotheses import EXIT_MARGIN, INT8_POINTS, LEAST_SEEDS
from stilts_utils.tasks import CATEGORIES, task


@dataclass(frozen=True)
class Case:
    """One comparison: the change, a ratio minus 1 or points, its 95 % interval, the verdict, and about which setting it is.

    `margin`: the largest change that does not matter, 0 if none is registered.
    """

    change: float
    low: float
    high: float
    verdict: Verdict
    about: str = ""
    margin: float = 0.0

    @property
    def reach(self) -> float:
        return max(abs(self.low), abs(self.high))


def cases_of(findings: Findings, question: str) -> list[Case] | str:
    """The comparisons of a question, or the verdict that stands for them if there is none."""
    if question in CATEGORIES:
        return _quality(findings, question)
    return CASES[question](findings)


def _dense(findings: Findings) -> list[Case] | str:
    if not findings.timed:
        return NOT_MEASURED
    cells = dense(findings)
    cells, margin = cells[cells.duration == cells.duration.max()], findings.study["inference"]["margin"]
    return [
        Case(row.ratio - 1, row.low - 1, row.high - 1, _of_cell(row), f"{row.engine}, batch {row.batch_size}", margin)
        for row in cells.itertuples()
        if row.verdict != NOT_MEASURED
    ]


def _of_cell(row) -> Verdict:
    """The verdict of `latency.ratio_table`, which is by two one-sided tests over all cells."""
    half = (row.high - row.low) / 2
    return Verdict(row.verdict, (1 if row.ratio > 1 else -1) if row.verdict == CHANGED else 0, half)


def _throughput(findings: Findings) -> list[Case] | str:
    """Those with a control; undecided if it, or the machine, was not quiet enough."""
    rows, margin = findings.throughput, findings.study["inference"]["margin"]
    rows = rows[(rows.duration == rows.duration.max()) & (rows.processes > 1) & rows.aa_low.notna()]
    return [
        _on_ratio(
            row,
            margin,
            f"{row.engine}, {row.scenario}",
            _open if throughput.fault(row, margin) else estimand_verdicts.on_ratio,
        )
        for row in rows.itertuples()
    ]


def _open(low: float, high: float, _margin: float) -> Verdict:
    return Verdict(UNDECIDED, half_width=(high - low) / 2)


def _on_ratio(row, margin: float, about: str, judge: Callable[..., Verdict]) -> Case:
    return Case(row.ratio - 1, row.low - 1, row.high - 1, judge(row.low, row.high, margin), about, margin)


def _exits(rule: str) -> Callable[[Findings], list[Case] | str]:
    """The effect on latency by the clock, or on the mean exit layer if the clock cannot be used."""

    def cases(findings: Findings) -> list[Case] | str:
        if (row := estimand_verdicts.at_longest(findings, rule)) is None:
            return NOT_MEASURED
        if not estimand_verdicts.learned(findings):
            return NOT_LEARNED
        name, about = estimand_verdicts.measure(findings)
        given, _ = estimand_verdicts.effect(findings, row)
        if given.kind == NOT_MEASURED:
            return NOT_MEASURED
        ends = (getattr(row, f"{name}{end}") - 1 for end in ("", "_low", "_high"))
        return [Case(*ends, given, about, EXIT_MARGIN)]

    return cases


def _kept(findings: Findings) -> list[Case] | str:
    if (row := estimand_verdicts.at_longest(findings, exit_outcomes.KEPT)) is None:
        return NOT_MEASURED
    if not estimand_verdicts.learned(findings):
        return NOT_LEARNED
    margin, ends = findings.study["inference"]["exits"]["points_lost"], (row.more_en_low, row.more_en_high)
    return [Case(row.more_en, *ends, _over_seeds(*ends, margin, len(findings.exits.seeds)), "English", margin)]


def _over_seeds(low: float, high: float, margin: float, seeds: int) -> Verdict:
    """The verdict on an effect of training; without an interval, it is undecided."""
    if not np.isfinite([low, high]).all():
        return Verdict(UNDECIDED, half_width=np.inf)
    return with_seeds(of_interval(low, high, margin), seeds, LEAST_SEEDS)


def _int8(findings: Findings) -> list[Case] | str:
    """How many points more int8 gains, or less, at the longest duration than at duration 0, paired by seed."""
    scores = findings.tables["engine_scores"]
    scores = scores[scores.engine.map(lambda name: ENGINES[name].precision == "int8").astype(bool)]
    if scores.empty:
        return NOT_MEASURED
    if not findings.learned.target(findings.study["inference"]["target"]):
        return NOT_LEARNED
    gained = scores.assign(gained=scores.score - scores.reference_score)
    wide = gained.pivot_table(index="seed", columns="duration", values="gained")
    values = (wide[wide.columns.max()] - wide[0]).to_numpy()
    low, high = latency.mean_interval(values, 0.95)
    given = _over_seeds(low, high, INT8_POINTS, len(values))
    return [Case(values.mean(), low, high, given, findings.study["inference"]["target"], INT8_POINTS)]


def _search(findings: Findings) -> list[Case] | str:
    """The candidates that a graph index compares, against duration 0, whose graph is one for all seeds."""
    rows = findings.tables["searches"]
    if rows.empty:
        return NOT_MEASURED
    if not findings.learned.arm(findings.intermediates[0]):
        return NOT_LEARNED
    trained, before = rows[rows.duration == rows.duration.max()], rows[rows.duration == 0].distances_graph.mean()
    logs = np.log(trained.groupby("seed").distances_graph.mean() / before).to_numpy()
    low, high = (end - 1 for end in latency.interval(logs, 0.95))
    given = _over_seeds(low, high, 0.0, len(logs))
    return [Case(np.exp(logs.mean()) - 1, low, high, given, "candidates compared a query")]


def _tax(findings: Findings) -> list[Case] | str:
    """Every timed language's latency over English, at the longest duration over duration 0, in the first engine."""
    timed = set(findings.usable_timings.engine) if findings.timed else set()
    engine = next((name for name in findings.study["inference"]["engines"] if name in timed), None)
    if engine is None:
        return NOT_MEASURED
    rows, margin = factors.tax_change(findings.usable_timings, engine), findings.study["inference"]["margin"]
    return [
        Case(
            row.ratio - 1,
            row.low - 1,
            row.high - 1,
            of_interval(row.low - 1, row.high - 1, margin, (row.low90 - 1, row.high90 - 1)),
            row.language,
            margin,
        )
        for row in rows.itertuples()
    ]


def _quality(findings: Findings, category: str) -> list[Case] | str:
    rows = at_longest(findings, findings.verdicts)
    rows = rows[rows.target.map(lambda name: task(name).category == category).astype(bool)]
    if rows.empty:
        return NOT_MEASURED
    if (rows.verdict == NOT_LEARNED).all():
        return NOT_LEARNED
    return [
        Case(
            row.difference,
            row.low,
            row.high,
            Verdict(row.verdict, row.direction, row.half_width),
            f"{row.target} after {row.intermediate}",
        )
        for row in rows.itertuples()
        if row.verdict != NOT_LEARNED
    ]


def _control(findings: Findings) -> list[Case] | str:
    rows = at_longest(findings, findings.over_control)
    rows = rows[rows.language == MEAN]
    if rows.empty:
        return NOT_MEASURED
    cases = [
        Case(
            row.difference,
            row.low,
            row.high,
            findings.verdict(row.target, row.intermediate, row.low, row.high),
            f"{row.target} after {row.intermediate}",
        )
        for row in rows.itertuples()
    ]
    return [case for case in cases if case.verdict.kind != NOT_LEARNED] or NOT_LEARNED


CASES: dict[str, Callable[[Findings], list[Case] | str]] = {
    "dense": _dense,
    "throughput": _throughput,
    "exit_fixed": _exits(exit_outcomes.PRIMARY),
    "exit_calibrated": _exits(CALIBRATED),
    "exit_kept": _kept,
    "int8": _int8,
    "search": _search,
    "tax": _tax,
    "control": _control,
}
