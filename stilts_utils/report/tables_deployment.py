"""Tables of the book on deployment beyond dense engines: early exit, MLPerf scenarios, vector search, the language tax."""

import numpy as np
import pandas as pd

from stilts_utils.analysis import controls, exit_clock, exit_effects, factors, frontier, latency
from stilts_utils.analysis.exit_rules import CALIBRATED
from stilts_utils.analysis.findings import Findings
from stilts_utils.report.sentences import lost_points, percent, points

NOT_MEASURED = pd.DataFrame({"Result": ["not measured in this study, or of timings that cannot be used"]})
RULES = {
    "calibrated": "its own",
    "equal_threshold": "that of 0 steps",
    "equal_depth": "mean depth of 0 steps",
}


def every(found: Findings) -> dict[str, pd.DataFrame]:
    """Table name -> frame as it is shown; of what a study leaves out one row that says so."""
    made = {
        "early_exit": early_exit(found),
        "scenarios": scenarios(found.tables["scenarios"]),
        "searches": searches(found.tables["searches"]),
        "engine_quality": engine_quality(found.tables["engine_scores"]),
        "language_tax": language_tax(found.usable_timings),
        "latency_languages": latency_languages(found),
        "exit_controls": exit_controls(found),
        "exit_languages": exit_languages(found),
        "equal_quality": equal_quality(found),
        "advice": recommended(found),
    }
    return {name: NOT_MEASURED if frame.empty else frame for name, frame in made.items()}


def early_exit(found: Findings) -> pd.DataFrame:
    """Early exit, per rule and duration: resampled effects beside the plainly measured ratio and speed-up at batch 1."""
    if found.exit_effects.empty:
        return pd.DataFrame()
    clock = exit_clock.measured(found.tables["exit_timings"])
    clock = clock[clock.batch_size == 1].set_index(["rule", "duration"])
    rows = []
    for row in found.exit_effects.itertuples():
        timed = clock.loc[row.rule, row.duration]
        rows.append(
            {
                "Threshold": RULES[row.rule],
                "Steps": row.duration,
                "Latency, % [95 %]": _changes(row.ratio, row.low, row.high),
                "By the clock, % [95 %]": _changes(timed.ratio, timed.ratio_low, timed.ratio_high),
                "Throughput": f"{timed.faster:.2f}",
                "Layer": f"{timed.depth:.1f}",
                "Usable": usable(found.exits_unusable),
                "Points lost in English [95 %]": lost_points(row, "en"),
                "Points lost elsewhere [95 %]": lost_points(row),
            }
        )
    return pd.DataFrame(rows)


def exit_controls(found: Findings) -> pd.DataFrame:
    """The controls of early exit, by batch size."""
    shown = [
        {
            "Batch size": row.batch_size,
            "Blocks": row.blocks,
            "A/A [99 %]": f"{percent(row.aa_low)} to {percent(row.aa_high)}",
            "More layers, % [95 %]": _changes(row.deeper, row.deeper_low, row.deeper_high),
            "Usable": usable(row.reason),
        }
        for row in found.exit_controls.itertuples()
    ]
    return pd.DataFrame(shown)


def usable(fault: str) -> str:
    """`fault`: what is wrong with a timing, "" where nothing is."""
    return f"no: {fault}" if fault else "yes"


def _changes(ratio: float, low: float, high: float) -> str:
    """A ratio and its interval as changes in percent, without the unit."""
    return points(pd.Series({"difference": ratio, "low": low, "high": high}).sub(1).mul(100))


def scenarios(rows: pd.DataFrame) -> pd.DataFrame:
    """MLPerf scenarios as LoadGen reports them.

    A Server rate as high as that of Offline is a lower end: at it a queue would grow, had the run lasted longer. An engine
    that is meant to be exact and decides otherwise under load is unusable.
    """
    value = rows.set_index(["engine", "duration", "scenario", "metric"]).value
    shown = []
    for row in rows.itertuples():
        keys = (row.engine, row.duration)
        agreed = value.get((*keys, "Accuracy", "agreement"))
        failures = {
            "disturbed": row.disturbed,
            "no accuracy run": agreed is None,
            "decisions differ under load": agreed is not None and controls.below(row.engine, agreed),
        }
        least = row.metric == "queries_per_second" and row.value >= value.get(
            (*keys, "Offline", "samples_per_second"), np.inf
        )
        shown.append(
            {
                "Engine": row.engine,
                "Steps": row.duration,
                "Scenario": row.scenario,
                "Metric": row.metric.replace("_", " "),
                "Value": ("≥ " if least else "") + f"{row.value:.4g}",
                "Usable": usable("; ".join(failure for failure, holds in failures.items() if holds)),
                "Samples": row.samples,
                "Bound, s": f"{row.bound_s:g}" if row.bound_s else "",
                "Official": "yes" if row.official else "no",
                "Accuracy run agrees": "yes" if row.validated else "no",
            }
        )
    return pd.DataFrame(shown)


def searches(rows: pd.DataFrame) -> pd.DataFrame:
    """Exact search against the graph index, means over seeds."""
    keys = ["duration", "language"]
    rates = ["exact_qps", "graph_qps", "recall", "distances_exact", "distances_graph"]
    how = dict.fromkeys(rates, "mean") | {"reached": "all", "disturbed": "any"}
    rows = rows.groupby(keys, as_index=False, sort=False).agg(how)
    shown = [
        {
            "Steps": row.duration,
            "Language": row.language,
            "Exact, queries/s": f"{row.exact_qps:.0f}",
            "Graph, queries/s": f"{row.graph_qps:.0f}",
            "Recall of exact": f"{row.recall:.3f}" + ("" if row.reached else " (no width sufficed)"),
            "Compared, exact / graph": f"{row.distances_exact:.0f} / {row.distances_graph:.0f}",
            "Usable": usable("disturbed" * row.disturbed),
        }
        for row in rows.itertuples()
    ]
    return pd.DataFrame(shown)


def engine_quality(rows: pd.DataFrame) -> pd.DataFrame:
    """Score of every engine minus that of the reference on the same rows, by language and duration, mean over seeds."""
    if rows.empty:
        return pd.DataFrame()
    wide = rows.assign(gained=rows.score - rows.reference_score).pivot_table(
        index=["engine", "duration"], columns="language", values="gained"
    )
    wide = wide.map(lambda value: f"{value:+z.1f}".replace("-", "−")).reset_index()
    return wide.rename(columns={"engine": "Engine", "duration": "Steps"})


def language_tax(timings: pd.DataFrame) -> pd.DataFrame:
    """Seconds of a request over those of English at batch 1, with what tokens explain of it."""
    shown = [
        {
            "Engine": row.engine,
            "Language": row.language,
            "Steps": row.duration,
            "Latency over English [95 %]": f"{row.tax:.2f} [{row.tax_low:.2f}, {row.tax_high:.2f}]",
            "Tokens over English": f"{row.tokens:.2f}",
            "Per token [95 %]": f"{row.rest:.2f} [{row.rest_low:.2f}, {row.rest_high:.2f}]",
        }
        for row in factors.language_tax(timings).itertuples()
    ]
    return pd.DataFrame(shown)


def latency_languages(found: Findings) -> pd.DataFrame:
    """Ratio to duration 0 and verdict for every language, a family of its own."""
    effects = latency.language_effects(found.tables["timings"])
    usable = found.controls.set_index(latency.SETTING).usable
    shown = [
        {
            "Engine": row.engine,
            "Batch": row.batch_size,
            "Language": row.language,
            "Steps": row.duration,
            "Ratio [95 %]": f"{row.ratio:.4f} [{row.low:.4f}, {row.high:.4f}]",
            "Detectable": f"{100 * row.detectable:.2f} %",
            "Verdict": row.verdict if usable[row.engine, row.batch_size] else "unusable",
        }
        for row in latency.ratio_table(effects, found.study["inference"]["margin"]).itertuples()
    ]
    return pd.DataFrame(shown)


def exit_languages(found: Findings) -> pd.DataFrame:
    """The calibrated exit by language and duration, mean over seeds."""
    if found.exits is None:
        return pd.DataFrame()
    rows = exit_effects.by_language(found.exits, found.study["inference"]["exits"]["points_lost"])
    shown = [
        {
            "Language": row.language,
            "Steps": row.duration,
            "Mean exit layer": f"{row.depth:.2f}",
            "Accuracy, full depth": f"{row.full:.1f}",
            "Points lost": f"{row.lost:+z.1f}".replace("-", "−"),
            "Early and wrong": f"{row.early_wrong:.1f} %",
            "Early, wrong, and right at full depth": f"{row.harmed:.1f} %",
            "Calibration error, points": f"{row.ece:.1f}",
        }
        for row in rows[rows.rule == CALIBRATED].itertuples()
    ]
    return pd.DataFrame(shown)


def equal_quality(found: Findings) -> pd.DataFrame:
    """The smallest depth at which a duration reaches duration 0's accuracy at full depth, and the throughput it gains."""
    if found.exits is None:
        return pd.DataFrame()
    shown = [
        {
            "Steps": row.duration,
            "Layers": row.layer or "none reaches it",
            "Accuracy": f"{row.accuracy:.1f}",
            "Wanted": f"{row.wanted:.1f}",
            "Reached in draws": f"{100 * row.share:.0f} %",
            "Throughput over full depth [95 %]": f"{row.gain:.2f} [{row.low:.2f}, {row.high:.2f}]"
            if row.layer
            else "–",
            "Usable": usable(found.exits_unusable),
        }
        for row in exit_effects.equal_quality(found.exits, found.tables["exit_timings"]).itertuples()
    ]
    return pd.DataFrame(shown)


def recommended(found: Findings) -> pd.DataFrame:
    """For every target, from the tightest latency bound on: the duration and deployment with the best score within it.

    Of usable timings. The models of the two targets and the rows they are scored on differ.
    """
    timing, tables, parts = found.study["inference"], found.tables, []
    if len(tables["engine_scores"]):
        engines = frontier.engine_points(found.usable_timings, tables["engine_scores"])
        parts.append((timing["target"], frontier.front(engines)))
    if found.exits is not None and not found.exits_unusable:
        groups = {name: len(found.exits.of(name)) for name in (exit_effects.ENGLISH, exit_effects.OTHER)}
        depths = frontier.exit_points(exit_effects.frontier(found.exits, tables["exit_timings"]), groups)
        parts.append((f"{timing['exits']['target']}, trained with exits", frontier.front(depths)))
    shown = [
        {
            "Target": target,
            "Latency bound, ms": f"{row.ms:.1f}",
            "Steps": row.duration,
            "Deployment": row.engine,
            "Score": f"{row.score:.1f}",
        }
        for target, points_of in parts
        for row in points_of.itertuples()
    ]
    return pd.DataFrame(shown)
