"""Figure of early exit at equal accuracy. It takes a table and returns a figure."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from stilts_utils.report.figures import style
from stilts_utils.report.figures.pipeline import INK

NOTHING = "no accuracies in common, or not measured in this study"
MOST = 60  # percent: an interval wider than that is cut at the panel's edge


@style.styled
def equal_accuracy(rows: pd.DataFrame, what: str, margin: float) -> Figure:
    """Change against 0 steps at equal accuracy, with 95 % bands, from `exit_frontier.equal_accuracy`: a panel per group of
    languages, a line per duration. `what`: is compared, such as latency; `margin`: of equivalence, a fraction.
    """
    rows = rows[rows.accuracy >= 0]
    if not len(rows):
        return style.nothing(NOTHING)
    groups, durations = list(rows.group.unique()), sorted(rows.duration.unique())
    colors, labels = style.duration_colors([0, *durations]), {}
    figure, axes = style.panels(len(groups), 2.6, columns=len(groups) if len(groups) < 3 else 3, sharey=True)
    for panel, group in zip(axes, groups, strict=True):
        panel.axhspan(-100 * margin, 100 * margin, color=style.BAND, lw=0, gid="margin")
        panel.axhline(0, color=INK, lw=0.8)
        for duration in durations:
            line = rows[(rows.group == group) & (rows.duration == duration)].sort_values("accuracy")
            low, middle, high = (100 * (line[name] - 1) for name in ("low", "ratio", "high"))
            panel.fill_between(line.accuracy, low, high, color=colors[duration], alpha=0.18, lw=0)
            panel.plot(line.accuracy, middle, color=colors[duration], lw=1.4)
            if len(line) and (panel is axes[-1] or style.narrow()):
                end = style.EndLabel(line.accuracy.iloc[-1], middle.iloc[-1], f"{duration} steps", colors[duration])
                labels.setdefault(panel, []).append(end)
        panel.set_title(group[:1].upper() + group[1:])
    reach = 100 * np.abs(rows[["low", "high"]].to_numpy() - 1).max()
    axes[0].set_ylim(-min(reach, MOST), min(reach, MOST))
    for panel in axes if style.narrow() else axes[:1]:
        panel.set_ylabel(f"Change of\n{what} (%)")
    style.label_x(axes, "Accuracy (%)", len(groups))
    style.end_labels(figure, labels)
    return figure
