"""The verdicts on the hypotheses of early exit at fixed thresholds and equal accuracy, the best layer, and throughput."""

import numpy as np
import pandas as pd

from stilts_utils.analysis import exit_frontier, exit_outcomes, throughput, verdict
from stilts_utils.analysis.exit_rules import NEVER
from stilts_utils.analysis.findings import Findings
from stilts_utils.analysis.verdict import NOT_LEARNED, NOT_MEASURED, UNDECIDED, of_interval, with_seeds
from stilts_utils.report.formats import change, interval, listed, points
from stilts_utils.study.hypotheses import EXIT_MARGIN, LEAST_SEEDS, RETRIEVAL_POINTS

ABSENT = NOT_MEASURED, "no part of this study"
UNLEARNED = NOT_LEARNED, "no target with exits and arm that reached their floors"
CONFIRMED = {"changed": "confirmed", "equivalent": "refuted"}

Verdict = tuple[str, str]


def on_ratio(low: float, high: float, margin: float, seeds: int | None = None) -> verdict.Verdict:
    """The verdict on the 95 % interval of a ratio, over some seeds if it is an effect of training."""
    if np.isnan([low, high]).any():
        return verdict.Verdict(UNDECIDED, half_width=np.inf)
    given = of_interval(low - 1, high - 1, margin)
    return given if seeds is None else with_seeds(given, seeds, LEAST_SEEDS)


def in_words(given: verdict.Verdict) -> str:
    """A verdict on a ratio, with its half-width in percent."""
    return given.says(lambda half: f"{100 * half:.1f} %" if half < 1 else "over 100 %")


def learned(findings: Findings) -> bool:
    """Whether the model with exits and the arm that is timed reached their floors."""
    return bool(findings.exits_learned and findings.learned.arm(findings.intermediates[0]))


def judged(findings: Findings, low: float, high: float) -> verdict.Verdict:
    """The verdict on what duration does to early exit, by the 95 % interval of a ratio."""
    if not learned(findings):
        return verdict.Verdict(NOT_LEARNED)
    return on_ratio(low, high, EXIT_MARGIN, findings.seeds_of(findings.intermediates[0]))


def over_seeds(findings: Findings, verdict: str, because: str) -> Verdict:
    """An outcome that rests on an effect of training; undecided with too few seeds."""
    if verdict in ("confirmed", "refuted", UNDECIDED) and findings.fewest_seeds < LEAST_SEEDS:
        return UNDECIDED, f"{because}; fewer than {LEAST_SEEDS} seeds"
    return verdict, because


def at_longest(findings: Findings, rule: str) -> pd.Series | None:
    """The outcome of an early-exit rule at the longest duration; None if the study has no early exit."""
    rows = findings.exit_outcomes
    if rows.empty:
        return None
    return rows[(rows.rule == rule) & (rows.duration == rows.duration.max())].iloc[0]


def clocked(findings: Findings) -> bool:
    """Whether the clock of early exit can be used; if not, effects are on the mean exit layer."""
    return findings.timed and not findings.exits_unusable


def measure(findings: Findings) -> tuple[str, str]:
    """The column of the outcomes that tells what early exit costs, and its name for a reader."""
    return ("ratio", "latency") if clocked(findings) else ("depth_ratio", "the mean exit layer")


def effect(findings: Findings, row) -> tuple[verdict.Verdict, str]:
    """The verdict on what a rule costs, and the change with its interval: not measured where no row exits early."""
    name, _ = measure(findings)
    low, high = getattr(row, f"{name}_low"), getattr(row, f"{name}_high")
    if low == high == 1 and row.depth == findings.depth:
        return verdict.Verdict(NOT_MEASURED), interval(row, name, change, 1, f"{name}_")
    return judged(findings, low, high), interval(row, name, change, 1, f"{name}_")


def _exits_at(findings: Findings, rule: str) -> Verdict:
    if (row := at_longest(findings, rule)) is None:
        return ABSENT
    if not learned(findings):
        return UNLEARNED
    given, text = effect(findings, row)
    because = f"{text} of {measure(findings)[1]} at {row.duration} steps, {in_words(given)}"
    return over_seeds(findings, CONFIRMED.get(given.kind, UNDECIDED), because)


def _at_fixed(findings: Findings) -> Verdict:
    return _exits_at(findings, exit_outcomes.PRIMARY)


def _controlled(findings: Findings) -> Verdict:
    rows = findings.exit_outcomes
    if len(rows) and learned(findings) and (rows[rows.rule == exit_outcomes.CONTROLLED].most == NEVER).any():
        return (
            "undecided",
            "the calibration rows certify no threshold of some checkpoint, which then exits nothing early",
        )
    return _exits_at(findings, exit_outcomes.CONTROLLED)


def _at_equal_accuracy(findings: Findings) -> Verdict:
    rows = exit_frontier.mean_ratios(findings.exit_frontier)
    rows = rows[rows.group == exit_frontier.ALL]
    if rows.empty:
        return ABSENT
    if not learned(findings):
        return UNLEARNED
    row = rows[rows.duration == rows.duration.max()].iloc[0]
    if np.isnan(row.ratio):
        return NOT_MEASURED, f"no accuracies in common at {row.duration} steps"
    given = judged(findings, row.low, row.high)
    because = (
        f"{interval(row, 'ratio', change, 1)} of {measure(findings)[1]} at {row.duration} steps, {in_words(given)}"
    )
    return over_seeds(findings, CONFIRMED.get(given.kind, UNDECIDED), because)


def _kept_threshold(findings: Findings) -> Verdict:
    if (row := at_longest(findings, exit_outcomes.KEPT)) is None:
        return ABSENT
    if not learned(findings):
        return UNLEARNED
    allowed = findings.study["inference"]["exits"]["points_lost"]
    verdict = "confirmed" if row.more_en_low > 0 else "refuted" if row.more_en_high < allowed else "undecided"
    because = (
        f"{points(row, 'more_en', 'more_en_')} points lost in English beyond those at 0 steps, "
        f"{points(row, 'more_others', 'more_others_')} in other languages, at {row.duration} steps"
    )
    return over_seeds(findings, verdict, because)


def _best_layer(findings: Findings) -> Verdict:
    rows = findings.best_layers
    if rows.empty:
        return NOT_MEASURED, "no retrieval target of several languages"
    rows = rows[rows.intermediate.map(findings.learned.arm).astype(bool)]
    if rows.empty:
        return NOT_LEARNED, "no arm reached its floor"
    rows = rows[rows.duration == rows.intermediate.map(findings.longest_of)]
    texts = [
        f"{row.target} after {row.intermediate} {points(row)} (layer {listed(row.layers)}, {listed(row.layers_before)} before)"
        for row in rows.itertuples()
    ]
    kinds = [of_interval(row.low, row.high, RETRIEVAL_POINTS).kind for row in rows.itertuples()]
    outcomes = {CONFIRMED.get(kind, UNDECIDED) for kind in kinds}
    verdict = "refuted" if "refuted" in outcomes else "confirmed" if outcomes == {"confirmed"} else UNDECIDED
    return over_seeds(findings, verdict, "; ".join(texts))


def _throughput(findings: Findings) -> Verdict:
    rows = findings.throughput
    if rows.empty:
        return ABSENT
    margin = findings.study["inference"]["margin"]
    words = [throughput_verdict(row, margin) for row in rows.itertuples()]
    texts = [f"{row.engine} {row.scenario} {word}" for row, word in zip(rows.itertuples(), words, strict=True)]
    verdict = (
        "refuted" if "changed" in words else "confirmed" if all(word == "equivalent" for word in words) else "undecided"
    )
    return verdict, listed(texts)


def throughput_verdict(row, margin: float) -> str:
    """The verdict on a row of `throughput.ratios`."""
    fault = throughput.fault(row, margin)
    return f"undecided ({fault})" if fault else in_words(on_ratio(row.low, row.high, margin))


VERDICTS = {
    "H10": _at_fixed,
    "H11": _at_equal_accuracy,
    "H12": _kept_threshold,
    "H13": _best_layer,
    "H14": _throughput,
    "H15": _controlled,
}
