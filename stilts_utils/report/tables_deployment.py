"""Tables of the book on deployment: engines, early exit, MLPerf scenarios, vector search, the language tax."""

import numpy as np
import pandas as pd

from stilts_utils.analysis import controls, exit_clock, exit_effects, factors, frontier, latency
from stilts_utils.analysis.exit_rules import CALIBRATED
from stilts_utils.analysis.findings import Findings
from stilts_utils.analysis.verdict import NOT_MEASURED
from stilts_utils.report import work
from stilts_utils.report.columns import SETTING, by_language, table, usable, with_interval, yes
from stilts_utils.report.formats import change, decimal, interval, percent, relative, signed, span
from stilts_utils.report.sentences import latency_verdict, lost_points
from stilts_utils.study.engines import ENGINES

ABSENT = pd.DataFrame({"Result": ["not measured in this study, or of timings that cannot be used"]})
RULES = {
    "calibrated": "its own",
    "equal_threshold": "that of 0 steps",
    "equal_depth": "mean depth of 0 steps",
}


def every(findings: Findings) -> dict[str, pd.DataFrame]:
    """Table name -> frame; tables that a study did not measure get one row saying so.

    Of a study that was not timed there is the quality of early exit alone.
    """
    if not findings.timed:
        return {"exit_languages": exit_languages(findings)} if findings.exits is not None else {}
    tables = findings.tables
    frames = {
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
        "advice": advice(findings),
    }
    frames = {name: ABSENT if frame.empty else frame for name, frame in frames.items()}
    return frames if findings.machines.empty else frames | {"machines": kinds(findings.machines)}


def _in_order(findings: Findings, frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Rows in the study's order of engines, then by the other keys."""
    place = {name: number for number, name in enumerate(findings.study["inference"]["engines"])}
    return frame.sort_values(keys, key=lambda column: column.map(place) if column.name == "engine" else column)


def kinds(rows: pd.DataFrame) -> pd.DataFrame:
    """Ratios of latency on every kind of processor, and on all of them."""
    columns = {
        **SETTING,
        "Steps": "duration",
        "Processor": "kind",
        "Processes": "processes",
        "Change, %": with_interval("ratio", relative, 2),
        "Verdict": latency_verdict,
    }
    return table(rows, columns)


def engines(findings: Findings) -> pd.DataFrame:
    """Every engine of the study: what it is, seconds to ready it, or why it did not run."""
    grouped = findings.tables["engines"].groupby("engine", as_index=False)
    rows = grouped.agg(prepare_s=("prepare_s", "mean"), reason=("reason", "first"))
    columns = {
        "Engine": "engine",
        "What it is": lambda row: ENGINES[row.engine].says,
        "Ready after (s)": lambda row: f"not run: {row.reason}" if row.reason else decimal(row.prepare_s),
    }
    return table(_in_order(findings, rows, ["engine"]), columns)


def speed(findings: Findings) -> pd.DataFrame:
    """Seconds per request, per sentence and per token, and sentences/s, by engine, batch size and language.

    Settings whose controls failed are shown, too, and marked.
    """
    passed, keys = findings.controls.set_index(latency.SETTING).usable, [*latency.SETTING, "language"]
    times = factors.request_times(findings.tables["timings"]).drop(columns="replicate")
    columns = {
        **SETTING,
        "Language": "language",
        "Request, ms": lambda row: decimal(1e3 * row.seconds),
        "Sentence, ms": lambda row: decimal(1e3 * row.seconds / row.sentences, 2),
        "Token, µs": lambda row: decimal(1e6 * row.seconds / row.tokens, 0),
        "Sentences/s": lambda row: decimal(row.sentences / row.seconds),
        "Padding": lambda row: percent(1 - row.tokens / row.padded, 0),
        "Controls": lambda row: "passed" if passed[row.engine, row.batch_size] else "failed",
    }
    return table(_in_order(findings, times.groupby(keys, as_index=False).mean(), keys), columns)


def fidelity(findings: Findings) -> pd.DataFrame:
    """Agreement with the reference by engine and language: the lowest over durations and seeds, and the mean."""
    keys = ["engine", "language"]
    rows = findings.tables["fidelity"].groupby(keys, as_index=False)
    rows = rows.agg(
        agreement=("agreement", "mean"), lowest=("agreement", "min"), difference=("largest_difference", "max")
    )
    columns = {
        "Engine": "engine",
        "Language": "language",
        "Agreement, mean": ("agreement", percent),
        "Agreement, lowest": ("lowest", percent),
        "Largest difference of a logit": ("difference", "{:.2g}".format),
    }
    return table(_in_order(findings, rows, keys), columns)


def early_exit(findings: Findings) -> pd.DataFrame:
    """Early exit, per rule and duration: resampled effects, and the plainly measured ratio and speed-up at batch 1."""
    if findings.exit_effects.empty:
        return pd.DataFrame()
    clock = exit_clock.measured(findings.tables["exit_timings"]).query("batch_size == 1")
    rows = findings.exit_effects.merge(clock, "left", ["rule", "duration"], suffixes=("", "_clock"))
    columns = {
        "Threshold": ("rule", RULES.get),
        "Steps": "duration",
        "Latency, % [95 %]": with_interval("ratio", relative),
        "By the clock, % [95 %]": with_interval("ratio_clock", relative, ends="ratio_"),
        "Throughput": ("faster", decimal, 2),
        "Layer": ("depth_clock", decimal),
        "Usable": lambda row: usable(findings.exits_unusable),
        "Points lost in English [95 %]": lambda row: lost_points(row, "en"),
        "Points lost elsewhere [95 %]": lost_points,
    }
    return table(rows, columns)


def exit_controls(rows: pd.DataFrame) -> pd.DataFrame:
    """The controls of early exit, by batch size."""
    columns = {
        "Batch size": "batch_size",
        "Blocks": "blocks",
        "A/A [99 %]": lambda row: span(row.aa_low, row.aa_high, change, 2),
        "More layers, % [95 %]": with_interval("deeper", relative, ends="deeper_"),
        "Usable": ("reason", usable),
    }
    return table(rows, columns)


def scenarios(rows: pd.DataFrame) -> pd.DataFrame:
    """MLPerf scenarios as LoadGen reports them, means over processes.

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
    rows = rows.groupby(["engine", "duration", "scenario", "metric"], as_index=False, sort=False).agg(how)
    values = rows.set_index(["engine", "duration", "scenario", "metric"]).value

    def value(row) -> str:
        offline = values.get((row.engine, row.duration, "Offline", "samples_per_second"), np.inf)
        bound = "≥ " if row.metric == "queries_per_second" and row.value >= offline else ""
        return f"{bound}{row.value:.4g}"

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
        "Usable": faults,
        "Samples": "samples",
        "Bound, s": lambda row: f"{row.bound_s:g}" if row.bound_s else "",
        "Official": ("official", yes),
        "Accuracy run agrees": ("validated", yes),
    }
    return table(rows, columns)


def searches(rows: pd.DataFrame) -> pd.DataFrame:
    """Exact search against the graph index, means over seeds."""
    rates = ["exact_qps", "graph_qps", "recall", "distances_exact", "distances_graph"]
    how = dict.fromkeys(rates, "mean") | {"reached": "all", "disturbed": "any"}
    columns = {
        "Steps": "duration",
        "Language": "language",
        "Exact, queries/s": ("exact_qps", decimal, 0),
        "Graph, queries/s": ("graph_qps", decimal, 0),
        "Recall of exact": lambda row: decimal(row.recall, 3) + " (no width sufficed)" * (not row.reached),
        "Compared, exact / graph": lambda row: f"{row.distances_exact:.0f} / {row.distances_graph:.0f}",
        "Usable": lambda row: usable("disturbed" * row.disturbed),
    }
    return table(rows.groupby(["duration", "language"], as_index=False, sort=False).agg(how), columns)


def engine_quality(rows: pd.DataFrame) -> pd.DataFrame:
    """Score of every engine minus that of the reference on the same rows, by language and duration, mean over seeds."""
    if rows.empty:
        return rows
    rows = rows.assign(gained=rows.score - rows.reference_score).sort_values(["engine", "duration"])
    index = {"Engine": "engine", "Steps": "duration"}
    return by_language(rows, index, "gained", signed, 1, sorted(rows.language.unique()))


def language_tax(timings: pd.DataFrame) -> pd.DataFrame:
    """Seconds of a request over those of English at batch 1, and the part of it that tokens explain."""
    columns = {
        "Engine": "engine",
        "Language": "language",
        "Steps": "duration",
        "Latency over English [95 %]": with_interval("tax", digits=2, ends="tax_"),
        "Tokens over English": ("tokens", decimal, 2),
        "Per token [95 %]": with_interval("rest", digits=2, ends="rest_"),
    }
    return table(factors.language_tax(timings), columns)


def latency_languages(findings: Findings) -> pd.DataFrame:
    """Ratio to duration 0 and verdict for every language, a family of its own."""
    passed = findings.controls.set_index(latency.SETTING).usable
    effects = latency.language_effects(findings.tables["timings"])
    columns = {
        **SETTING,
        "Language": "language",
        "Steps": "duration",
        "Ratio [95 %]": with_interval("ratio", digits=4),
        "Detectable": ("detectable", percent, 2),
        "Verdict": lambda row: latency_verdict(row) if passed[row.engine, row.batch_size] else NOT_MEASURED,
    }
    return table(latency.ratio_table(effects, findings.study["inference"]["margin"]), columns)


def exit_languages(findings: Findings) -> pd.DataFrame:
    """The calibrated exit by language and duration, mean over seeds."""
    if findings.exits is None:
        return pd.DataFrame()
    rows = exit_effects.by_language(findings.exits, findings.study["inference"]["exits"]["points_lost"])
    columns = {
        "Language": "language",
        "Steps": "duration",
        "Mean exit layer": ("depth", decimal, 2),
        "Accuracy, full depth": ("full", decimal),
        "Points lost": ("lost", signed),
        "Early and wrong": ("early_wrong", "{:.1f} %".format),
        "Early, wrong, and right at full depth": ("harmed", "{:.1f} %".format),
        "Calibration error, points": ("ece", decimal),
    }
    return table(rows[rows.rule == CALIBRATED], columns)


def equal_quality(findings: Findings) -> pd.DataFrame:
    """The smallest depth at which a duration reaches duration 0's accuracy at full depth, and the throughput it gains."""
    if findings.exits is None:
        return pd.DataFrame()
    columns = {
        "Steps": "duration",
        "Layers": lambda row: row.layer or "none reaches it",
        "Accuracy": ("accuracy", decimal),
        "Wanted": ("wanted", decimal),
        "Reached in draws": ("share", percent, 0),
        "Throughput over full depth [95 %]": lambda row: interval(row, "gain", digits=2) if row.layer else "–",
        "Usable": lambda row: usable(findings.exits_unusable),
    }
    return table(exit_effects.equal_quality(findings.exits, findings.tables["exit_timings"]), columns)


def advice(findings: Findings) -> pd.DataFrame:
    """For every target, from the tightest latency bound on: the duration and deployment with the best score within it.

    From usable timings only. The models of the two targets and the rows they are scored on differ.
    """
    timing, tables, fronts = findings.study["inference"], findings.tables, []
    if len(tables["engine_scores"]):
        engines = frontier.engine_points(findings.usable_timings, tables["engine_scores"])
        fronts.append(frontier.front(engines).assign(target=timing["target"]))
    if findings.exits is not None and not findings.exits_unusable:
        groups = {name: len(findings.exits.of(name)) for name in (exit_effects.ENGLISH, exit_effects.OTHER)}
        depths = frontier.exit_points(exit_effects.frontier(findings.exits, tables["exit_timings"]), groups)
        fronts.append(frontier.front(depths).assign(target=f"{timing['exits']['target']}, trained with exits"))
    columns = {
        "Target": "target",
        "Latency bound, ms": ("ms", decimal),
        "Steps": "duration",
        "Deployment": "engine",
        "Score": ("score", decimal),
    }
    return table(pd.concat(fronts) if fronts else (), columns)
