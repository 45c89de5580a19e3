"""The shared part of all figures of results: style, colours, panel grids, labels at line ends, and how a figure is saved."""

import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from io import StringIO
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation, blended_transform_factory
from scipy.optimize import isotonic_regression

from stilts_utils.report.figures import dark
from stilts_utils.report.figures.pipeline import INK, RULE, SOFT
from stilts_utils.study import whole
from stilts_utils.study.settings import CONTROL, PRETRAINED

WIDE = 6.8  # inches: 10 pt are then legible at 700 pixels
NARROW = 3.75  # inches: the smallest text is 11 pixels high on a phone of 390
SMALL = 8.5  # points, of annotations
BAND = "#e6edf3"
UNUSABLE = "#9aa5b1"
CONTROL_COLOR = "#a06200"  # the control's orange, dark enough for text
# Apart for colour-blind readers, also from the control's orange and from greys, on white and on dark pages; dark enough for
# text. A test simulates it. More than these repeat with other markers or dashes.
COLORS = ("#1c5d99", "#8f3cd9", "#5a1f10", "#7e6545")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # one fewer than colours: no pair repeats early
LINES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (5, 1.5, 1.5, 1.5)))
METRICS = {
    "accuracy": "Accuracy (%)",
    "accuracy_to_english": "Accuracy to English (%)",
    "f1": "Tag F1 (%)",
    "qa_f1": "Answer F1 (%)",
    "exact_match": "Exact match (%)",
    "mrr20": "MRR@20 (× 100)",
    "squad": "F1 and exact match, mean (%)",
    "map20": "mAP@20 (× 100)",
    "mining_f1": "Mining F1 (%)",
}
STEPS = "Intermediate training (optimizer steps)"

STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "stilts",
    "text.parse_math": False,  # a name or a message is no formula
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with Matplotlib: a layout measured with it is the same everywhere
    "font.size": 9.5,
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": INK,
    "axes.labelsize": 9.5,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlepad": 7,
    "axes.axisbelow": True,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "hatch.color": RULE,
    "hatch.linewidth": 0.6,
}


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Give a drawing function the style, and its figure a final layout: a second drawing would move it slightly."""

    @wraps(draw)
    def drawn(*args, **kwargs) -> Figure:
        with matplotlib.rc_context(STYLE):
            figure = draw(*args, **kwargs)
            lay_out(figure)
            figure.set_layout_engine("none")
        return figure

    return drawn


def lay_out(figure: Figure) -> None:
    """Give every panel its place. Drawing would do so, too, and take longer."""
    if engine := figure.get_layout_engine():
        engine.execute(figure)


_width: ContextVar[float] = ContextVar("width", default=WIDE)


@contextmanager
def drawn_for(inches: float) -> Iterator[None]:
    """Figures that are drawn inside are as wide as this, `WIDE` or `NARROW`."""
    token = _width.set(inches)
    try:
        yield
    finally:
        _width.reset(token)


def width() -> float:
    return _width.get()


def narrow() -> bool:
    """Whether a figure for phones is being drawn."""
    return width() < WIDE


class EndLabel(NamedTuple):
    """Text to the right of a panel for a line that ends at (x, y); x None is the panel's edge."""

    x: float | None
    y: float
    text: str
    color: str


def save(figure: Figure, path: Path | str) -> Path:
    """Write a figure as SVG with text as text, whole or not at all, for light pages and dark ones.

    The same figure gives the same bytes.
    """
    path, drawing = Path(path), StringIO()
    with matplotlib.rc_context(STYLE):
        figure.set_facecolor("white")
        FigureCanvasSVG(figure).print_svg(drawing, metadata={"Date": None})  # `savefig` would draw it twice
    with whole.file(path) as temporary:
        temporary.write_text(dark.both(re.sub(r"\s*<!--.*?-->", "", drawing.getvalue())), encoding="utf8")
    return path


def shown(figure: Figure):
    """A figure for a notebook's page: the same SVG that `save` writes, shown without a plotting backend."""
    from tempfile import TemporaryDirectory

    from IPython.display import SVG

    with TemporaryDirectory() as folder:
        return SVG(filename=str(save(figure, Path(folder) / "figure.svg")))


def panels(count: int, height: float, columns: int = 2, extra: float = 0.0, **share) -> tuple[Figure, list[Axes]]:
    """A figure with `count` panels of the given height in inches, in rows of at most `columns`."""
    columns = 1 if narrow() else max(1, min(columns, count))
    rows = max(1, -(-count // columns))
    figure = Figure(figsize=(width(), rows * height + extra), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.06, h_pad=0.06)
    axes = list(figure.subplots(rows, columns, squeeze=False, **share).flat)
    for surplus in axes[count:]:
        surplus.remove()
    return figure, axes[:count]


def label_x(axes: Sequence[Axes], text: str, columns: int = 2) -> None:
    """Name the x axis of the lowest panel of every column; `columns` is that of `panels`."""
    for panel in axes[-1 if narrow() else -min(columns, len(axes)) :]:
        panel.set_xlabel(text)


def category_rows(axes: Axes, names: Sequence[str], ends: tuple[float, float] | None = None) -> None:
    """Names at the y axis, the first on top, for a row of the panel each."""
    axes.set_yticks(np.arange(len(names)), names)
    axes.set_ylim(ends or (max(len(names), 1) - 0.5, -0.5))
    axes.tick_params(axis="y", length=0)


def note(axes: Axes, text: str, place: tuple[float, float], right: float, **font) -> None:
    """Small text next to a place of the data, so many points to the right."""
    font = {"va": "center", "fontsize": SMALL, **font}
    axes.annotate(text, place, (right, 0), textcoords="offset points", **font)


def nothing(text: str) -> Figure:
    """A small figure that says why there is nothing to draw."""
    figure = Figure(figsize=(width(), 1.0))
    figure.text(0.5, 0.5, wrap(text, 48) if narrow() else text, ha="center", va="center", color=SOFT)
    return figure


def steps_name(duration: int) -> str:
    """A number of steps, short enough for an axis: 64, 1.5k, 2048, 20k."""
    return f"{duration / 1000:g}k" if duration >= 1000 and duration % 100 == 0 else str(duration)


def duration_ticks(axes: Axes, durations: Sequence[int], room: float = 0.3) -> None:
    """Durations as ordered categories: their grid is geometric, and 0 has no logarithm."""
    names = [steps_name(duration) for duration in durations]
    crowded = len("  ".join(names)) > 34
    room = max(room, 0.5 if len(names) == 1 else 0)
    axes.set_xticks(range(len(names)), names, rotation=45 if crowded else 0)
    axes.set_xlim(-room, len(names) - 1 + room)


def legend_above(axes: Axes, entries: Sequence[tuple], columns: int = 2) -> None:
    """A legend of (handle, name) in room made above the data, so that it covers none of them; fills row by row."""
    rows = -(-len(entries) // columns)
    low, high = axes.get_ylim()
    share = 0.085 * rows  # of the panel's height
    axes.set_yticks([tick for tick in axes.get_yticks() if low <= tick <= high])
    axes.set_ylim(low, high + (high - low) * share / (1 - share))
    padded = [*entries, *[(Line2D([], [], ls=""), "")] * (rows * columns - len(entries))]
    by_column = [padded[row * columns + column] for column in range(columns) for row in range(rows)]
    axes.legend(
        *zip(*by_column, strict=True),
        ncols=columns,
        loc="upper left",
        fontsize=SMALL,
        handlelength=1.3,
        handletextpad=0.5,
        columnspacing=1.2,
        labelspacing=0.3,
        borderpad=0,
        borderaxespad=0.2,
    )


def legend_on_top(figure: Figure, handles: Sequence | None = None) -> None:
    """A legend of the whole figure, above its panels."""
    handles = handles or figure.axes[0].get_legend_handles_labels()[0]
    rows = -(-len(handles) // (3 if narrow() else 6))
    figure.legend(
        handles=handles, loc="outside upper left", ncols=-(-len(handles) // rows), handlelength=1.4, columnspacing=1.4
    )


def duration_colors(durations: Sequence[int]) -> dict[int, tuple | str]:
    """Grey for duration 0, then darker for longer."""
    longer = sorted(duration for duration in set(durations) if duration)
    scale = LinearSegmentedColormap.from_list("durations", ["#4f9bd3", "#2a6ca8", "#0b2f57"])
    places = np.linspace(0, 1, len(longer)) if len(longer) != 1 else [0.5]
    return {0: "#7b8794"} | {duration: scale(place) for duration, place in zip(longer, places, strict=True)}


def duration_handles(colors: dict, durations: Sequence[int], **style) -> list[Line2D]:
    """Entries of a legend, one for each duration."""
    return [Line2D([], [], color=colors[d], label=f"{steps_name(d)} steps", **style) for d in durations]


def task_lines(tasks: Sequence[str]) -> dict[str, str | tuple]:
    """A line style for each intermediate task."""
    return dict(zip(tasks, cycle(LINES), strict=False))


def arm_look(number: int) -> tuple[str, str | tuple]:
    """Colour and line style of an arm: colours repeat with other dashes."""
    return COLORS[number % len(COLORS)], LINES[number // len(COLORS) % len(LINES)]


def metric_name(scores: pd.DataFrame) -> str:
    """The name of the metric of some scores, which all have the same."""
    metric = scores.metric.iloc[0]
    return METRICS.get(metric, metric)


def tasks_of(frame: pd.DataFrame) -> list[str]:
    """The intermediate tasks of a frame, in its order, without the pretrained arm and the control."""
    return [name for name in frame.intermediate.unique() if name not in (PRETRAINED, CONTROL)]


def arm_line(frame: pd.DataFrame, intermediate: str) -> pd.DataFrame:
    """One line: the pretrained arm, then the arms of an intermediate task (or the control), by duration."""
    line = frame[frame.intermediate.isin((PRETRAINED, intermediate))].sort_values("duration")
    if line.duration.duplicated().any():
        raise ValueError(
            f"scores of {intermediate}: several rows for one duration, allowed: one target, language, layer and metric"
        )
    return line


def interval(axes: Axes, x, y, low, high, **style):
    """Points with their intervals; an interval without bounds is not drawn."""
    x, y, low, high = (np.atleast_1d(np.asarray(values, float)) for values in (x, y, low, high))
    bounded = np.isfinite(low) & np.isfinite(high)
    reach = [np.where(bounded, y - low, np.nan), np.where(bounded, high - y, np.nan)]
    # Rounding may put a bound that equals the value on its other side.
    return axes.errorbar(x, y, yerr=np.maximum(reach, 0), **{"fmt": "o", "elinewidth": 1.1, "capsize": 0, **style})


def wrap(text: str, width: int = 12) -> str:
    return "\n".join(textwrap.wrap(text, width, break_long_words=False)) or text


def end_labels(figure: Figure, labels: dict[Axes, list[EndLabel]]) -> None:
    """Label line ends right of each panel, moved apart if they would overlap."""
    placed, line_ends = {}, {"shrinkA": 1, "shrinkB": 2, "relpos": (0, 0.5)}
    for axes, entries in labels.items():
        edge = blended_transform_factory(axes.transAxes, axes.transData)
        beside = edge + ScaledTranslation(9 / 72, 0, figure.dpi_scale_trans)
        for entry in sorted(entries, key=lambda entry: entry.y):
            text = axes.annotate(
                entry.text,
                xy=(1 if entry.x is None else entry.x, entry.y),
                xycoords=edge if entry.x is None else "data",
                xytext=(0 if entry.x is None else 1, entry.y),
                textcoords=beside,
                ha="left",
                va="center",
                color=entry.color if dark.contrast(entry.color) >= 4.5 else SOFT,
                fontsize=SMALL,
                linespacing=1.1,
                annotation_clip=False,
                arrowprops={"arrowstyle": "-", "lw": 0.6, "color": entry.color, **line_ends},
            )
            text.set_x(1)
            placed.setdefault(axes, []).append(text)
    lay_out(figure)  # only a layout tells how high a panel is
    for axes, texts in placed.items():
        low, high = axes.get_ylim()
        point = (high - low) / (axes.get_window_extent().height * 72 / figure.dpi)
        heights = [1.28 * SMALL * (1 + text.get_text().count("\n")) * point for text in texts]
        for text, y in zip(texts, apart([text.xy[1] for text in texts], heights, low, high), strict=True):
            text.set_y(y)


def apart(places: Sequence[float], heights: Sequence[float], low: float, high: float) -> np.ndarray:
    """The nearest places (least squares) at which sorted things of these heights do not overlap, within bounds."""
    heights = np.asarray(heights, float)
    offsets = np.concatenate([[0.0], np.cumsum((heights[1:] + heights[:-1]) / 2)])
    free = isotonic_regression(np.asarray(places, float) - offsets).x
    least, most = low + heights[0] / 2, high - offsets[-1] - heights[-1] / 2
    return offsets + (np.clip(free, least, most) if least <= most else (least + most) / 2)
