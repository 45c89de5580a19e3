"""Both themes, and whether colour-blind readers can tell the colours of a figure apart."""

import itertools
import re

import numpy as np
import pytest
from matplotlib.colors import to_hex

from stilts_utils.report import figures
from stilts_utils.report.figures import dark, style
from stilts_utils.report.figures.forest import MARKS as VERDICTS
from stilts_utils.report.figures.latency import COST_COLORS, ENGINE_COLORS, PART_COLORS
from stilts_utils.report.figures.pipeline import INK, SOFT

# Machado, Oliveira and Fernandes (2009), severity 1, on linear sRGB.
VISIONS = {
    "full": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = np.array([0.95047, 1.0, 1.08883])
LEAST = 12.0  # CIELAB: what is nearer is hard to tell apart in thin lines
MARKS = [color for color, *_ in VERDICTS.values()]
DURATIONS = list(style.duration_colors([0, 4, 16, 64]).values())
TOGETHER = {
    "arms and control": [*style.COLORS, style.CONTROL_COLOR, INK, SOFT],
    "durations and control": [*DURATIONS, style.CONTROL_COLOR],
    "durations, control and unusable": [*DURATIONS[1:], style.CONTROL_COLOR, style.UNUSABLE],
    "verdicts and engines": [*MARKS[:3], *ENGINE_COLORS],
    "verdicts": MARKS,
    "parts": list(PART_COLORS.values()),
    "costs": list(COST_COLORS),
}


def lab(color, vision):
    """CIELAB of a colour as it is seen."""
    seen = XYZ @ np.clip(np.array(VISIONS[vision]) @ dark.linear(color), 0, 1) / WHITE
    root = np.where(seen > (6 / 29) ** 3, np.cbrt(seen), seen / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


def nearest(colors, vision):
    return min(
        (float(np.linalg.norm(lab(one, vision) - lab(other, vision))), one, other)
        for one, other in itertools.combinations(colors, 2)
    )


def themes(colors):
    colors = [to_hex(color) for color in colors]
    return {"light": colors, "dark": [dark.dark(color) for color in colors]}


def test_the_simulation_finds_the_pair_that_is_one_colour():
    """Purple and blue, as the targets once had them."""
    assert nearest(["#1c5d99", "#8e4a9e"], "full")[0] > 40
    assert nearest(["#1c5d99", "#8e4a9e"], "deuteranopia")[0] < 20
    assert lab("#ffffff", "full") == pytest.approx([100, 0, 0], abs=0.01)
    assert lab("#ff0000", "full") == pytest.approx([53.24, 80.09, 67.20], abs=0.05)


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("name", TOGETHER)
def test_colours_of_one_figure_are_apart_in_both_themes(name, vision):
    for theme, colors in themes(TOGETHER[name]).items():
        assert nearest(colors, vision)[0] >= LEAST, (theme, nearest(colors, vision))


@pytest.mark.parametrize("name", TOGETHER)
def test_colours_stand_out_from_their_page(name):
    both = themes(TOGETHER[name])
    assert (
        min(dark.contrast(color) for color in both["light"]) > 1.9
    )  # bars in light grey have their numbers beside them
    assert min(dark.contrast(color, dark.PAGE) for color in both["dark"]) > 2.1


def test_texts_stand_out_from_their_page():
    texts = themes([*style.COLORS, style.CONTROL_COLOR, INK, SOFT])
    assert min(dark.contrast(color) for color in texts["light"]) > 4.5
    assert min(dark.contrast(color, dark.PAGE) for color in texts["dark"]) > 4.5


def test_dark_keeps_the_hue_and_turns_lightness_round():
    assert dark.dark("#ffffff") == dark.PAGE
    lightness = [lab(dark.dark(color), "full")[0] for color in ("#0b2f57", "#2a6ca8", "#4f9bd3", "#e6edf3")]
    assert lightness == sorted(lightness, reverse=True)
    red, green, blue = dark.linear(dark.dark("#b3470b"))
    assert red > green > blue


def test_every_colour_of_a_figure_has_a_rule_for_dark_pages(drawn, tmp_path):
    for name, figure in drawn.items():
        svg = figures.save(figure, tmp_path / f"{name}.svg").read_text(encoding="utf8")
        sheet, drawing = svg.split("</style>", 1)
        used = set(re.findall(r"(?:fill|stroke): #[0-9a-f]{6}", drawing))
        assert used and all(f'[style*="{rule}"]' in sheet for rule in used), name
        assert "prefers-color-scheme:dark" in sheet and "<!--" not in drawing
        assert not re.search(r"<text(?![^>]*fill: #)", drawing), name  # black by default, also on a dark page
