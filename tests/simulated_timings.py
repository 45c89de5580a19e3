"""Timings and effects with known differences, for the tests of `latency` and `controls`."""

import numpy as np
import pandas as pd

from stilts_utils.analysis.latency import CONTROLS

SLOWDOWNS = {"0": 0.0, "a/a": 0.0, "planted": 0.02, "16": 0.0}
PROCESS_SD = 0.003


def simulate(
    rng,
    slowdowns=SLOWDOWNS,
    processes=4,
    blocks=10,
    batch_sizes=(1,),
    engines=("fp32",),
    languages=("en", "sw"),
    process_sd=PROCESS_SD,
    block_sd=0.002,
):
    """Timings whose conditions differ by known shares, with spread between processes, blocks and requests."""
    conditions = list(slowdowns)
    axes = [range(processes), engines, batch_sizes, range(blocks), conditions, languages]
    names = ["replicate", "engine", "batch_size", "block", "condition", "language"]
    frame = pd.MultiIndex.from_product(axes, names=names).to_frame(index=False)
    shape = [len(axis) for axis in axes]
    log_s = np.log(0.02) + rng.normal(0, 0.1, [shape[0], 1, 1, 1, 1, 1])  # raw times differ between processes
    log_s = log_s + np.log1p(list(slowdowns.values()))[:, None]
    log_s = log_s + rng.normal(0, process_sd / np.sqrt(2), [*shape[:3], 1, shape[4], 1])
    log_s = log_s + rng.normal(0, 0.02, [*shape[:4], 1, 1])  # drift that a block's conditions share
    log_s = log_s + rng.normal(0, block_sd, shape)
    seconds = np.exp(log_s).ravel() * frame.language.map({"en": 1.0, "sw": 1.5}).fillna(1.0)
    duration = frame.condition.map(lambda name: 0 if name in CONTROLS else int(name))
    return frame.assign(duration=duration, tokenise_s=0.1 * seconds, forward_s=0.8 * seconds, decode_s=0.1 * seconds)


def quiet(timings):
    return timings[["replicate", "engine", "batch_size"]].drop_duplicates().assign(disturbed=False)


def effects_of(values, condition="16", engine="fp32", batch_size=1):
    duration = 0 if condition in CONTROLS else int(condition)
    rows = [(i, engine, batch_size, condition, duration, float(value), 10) for i, value in enumerate(values)]
    names = ["replicate", "engine", "batch_size", "condition", "duration", "effect", "blocks"]
    return pd.DataFrame(rows, columns=names)
