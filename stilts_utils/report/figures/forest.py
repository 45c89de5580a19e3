"""Forest plots: effects with their intervals, a row each, by verdict. That of the answer over all studies."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from stilts_utils.analysis.verdict import CHANGED, EQUIVALENT, NOT_LEARNED, UNDECIDED
from stilts_utils.report.figures import style
from stilts_utils.report.figures.pipeline import INK, RULE

# By colour and by shape, so that each tells verdicts apart alone.
MARKS = {
    EQUIVALENT: ("#00866a", "o", "full"),
    CHANGED: ("#b3470b", "D", "full"),
    UNDECIDED: ("#4a5560", "o", "none"),
    NOT_LEARNED: ("#9aa5b1", "X", "full"),
}
LINEAR = {"%": 5.0, "points": 5.0}  # beyond this the axis is logarithmic: effects differ a hundredfold
TICKS = (2, 10, 50)


@dataclass(frozen=True)
class Effect:
    """A row of the forest: `change`, `low` and `high` in percent or points, and their text."""

    says: str
    unit: str
    verdict: str
    change: float
    low: float
    high: float
    text: str = ""


@style.styled
def forest(effects: Sequence[Effect]) -> Figure:
    """A panel for effects in percent and one for those in points, a row each, in the order given."""
    units = [unit for unit in LINEAR if any(effect.unit == unit for effect in effects)]
    if not units:
        return style.nothing("nothing is measured that duration could change")
    groups = [[effect for effect in effects if effect.unit == unit] for unit in units]
    heights = [len(group) + 1.2 for group in groups]
    row = 0.44 if style.narrow() else 0.3
    figure = Figure(figsize=(style.width(), row * sum(heights) + 0.5), layout="constrained")
    panels = np.atleast_1d(figure.subplots(len(units), 1, height_ratios=heights))
    for panel, unit, group in zip(panels, units, groups, strict=True):
        draw_effects(panel, unit, group)
        _texts(panel, group)
        panel.set_xlabel(f"Change against 0 steps ({unit})")
    legend(figure, [effect.verdict for effect in effects])
    return figure


def _texts(axes: Axes, effects: Sequence[Effect]) -> None:
    """Names left and numbers right of a panel; both above their row on a phone."""
    beside = {"xycoords": ("axes fraction", "data"), "va": "center", "color": INK, "fontsize": style.SMALL}
    if not style.narrow():
        style.category_rows(axes, [effect.says for effect in effects])
        for place, effect in enumerate(effects):
            axes.annotate(effect.text, (1.01, place), **beside)
        return
    style.category_rows(axes, [""] * len(effects), ends=(len(effects) - 0.6, -0.75))
    axes.spines.left.set_visible(False)
    for place, effect in enumerate(effects):
        axes.annotate(effect.says, (0, place - 0.42), **beside)
        axes.annotate(effect.text, (1, place - 0.42), ha="right", **beside)


def legend(figure: Figure, verdicts: Sequence[str]) -> None:
    """The marks of the verdicts that are drawn."""
    shown = [verdict for verdict in MARKS if verdict in set(verdicts)]
    style.legend_on_top(figure, [Line2D([], [], ls="", label=verdict, **_mark(verdict)) for verdict in shown])


def _mark(verdict: str) -> dict:
    color, marker, fill = MARKS[verdict]
    return {"color": color, "marker": marker, "mfc": color if fill == "full" else "white", "ms": 6}


def draw_effects(
    axes: Axes, unit: str, effects: Sequence[Effect], places: Sequence[int] | None = None, reach: float = 0.0
) -> None:
    """Effects with their intervals at some places of the y axis, on a scale around no change that reaches as far as they do."""
    linear = LINEAR[unit]
    axes.set_xscale("symlog", linthresh=linear, linscale=1.2)
    reach = reach or reach_of(effects)
    axes.axvline(0, color=RULE, lw=0.9, zorder=0)
    for place, effect in zip(places or range(len(effects)), effects, strict=True):
        mark = _mark(effect.verdict)
        axes.plot([effect.low, effect.high], [place, place], color=mark["color"], lw=1.8, solid_capstyle="butt")
        axes.plot([effect.change], [place], ls="", clip_on=False, **mark)
    axes.set_xlim(-reach, reach)
    ticks = [tick for tick in TICKS if tick <= reach]
    if style.narrow():  # room for the outer ones, of panels side by side for the last
        ticks = ticks[-1 if axes.get_subplotspec().get_gridspec().ncols > 1 else -2 :]
    axes.xaxis.set_major_locator(FixedLocator([*(-tick for tick in reversed(ticks)), 0, *ticks]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+g}".replace("-", "−") if value else "0"))
    axes.tick_params(axis="x", labelsize=style.SMALL)


def reach_of(effects: Sequence) -> float:
    """How far a scale has to reach to hold every interval."""
    return 1.3 * max((abs(end) for effect in effects for end in (effect.low, effect.high)), default=1.0)
