"""The design figure: a study from its file to the book."""

from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Polygon, Rectangle

from stilts_utils.report.figures import dark

INK, SOFT, RULE, LANE = "#1f2933", "#52606d", "#9aa5b1", "#f3f6f9"
# Darker is longer, orange is the control: apart for colour-blind readers and in grey print.
DURATIONS = ("#d9dee3", "#a6cbe8", "#5598cf", "#1c5d99")
ON_DURATIONS = (INK, INK, INK, "white")
CONTROL = "#e69f00"
NAMES = ("0", "$d_1$", "$d_2$", "$d_3$")
COLUMNS = (2.05, 3.0, 3.95, 4.9)
CONTROL_COLUMN = 6.22
LEFT, RIGHT = 1.55, 6.85  # ends of a lane's drawing, right of its name
WIDTH, BOTTOM, HEIGHT = 7.0, 0.2, 7.05  # inches, which are also the units of the axes
BLOCKS = ((2, 0, 5, 3, 1, 4), (4, 1, 3, 0, 5, 2), (0, 3, 4, 2, 1, 5))  # three random orders of the conditions


def draw_pipeline(path: Path | str) -> Path:
    """Draw the design figure into a file, and return its path. An SVG keeps its text as text."""
    path = Path(path)
    style = {"svg.fonttype": "none", "svg.hashsalt": path.name, "font.family": "sans-serif"}
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(WIDTH, HEIGHT - BOTTOM))
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(BOTTOM, HEIGHT))
        axes.axis("off")
        for draw in (_plan, _pretrained, _intermediate, _target, _inference, _findings, _control):
            draw(axes)
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(path, metadata=metadata, facecolor="white", dpi=200)
    if path.suffix == ".svg":
        path.write_text(dark.both(path.read_text(encoding="utf8")), encoding="utf8")
    return path


def _plan(axes) -> None:
    _label(axes, 0.14, 6.77, "Plan", weight="bold")
    _box(axes, LEFT, 6.58, 1.5, 0.38, "studies/*.yaml")
    _box(axes, 3.6, 6.58, 1.2, 0.38, "graph of runs")
    _box(axes, 5.35, 6.58, 1.5, 0.38, "notebooks 1 to 5")
    _arrow(axes, (3.05, 6.77), (3.6, 6.77))
    _arrow(axes, (4.8, 6.77), (5.35, 6.77))


def _pretrained(axes) -> None:
    _lane(axes, 5.66, 0.74, "1  Pretrained")
    _box(axes, LEFT, 5.84, 1.0, 0.38, "encoder", fill=DURATIONS[0])
    _label(axes, 2.75, 6.16, "tokens per message, shortcut baselines", color=SOFT, size=8)
    _arrow(axes, (COLUMNS[0], 5.84), (COLUMNS[0], 5.03))


def _intermediate(axes) -> None:
    _lane(axes, 4.2, 1.34, "2  Intermediate")
    start, end, base = COLUMNS[0], COLUMNS[-1] + 0.6, 4.93
    _label(axes, start + 0.16, 5.38, "English task, one trajectory per task and seed", size=8.5)
    rate = [(start, base), (start + 0.3, base + 0.26), (end - 0.12, base + 0.26), (end - 0.12, base)]
    axes.add_patch(Polygon(rate, closed=True, facecolor="#dbe7f1", edgecolor="none", zorder=1))
    _label(axes, start + 0.36, base + 0.135, "learning rate: warm-up, then constant", size=8, color=SOFT)
    _arrow(axes, (start, base), (end, base), color=INK, width=1.5)
    _label(axes, end + 0.08, base - 0.21, "steps", size=8, color=SOFT, ha="right")
    for x, color, name in zip(COLUMNS, DURATIONS, NAMES, strict=True):
        axes.plot(x, base, "o", ms=9.5, mfc=color, mec=INK, mew=1.0, zorder=4)
        _label(axes, x + 0.1, base - 0.22, name, size=10)
        _arrow(axes, (x, base - 0.09), (x, 3.84))
    middle = (COLUMNS[0] + COLUMNS[-1]) / 2
    _label(axes, middle, 4.37, "a checkpoint at every duration", size=8.5, ha="center", backed=True)


def _target(axes) -> None:
    _lane(axes, 2.52, 1.56, "3  Target")
    _label(axes, 0.37, 3.0, "English rows in\nthe same order,\nfresh head", size=8, color=SOFT)
    for x, color, ink in zip(COLUMNS, DURATIONS, ON_DURATIONS, strict=True):
        _box(axes, x - 0.42, 3.42, 0.84, 0.42, "fine-tune", fill=color, ink=ink)
        _arrow(axes, (x, 3.42), (x, 3.07))
    _box(axes, CONTROL_COLUMN - 0.56, 3.42, 1.12, 0.42, "fine-tune", fill=CONTROL)
    _arrow(axes, (CONTROL_COLUMN, 3.42), (CONTROL_COLUMN, 3.07))
    scored = "zero-shot in every language; retrieval from every layer"
    _box(axes, LEFT, 2.67, RIGHT - LEFT, 0.4, scored)


def _inference(axes) -> None:
    _lane(axes, 0.92, 1.48, "4  Inference")
    _label(axes, LEFT, 2.23, "all fine-tuned checkpoints of one target, in one process:", size=8.5)
    _label(axes, LEFT, 2.03, "blocks in random order, the same tensors, the same text", size=8.5)
    names, colors = (*NAMES, "0′", "0+"), (*DURATIONS, DURATIONS[0], DURATIONS[0])
    inks = (*ON_DURATIONS, INK, INK)
    for i, block in enumerate(BLOCKS):
        for j, which in enumerate(block):
            x = LEFT + i * 1.72 + j * 0.26
            tile = Rectangle((x, 1.5), 0.26, 0.32, facecolor=colors[which], edgecolor=INK, lw=0.8, zorder=3)
            axes.add_patch(tile)
            _label(axes, x + 0.13, 1.66, names[which], size=8.5, color=inks[which], ha="center")
    _label(axes, LEFT + 3 * 1.72 - 0.08, 1.66, "...", size=9)
    controls = "0′ is duration 0 again (A/A), 0+ is duration 0 with a planted delay"
    _label(axes, LEFT, 1.3, controls, size=8, color=SOFT)
    _label(axes, LEFT, 1.09, "repeated in fresh processes, for every engine and batch size", size=8, color=SOFT)


def _findings(axes) -> None:
    _label(axes, 0.14, 0.5, "5  Findings", weight="bold")
    _box(axes, LEFT, 0.3, 1.0, 0.4, "tables")
    _box(axes, 3.1, 0.3, 2.25, 0.4, "tests, figures, numbers")
    _box(axes, 5.85, 0.3, 1.0, 0.4, "book")
    _arrow(axes, (2.55, 0.5), (3.1, 0.5))
    _arrow(axes, (5.35, 0.5), (5.85, 0.5))
    spine = LEFT - 0.16
    axes.plot([spine, spine], [0.5, 6.03], color=SOFT, lw=1.1, zorder=2)
    for y in (6.03, 2.87, 1.66):
        axes.plot([spine, LEFT], [y, y], color=SOFT, lw=1.1, zorder=2)
    _arrow(axes, (spine, 0.5), (LEFT, 0.5))


def _control(axes) -> None:
    x = CONTROL_COLUMN
    axes.plot([LEFT + 1.0, x, x], [5.94, 5.94, 5.3], color=CONTROL, lw=1.8, zorder=2)
    _arrow(axes, (x, 5.5), (x, 3.84), color=CONTROL, width=1.8)
    _label(axes, x, 4.87, "control:\n$d_3$ more steps\non the target", size=8.5, ha="center", backed=True)


def _lane(axes, bottom: float, height: float, name: str) -> None:
    axes.add_patch(Rectangle((0.03, bottom), WIDTH - 0.06, height, facecolor=LANE, edgecolor="none", zorder=0))
    _label(axes, 0.14, bottom + height / 2, name, weight="bold")


def _box(axes, x, y, width, height, text, fill="white", ink=INK) -> None:
    shape = {"boxstyle": "round,pad=0,rounding_size=0.05", "facecolor": fill, "edgecolor": INK, "lw": 1.0, "zorder": 3}
    axes.add_patch(FancyBboxPatch((x, y), width, height, **shape))
    _label(axes, x + width / 2, y + height / 2, text, ha="center", color=ink)


def _label(axes, x, y, text, size=9.0, color=INK, ha="left", backed=False, **font) -> None:
    background = {"facecolor": LANE, "edgecolor": "none", "pad": 1.5} if backed else None
    axes.text(x, y, text, ha=ha, va="center", color=color, fontsize=size, zorder=5, bbox=background, **font)


def _arrow(axes, start, end, color=SOFT, width=1.1) -> None:
    style = {"arrowstyle": "-|>,head_width=0.2,head_length=0.4", "color": color, "lw": width}
    style |= {"shrinkA": 0, "shrinkB": 0}
    axes.annotate("", xy=end, xytext=start, arrowprops=style, zorder=2)
