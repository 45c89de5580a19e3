"""Figures of quality at the longest duration and by duration, of retrieval by layer, and of tokens: tables in, a figure out."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stilts_utils.report import languages
from stilts_utils.report.figures import style
from stilts_utils.report.figures.forest import Effect, draw_effects, legend, reach_of
from stilts_utils.report.figures.pipeline import INK, SOFT
from stilts_utils.study.settings import CONTROL, PRETRAINED

CHANCE = "chance"
ROW = 0.2  # inches, of a row of a forest plot


@style.styled
def quality(changes: pd.DataFrame, over_control: pd.DataFrame) -> Figure:
    """Change in quality at the longest duration: against 0 steps (left), and over the duration-matched control (right).

    Rows of both are (target, intermediate), mean over languages: difference, low and high in points, and their `verdict`.
    """
    if not len(changes):
        return style.nothing("no duration to compare with 0 steps")
    frames = [changes] + [over_control] * bool(len(over_control))
    figure = Figure(figsize=(style.width(), forest_height(changes)), layout="constrained")
    axes = figure.subplots(1, len(frames), squeeze=False)[0]
    reach = max(reach_of(list(frame.itertuples())) for frame in frames)
    titles = ("Against 0 steps", "Over the control")
    for number, (panel, frame, title) in enumerate(zip(axes, frames, titles, strict=False)):
        draw_quality(panel, frame, _rows(changes), reach)
        panel.set_title(title, fontsize=9)
        panel.tick_params(axis="y", labelleft=number == 0)
        panel.set_xlabel("Change (points)")
    legend(figure, [verdict for frame in frames for verdict in frame.verdict])
    return figure


def forest_height(changes: pd.DataFrame) -> float:
    """Inches of a forest plot of these changes."""
    return ROW * len(_rows(changes)) + 1.15


def draw_quality(
    axes: Axes, frame: pd.DataFrame, rows: Sequence[tuple[str, str, str]] = (), reach: float = 0.0
) -> None:
    """Changes of (target, intermediate) in points, in these rows (by default, its own)."""
    rows, own = rows or _rows(frame), frame.set_index(["target", "intermediate"])
    places = {place: own.loc[key] for place, row in enumerate(rows) if (key := row[:2]) in own.index}
    effects = [Effect("", "points", row.verdict, row.difference, row.low, row.high) for row in places.values()]
    draw_effects(axes, "points", effects, list(places), reach)
    style.category_rows(axes, [name for *_, name in rows])
    for label, (_, arm, name) in zip(axes.get_yticklabels(), rows, strict=True):
        below = name == f"after {arm}"
        label.set(color=SOFT if below else INK, fontweight="normal" if below or arm else "bold")


def _rows(changes: pd.DataFrame) -> list[tuple[str, str, str]]:
    """(target, arm, what stands beside the row), arms below their target; a target without them if there is one arm only."""
    arms = list(dict.fromkeys(changes.intermediate))
    rows = []
    for target in dict.fromkeys(changes.target):
        own = set(changes.intermediate[changes.target == target])
        if len(arms) == 1:
            rows.append((target, arms[0], target))
            continue
        rows.append((target, "", target))
        rows += [(target, arm, f"after {arm}") for arm in arms if arm in own]
    return rows


@style.styled
def curves(
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
    figure, axes = style.panels(len(targets), 2.3, extra=0.2)
    labels = {}
    for panel, target in zip(axes, targets, strict=True):
        mean, seeds = (frame[frame.target == target] for frame in (scores_mean, scores_seed))
        labels[panel] = _baselines(panel, shortcuts_mean[shortcuts_mean.target == target])
        arms = [(task, *style.arm_look(number)) for number, task in enumerate(style.tasks_of(mean))]
        if (mean.intermediate == CONTROL).any():
            arms.append((CONTROL, style.CONTROL_COLOR, (0, (4, 1.5))))
        for number, (arm, color, dashes) in enumerate(arms):
            dodge = 0.2 * (number - (len(arms) - 1) / 2)
            place = {duration: durations.index(duration) + dodge * (duration > 0) for duration in durations}
            line = style.arm_line(mean, arm)
            panel.plot(line.duration.map(place), line.score, ls=dashes, color=color, zorder=3, gid=f"line {arm}")
            _arm_points(panel, line[line.duration > 0], seeds[seeds.intermediate == arm], place, color)
            end, name = line.iloc[-1], "control" if arm == CONTROL else arm
            labels[panel].append(style.EndLabel(place[end.duration], end.score, style.wrap(name), color))
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
def layers(changes: pd.DataFrame) -> Figure:
    """Change of retrieval against 0 steps by layer, one line per duration, a panel per target and intermediate task.

    changes: of `bootstrap_differences` for retrieval targets, mean over languages, one metric, all layers. Intervals are
    bands, or bars if some layers have none.
    """
    if not len(changes):
        return style.nothing("no retrieval target")
    tasks = style.tasks_of(changes)
    shown = list(product(changes.target.unique(), tasks))
    colors = style.duration_colors([0, *changes.duration])
    figure, axes = style.panels(len(shown), 2.3 if len(shown) > 1 else 3.0)
    labels = {}
    for panel, (target, task) in zip(axes, shown, strict=True):
        rows = changes[(changes.target == target) & (changes.intermediate == task)]
        panel.axhline(0, color=SOFT, lw=0.9, zorder=1)
        labels[panel] = [style.EndLabel(None, 0, "0 steps", SOFT)]
        for duration, line in rows.sort_values("layer").groupby("duration"):
            known = line[line.low.notna()]
            if len(known) == len(line):
                panel.fill_between(line.layer, line.low, line.high, color=colors[duration], alpha=0.18, lw=0)
            else:
                style.interval(
                    panel, known.layer, known.difference, known.low, known.high, color=colors[duration], ms=3
                )
            gid = f"duration {duration}"
            panel.plot(line.layer, line.difference, "o-", color=colors[duration], ms=3, zorder=3, gid=gid)
            end, name = line.iloc[-1], f"{style.steps_name(duration)} steps"
            labels[panel].append(style.EndLabel(end.layer, end.difference, name, colors[duration]))
        depth = sorted(rows.layer.unique())
        every = -(-len(depth) // (13 if len(shown) == 1 else 9))
        ticks = [layer for layer in depth if layer % every == 0 and depth[-1] - layer >= every] + [depth[-1]]
        panel.set_xticks(ticks)
        panel.set_title(target if len(tasks) == 1 else f"{target} after {task}")
        panel.set_ylabel("Change (points)")
    first, last = changes.layer.min(), changes.layer.max()
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
    room = max(0.05, (0.16 if style.narrow() else 0.08) * (high - low))
    axes.set(xlim=(low - room, high + room), xlabel="Tokens relative to English, same messages")
    style.category_rows(axes, [languages.name(code) for code in rows.language], ends=(len(rows) - 0.4, -0.6))
    axes.spines.left.set_visible(False)
    return figure
