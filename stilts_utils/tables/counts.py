"""Whether there are as many rows as there should be of what a study has: steps, items, blocks."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from stilts_utils.study.arms import CONTROL, PRETRAINED
from stilts_utils.study.hypotheses import middle
from stilts_utils.tables.design import RUN, Design
from stilts_utils.tasks import task

PROCESS = ["replicate", "engine", "batch_size"]


def faults(design: Design) -> Iterable[tuple[str, str]]:
    """(table, what is wrong with the number of its rows, "" if nothing is)."""
    tables = design.tables
    yield "items", _items(design)
    steps = tables["training"].groupby([*RUN, "target"]).step.agg(["size", "min", "max"])
    firsts, lasts = zip(*(_steps(design, run) for run in steps.index), strict=True) if len(steps) else ((), ())
    whole = (steps["min"] == firsts) & (steps["max"] == lasts) & (steps["size"] == steps["max"] - steps["min"] + 1)
    yield "training", _first(steps[~whole], "lacks steps of")
    if len(tables["exits"]):
        sizes = _sizes(tables["exits"], [*RUN, "target", "split", "language"])
        yield "exits", _first(_unequal(sizes, ["split", "language"]), "has not as many rows as elsewhere of")
    if not design.timed:
        return
    of_process = tables["timings"].groupby([*PROCESS, "block"]).size()
    yield "timings", _first(_unequal(of_process, []), "has not as many rows as elsewhere of")
    blocks = (
        of_process.groupby(PROCESS).size().rename("found").to_frame().join(tables["noise"].set_index(PROCESS).blocks)
    )
    yield "timings", _first(blocks[blocks.found != blocks.blocks], "has not the blocks that were timed of")
    if len(tables["exit_timings"]):
        sizes = tables["exit_timings"].groupby(["batch_size", "replicate", "block"]).size()
        yield "exit_timings", _first(_unequal(sizes, ["batch_size"]), "has not as many rows as elsewhere of")


def _steps(design: Design, run: tuple) -> tuple[int, int]:
    """First and last step that is logged of a training; the control goes on from the target's own steps."""
    intermediate, duration, _, target = run
    own = 0 if target == PRETRAINED else sum(design.facts["targets"][target]["steps"])
    if target == PRETRAINED:
        return 1, duration
    if intermediate == CONTROL:
        return own + 1, own + duration
    late = intermediate != PRETRAINED and intermediate not in design.trajectories
    return 1, own + duration * late


def _items(design: Design) -> str:
    """What is wrong with the items: as many as the score says, of every run alike, and of the last layer at least.

    Of retrieval, stored results may leave out layers and metrics.
    """
    keys = [*RUN, "target", "language", "layer", "metric"]
    counts = _sizes(design.tables["items"], keys)
    scores = design.tables["scores"].set_index(keys)["items"]
    own = scores.reindex(counts.index)
    if wrong := _first(own[own != counts], "has not as many rows as the score counts of"):
        return wrong
    kinds = {target: set() for target in design.targets}
    for target, layer, metric in counts.index.droplevel([*RUN, "language"]).unique():
        kinds[target].add((layer, metric))
    for target, found in kinds.items():
        needed = {design.depth} if task(target).trainable else {design.depth, middle(design.depth)}
        if lost := needed - {layer for layer, _ in found}:
            return f"lacks rows of target {target}, layer {min(lost)}"
        if not task(target).trainable:  # other layers and metrics may be left out, of some runs or of all
            read = task(target).metric_among({metric for _, metric in found})
            kinds[target] = {(layer, metric) for layer, metric in found if layer in needed and metric == read}
    asked = [(*row, *kind) for row in design.of_targets() for kind in kinds[row[3]]]
    kept = [row for row in asked if not design.lacks("items", dict(zip(keys, row, strict=True)))]
    lost = pd.MultiIndex.from_tuples(sorted(set(kept) - set(counts.index)), names=keys)
    return _first(pd.Series(0, index=lost), "lacks rows of")


def _sizes(frame: pd.DataFrame, keys: list[str]) -> pd.Series:
    """How many rows there are of every value of the keys, of a frame in their order: a fast `groupby(keys).size()`."""
    first = np.zeros(len(frame), bool)
    first[:1] = True
    for key in keys:
        values = frame[key].array
        first[1:] |= np.asarray(values[1:] != values[:-1], dtype=bool)
    starts = np.flatnonzero(first)
    sizes = np.diff(starts, append=len(frame))
    return pd.Series(sizes, index=pd.MultiIndex.from_frame(frame.loc[starts, keys]))


def _unequal(sizes: pd.Series, keys: list[str]) -> pd.Series:
    """The sizes that are not the largest one of their group."""
    largest = sizes.groupby(keys).transform("max") if keys else sizes.max()
    return sizes[sizes != largest]


def _first(rows: pd.DataFrame | pd.Series, says: str) -> str:
    if not len(rows):
        return ""
    more = f" and {len(rows) - 1} more like it" if len(rows) > 1 else ""
    return f"{says} {', '.join(f'{n} {v}' for n, v in zip(rows.index.names, rows.index[0], strict=True))}{more}"
