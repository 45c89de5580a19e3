"""Figure of training losses."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from stilts_utils.report.figures import style
from stilts_utils.report.figures.pipeline import RULE, SOFT
from stilts_utils.study.settings import CONTROL, PRETRAINED

SMOOTH_FROM = 120  # logged steps above which a loss is smoothed


@style.styled
def learning(training: pd.DataFrame) -> Figure:
    """Loss by optimizer step: the intermediate trajectories, then one panel per target. training: the table of runs."""
    if not len(training):
        return style.nothing("nothing was trained")
    tasks = style.tasks_of(training)
    durations = sorted(training.duration[training.intermediate != CONTROL].unique())
    colors = style.duration_colors(durations)
    trajectories, fits = training[training.target == PRETRAINED], training[training.target != PRETRAINED]
    targets = list(fits.target.unique())
    figure, axes = style.panels(len(targets) + bool(len(trajectories)), 2.1, extra=0.35)
    labels = {}
    if len(trajectories):
        labels[axes[0]] = _trajectories(axes[0], trajectories, [duration for duration in durations if duration])
    for panel, target in zip(axes[len(axes) - len(targets) :], targets, strict=True):
        here = fits[fits.target == target]
        for (intermediate, duration, seed), line in here.groupby(["intermediate", "duration", "seed"], sort=False):
            control = intermediate == CONTROL
            dashes = style.task_lines(tasks).get(intermediate, "-")
            color, gid = style.CONTROL_COLOR if control else colors[duration], f"{intermediate} {duration} {seed}"
            panel.plot(*_smooth(line), ls=dashes, color=color, lw=0.9, alpha=0.85, zorder=2 if control else 3, gid=gid)
        panel.set_title(target)
        panel.set_xlim(0, here.step.max())
    for panel in axes:
        panel.set_ylim(bottom=0)
        panel.set_ylabel("Loss")
    style.label_x(axes, "Optimizer step")
    handles = style.duration_handles(colors, durations, lw=2)
    if (fits.intermediate == CONTROL).any():
        handles.append(Line2D([], [], color=style.CONTROL_COLOR, lw=2, label="control"))
    if len(tasks) > 1:
        handles += [Line2D([], [], color=SOFT, ls=s, label=f"after {t}") for t, s in style.task_lines(tasks).items()]
    if len(targets):
        style.legend_on_top(figure, handles)
    style.end_labels(figure, labels)
    return figure


def _trajectories(axes: Axes, rows: pd.DataFrame, durations: list[int]) -> list[style.EndLabel]:
    """Loss of the intermediate tasks; steps on a log scale, as durations are spaced geometrically."""
    for duration in durations:
        axes.axvline(duration, color=RULE, lw=0.8, ls=(0, (2, 2)), zorder=1, gid="duration")
    labels = []
    for number, (task, lines) in enumerate(rows.groupby("intermediate", sort=False)):
        color, ends = style.COLORS[number % len(style.COLORS)], []
        for _, line in lines.groupby("seed"):
            steps, losses = _smooth(line)
            axes.plot(steps, losses, color=color, lw=0.9, alpha=0.85)
            ends.append(losses.iloc[-1])
        labels.append(style.EndLabel(lines.step.max(), float(np.mean(ends)), task, color))
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    kept = []  # tick labels a legible distance apart
    for duration in reversed(durations):
        if not kept or kept[-1] / duration >= (durations[-1]) ** 0.09:
            kept.append(duration)
    axes.set_xticks(kept, [style.steps_name(duration) for duration in kept])
    axes.set_title("intermediate, log steps")
    return labels


def _smooth(line: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    line = line.sort_values("step")
    window = len(line) // 40 if len(line) > SMOOTH_FROM else 1
    return line.step, line.loss.rolling(window, center=True, min_periods=1).mean()
