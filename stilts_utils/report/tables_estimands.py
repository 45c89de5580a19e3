"""Tables of the book on early exit at given thresholds and at equal accuracy, retrieval from the best layer, and throughput."""

import pandas as pd

from stilts_utils.analysis import exit_frontier, exit_outcomes, risk_control
from stilts_utils.analysis.exit_rules import CALIBRATED, CALIBRATION, NEVER
from stilts_utils.analysis.findings import Findings
from stilts_utils.analysis.verdict import NOT_MEASURED
from stilts_utils.report.columns import ABSENT, Table, absent, longest, table, with_interval
from stilts_utils.report.estimand_verdicts import clocked, effect, in_words, judged, measure, throughput_verdict
from stilts_utils.report.formats import change, decimal, interval, listed, signed, span

RULES = dict.fromkeys(exit_outcomes.FIXED, "fixed") | {
    exit_outcomes.CONTROLLED: "its own, risk-controlled",
    exit_outcomes.CONTROLLED_KEPT: "risk-controlled at 0 steps, kept",
    CALIBRATED: "its own, by observed loss",
    exit_outcomes.KEPT: "by observed loss at 0 steps, kept",
}


def every(findings: Findings) -> dict[str, Table]:
    """Table name -> table; of what a study did not measure, a sentence says so. Of a study that was not timed there is
    none on throughput, and on early exit only if it has some.
    """
    made = {"best_layers": best_layers(findings.best_layers)}
    if findings.timed or findings.exits is not None:
        made |= {"exit_outcomes": outcomes(findings), "exit_equal": equal_accuracy(findings)}
    made |= {"throughput": throughput(findings)} if findings.timed else {}
    return absent(made, ABSENT.said)


def outcomes(findings: Findings) -> Table:
    """Early exit at thresholds that are fixed, chosen for each checkpoint, and kept from 0 steps, at the longest duration."""
    cost, _ = measure(findings)
    names = {"ratio": "Latency [95 %]", "depth_ratio": "Layers [95 %]"}
    columns = {
        "Threshold": lambda row: f"{_thresholds(row)} ({RULES[row.rule]})",
        names[cost]: with_interval(cost, change, 1, f"{cost}_"),
        "Verdict": lambda row: in_words(effect(findings, row)[0]) if row.duration else "reference",
        "Points gained, English": with_interval("gained_en", signed, ends="gained_en_"),
        "Points gained, other languages": _others("gained"),
    }
    rows = findings.exit_outcomes
    return table(rows, columns, longest(rows), "the longest duration")


def _others(name: str):
    """Points in other languages, if the study has some."""
    cell = with_interval(f"{name}_others", signed, ends=f"{name}_others_")
    return lambda row: cell(row) if hasattr(row, f"{name}_others") else "–"


def _thresholds(row) -> str:
    least, most = ("none" if one == NEVER else f"{one:g}" for one in (row.least, row.most))
    return least if least == most else f"{least} to {most}"


def equal_accuracy(findings: Findings) -> Table:
    """Cost at equal accuracy, mean over the accuracies in common."""
    measured = {True: "Latency [95 %]", False: "Layers [95 %]"}[clocked(findings)]
    columns = {
        "Languages": "group",
        "Steps": "duration",
        measured: lambda row: "none in common" if pd.isna(row.ratio) else _change(row),
        "Verdict": lambda row: NOT_MEASURED if pd.isna(row.ratio) else in_words(judged(findings, row.low, row.high)),
    }
    return table(exit_frontier.mean_ratios(findings.exit_frontier), columns)


def _change(row) -> str:
    return interval(row, "ratio", change, 1)


def best_layers(rows: pd.DataFrame) -> Table:
    """Retrieval, best layer against best layer of duration 0."""
    columns = {
        "Target": "target",
        "Trained on": "intermediate",
        "Steps": "duration",
        "Score": ("score", decimal),
        "Change, points": with_interval("difference", signed),
        "Best layers": ("layers", listed),
        "At 0 steps": ("layers_before", listed),
    }
    return table(rows, columns)


def throughput(findings: Findings) -> Table:
    """Throughput that LoadGen counted, against duration 0 in the same process, and its control."""
    margin = findings.study["inference"]["margin"]
    columns = {
        "Engine": "engine",
        "Scenario": "scenario",
        "Steps": "duration",
        "Per second": ("rate", decimal),
        "A/A [95 %]": lambda row: "–" if pd.isna(row.aa_low) else span(row.aa_low, row.aa_high, change, 1),
        "Change [95 %]": lambda row: change(row.ratio, 1) if row.processes < 2 else _change(row),
        "Verdict": lambda row: throughput_verdict(row, margin),
    }
    return table(findings.throughput, columns)


def certified(findings: Findings) -> str:
    """Whether the calibration rows are enough for a threshold under risk control."""
    if findings.exits is None:
        return "There is no early exit."
    rows = min(len(ids) for (split, *_), ids in findings.exits.ids.items() if split == CALIBRATION)
    if risk_control.certifiable(rows, findings.study["inference"]["exits"]["points_lost"] / 100):
        return f"Under risk control, thresholds rest on {rows} calibration rows."
    return f"{rows} calibration rows certify no threshold: under risk control nothing exits early."
