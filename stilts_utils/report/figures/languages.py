"""The figure of languages: the change in quality in every language that a target has, by family."""

import textwrap
from collections.abc import Iterator

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from stilts_utils.analysis.bootstrap import MEAN
from stilts_utils.report import languages as names
from stilts_utils.report.figures import dark, style
from stilts_utils.report.figures.pipeline import INK, SOFT
from stilts_utils.report.formats import signed

COLORS = matplotlib.colormaps["RdBu"].resampled(13)  # red for losses; few colours keep the file small
ROW, GAP = 0.165, 0.12  # inches
NAME, CELL = 1.0, (0.24, 0.42)  # of the longest name; the narrowest and the widest cell
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

CONTINUED = " …"  # of a target whose rows go on in the next column

Line = tuple[str, str]  # kind of a row (target, family, language or mean) and its text or code


@style.styled
def languages(changes: pd.DataFrame) -> Figure:
    """Change against 0 steps in points: a block per target, a row per language that it has, by family, then their mean.

    changes: rows of `bootstrap_differences` without the control, one metric and layer a target. Cells are the arms at their
    longest durations or, of a single arm, its durations. Numbers whose interval holds 0 are grey.
    """
    if not len(changes):
        return style.nothing("no duration to compare with 0 steps")
    arms = style.tasks_of(changes)
    cells = sorted(changes.duration.unique()) if len(arms) == 1 else arms
    key = "duration" if len(arms) == 1 else "intermediate"
    if len(arms) > 1:
        changes = changes[changes.duration == changes.groupby("intermediate").duration.transform("max")]
    blocks = [_block(changes[changes.target == target], target) for target in changes.target.unique()]
    columns = max(1, min(len(blocks), int(style.width() // (NAME + GAP + CELL[0] * len(cells) + 0.05))))
    stacks = _stacked(blocks, columns)
    key_lines = _key(arms) if key == "intermediate" else []
    top = ROW * len(key_lines)
    height = max(map(_height, stacks)) + top + 0.1
    figure = Figure(figsize=(style.width(), height))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, style.width()), ylim=(height, 0))
    axes.axis("off")
    room = style.width() / columns
    wide = min(CELL[1], (room - NAME - GAP) / len(cells))
    reach = max(1.0, changes.difference.abs().max())
    for number, line in enumerate(key_lines):
        axes.text(0, 0.05 + (number + 0.5) * ROW, line, va="center_baseline", fontsize=style.SMALL, color=INK)
    for number, stack in enumerate(stacks):
        _stack(axes, (number * room, top), stack, changes, (key, cells, wide), reach)
    return figure


def _block(rows: pd.DataFrame, target: str) -> list[Line]:
    """The rows of a target, a heading first."""
    own = set(rows.language)
    families = names.grouped(own - {MEAN})
    listed = [
        line for family, codes in families.items() for line in [("family", family), *(("language", c) for c in codes)]
    ]
    return [("target", target), *listed] + [("mean", MEAN)] * (MEAN in own)


def _height(lines: list[Line]) -> float:
    return sum(ROW + (0.16 if kind == "target" else 0.05 if kind == "family" else 0) for kind, _ in lines)


def _stacked(blocks: list[list[Line]], columns: int) -> list[list[Line]]:
    """The blocks in order, cut into columns of nearly the same height; a block that goes on repeats its heading."""
    limit = sum(map(_height, blocks)) / columns
    stacks: list[list[Line]] = [[]]
    for block in blocks:
        for place, line in enumerate(block):
            more, starts = len(stacks) < columns, line[0] in ("target", "family")
            if stacks[-1] and more and starts and _height(stacks[-1]) + 3 * ROW > limit:
                stacks.append([("target", f"{block[0][1]}{CONTINUED}")] if place else [])
            stacks[-1].append(line)
    return stacks


def _stack(
    axes: Axes, corner: tuple[float, float], lines: list[Line], changes: pd.DataFrame, columns: tuple, reach: float
) -> None:
    """Draw the rows of a column of the figure, whose upper left corner is here, in inches."""
    key, cells, wide = columns
    left, y, target = corner[0], corner[1] + 0.05, ""
    for kind, text in lines:
        y += 0.16 if kind == "target" else 0.05 if kind == "family" else 0
        middle = y + ROW / 2
        look = {"va": "center_baseline", "fontsize": style.SMALL, "color": INK}
        if kind == "target":
            target = text.removesuffix(CONTINUED)
            axes.text(left, middle, text, fontweight="bold", **look)
            for place, cell in enumerate(_heads(key, cells)):
                axes.text(left + NAME + (place + 0.5) * wide, middle, cell, ha="center", **look | {"color": SOFT})
        elif kind == "family":
            axes.text(left, middle, text, **look | {"color": SOFT})
        else:
            name = text if kind == "mean" else names.name(text)
            axes.text(left + 0.06, middle, name, fontweight="bold" if kind == "mean" else "normal", **look)
            rows = changes[(changes.target == target) & (changes.language == text)].set_index(key)
            for place, row in _present(rows, cells):
                _cell(axes, left + NAME + place * wide, y, wide, row, reach)
        y += ROW


def _present(rows: pd.DataFrame, cells: list) -> Iterator[tuple[int, pd.Series]]:
    yield from ((place, rows.loc[cell]) for place, cell in enumerate(cells) if cell in rows.index)


def _heads(key: str, cells: list) -> list[str]:
    """What stands above cells: steps, or A, B and so on for arms, which `_key` names."""
    return [style.steps_name(cell) for cell in cells] if key == "duration" else list(LETTERS[: len(cells)])


def _key(arms: list[str]) -> list[str]:
    """What the letters above cells stand for, in lines."""
    named = "   ".join(f"{letter} after {arm}" for letter, arm in zip(LETTERS, arms, strict=False))
    return textwrap.wrap(named, 48 if style.narrow() else 90)


def _cell(axes: Axes, left: float, top: float, wide: float, row: pd.Series, reach: float) -> None:
    value = row.difference
    face = to_hex(COLORS(0.5 + value / reach / 2))
    axes.add_patch(Rectangle((left, top), wide - 0.012, ROW - 0.012, fc=face, lw=0, gid="cell"))
    text = signed(value, 0) if round(value) else "0"
    sure = row.low > 0 or row.high < 0
    color = "white" if dark.contrast(face) > 4 else INK if sure else SOFT
    size = min(style.SMALL, 72 * wide / 0.7 / max(2, len(text)))
    place = (left + wide / 2 - 0.006, top + ROW / 2)
    axes.text(*place, text, ha="center", va="center_baseline", fontsize=size, color=color)
