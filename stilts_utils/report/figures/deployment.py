"""Figures of deployment: the variance of latency, and quality against latency. Each takes tables and returns a figure."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from stilts_utils.report.figures import style
from stilts_utils.report.figures.pipeline import INK, RULE

NOTHING = "not measured in this study, or of timings that cannot be used"
DURATION_COLOR = "#1c5d99"


@style.styled
def variance(shares: pd.DataFrame) -> Figure:
    """Shares of the variance of log seconds a sentence, from `factors.shares`, the largest first; duration is picked out.

    A share below 0, which correction for noise can give, has no bar; its interval is drawn from 0 on and written in full.
    """
    if not len(shares):
        return style.nothing(NOTHING)
    rows = shares.sort_values("share", ascending=False, kind="stable")
    figure, (axes,) = style.panels(1, 0.3 * len(rows) + 0.8)
    places, share = np.arange(len(rows)), 100 * rows.share.clip(lower=0)
    colors = [DURATION_COLOR if source == "duration" else style.UNUSABLE for source in rows.source]
    axes.barh(places, share, height=0.62, color=colors)
    low, high = (100 * rows[end].clip(lower=0) for end in ("low", "high"))  # NaN with two processes: no interval
    axes.hlines(places, low, high, color=INK, lw=1.1)
    for place, row in zip(places, rows.itertuples(), strict=True):
        text = f"{100 * row.share:.2f} %" + (
            f" [{100 * row.low:.2f}, {100 * row.high:.2f}]" if row.high == row.high else ""
        )
        end = 100 * max(row.share, row.high if row.high == row.high else 0, 0)
        color = DURATION_COLOR if row.source == "duration" else INK
        style.note(axes, text.replace("-", "−"), (end, place), 5, color=color)
    style.category_rows(axes, [source.replace("_", " ") for source in rows.source])
    axes.set_xlim(0, (2.6 if style.narrow() else 1.35) * 100 * rows[["share", "high"]].max(axis=None))
    axes.set_xlabel("Share of the variance of log latency (%)")
    return figure


@style.styled
def frontier(points: pd.DataFrame) -> Figure:
    """Accuracy against milliseconds of a request, from `exit_effects.frontier`: a panel per group of languages, a line per
    duration through every threshold; hollow points stop at a fixed layer and have their 95 % intervals."""
    if not len(points):
        return style.nothing(NOTHING)
    groups, durations = list(points.group.unique()), sorted(points.duration.unique())
    colors, labels = style.duration_colors(durations), {}
    figure, axes = style.panels(len(groups), 3.0)
    aside = 0.012 * (points.ms.max() - points.ms.min())  # of every duration, so that intervals do not cover each other
    for panel, group in zip(axes, groups, strict=True):
        here, labels[panel] = points[points.group == group], []
        for place, duration in enumerate(durations):
            line = here[here.duration == duration].sort_values("ms", kind="stable")
            thresholds, fixed = line[line.kind == "threshold"], line[line.kind == "layer"]
            panel.plot(thresholds.ms, thresholds.accuracy, color=colors[duration], lw=1.4)
            at = fixed.ms + aside * (place - (len(durations) - 1) / 2)
            look = {"color": colors[duration], "mfc": "white", "ms": 4.5, "gid": f"fixed {duration}"}
            style.interval(panel, at, fixed.accuracy, fixed.low, fixed.high, **look)
            end, name = line.iloc[-1], f"{style.steps_name(duration)} steps"
            labels[panel].append(style.EndLabel(end.ms, end.accuracy, name, colors[duration]))
        panel.set_title(group[:1].upper() + group[1:])
        panel.grid(axis="y", color=RULE, lw=0.4, alpha=0.4)
        panel.set_ylabel("Accuracy (%)")
    style.label_x(axes, "Milliseconds of a request, one at a time")
    style.end_labels(figure, labels)
    return figure
