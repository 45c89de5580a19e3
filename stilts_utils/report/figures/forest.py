"""The forest plot of the answer: every row's effect with its interval, by verdict."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from stilts_utils.analysis.verdict import CHANGED, EQUIVALENT, UNDECIDED
from stilts_utils.report.figures import style
from stilts_utils.report.figures.pipeline import INK, RULE

# By colour and by shape, so that each tells verdicts apart alone.
MARKS = {EQUIVALENT: ("#00866a", "o", "full"), CHANGED: ("#b3470b", "D", "full"), UNDECIDED: ("#4a5560", "o", "none")}
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
    text: str


@style.styled
def forest(effects: Sequence[Effect]) -> Figure:
    """A panel for effects in percent and one for those in points, a row each, in the order given."""
    units = [unit for unit in LINEAR if any(effect.unit == unit for effect in effects)]
    if not units:
        return style.nothing("nothing is measured that duration could change")
    groups = [[effect for effect in effects if effect.unit == unit] for unit in units]
    heights = [len(group) + 1.2 for group in groups]
    figure = Figure(figsize=(style.WIDTH, 0.3 * sum(heights) + 0.5), layout="constrained")
    panels = np.atleast_1d(figure.subplots(len(units), 1, height_ratios=heights))
    for panel, unit, group in zip(panels, units, groups, strict=True):
        _panel(panel, unit, group)
    shown = [verdict for verdict in MARKS if any(effect.verdict == verdict for effect in effects)]
    style.legend_on_top(figure, [Line2D([], [], ls="", label=verdict, **_mark(verdict)) for verdict in shown])
    return figure


def _mark(verdict: str) -> dict:
    color, marker, fill = MARKS[verdict]
    return {"color": color, "marker": marker, "mfc": color if fill == "full" else "white", "ms": 6}


def _panel(axes: Axes, unit: str, effects: Sequence[Effect]) -> None:
    axes.set_xscale("symlog", linthresh=LINEAR[unit], linscale=1.2)
    reach = 1.3 * max(max(abs(effect.low), abs(effect.high)) for effect in effects)
    axes.axvline(0, color=RULE, lw=0.9, zorder=0)
    for place, effect in enumerate(effects):
        mark = _mark(effect.verdict)
        axes.plot([effect.low, effect.high], [place, place], color=mark["color"], lw=1.8, solid_capstyle="butt")
        axes.plot([effect.change], [place], ls="", **mark)
        axes.annotate(
            effect.text,
            (1.01, place),
            xycoords=("axes fraction", "data"),
            va="center",
            color=INK,
            fontsize=style.SMALL,
        )
    style.category_rows(axes, [effect.says for effect in effects])
    axes.set_xlim(-reach, reach)
    ticks = [tick for tick in TICKS if tick <= reach]
    axes.xaxis.set_major_locator(FixedLocator([*(-tick for tick in reversed(ticks)), 0, *ticks]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+g}".replace("-", "−") if value else "0"))
    axes.tick_params(axis="x", labelsize=style.SMALL)
    axes.set_xlabel("Change against 0 steps (%)" if unit == "%" else "Change against 0 steps (points)")
