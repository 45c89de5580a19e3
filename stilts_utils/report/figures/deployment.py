"""Figures of deployment: the variance of latency, and quality against latency. Each takes tables and returns a figure."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from stilts_utils.report.figures import style
from stilts_utils.report.figures.pipeline import INK, SOFT

NOTHING = "not measured in this study, or of timings that cannot be used"
DURATION_COLOR = "#1c5d99"


@style.styled
def variance(shares: pd.DataFrame) -> Figure:
    """Shares of the variance of log seconds a sentence, from `factors.shares`, the largest first; duration is picked out."""
    if not len(shares):
        return style.nothing(NOTHING)
    rows = shares.sort_values("share", ascending=False, kind="stable")
    figure, (axes,) = style.panels(1, 0.3 * len(rows) + 0.8)
    places = np.arange(len(rows))
    colors = [DURATION_COLOR if source == "duration" else style.UNUSABLE for source in rows.source]
    axes.barh(places, 100 * rows.share, height=0.62, color=colors)
    known = rows.high.notna().to_numpy()  # with two processes there is no interval
    ends = 100 * np.maximum([rows.share - rows.low, rows.high - rows.share], 0)
    axes.errorbar(100 * rows.share, places, xerr=ends, fmt="none", ecolor=INK, elinewidth=1.1)
    for place, row, has_ends in zip(places, rows.itertuples(), known, strict=True):
        text = f"{100 * row.share:.2f} %" + (f" [{100 * row.low:.2f}, {100 * row.high:.2f}]" if has_ends else "")
        end = 100 * max(row.share, row.high if has_ends else 0, 0)
        color = DURATION_COLOR if row.source == "duration" else INK
        style.note(axes, text.replace("-", "−"), (end, place), 5, color=color)
    style.category_rows(axes, [source.replace("_", " ") for source in rows.source])
    least = min(0, rows[["share", "low"]].min(axis=None))
    axes.set_xlim(100 * least, 135 * rows[["share", "high"]].max(axis=None))
    axes.set_xlabel("Share of the variance of log latency (%)")
    return figure


@style.styled
def frontier(points: pd.DataFrame) -> Figure:
    """Accuracy against milliseconds of a request, from `exit_effects.frontier`: a panel per group of languages, a line per
    duration through every threshold; hollow points stop at a fixed layer."""
    if not len(points):
        return style.nothing(NOTHING)
    groups, durations = list(points.group.unique()), sorted(points.duration.unique())
    colors = style.duration_colors(durations)
    figure, axes = style.panels(len(groups), 3.0)
    for panel, group in zip(axes, groups, strict=True):
        here = points[points.group == group]
        for duration in durations:
            line = here[here.duration == duration].sort_values("ms", kind="stable")
            thresholds, fixed = line[line.kind == "threshold"], line[line.kind == "layer"]
            panel.plot(thresholds.ms, thresholds.accuracy, color=colors[duration], lw=1.4)
            panel.plot(fixed.ms, fixed.accuracy, "o", color=colors[duration], mfc="white", ms=5)
        panel.set_title(group[:1].upper() + group[1:])
    axes[0].set_ylabel("Accuracy (%)")
    style.label_x(axes, "Milliseconds of a request, one at a time")
    fixed = Line2D([], [], ls="", marker="o", color=SOFT, mfc="white", label="a fixed layer")
    style.legend_on_top(figure, [*style.duration_handles(colors, durations), fixed])
    return figure
