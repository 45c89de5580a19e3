"""Tables of the book on deployment: engines, early exit, MLPerf scenarios, vector search, the language tax."""

import numpy as np
import pandas as pd

from stilts_utils.analysis import controls, exit_clock, exit_effects, factors, latency
from stilts_utils.analysis.exit_rules import CALIBRATED
from stilts_utils.analysis.findings import Findings
from stilts_utils.analysis.verdict import NOT_MEASURED
from stilts_utils.report import tables_advice, work
from stilts_utils.report.columns import (
    ABSENT,
    LANGUAGE,
    SETTING,
    Table,
    absent,
    longest,
    stated,
    table,
    usable,
    with_interval,
)
from stilts_utils.report.formats import change, decimal, interval, listed, percent, signed, span
from stilts_utils.report.languages import named
from stilts_utils.report.sentences import latency_verdict, lost_points
from stilts_utils.study.engines import ENGINES, REFERENCE

LONGEST = "the longest duration"
RULES = {
    "calibrated": "its own",
    "equal_threshold": "that of 0 steps",
    "equal_depth": "mean depth of 0 steps",
}


def every(findings: Findings) -> dict[str, Table]:
    """Table name -> table; of what a study did not measure, a sentence says so.

    Of a study that was not timed there is the quality of early exit alone.
    """
    if not findings.timed:
        return {"exit_languages": exit_languages(findings)} if findings.exits is not None else {}
    tables = findings.tables
    made = {
        "engines": engines(findings),
        "speed": speed(findings),
        "fidelity": fidelity(findings),
        "early_exit": early_exit(findings),
        "scenarios": scenarios(tables["scenarios"]),
        "work": work.shown(findings),
        "searches": searches(tables["searches"]),
        "engine_quality": engine_quality(tables["engine_scores"]),
        "language_tax": language_tax(findings.usable_timings),
        "latency_languages": latency_languages(findings),
        "exit_controls": exit_controls(findings.exit_controls),
        "exit_languages": exit_languages(findings),
        "equal_quality": equal_quality(findings),
        "advice": tables_advice.advice(findings),
    }
    made = absent(made, ABSENT.said)
    return made if findings.machines.empty else made | {"machines": kinds(findings.machines)}


def _in_order(findings: Findings, frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Rows in the study's order of engines, then by the other keys."""
    place = {name: number for number, name in enumerate(findings.study["inference"]["engines"])}
    return frame.sort_values(keys, key=lambda column: column.map(place) if column.name == "engine" else column)


def kinds(rows: pd.DataFrame) -> Table:
    """Ratios of latency on every kind of processor, and on all of them."""
    columns = {
        **SETTING,
        "Steps": "duration",
        "Processor": "kind",
        "Processes": "processes",
        "Change [95 %]": with_interval("ratio", change, 2),
        "Verdict": latency_verdict,
    }
    return table(rows, columns)


def engines(findings: Findings) -> Table:
    """Every engine of the study: what it is, seconds to ready it, or why it did not run."""
    grouped = findings.tables["engines"].groupby("engine", as_index=False)
    rows = grouped.agg(prepare_s=("prepare_s", "mean"), reason=("reason", "first"))
    columns = {
        "Engine": "engine",
        "What it is": lambda row: ENGINES[row.engine].says,
        "Ready after (s)": lambda row: f"not run: {row.reason}" if row.reason else decimal(row.prepare_s),
    }
    return table(_in_order(findings, rows, ["engine"]), columns)


def speed(findings: Findings) -> Table:
    """Seconds per request and token, and sentences/s, by engine and batch size, means over languages; the data by language.

    Settings whose controls failed are shown, too, and marked.
    """
    passed, keys = findings.controls.set_index(latency.SETTING).usable, [*latency.SETTING, "language"]
    times = factors.request_times(findings.tables["timings"]).drop(columns="replicate")
    times = _in_order(findings, times.groupby(keys, as_index=False).mean(), keys)
    columns = {
        **SETTING,
        "Request, ms": lambda row: decimal(1e3 * row.seconds),
        "Token, µs": lambda row: decimal(1e6 * row.seconds / row.tokens, 0),
        "Sentences/s": lambda row: decimal(row.sentences / row.seconds),
        "Padding": lambda row: percent(1 - row.tokens / row.padded, 0),
        "Controls": lambda row: "passed" if passed[row.engine, row.batch_size] else "failed",
    }
    means = times.drop(columns="language").groupby(latency.SETTING, as_index=False, sort=False).mean()
    return table(means, columns, data=times)


def fidelity(findings: Findings) -> Table:
    """Agreement with the reference by engine and language: the lowest over durations and seeds, and the mean.

    Engines that agree on every row are not listed; if all do, a sentence says so.
    """
    keys = ["engine", "language"]
    rows = findings.tables["fidelity"].groupby(keys, as_index=False)
    rows = rows.agg(
        agreement=("agreement", "mean"), lowest=("agreement", "min"), difference=("largest_difference", "max")
    )
    rows = _in_order(findings, rows, keys)
    apart = rows[rows.engine.map(rows.groupby("engine").lowest.min() < 1).astype(bool)]
    same = listed(name for name in rows.engine.unique() if name not in set(apart.engine))
    if len(rows) and apart.empty:
        return stated(f"On every row, {same} decided as {REFERENCE.name} did.", rows)
    columns = {
        "Engine": "engine",
        **LANGUAGE,
        "Agreement, mean": ("agreement", percent),
        "Agreement, lowest": ("lowest", percent),
        "Largest difference of a logit": ("difference", decimal, 4),
    }
    return table(rows, columns, apart, f"{same} agreed on every row")


def early_exit(findings: Findings) -> Table:
    """Early exit, per rule and duration: resampled effects; the data have the plainly measured ratio and speed-up, too."""
    if findings.exit_effects.empty:
        return ABSENT
    clock = exit_clock.measured(findings.tables["exit_timings"]).query("batch_size == 1")
    rows = findings.exit_effects.merge(clock, "left", ["rule", "duration"], suffixes=("", "_clock"))
    columns = {
        "Threshold": ("rule", RULES.get),
        "Steps": "duration",
        "Latency [95 %]": with_interval("ratio", change, 1),
        "Layer": ("depth_clock", decimal),
        "Points lost, English": lambda row: lost_points(row, "en"),
        "Points lost, other languages": lost_points,
    }
    fault = findings.exits_unusable
    return table(
        rows,
        columns,
        rows[rows.duration > 0],
        "longer than 0 steps" + f"; these timings cannot be used, {fault}" * bool(fault),
    )


def exit_controls(rows: pd.DataFrame) -> Table:
    """The controls of early exit, by batch size."""
    columns = {
        "Batch size": "batch_size",
        "Blocks": "blocks",
        "A/A, 99 %": lambda row: span(row.aa_low, row.aa_high, change, 2),
        "More layers [95 %]": with_interval("deeper", change, 1, "deeper_"),
        "Usable": ("reason", usable),
    }
    return table(rows, columns)


def scenarios(rows: pd.DataFrame) -> Table:
    """MLPerf scenarios as LoadGen reports them, means over processes, without the runs by turns.

    A Server rate as high as that of Offline is a lower bound: at that rate a queue would grow if the run lasted longer. An
    engine that is meant to be exact and decides otherwise under load is unusable.
    """
    how = {
        "value": "mean",
        "samples": "sum",
        "disturbed": "any",
        "bound_s": "max",
        "official": "all",
        "validated": "all",
    }
    rows = rows[rows.turn == 0]
    rows = rows.groupby(["engine", "duration", "scenario", "metric"], as_index=False, sort=False).agg(how)
    values = rows.set_index(["engine", "duration", "scenario", "metric"]).value

    def value(row) -> str:
        offline = values.get((row.engine, row.duration, "Offline", "samples_per_second"), np.inf)
        bound = "≥ " if row.metric == "queries_per_second" and row.value >= offline else ""
        return f"{bound}{decimal(row.value, 1 if row.value >= 10 else 3)}"

    def faults(row) -> str:
        agreed = values.get((row.engine, row.duration, "Accuracy", "agreement"))
        failures = {
            "disturbed": row.disturbed,
            "no accuracy run": agreed is None,
            "decisions differ under load": agreed is not None and controls.below(row.engine, agreed),
        }
        return usable(controls.reasons(failures))

    columns = {
        "Engine": "engine",
        "Steps": "duration",
        "Scenario": "scenario",
        "Metric": lambda row: row.metric.replace("_", " "),
        "Value": value,
        "Samples": lambda row: f"{row.samples:,}",
        "Usable": faults,
    }
    return table(rows, columns)


def searches(rows: pd.DataFrame) -> Table:
    """Exact search against the graph index, means over seeds."""
    rates = ["exact_qps", "graph_qps", "recall", "distances_exact", "distances_graph"]
    how = dict.fromkeys(rates, "mean") | {"reached": "all", "disturbed": "any"}
    columns = {
        "Steps": "duration",
        **LANGUAGE,
        "Graph over exact, queries/s": lambda row: decimal(row.graph_qps / row.exact_qps, 2),
        "Recall of exact": ("recall", decimal, 3),
        "Compared by exact": ("distances_exact", decimal, 0),
        "Compared by graph": ("distances_graph", decimal, 0),
        "Usable": lambda row: usable(listed(["disturbed"] * row.disturbed + ["no width sufficed"] * (not row.reached))),
    }
    means = rows.groupby(["duration", "language"], as_index=False).agg(how)
    return table(means, columns, data=rows)


def engine_quality(rows: pd.DataFrame) -> Table:
    """Score of every engine minus that of the reference on the same rows, by duration, mean over seeds."""
    if rows.empty:
        return ABSENT
    rows = rows.assign(gained=rows.score - rows.reference_score).sort_values(["engine", "duration"])
    groups = rows.groupby(["engine", "duration"], as_index=False)
    means = groups.agg(gained=("gained", "mean"), languages=("language", "nunique"))
    by_language = rows.groupby(["engine", "duration", "language"], as_index=False).gained.mean()
    ends = by_language.sort_values("gained").groupby(["engine", "duration"])
    ends = ends.first().merge(ends.last(), on=["engine", "duration"], suffixes=("", "_most")).reset_index()
    columns = {
        "Engine": "engine",
        "Steps": "duration",
        "Points gained, mean": ("gained_mean", signed),
        "Fewest": ("gained", signed),
        "Fewest in": ("language", named),
        "Most": ("gained_most", signed),
        "Most in": ("language_most", named),
    }
    rows = ends.assign(gained_mean=means.gained)
    apart = rows[rows.engine.map(by_language.gained.ne(0).groupby(by_language.engine).any()).astype(bool)]
    same = listed(name for name in rows.engine.unique() if name not in set(apart.engine))
    if apart.empty:
        return stated(f"In every language, {same} scored as the reference did.", by_language)
    return table(rows, columns, apart, f"{same} scored as the reference did", by_language)


def language_tax(timings: pd.DataFrame) -> Table:
    """Seconds of a request over those of English at batch 1, and the part of it that tokens explain."""
    columns = {
        "Engine": "engine",
        **LANGUAGE,
        "Steps": "duration",
        "Latency over English [95 %]": with_interval("tax", digits=2, ends="tax_"),
        "Tokens over English": ("tokens", decimal, 2),
        "Per token [95 %]": with_interval("rest", digits=2, ends="rest_"),
    }
    rows = factors.language_tax(timings)
    ends = rows[rows.duration.isin([0, rows.duration.max()])] if len(rows) else rows
    return table(rows, columns, ends, "0 steps and the longest duration")


def latency_languages(findings: Findings) -> Table:
    """Ratio to duration 0 and verdict for every language, a family of its own."""
    passed = findings.controls.set_index(latency.SETTING).usable
    effects = latency.language_effects(findings.tables["timings"])
    columns = {
        **SETTING,
        **LANGUAGE,
        "Steps": "duration",
        "Change [95 %]": with_interval("ratio", change, 2),
        "Detectable": ("detectable", percent, 2),
        "Verdict": lambda row: latency_verdict(row) if passed[row.engine, row.batch_size] else NOT_MEASURED,
    }
    rows = latency.ratio_table(effects, findings.study["inference"]["margin"])
    return table(rows, columns, longest(rows), LONGEST)


def exit_languages(findings: Findings) -> Table:
    """The calibrated exit by language at the longest duration, mean over seeds."""
    if findings.exits is None:
        return ABSENT
    rows = exit_effects.by_language(findings.exits, findings.study["inference"]["exits"]["points_lost"])
    columns = {
        **LANGUAGE,
        "Mean exit layer": ("depth", decimal, 2),
        "Accuracy, full depth": ("full", decimal),
        "Points lost": ("lost", signed),
        "Early and wrong": ("early_wrong", "{:.1f} %".format),
        "Of them right at full depth": ("harmed", "{:.1f} %".format),
        "Calibration error, points": ("ece", decimal),
    }
    rows = rows[rows.rule == CALIBRATED]
    return table(rows, columns, longest(rows), LONGEST)


def equal_quality(findings: Findings) -> Table:
    """The smallest depth at which a duration reaches duration 0's accuracy at full depth, and the throughput it gains."""
    if findings.exits is None:
        return ABSENT
    columns = {
        "Steps": "duration",
        "Layers": lambda row: row.layer or "none",
        "Accuracy": ("accuracy", decimal),
        "Wanted": ("wanted", decimal),
        "Reached in draws": ("share", percent, 0),
        "Throughput over full depth [95 %]": lambda row: interval(row, "gain", digits=2) if row.layer else "–",
        "Usable": lambda row: usable(findings.exits_unusable),
    }
    return table(exit_effects.equal_quality(findings.exits, findings.tables["exit_timings"]), columns)
