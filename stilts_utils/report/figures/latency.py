"""Figures of latency and of cost. Each takes tables and returns a figure."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from stilts_utils.analysis.latency import CONTROLS, PARTS, PLANTED, SAME, SETTING
from stilts_utils.report.figures import style
from stilts_utils.report.figures.pipeline import INK, SOFT
from stilts_utils.study.engines import ENGINES

PART_COLORS = {"tokenise": "#aeb9c4", "forward": "#1c5d99", "decode": "#00866a"}
PART_INKS = {"tokenise": SOFT, "forward": "#1c5d99", "decode": "#00866a"}
ENGINE_COLORS = (INK, "#3fa0da", "#8f3cd9")  # apart from the marks of verdicts next to them
COST_COLORS = ("#1c5d99", "#aeb9c4", "#8f3cd9", "#7e6545", "#5a1f10")
NONE = np.array([])
CHANGE = "Latency, change from duration 0 (%)"


def percent(ratio):
    return 100 * (np.asarray(ratio, float) - 1)


def setting_name(engine: str, batch_size: int) -> str:
    return f"{engine}, batch {batch_size}"


def _ordered(settings: pd.DataFrame) -> list[tuple[str, int]]:
    """Engines and batch sizes, the study's first engine first."""
    place = {name: number for number, name in enumerate(ENGINES)}
    seen = settings[SETTING].drop_duplicates().itertuples(index=False, name=None)
    return sorted(seen, key=lambda setting: (place.get(setting[0], len(place)), setting))


def _settings(frame: pd.DataFrame, controls: pd.DataFrame) -> list[tuple[str, int, bool]]:
    """Engine, batch size and whether its timings can be used."""
    usable = controls.set_index(SETTING).usable
    return [(*setting, bool(usable.get(setting, False))) for setting in _ordered(frame)]


def _of(frame: pd.DataFrame, engine: str, batch_size: int) -> pd.DataFrame:
    return frame[(frame.engine == engine) & (frame.batch_size == batch_size)]


def _margin_band(axes: Axes, margin: float) -> None:
    axes.axhspan(-100 * margin, 100 * margin, color=style.BAND, lw=0, zorder=0, gid="margin")
    axes.axhline(0, color=SOFT, lw=0.8, zorder=1)


def _symmetric(axes: list[Axes], ratios: pd.DataFrame, margin: float, points: np.ndarray = NONE) -> None:
    """One scale for all panels, around no change; an interval without bounds does not stretch it."""
    bounded = ratios.where(np.isfinite(ratios.high))
    drawn = np.concatenate([percent(frame).ravel() for frame in (bounded.low, bounded.high, ratios.ratio, points)])
    reach = max(150 * margin, 1.08 * np.abs(drawn[np.isfinite(drawn)]).max(initial=0))
    for panel in axes:
        panel.set_ylim(-reach, reach)


def ratio_panel(axes: Axes, ratios: pd.DataFrame, controls: pd.DataFrame, margin: float) -> None:
    """Latency change by duration, one colour and marker per engine and batch size; unusable ones hollow and grey."""
    rows = ratios[~ratios.condition.isin(CONTROLS)]
    durations = [0, *sorted(rows.duration.unique())]
    settings = _settings(ratios, controls)
    engines = list(dict.fromkeys(engine for engine, _, _ in settings))
    sizes = sorted({size for _, size, _ in settings})
    _margin_band(axes, margin)
    places = np.linspace(-0.27, 0.27, len(settings)) if len(settings) > 1 else [0.0]
    for (engine, size, usable), dodge in zip(settings, places, strict=True):
        here = _of(rows, engine, size).sort_values("duration")
        color = ENGINE_COLORS[engines.index(engine) % len(ENGINE_COLORS)] if usable else style.UNUSABLE
        style.interval(
            axes,
            [durations.index(duration) + dodge for duration in here.duration],
            percent(here.ratio),
            percent(here.low),
            percent(here.high),
            fmt=style.MARKERS[sizes.index(size) % len(style.MARKERS)],
            color=color,
            mfc=color if usable else "white",
            ms=4.6,
            label=setting_name(engine, size),
            zorder=3,
        )
    axes.plot(0, 0, "o", color=INK, ms=4, zorder=3)
    style.duration_ticks(axes, durations, room=0.45)
    _symmetric([axes], rows, margin)
    _ratio_legend(axes, margin, unusable=not all(usable for _, _, usable in settings))
    axes.set_ylabel(CHANGE)


def _ratio_legend(axes: Axes, margin: float, unusable: bool) -> None:
    """Settings, then the margin and, if one is drawn, what a hollow mark means."""
    handles, names = axes.get_legend_handles_labels()
    entries = [(handle[0], name) for handle, name in zip(handles, names, strict=True)]
    entries += [(Line2D([], [], ls=""), "")] * (len(entries) % 2)
    entries.append((Patch(color=style.BAND), f"margin ±{100 * margin:g} %"))
    if unusable:
        entries.append((Line2D([], [], ls="", marker="o", color=style.UNUSABLE, mfc="white", ms=4.6), "unusable"))
    style.legend_above(axes, entries)


@style.styled
def latency(
    ratios: pd.DataFrame, effects: pd.DataFrame, controls: pd.DataFrame, margin: float, planted: float
) -> Figure:
    """Latency change of every condition, a panel per engine and batch size, with the effect of every process.

    ratios, controls: of `latency_verdicts`; effects: of `process_effects`; margin and planted: as fractions.
    """
    if not len(ratios):
        return style.nothing("no timings")
    settings = _settings(ratios, controls)
    durations = sorted(ratios.duration[~ratios.condition.isin(CONTROLS)].unique())
    colors = style.duration_colors(durations)
    conditions = [*map(str, durations), SAME, PLANTED]
    x = {name: place + 0.5 * (name in CONTROLS) for place, name in enumerate(conditions)}
    figure, axes = style.panels(len(settings), 2.5, extra=0.2, sharey=True)
    for panel, (engine, size, usable) in zip(axes, settings, strict=True):
        _margin_band(panel, margin)
        if durations:
            panel.axvline(len(durations) - 0.25, color=style.BAND, lw=0.8)
        for row in _of(ratios, engine, size).itertuples():
            strong = style.CONTROL_COLOR if row.condition in CONTROLS else colors[row.duration]
            color = strong if usable else style.UNUSABLE
            processes = _of(effects, engine, size)
            points = percent(np.exp(processes.effect[processes.condition == row.condition].to_numpy()))
            at = x[row.condition]
            panel.plot(np.full(len(points), at - 0.16), points, "o", color=color, ms=2.6, mew=0, alpha=0.75, zorder=2)
            values = (percent([bound])[0] for bound in (row.ratio, row.low, row.high))
            look = {"color": color, "mfc": color if usable else "white", "elinewidth": 1.5, "ms": 4.4, "zorder": 3}
            style.interval(panel, at + 0.06, *values, **look)
        panel.plot(
            [x[PLANTED] - 0.3, x[PLANTED] + 0.36],
            [100 * planted] * 2,
            color=style.CONTROL_COLOR,
            lw=1,
            ls=(0, (3, 1.5)),
        )
        panel.set_xlim(-0.5, x[PLANTED] + 0.5)
        panel.set_xticks([x[name] for name in conditions], [*map(style.steps_name, durations), "A/A", "planted"])
        if len(durations) > 6:
            for tick in panel.get_xticklabels():
                tick.set(rotation=45, ha="right", rotation_mode="anchor")
        title = setting_name(engine, size)
        if not usable:
            reasons = controls.set_index(SETTING).reason.get((engine, size), "no controls")
            title += "\n" + style.wrap(f"unusable: {reasons}", 38)
        panel.set_title(title, color=INK if usable else SOFT, fontweight="bold" if usable else "normal")
    _symmetric(axes, ratios, margin, np.exp(effects.effect.to_numpy()))
    style.label_x(axes, "Duration (optimizer steps) and controls")
    figure.supylabel(CHANGE, fontsize=9.5)
    return figure


@style.styled
def parts(timings: pd.DataFrame) -> Figure:
    """Shares of a request's time by engine and batch size, over all durations; controls are left out."""
    rows = timings[~timings.condition.isin(CONTROLS)]
    order = _ordered(rows)
    means = rows.groupby(SETTING)[PARTS].mean().loc[order]
    total = means.sum(axis=1).to_numpy()
    figure, (axes,) = style.panels(1, (0.5 if style.narrow() else 0.34) * len(means) + 0.95)
    shares = {part: 100 * means[f"{part}_s"].to_numpy() / total for part in PART_COLORS}
    _stacked_bars(axes, shares, PART_COLORS.values())
    axes.set(xlim=(0, 100), xlabel="Share of a request's time (%)")
    names = [setting_name(*setting) for setting in order]
    if style.narrow():
        milliseconds = 1000 * means.sum(axis=1)
        names = [f"{name}\n{ms:.1f} ms" for name, ms in zip(names, milliseconds, strict=True)]
        style.category_rows(axes, names)
        style.legend_on_top(figure)
        return figure
    style.category_rows(axes, names)
    # The numbers next to the bars are the legend too: a share that is too thin to see can still be read.
    columns = {part: (values, "{:.1f} %", PART_INKS[part]) for part, values in shares.items()}
    columns["request"] = (1000 * means.sum(axis=1), "{:.1f} ms", INK)
    for number, (name, (values, form, color)) in enumerate(columns.items()):
        beside = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "ha": "right", "va": "center"}
        beside |= {"color": color, "fontsize": style.SMALL, "annotation_clip": False, "xytext": (56 + 56 * number, 0)}
        axes.annotate(name, (1, -0.72), **beside, fontweight="bold")
        for place, value in enumerate(values):
            axes.annotate(form.format(value), (1, place), **beside)
    return figure


def _stacked_bars(axes: Axes, parts: dict[str, np.ndarray], colors: Iterable[str]) -> np.ndarray:
    """A bar per row, of the parts from left to right. Returns where the bars end."""
    ends = np.zeros(len(next(iter(parts.values()))))
    for (part, values), color in zip(parts.items(), colors, strict=False):
        axes.barh(np.arange(len(ends)), values, left=ends, height=0.62, color=color, label=part)
        ends = ends + values
    return ends


@style.styled
def costs(costs: pd.DataFrame) -> Figure:
    """Minutes by phase and part; the smallest parts are added up if there are more than colours."""
    if not len(costs):
        return style.nothing("no costs")
    minutes = costs.assign(minutes=costs.seconds / 60).pivot_table(
        index="phase", columns="part", values="minutes", aggfunc="sum", fill_value=0.0
    )
    minutes = minutes[minutes.sum().sort_values(ascending=False, kind="stable").index]
    if minutes.shape[1] > len(COST_COLORS):
        kept = len(COST_COLORS) - 1
        minutes = minutes.iloc[:, :kept].assign(other=minutes.iloc[:, kept:].sum(axis=1))
    figure, (axes,) = style.panels(1, 0.36 * len(minutes) + 1.0)
    totals = _stacked_bars(axes, {part: values.to_numpy() for part, values in minutes.items()}, COST_COLORS)
    for place, total in enumerate(totals):
        style.note(axes, f"{total:.1f}", (total, place), 4)
    style.category_rows(axes, [phase.replace("_", " ", 1) for phase in minutes.index])
    axes.set(xlabel="Minutes, summed over runs", xlim=(0, 1.08 * max(totals.max(), 1e-9)))
    style.legend_on_top(figure)
    return figure
