"""Figures of results: tables in, a Matplotlib figure out, and `save` to write it. Nothing here reads a file.

`latency`, `quality`, `training`, `deployment` and `exits` draw the results they are named for, `forest` the answer,
`pipeline` the design of the study; `style` is shared by all.
"""

import pandas as pd
from matplotlib.figure import Figure

from stilts_utils.report.figures.deployment import frontier, variance
from stilts_utils.report.figures.exits import equal_accuracy
from stilts_utils.report.figures.forest import forest
from stilts_utils.report.figures.latency import costs, latency, parts, ratio_panel
from stilts_utils.report.figures.quality import fertility, languages, layers, quality, score_panel
from stilts_utils.report.figures.style import STEPS, WIDTH, end_labels, save, shown, styled
from stilts_utils.report.figures.training import learning, validation

__all__ = [
    "answer",
    "costs",
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
def answer(ratios: pd.DataFrame, controls: pd.DataFrame, scores_mean: pd.DataFrame, margin: float) -> Figure:
    """Latency (left) and quality (right) against the duration of intermediate training.

    ratios, controls: of `latency_verdicts`; scores_mean: rows of `bootstrap_scores` for the mean over languages, one
    metric and layer a target, without the control; margin: of equivalence, as a fraction.
    """
    figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
    figure.get_layout_engine().set(wspace=0.05)
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    ratio_panel(left, ratios, controls, margin)
    labels = score_panel(right, scores_mean)
    left.set_title("Latency")
    right.set_title("Zero-shot quality")
    figure.supxlabel(STEPS, fontsize=9.5)
    end_labels(figure, {right: labels})
    return figure
