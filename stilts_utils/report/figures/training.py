"""Figures of training: losses, and what was learned of the intermediate tasks."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from stilts_utils.analysis.learned import answers
from stilts_utils.report.figures import style
from stilts_utils.report.figures.pipeline import INK, RULE, SOFT
from stilts_utils.study.settings import CONTROL, PRETRAINED
from stilts_utils.tasks import TASKS, task

SMOOTH_FROM = 120  # logged steps above which a loss is smoothed and thinned
GUESSING = "guessing"


@style.styled
def learning(training: pd.DataFrame, arms: pd.DataFrame | None = None) -> Figure:
    """Loss by optimizer step: a panel per intermediate trajectory, then one per target. training: the table of runs.

    arms: of `Learned`: their standings are in the titles, and an arm whose tasks are all choices among k has a line at ln k,
    the loss of guessing.
    """
    if not len(training):
        return style.nothing("nothing was trained")
    tasks = style.tasks_of(training)
    durations = sorted(training.duration[training.intermediate != CONTROL].unique())
    colors = style.duration_colors(durations)
    trajectories, fits = training[training.target == PRETRAINED], training[training.target != PRETRAINED]
    targets, trained = list(fits.target.unique()), list(trajectories.intermediate.unique())
    figure, axes = style.panels(len(targets) + len(trained), 2.1, extra=0.35)
    labels = {}
    for number, (panel, name) in enumerate(zip(axes, trained, strict=False)):
        rows = trajectories[trajectories.intermediate == name]
        chance, standing = _known(name, arms)
        _trajectory(panel, rows, [duration for duration in durations if duration], style.arm_look(number)[0])
        panel.set_title(f"{name}{standing}, log steps")
        if chance > 1:
            panel.axhline(np.log(chance), color=SOFT, lw=0.9, ls=(0, (3, 2.5)), zorder=1, gid="chance")
            labels[panel] = [style.EndLabel(None, np.log(chance), f"{GUESSING}\nln {chance}", SOFT)]
    for panel, target in zip(axes[len(trained) :], targets, strict=True):
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


def _known(name: str, arms: pd.DataFrame | None) -> tuple[int, str]:
    """Among how many answers an arm chooses, 0 if that is unknown or differs, and its standing for a title."""
    own = arms[arms.intermediate == name] if arms is not None else None
    tasks = list(own.task) if own is not None and len(own) else [name] * (name in TASKS)
    counts = {answers(task(one)) for one in tasks}
    standing = f" ({' / '.join(dict.fromkeys(own.standing))})" if own is not None and len(own) else ""
    return counts.pop() if len(counts) == 1 else 0, standing


def _trajectory(axes: Axes, rows: pd.DataFrame, durations: list[int], color: str) -> None:
    """Loss of an intermediate task; steps on a log scale, as durations are spaced geometrically."""
    for duration in durations:
        axes.axvline(duration, color=RULE, lw=0.8, ls=(0, (2, 2)), zorder=1, gid="duration")
    for _, line in rows.groupby("seed"):
        axes.plot(*_smooth(line), color=color, lw=0.9, alpha=0.85)
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    kept = []  # tick labels a legible distance apart
    for duration in reversed(durations):
        if not kept or kept[-1] / duration >= (durations[-1]) ** 0.09:
            kept.append(duration)
    axes.set_xticks(kept, [style.steps_name(duration) for duration in kept])


def _smooth(line: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    line = line.sort_values("step")
    if len(line) <= SMOOTH_FROM:
        return line.step, line.loss
    means = line.loss.rolling(len(line) // 40, center=True, min_periods=1).mean()
    kept = slice(None, None, -(-len(line) // (SMOOTH_FROM // 2)))
    return line.step[kept], means[kept]


@style.styled
def validation(rows: pd.DataFrame) -> Figure:
    """Score on held-out rows by duration, one panel per intermediate task, with its floor and its best shortcut.

    rows: of the table `validation`. Points are seeds, the line is their mean; arms that share a task share its panel.
    """
    if not len(rows):
        return style.nothing("not measured: no scores on held-out rows are stored")
    rows = rows[rows.metric == rows.task.map(lambda name: task(name).metric)]
    tasks, arms = list(rows.task.unique()), list(rows.intermediate.unique())
    durations = sorted(rows.duration.unique())
    figure, axes = style.panels(len(tasks), 2.6)
    labels = {}
    for panel, name in zip(axes, tasks, strict=True):
        floor, here = task(name).floor, rows[rows.task == name]
        labels[panel] = [style.EndLabel(None, floor.score, "floor", INK)]
        labels[panel].append(style.EndLabel(None, floor.shortcut, "shortcut", SOFT))
        panel.axhline(floor.score, color=INK, lw=0.9, zorder=1, gid="floor")
        panel.axhline(floor.shortcut, color=SOFT, lw=0.9, ls=(0, (3, 2.5)), zorder=1, gid="shortcut")
        for arm, line in here.groupby("intermediate", sort=False):
            color, dashes = style.arm_look(arms.index(arm))
            means = line.groupby("duration").score.mean()
            panel.plot(line.duration.map(durations.index), line.score, "o", color=color, ms=2.8, mew=0, alpha=0.7)
            panel.plot(
                [durations.index(d) for d in means.index], means, color=color, ls=dashes, zorder=3, gid=f"line {arm}"
            )
            if len(arms) > 1:
                end = durations.index(means.index[-1])
                labels[panel].append(style.EndLabel(end, means.iloc[-1], style.wrap(arm), color))
        style.duration_ticks(panel, durations)
        panel.set_title(name)
        panel.set_ylabel(style.metric_name(here))
    style.label_x(axes, style.STEPS)
    style.end_labels(figure, labels)
    return figure
