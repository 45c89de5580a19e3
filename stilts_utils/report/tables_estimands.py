"""Tables of the book on early exit at given thresholds and at equal accuracy, retrieval from the best layer, and throughput."""

import pandas as pd

from stilts_utils.analysis import exit_frontier, exit_outcomes, risk_control
from stilts_utils.analysis.exit_rules import CALIBRATED, CALIBRATION, NEVER
from stilts_utils.analysis.findings import Findings
from stilts_utils.analysis.verdict import NOT_MEASURED
from stilts_utils.report.columns import table, with_interval
from stilts_utils.report.estimand_verdicts import clocked, effect, in_words, judged, throughput_verdict
from stilts_utils.report.formats import bracketed, decimal, listed, relative, signed
from stilts_utils.report.tables_deployment import ABSENT

RULES = dict.fromkeys(exit_outcomes.FIXED, "fixed") | {
    exit_outcomes.CONTROLLED: "its own, risk-controlled",
    exit_outcomes.CONTROLLED_KEPT: "risk-controlled at 0 steps, kept",
    CALIBRATED: "its own, by observed loss",
    exit_outcomes.KEPT: "by observed loss at 0 steps, kept",
}


def every(findings: Findings) -> dict[str, pd.DataFrame]:
    """Table name -> frame; tables that a study did not measure get one row saying so. Of a study that was not timed there is
    none on throughput, and on early exit only if it has some.
    """
    made = {"best_layers": best_layers(findings.best_layers)}
    if findings.timed or findings.exits is not None:
        made |= {"exit_outcomes": outcomes(findings), "exit_equal": equal_accuracy(findings)}
    made |= {"throughput": throughput(findings)} if findings.timed else {}
    return {name: ABSENT if frame.empty else frame for name, frame in made.items()}


def outcomes(findings: Findings) -> pd.DataFrame:
    """Early exit at thresholds that are fixed, chosen for each checkpoint, and kept from duration 0."""
    columns = {
        "Threshold": lambda row: f"{_thresholds(row)} ({RULES[row.rule]})",
        "Steps": "duration",
        "Mean exit layer": with_interval("depth", ends="depth_", digits=2),
        "Layers, % [95 %]": with_interval("depth_ratio", relative, ends="depth_ratio_"),
        **({"Latency, % [95 %]": with_interval("ratio", relative, ends="ratio_")} if findings.timed else {}),
        "Verdict": lambda row: in_words(effect(findings, row)[0]) if row.duration else "reference",
        "English, gained": with_interval("gained_en", signed, ends="gained_en_"),
        "Elsewhere, gained": _others("gained"),
        "English, lost to full depth": with_interval("lost_en", signed, ends="lost_en_"),
        "Elsewhere, lost": _others("lost"),
    }
    return table(findings.exit_outcomes, columns)


def _others(name: str):
    """Points in other languages, if the study has some."""
    cell = with_interval(f"{name}_others", signed, ends=f"{name}_others_")
    return lambda row: cell(row) if hasattr(row, f"{name}_others") else "–"


def _thresholds(row) -> str:
    least, most = ("none" if one == NEVER else f"{one:g}" for one in (row.least, row.most))
    return least if least == most else f"{least} to {most}"


def equal_accuracy(findings: Findings) -> pd.DataFrame:
    """Cost at equal accuracy, mean over the accuracies in common."""
    measured = {True: "Latency, % [95 %]", False: "Layers, % [95 %]"}[clocked(findings)]
    columns = {
        "Languages": "group",
        "Steps": "duration",
        measured: lambda row: "none in common" if pd.isna(row.ratio) else _change(row),
        "Verdict": lambda row: NOT_MEASURED if pd.isna(row.ratio) else in_words(judged(findings, row.low, row.high)),
    }
    return table(exit_frontier.mean_ratios(findings.exit_frontier), columns)


def _change(row) -> str:
    return bracketed(relative, row.ratio, row.low, row.high)


def best_layers(rows: pd.DataFrame) -> pd.DataFrame:
    """Retrieval, best layer against best layer of duration 0."""
    columns = {
        "Target": "target",
        "After": "intermediate",
        "Steps": "duration",
        "Score": ("score", decimal),
        "Change": with_interval("difference", signed),
        "Layers": ("layers", listed),
        "Layers at 0 steps": ("layers_before", listed),
    }
    return table(rows, columns)


def throughput(findings: Findings) -> pd.DataFrame:
    """Throughput that LoadGen counted, against duration 0 in the same process."""
    margin = findings.study["inference"]["margin"]
    columns = {
        "Engine": "engine",
        "Scenario": "scenario",
        "Steps": "duration",
        "Processes": "processes",
        "Per second": ("rate", decimal),
        "Change, % [95 %]": lambda row: relative(row.ratio) if row.processes < 2 else _change(row),
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
