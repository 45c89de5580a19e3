"""Figures of results: tables in, a Matplotlib figure out, and `save` to write it. Nothing here reads a file.

`latency`, `quality`, `languages`, `training`, `deployment` and `exits` draw the results they are named for, `forest` the
answer, `pipeline` the design of the study; `style` is shared by all, `dark` gives a figure its second
theme. Inside `drawn_for(NARROW)` they are drawn for phones.
"""

import pandas as pd
from matplotlib.figure import Figure

from stilts_utils.analysis.verdict import NOT_LEARNED
from stilts_utils.report.figures.deployment import frontier, variance
from stilts_utils.report.figures.exits import equal_accuracy
from stilts_utils.report.figures.forest import forest, legend
from stilts_utils.report.figures.languages import languages
from stilts_utils.report.figures.latency import costs, latency, parts, ratio_panel
from stilts_utils.report.figures.quality import curves, draw_quality, fertility, forest_height, layers, quality
from stilts_utils.report.figures.style import NARROW, STEPS, WIDE, drawn_for, narrow, save, shown, styled, width
from stilts_utils.report.figures.training import learning, validation

__all__ = [
    "NARROW",
    "WIDE",
    "answer",
    "costs",
    "curves",
    "drawn_for",
    "equal_accuracy",
    "fertility",
    "forest",
    "frontier",
    "languages",
    "latency",
    "layers",
    "learning",
    "parts",
    "quality",
    "save",
    "shown",
    "validation",
    "variance",
]


@styled
def answer(ratios: pd.DataFrame, controls: pd.DataFrame, changes: pd.DataFrame, margin: float) -> Figure:
    """Latency by duration, and the change in quality at the longest duration of what was learned.

    ratios, controls: of `latency_verdicts`; changes: as `quality` takes them; margin: of equivalence, as a fraction.
    """
    changes = changes[changes.verdict != NOT_LEARNED]
    rows = forest_height(changes)
    tall = (3.2 + rows) if narrow() else max(3.4, rows)
    figure = Figure(figsize=(width(), tall), layout="constrained")
    figure.get_layout_engine().set(wspace=0.05)
    if narrow():
        first, second = figure.subplots(2, 1, height_ratios=(3.2, rows))
    else:
        first, second = figure.subplots(1, 2, width_ratios=(1.15, 1))
    ratio_panel(first, ratios, controls, margin)
    first.set_xlabel(STEPS)
    first.set_title("Latency")
    draw_quality(second, changes)
    second.set_title("Zero-shot quality")
    second.set_xlabel("Change (points)")
    legend(figure, list(changes.verdict))
    return figure
