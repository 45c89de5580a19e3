"""Figures of quality and of tokens. Each takes tables and returns a figure."""

from itertools import product

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from stilts_utils.analysis.bootstrap import MEAN
from stilts_utils.report.figures import style
from stilts_utils.report.figures.pipeline import INK, RULE, SOFT
from stilts_utils.study.settings import CONTROL, PRETRAINED

CHANCE = "chance"
CELL = 7.5  # points, of numbers in cells


def score_panel(axes: Axes, scores: pd.DataFrame) -> list[style.EndLabel]:
    """Mean score by duration with intervals, one colour a target, one line style an intermediate task."""
    durations = sorted(scores.duration.unique())
    labels = []
    tasks = style.tasks_of(scores)
    for number, (target, rows) in enumerate(scores.groupby("target", sort=False)):
        color, marker = style.COLORS[number % len(style.COLORS)], style.MARKERS[number % len(style.MARKERS)]
        for task, dashes in style.task_lines(tasks or [PRETRAINED]).items():
            line = style.arm_line(rows, task)
            x = [durations.index(duration) for duration in line.duration]
            fmt = {"fmt": marker, "ls": dashes, "color": color, "ms": 4.4, "label": task if number == 0 else None}
            style.interval(axes, x, line.score, line.low, line.high, **fmt)
        end = style.arm_line(rows, tasks[0] if tasks else PRETRAINED).iloc[-1]
        labels.append(style.EndLabel(durations.index(end.duration), end.score, target, color))
    if len(tasks) > 1:
        style.legend_above(
            axes, [(Line2D([], [], color=SOFT, ls=dashes), task) for task, dashes in style.task_lines(tasks).items()]
        )
    style.duration_ticks(axes, durations)
    axes.set_ylabel("Score (0–100), mean over languages")
    return labels


@style.styled
def quality(
    scores_seed: pd.DataFrame, scores_mean: pd.DataFrame, shortcuts_mean: pd.DataFrame, unlearned: tuple[str, ...] = ()
) -> Figure:
    """Quality against duration, one panel per target, with seeds, control, strongest shortcut baseline and chance.

    scores_mean: rows of `bootstrap_scores` for the mean over languages, one metric and layer a target; scores_seed: the
    same arms by seed (intermediate, duration, seed, target, score); shortcuts_mean: target, baseline and score;
    the baseline "chance" is drawn apart from the others. `unlearned`: targets that are marked as not learned.
    """
    if not len(scores_mean):
        return style.nothing("no scores")
    durations = sorted(scores_mean.duration.unique())
    targets = list(scores_mean.target.unique())
    figure, axes = style.panels(len(targets), 2.5, extra=0.2)
    labels = {}
    for panel, target in zip(axes, targets, strict=True):
        mean, seeds = (frame[frame.target == target] for frame in (scores_mean, scores_seed))
        labels[panel] = _baselines(panel, shortcuts_mean[shortcuts_mean.target == target])
        arms = [
            (task, style.COLORS[number % len(style.COLORS)], None, "-")
            for number, task in enumerate(style.tasks_of(mean))
        ]
        if (mean.intermediate == CONTROL).any():
            arms.append((CONTROL, style.CONTROL_COLOR, style.CONTROL_INK, (0, (4, 1.5))))
        for number, (arm, color, ink, dashes) in enumerate(arms):
            dodge = 0.2 * (number - (len(arms) - 1) / 2)
            place = {duration: durations.index(duration) + dodge * (duration > 0) for duration in durations}
            line = style.arm_line(mean, arm)
            panel.plot(line.duration.map(place), line.score, ls=dashes, color=color, zorder=3, gid=f"line {arm}")
            _arm_points(panel, line[line.duration > 0], seeds[seeds.intermediate == arm], place, color)
            end, name = line.iloc[-1], "control" if arm == CONTROL else arm
            labels[panel].append(style.EndLabel(place[end.duration], end.score, style.wrap(name), ink or color))
        start = {0: 0}
        _arm_points(panel, mean[mean.intermediate == PRETRAINED], seeds[seeds.intermediate == PRETRAINED], start, INK)
        style.duration_ticks(panel, durations)
        panel.set_title(f"{target} (not learned)" if target in unlearned else target)
        panel.set_ylabel(style.metric_name(mean))
    style.label_x(axes, style.STEPS)
    style.end_labels(figure, labels)
    return figure


def _arm_points(axes: Axes, mean: pd.DataFrame, seeds: pd.DataFrame, place: dict, color: str) -> None:
    axes.plot(seeds.duration.map(place) - 0.085, seeds.score, "o", color=color, ms=2.8, mew=0, alpha=0.7, zorder=5)
    style.interval(axes, mean.duration.map(place), mean.score, mean.low, mean.high, color=color, ms=4.6, zorder=4)


def _baselines(axes: Axes, shortcuts: pd.DataFrame) -> list[style.EndLabel]:
    """Dashed lines at chance and at the strongest other baseline, and their labels."""
    rows = shortcuts.sort_values("score", ascending=False, kind="stable")
    drawn = pd.concat([rows[rows.baseline != CHANCE].head(1), rows[rows.baseline == CHANCE].head(1)])
    for score in drawn.score:
        axes.axhline(score, color=SOFT, lw=0.9, ls=(0, (3, 2.5)), zorder=1, gid="baseline")
    return [style.EndLabel(None, row.score, style.wrap(row.baseline), SOFT) for row in drawn.itertuples()]


@style.styled
def languages(differences: pd.DataFrame) -> Figure:
    """Heatmaps of the change in quality against duration 0: languages by durations, a panel per target and task.

    differences: rows of `bootstrap_differences` without the control, one metric and layer a target. The rows "mean"
    come last. Cells without a value are hatched.
    """
    if not len(differences):
        return style.nothing("no duration to compare with duration 0")
    tasks, durations = style.tasks_of(differences), sorted(differences.duration.unique())
    names = sorted(set(differences.language) - {MEAN})
    names += [MEAN] if (differences.language == MEAN).any() else []
    shown = list(product(differences.target.unique(), tasks))
    room = style.WIDTH - 1.35  # without language names and the colour bar
    legible, narrow = (int(room // (cell * len(durations) + 0.12)) for cell in (0.3, 0.16))
    columns = min(len(shown), 4, legible if legible > 1 else max(1, narrow))
    cell_width = (room / columns - 0.12) / len(durations)
    cell_height = 0.21 if len(names) <= 30 else 0.165
    figure, axes = style.panels(len(shown), cell_height * len(names) + 0.42, columns, extra=0.3)
    reach = max(1.0, differences.difference.abs().max())
    plain = {"cbar": False, "xticklabels": False, "yticklabels": False}
    for number, (panel, (target, task)) in enumerate(zip(axes, shown, strict=True)):
        rows = differences[(differences.target == target) & (differences.intermediate == task)]
        table = rows.pivot(index="language", columns="duration", values="difference").reindex(names, columns=durations)
        sns.heatmap(table, ax=panel, cmap="RdBu", vmin=-reach, vmax=reach, mask=table.isna(), **plain)
        panel.add_patch(Rectangle((0, 0), *table.shape[::-1], fc="white", hatch="////", ec=RULE, lw=0, zorder=-1))
        if cell_width >= 0.29:
            _cell_numbers(panel, table, reach)
        if MEAN in names:
            panel.axhline(len(names) - 1, color="white", lw=3)
        panel.set_title(target if len(tasks) == 1 else f"{target}\n{style.wrap(f'after {task}', 16)}", fontsize=9)
        panel.set(xlabel="", ylabel="")
        panel.tick_params(length=0, labelsize=style.SMALL)
        panel.set_xticks(np.arange(len(durations)) + 0.5, [style.steps_name(duration) for duration in durations])
        panel.tick_params(axis="x", rotation=45 if cell_width < 0.25 else 0)
        first = number % columns == 0
        panel.set_yticks(np.arange(len(names)) + 0.5, names if first else [""] * len(names), rotation=0)
    scale = ScalarMappable(Normalize(-reach, reach), "RdBu")
    long = min(1.0, 4 / figure.get_figheight())
    bar = figure.colorbar(scale, ax=axes, aspect=32, fraction=0.03, pad=0.015, shrink=long, anchor=(0, 1))
    bar.set_label("Change (points)")
    bar.outline.set_visible(False)
    figure.supxlabel(style.STEPS, fontsize=9.5)
    return figure


def _cell_numbers(axes: Axes, table: pd.DataFrame, reach: float) -> None:
    for (row, column), value in np.ndenumerate(table.to_numpy()):
        if np.isfinite(value):
            color = "white" if abs(value) > 0.68 * reach else INK
            text = f"{value:+.0f}".replace("-", "−") if abs(value) >= 0.5 else "0"
            axes.text(column + 0.5, row + 0.52, text, ha="center", va="center", color=color, fontsize=CELL)


@style.styled
def layers(scores_layers: pd.DataFrame) -> Figure:
    """Retrieval score by layer, one line per duration, a panel per target and intermediate task.

    scores_layers: rows of `bootstrap_scores` for retrieval targets, mean over languages, one metric, all layers. Intervals are
    bands, or bars if some layers have none.
    """
    if not len(scores_layers):
        return style.nothing("no retrieval target")
    tasks = style.tasks_of(scores_layers) or [PRETRAINED]
    shown = list(product(scores_layers.target.unique(), tasks))
    colors = style.duration_colors(scores_layers.duration.unique())
    figure, axes = style.panels(len(shown), 2.7 if len(shown) > 1 else 3.1)
    labels = {}
    for panel, (target, task) in zip(axes, shown, strict=True):
        rows = scores_layers[(scores_layers.target == target) & scores_layers.intermediate.isin((PRETRAINED, task))]
        labels[panel] = []
        for duration, line in rows.sort_values("layer").groupby("duration"):
            if line.low.notna().all():
                panel.fill_between(line.layer, line.low, line.high, color=colors[duration], alpha=0.13, lw=0)
            else:
                style.interval(panel, line.layer, line.score, line.low, line.high, color=colors[duration], ms=3)
            panel.plot(line.layer, line.score, "o-", color=colors[duration], ms=3, zorder=3, gid=f"duration {duration}")
            end = line.iloc[-1]
            labels[panel].append(
                style.EndLabel(end.layer, end.score, f"{style.steps_name(duration)} steps", colors[duration])
            )
        depth = sorted(rows.layer.unique())
        every = -(-len(depth) // (13 if len(shown) == 1 else 9))
        ticks = [layer for layer in depth if layer % every == 0 and depth[-1] - layer >= every] + [depth[-1]]
        panel.set_xticks(ticks)
        panel.set_title(target if len(tasks) == 1 else f"{target} after {task}")
        panel.set_ylabel(style.metric_name(rows))
    first, last = scores_layers.layer.min(), scores_layers.layer.max()
    style.label_x(axes, f"Layer ({'0: embeddings' if first == 0 else f'{first}: first'}, {last}: last)")
    style.end_labels(figure, labels)
    return figure


@style.styled
def fertility(premiums: pd.DataFrame) -> Figure:
    """Tokens relative to English on the same messages (of `factors.premiums`), by language, most first."""
    rows = premiums.sort_values(["premium", "language"], ascending=[False, True])
    figure, (axes,) = style.panels(1, 0.2 * len(rows) + 0.6)
    places = np.arange(len(rows))
    axes.axvline(1, color=SOFT, lw=0.9, zorder=1)
    axes.hlines(places, 1, rows.premium, color="#a9c7e2", lw=2.2, zorder=2)
    axes.plot(rows.premium, places, "o", color=style.COLORS[0], ms=5.5, zorder=3)
    for place, ratio in zip(places, rows.premium, strict=True):
        side, alignment = (-1, "right") if ratio < 1 else (1, "left")
        style.note(axes, f"{ratio:.2f}", (ratio, place), 7 * side, ha=alignment, color=SOFT)
    low, high = min(1.0, rows.premium.min()), max(1.0, rows.premium.max())
    room = max(0.05, 0.08 * (high - low))
    axes.set(xlim=(low - room, high + room), xlabel="Tokens relative to English, same messages")
    style.category_rows(axes, rows.language, ends=(len(rows) - 0.4, -0.6))
    axes.spines.left.set_visible(False)
    return figure
