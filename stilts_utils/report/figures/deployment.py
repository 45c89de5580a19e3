"""Figures of deployment: what latency varies with, and quality against latency. Each takes tables and returns a figure."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from stilts_utils.report.figures.pipeline import INK, SOFT
from stilts_utils.report.figures.style import (
    SMALL,
    UNUSABLE,
    duration_colors,
    label_x,
    legend_on_top,
    nothing,
    panels,
    steps_name,
    styled,
)

NOTHING = "not measured in this study, or of timings that cannot be used"
DURATION = "duration"
DURATION_COLOR = "#1c5d99"


@styled
def variance(shares: pd.DataFrame) -> Figure:
    """Shares of the variance of log seconds a sentence, of `variance.split`, the largest first; duration is picked out."""
    if not len(shares):
        return nothing(NOTHING)
    rows = shares.sort_values("share", ascending=False, kind="stable")
    figure, (axes,) = panels(1, 0.3 * len(rows) + 0.8)
    places = np.arange(len(rows))
    colors = [DURATION_COLOR if source == DURATION else UNUSABLE for source in rows.source]
    axes.barh(places, 100 * rows.share, height=0.62, color=colors)
    known = rows.high.notna().to_numpy()  # with two processes there is no interval
    ends = 100 * np.maximum([rows.share - rows.low, rows.high - rows.share], 0)
    axes.errorbar(100 * rows.share, places, xerr=ends, fmt="none", ecolor=INK, elinewidth=1.1)
    for place, row, has_ends in zip(places, rows.itertuples(), known, strict=True):
        said = f" [{100 * row.low:.2f}, {100 * row.high:.2f}]".replace("-", "−") if has_ends else ""
        axes.annotate(
            f"{100 * row.share:.2f} %".replace("-", "−") + said,
            (100 * (max(row.share, row.high, 0) if has_ends else max(row.share, 0)), place),
            (5, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALL,
            color=DURATION_COLOR if row.source == DURATION else INK,
        )
    axes.set_yticks(places, [source.replace("_", " ") for source in rows.source])
    axes.tick_params(axis="y", length=0)
    least = min(0, rows[["share", "low"]].min(axis=None))
    axes.set(ylim=(len(rows) - 0.5, -0.5), xlim=(100 * least, 135 * rows[["share", "high"]].max(axis=None)))
    axes.set_xlabel("Share of the variance of log latency (%)")
    return figure


@styled
def frontier(points: pd.DataFrame) -> Figure:
    """Accuracy against milliseconds of a request, of `exit_report.frontier`: a panel per group of languages, a line per
    duration through every threshold; hollow points stop at a fixed layer."""
    if not len(points):
        return nothing(NOTHING)
    groups, durations = list(points.group.unique()), sorted(points.duration.unique())
    colors = duration_colors(durations)
    figure, axes = panels(len(groups), 3.0)
    for panel, group in zip(axes, groups, strict=True):
        here = points[points.group == group]
        for duration in durations:
            own = here[here.duration == duration].sort_values("ms", kind="stable")
            asked, fixed = own[own.kind == "threshold"], own[own.kind == "layer"]
            panel.plot(asked.ms, asked.accuracy, color=colors[duration], lw=1.4)
            panel.plot(fixed.ms, fixed.accuracy, "o", color=colors[duration], mfc="white", ms=5)
        panel.set_title(group[:1].upper() + group[1:])
    axes[0].set_ylabel("Accuracy (%)")
    label_x(axes, "Milliseconds of a request, one at a time")
    lines = [Line2D([], [], color=colors[duration], label=f"{steps_name(duration)} steps") for duration in durations]
    fixed = Line2D([], [], ls="", marker="o", color=SOFT, mfc="white", label="a fixed layer")
    legend_on_top(figure, [*lines, fixed])
    return figure
