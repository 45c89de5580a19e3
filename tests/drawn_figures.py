"""Reading drawn figures: their artists, points, texts, and whether all texts are legible."""

import numpy as np
from matplotlib.text import Text


def with_gid(artist, gid):
    return artist.findobj(lambda part: part.get_gid() == gid)


def points(axes):
    """(y values, interval segments) of every error bar container of a panel."""
    bars = [container for container in axes.containers if hasattr(container, "has_yerr")]
    segments = [[part[:, 1] for part in bar.lines[2][0].get_segments() if len(part)] for bar in bars]
    return [(bar.lines[0].get_ydata(), drawn) for bar, drawn in zip(bars, segments, strict=True)]


def texts_of(figure):
    return [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]


def assert_legible(figure):
    """No text leaves the figure or lies over another one."""
    figure.draw_without_rendering()
    page = figure.bbox
    # An axis keeps ticks beyond its limits, which are not drawn.
    hidden = {
        id(label)
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in axis.get_major_ticks()
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
        for label in (tick.label1, tick.label2)
    }
    boxes = [
        (text.get_text(), Text.get_window_extent(text))
        for text in texts_of(figure)
        if id(text) not in hidden and text.get_rotation() in (0, 90)
    ]
    for text, box in boxes:
        assert box.x0 >= page.x0 - 1 and box.x1 <= page.x1 + 1, text
        assert box.y0 >= page.y0 - 1 and box.y1 <= page.y1 + 1, text
    ends = np.array([[box.x0, box.y0, box.x1, box.y1] for _, box in boxes]).reshape(-1, 4)
    for number, (x0, y0, x1, y1) in enumerate(ends[:-1]):
        apart_x = np.maximum(x0, ends[number + 1 :, 0]) - np.minimum(x1, ends[number + 1 :, 2])
        apart_y = np.maximum(y0, ends[number + 1 :, 1]) - np.minimum(y1, ends[number + 1 :, 3])
        over = np.flatnonzero((apart_x <= -1) & (apart_y <= -2.5))
        assert not len(over), (boxes[number][0], boxes[number + 1 + over[0]][0])
