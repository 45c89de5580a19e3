"""What the book says of engines: their speed, how far they are from the reference, and which could not run."""

import numpy as np
import pandas as pd

from stilts_utils.analysis.findings import Findings
from stilts_utils.analysis.latency import PARTS, SETTING, interval
from stilts_utils.study.engines import ENGINES, REFERENCE

KEYS = [*SETTING, "language"]


def _ordered(found: Findings, frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Rows in the study's order of engines, then by the other keys."""
    place = {name: number for number, name in enumerate(found.study["inference"]["engines"])}
    return frame.sort_values(keys, key=lambda column: column.map(place) if column.name == "engine" else column)


def request_times(timings: pd.DataFrame) -> pd.DataFrame:
    """Duration 0 alone: per (engine, batch_size, language, replicate) the median seconds of a request over blocks.

    Returns also `sentences`, `tokens` and `padded` of the request.
    """
    rows = timings[timings.condition == "0"]
    rows = rows.assign(seconds=rows[PARTS].sum(axis=1))
    return rows.groupby([*KEYS, "replicate"], as_index=False)[["seconds", "sentences", "tokens", "padded"]].median()


def speedups(timings: pd.DataFrame, first: str, level: float = 0.95) -> pd.DataFrame:
    """Throughput of every engine over that of the first, within processes: engine, batch_size, ratio, low, high.

    The mean over processes and languages of the log ratio, with its t interval over processes, of the batch sizes at
    which both were timed.
    """
    wide = request_times(timings).pivot_table(
        index=["batch_size", "language", "replicate"], columns="engine", values="seconds"
    )
    rows = []
    for engine in wide.columns.drop(first):
        logs = np.log(wide[first] / wide[engine]).dropna().groupby(["batch_size", "replicate"]).mean()
        for size, values in logs.groupby("batch_size"):
            rows.append((engine, size, np.exp(values.mean()), *interval(values.to_numpy(), level)))
    return pd.DataFrame(rows, columns=["engine", "batch_size", "ratio", "low", "high"])


def speed(found: Findings) -> pd.DataFrame:
    """Seconds per request, per sentence and per token, and sentences/s, by engine, batch size and language.

    Of settings whose controls failed too, and marked so.
    """
    times = request_times(found.tables["timings"])
    usable = found.controls.set_index(SETTING).usable
    means = _ordered(
        found, times.groupby(KEYS, as_index=False)[["seconds", "sentences", "tokens", "padded"]].mean(), KEYS
    )
    rows = [
        {
            "Engine": row.engine,
            "Batch": row.batch_size,
            "Language": row.language,
            "Request, ms": f"{1e3 * row.seconds:.1f}",
            "Sentence, ms": f"{1e3 * row.seconds / row.sentences:.2f}",
            "Token, µs": f"{1e6 * row.seconds / row.tokens:.0f}",
            "Sentences/s": f"{row.sentences / row.seconds:.1f}",
            "Padding": f"{100 * (1 - row.tokens / row.padded):.0f} %",
            "Controls": "passed" if usable[row.engine, row.batch_size] else "failed",
        }
        for row in means.itertuples()
    ]
    return pd.DataFrame(rows)


def fidelity(found: Findings) -> pd.DataFrame:
    """Agreement with the reference by engine and language: the lowest over durations and seeds, and the mean."""
    rows = found.tables["fidelity"]
    grouped = rows.groupby(["engine", "language"], as_index=False).agg(
        mean=("agreement", "mean"), lowest=("agreement", "min"), difference=("largest_difference", "max")
    )
    return pd.DataFrame(
        [
            {
                "Engine": row.engine,
                "Language": row.language,
                "Agreement, mean": f"{100 * row.mean:.1f} %",
                "Agreement, lowest": f"{100 * row.lowest:.1f} %",
                "Largest difference of a logit": f"{row.difference:.2g}",
            }
            for row in _ordered(found, grouped, ["engine", "language"])[
                ["engine", "language", "mean", "lowest", "difference"]
            ].itertuples(name="Row")
        ]
    )


def engines(found: Findings) -> pd.DataFrame:
    """Every engine of the study: what it is, seconds to ready it, or why it did not run."""
    grouped = (
        found.tables["engines"]
        .groupby("engine", as_index=False)
        .agg(prepare_s=("prepare_s", "mean"), reason=("reason", "first"))
    )
    rows = [
        {
            "Engine": row.engine,
            "What it is": ENGINES[row.engine].says,
            "Ready after (s)": f"{row.prepare_s:.1f}" if not row.reason else f"not run: {row.reason}",
        }
        for row in _ordered(found, grouped, ["engine"]).itertuples()
    ]
    return pd.DataFrame(rows)


def summary(found: Findings) -> str:
    """How fast the other engines are, and how far from the reference every engine is."""
    timings, fidelity = found.usable_timings, found.tables["fidelity"]
    ran = [name for name in found.study["inference"]["engines"] if name in set(fidelity.engine)]
    said = []
    first = next((name for name in ran if name in set(timings.engine)), None)
    for name, rows in speedups(timings, first).groupby("engine", sort=False) if first else ():
        each = [
            f"{row.ratio:.2f} [{row.low:.2f}, {row.high:.2f}] at batch {row.batch_size}" for row in rows.itertuples()
        ]
        said.append(f"{name} {' and '.join(each)}")
    faster = f"Throughput over that of {first}, with 95 % intervals: {'; '.join(said)}. " if said else ""
    lowest = fidelity.groupby("engine").agreement.min()
    agreed = ", ".join(f"{name} {100 * lowest[name]:.1f} %" for name in ran if name in lowest.index)
    return f"{faster}Lowest agreement with {REFERENCE.name} over languages, durations and seeds: {agreed}."
