"""The table of what to deploy within a bound on latency."""

import numpy as np
import pandas as pd

from stilts_utils.analysis import exit_effects, frontier
from stilts_utils.analysis.findings import Findings
from stilts_utils.report.columns import ABSENT, Table, table
from stilts_utils.report.formats import decimal, interval, signed


def deployments(findings: Findings) -> dict[str, tuple[pd.DataFrame, pd.DataFrame]]:
    """Target -> what `frontier.advised` chooses among, and the scores of its seeds, from usable timings only.

    The models of the two targets and the rows they are scored on differ.
    """
    timing, tables, found = findings.study["inference"], findings.tables, {}
    if len(tables["engine_scores"]) and len(usable_timings := findings.usable_timings):
        points = frontier.engine_points(usable_timings, tables["engine_scores"])
        found[timing["target"]] = points, frontier.engine_seeds(tables["engine_scores"])
    if findings.exits is not None and not findings.exits_unusable:
        groups = {name: len(findings.exits.of(name)) for name in (exit_effects.ENGLISH, exit_effects.OTHER)}
        points = frontier.exit_points(findings.exit_points, groups)
        found[f"{timing['exits']['target']}, trained with exits"] = points, frontier.exit_seeds(findings.exits)
    return found


def advice(findings: Findings) -> Table:
    """For every target, from the tightest latency bound on: what to deploy within it, the shorter duration where two tie."""
    given = deployments(findings)
    if not given:
        return ABSENT
    parts = [frontier.advised(*pair).assign(target=target) for target, pair in given.items()]
    every = [points.assign(target=target) for target, (points, _) in given.items()]
    columns = {
        "Target": "target",
        "From, ms": ("bound", decimal),
        "Deploy": "engine",
        "Steps": "duration",
        "Score": ("score", decimal),
        "Best by its mean": _best,
        "Best minus advised [95 %]": _lead,
    }
    return table(pd.concat(parts), columns, data=pd.concat(every))


def _chosen_is_best(row) -> bool:
    return (row.engine, row.duration) == (row.best, row.best_duration)


def _lead(row) -> str:
    """What the best is ahead by, in points; one seed says nothing of the spread."""
    if _chosen_is_best(row):
        return "–"
    return interval(row, "ahead", signed) if np.isfinite(row.low) else signed(row.ahead)


def _best(row) -> str:
    """The point that is best by its mean, and that it ties with the one that is advised, if it is another."""
    return "this" if _chosen_is_best(row) else f"{row.best}, {row.best_duration} steps: a tie"
