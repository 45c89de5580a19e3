"""Tables of the book on deployment beyond dense engines: early exit, MLPerf scenarios, vector search, the language tax."""

import pandas as pd

from stilts_utils import variance
from stilts_utils.exit_report import measured
from stilts_utils.findings import Findings
from stilts_utils.sentences import percent, points

NOT_MEASURED = pd.DataFrame({"Result": ["not measured in this study"]})
RULES = {
    "calibrated": "calibrated for each checkpoint",
    "equal_threshold": "the threshold of duration 0",
    "equal_depth": "the mean depth of duration 0",
}


def every(found: Findings) -> dict[str, pd.DataFrame]:
    """Table name -> frame as it is shown; of what a study leaves out one row that says so."""
    made = {
        "early_exit": early_exit(found),
        "scenarios": scenarios(found.tables["scenarios"]),
        "searches": searches(found.tables["searches"]),
        "int8": int8(found.tables["engine_scores"]),
        "language_tax": language_tax(found.tables["timings"]),
    }
    return {name: NOT_MEASURED if frame.empty else frame for name, frame in made.items()}


def early_exit(found: Findings) -> pd.DataFrame:
    """Early exit, per rule and duration: resampled effects beside the plainly measured ratio and speed-up at batch 1."""
    if found.exit_effects.empty:
        return pd.DataFrame()
    clock = measured(found.tables["exit_timings"])
    clock = clock[clock.batch_size == 1].set_index(["rule", "duration"])
    rows = []
    for row in found.exit_effects.itertuples():
        timed = clock.loc[row.rule, row.duration]
        others = pd.Series({"difference": row.lost_others, "low": row.lost_others_low, "high": row.lost_others_high})
        rows.append(
            {
                "Threshold": RULES[row.rule],
                "Steps": row.duration,
                "Latency to 0 steps [95 %]": f"{percent(row.ratio, 1)} [{percent(row.low, 1)}, {percent(row.high, 1)}]",
                "As measured": percent(timed.ratio, 1),
                "Throughput over full depth": f"{timed.faster:.2f}",
                "Mean exit layer": f"{timed.depth:.2f}",
                "Points lost in other languages [95 %]": points(others),
            }
        )
    return pd.DataFrame(rows)


def scenarios(rows: pd.DataFrame) -> pd.DataFrame:
    """MLPerf scenarios as LoadGen reports them."""
    shown = [
        {
            "Engine": row.engine,
            "Steps": row.duration,
            "Scenario": row.scenario,
            "Metric": row.metric.replace("_", " "),
            "Value": f"{row.value:.4g}",
            "Samples": row.samples,
            "Bound, s": f"{row.bound_s:g}" if row.bound_s else "",
            "As long as official": "yes" if row.official else "no",
            "Accuracy run agrees": "yes" if row.validated else "no",
        }
        for row in rows.itertuples()
    ]
    return pd.DataFrame(shown)


def searches(rows: pd.DataFrame) -> pd.DataFrame:
    """Exact search against the graph index."""
    shown = [
        {
            "Steps": row.duration,
            "Language": row.language,
            "Exact, queries/s": f"{row.exact_qps:.0f}",
            "Graph, queries/s": f"{row.graph_qps:.0f}",
            "Recall of exact": f"{row.recall:.3f}" + ("" if row.reached else " (missed)"),
            "Compared, exact": row.distances_exact,
            "Compared, graph": f"{row.distances_graph:.0f}",
        }
        for row in rows.itertuples()
    ]
    return pd.DataFrame(shown)


def int8(rows: pd.DataFrame) -> pd.DataFrame:
    """Score of every engine minus that of the reference on the same rows, by language and duration, mean over seeds."""
    if rows.empty:
        return pd.DataFrame()
    wide = rows.assign(lost=rows.score - rows.reference_score).pivot_table(
        index=["engine", "duration"], columns="language", values="lost"
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
        for row in variance.language_tax(timings).itertuples()
    ]
    return pd.DataFrame(shown)
