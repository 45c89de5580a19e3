"""Dark mode: a figure's own style sheet swaps its colours where the page around it is dark. The file is one for both themes.

Browsers give an SVG image the colour scheme of the page that shows it. What knows no style sheets shows the light version.
"""

import re

import numpy as np
from matplotlib.colors import to_hex, to_rgb

PAGE = "#121212"  # of the book's theme, in place of white
LEAST, MOST = 0.26, 0.93  # lightness that the lightest and the darkest colours get
COLOR = re.compile(r"(fill|stroke): (#[0-9a-f]{6})")
# Oklab (Ottosson 2020): linear sRGB to cone responses, and their cube roots to lightness and two hues.
CONES = np.array(
    [[0.41222147, 0.53633254, 0.05144599], [0.21190350, 0.68069955, 0.10739696], [0.08830246, 0.28171884, 0.62997870]]
)
OPPONENT = np.array(
    [
        [0.21045426, 0.79361779, -0.00407205],
        [1.97799850, -2.42859221, 0.45059371],
        [0.02590404, 0.78277177, -0.80867577],
    ]
)


def dark(color: str) -> str:
    """The colour that stands for another on a dark page: the same hue, light for dark. White becomes the page."""
    if color == "#ffffff":
        return PAGE
    light, *hues = OPPONENT @ np.cbrt(CONES @ linear(color))
    for chroma in (1.0, 0.9, 0.8, 0.7, 0.6, 0.5):  # as much of it as the screen can show
        lab = np.array([MOST - (MOST - LEAST) * (light - 0.2) / 0.8, *(chroma * hue for hue in hues)])
        rgb = np.linalg.solve(CONES, np.linalg.solve(OPPONENT, lab) ** 3)
        if rgb.min() > -1e-3 and rgb.max() < 1 + 1e-3:
            break
    rgb = np.clip(rgb, 0, 1)
    return to_hex(np.where(rgb <= 0.0031308, 12.92 * rgb, 1.055 * rgb ** (1 / 2.4) - 0.055))


def linear(color: str) -> np.ndarray:
    """Linear sRGB of a colour, (3,), each from 0 to 1."""
    rgb = np.array(to_rgb(color))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def contrast(color: str, page: str = "#ffffff") -> float:
    """Contrast of a colour with its page, from 1 to 21 (WCAG 2)."""
    low, high = sorted(float(np.dot((0.2126, 0.7152, 0.0722), linear(one))) for one in (color, page))
    return (high + 0.05) / (low + 0.05)


def both(svg: str) -> str:
    """An SVG with a style sheet for dark pages."""
    used = sorted(set(COLOR.findall(svg)))
    rules = "".join(f'[style*="{what}: {color}"]{{{what}:{dark(color)}!important}}' for what, color in used)
    sheet = f"<style>@media (prefers-color-scheme:dark){{{rules}}}</style>"
    opening = re.search(r"<svg[^>]*>", svg)
    return svg[: opening.end()] + sheet + svg[opening.end() :]
