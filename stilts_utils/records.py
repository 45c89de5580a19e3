"""Tidy tables: their schemas, and how they are checked, written and read.

A run writes its tables into its own folder, one Parquet file a table; everything downstream reads tables only.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.dataset import dataset

# Values of `intermediate` beside the names of tasks.
PRETRAINED = "none"  # duration 0: the encoder as it was pretrained
CONTROL = "target"  # the duration-matched control: the steps are spent on the target itself

TEXT, WHOLE, REAL, FLAG = pa.string(), pa.int64(), pa.float64(), pa.bool_()
RUN = {"intermediate": TEXT, "duration": WHOLE, "seed": WHOLE}
SCORED = {**RUN, "target": TEXT, "language": TEXT, "layer": WHOLE, "metric": TEXT}
TIMED = {"replicate": WHOLE, "seed": WHOLE, "target": TEXT, "engine": TEXT, "batch_size": WHOLE}
COMPARED = {"seed": WHOLE, "target": TEXT, "engine": TEXT, "duration": WHOLE, "language": TEXT}


@dataclass(frozen=True)
class Table:
    """A table's columns and types, its key (unique rows), and the closed range of some columns."""

    columns: dict[str, pa.DataType]
    key: tuple[str, ...]
    ranges: dict[str, tuple[float, float]]


INFINITY = float("inf")
TABLES = {
    # One row per evaluated (run, target, language, layer, metric); scores are in 0-100.
    "scores": Table(
        {**SCORED, "score": REAL, "items": WHOLE}, tuple(SCORED), {"score": (0, 100), "items": (1, INFINITY)}
    ),
    # One row per item: a score is 100 * sum(numerator) / sum(denominator) over its items.
    "items": Table(
        {**SCORED, "item": TEXT, "numerator": REAL, "denominator": REAL},
        (*SCORED, "item"),
        {"numerator": (0, INFINITY), "denominator": (0, INFINITY)},
    ),
    # One row per request timed in a block, in seconds. `padded`: tokens that are computed, with padding.
    "timings": Table(
        {
            **TIMED,
            "block": WHOLE,
            "position": WHOLE,
            "condition": TEXT,
            "duration": WHOLE,
            "language": TEXT,
            "sentences": WHOLE,
            "tokens": WHOLE,
            "padded": WHOLE,
            "tokenise_s": REAL,
            "forward_s": REAL,
            "decode_s": REAL,
        },
        ("replicate", "engine", "batch_size", "block", "condition", "language"),
        {"tokenise_s": (0, INFINITY), "forward_s": (0, INFINITY), "decode_s": (0, INFINITY), "tokens": (1, INFINITY)},
    ),
    # One row per (process, engine, batch size): what else the machine did meanwhile, as shares of its CPU time.
    "noise": Table(
        {
            **TIMED,
            "blocks": WHOLE,
            "stalled": WHOLE,
            "foreign_share": REAL,
            "steal_share": REAL,
            "load": REAL,
            "disturbed": FLAG,
        },
        ("replicate", "engine", "batch_size"),
        {"foreign_share": (0, 1), "steal_share": (0, 1)},
    ),
    # One row per (process, engine, batch size, condition): a hash of the decisions made while timing.
    "outputs": Table(
        {**TIMED, "condition": TEXT, "duration": WHOLE, "sha256": TEXT},
        ("replicate", "engine", "batch_size", "condition"),
        {},
    ),
    # One row per (process, engine): seconds until it answered every shape of request once, compiling and converting
    # included, or the reason why this machine cannot run it.
    "engines": Table(
        {"replicate": WHOLE, "seed": WHOLE, "target": TEXT, "engine": TEXT, "prepare_s": REAL, "reason": TEXT},
        ("replicate", "engine"),
        {"prepare_s": (0, INFINITY)},
    ),
    # One row per (seed, engine, duration, language): an engine against the reference on the rows that are scored.
    "fidelity": Table(
        {**COMPARED, "items": WHOLE, "largest_difference": REAL, "agreement": REAL},
        tuple(COMPARED),
        {"largest_difference": (0, INFINITY), "agreement": (0, 1)},
    ),
    # On the same rows, the target's score (0-100) by the engine and by the reference.
    "engine_scores": Table(
        {**COMPARED, "items": WHOLE, "score": REAL, "reference_score": REAL},
        tuple(COMPARED),
        {"score": (0, 100), "reference_score": (0, 100)},
    ),
    # One row per (run, row of an early-exit target, exit): its highest softmax probability, and 1 where it is right.
    # The English rows of the split `calibration` are those on which a threshold is chosen.
    "exits": Table(
        {
            **RUN,
            "target": TEXT,
            "language": TEXT,
            "split": TEXT,
            "item": TEXT,
            "layer": WHOLE,
            "confidence": REAL,
            "correct": REAL,
        },
        ("intermediate", "duration", "seed", "target", "split", "language", "item", "layer"),
        {"confidence": (0, 1), "correct": (0, 1), "layer": (1, INFINITY)},
    ),
    # One row per request answered with early exit; `layers` are those computed, summed over its sentences.
    "exit_timings": Table(
        {
            **TIMED,
            "block": WHOLE,
            "position": WHOLE,
            "rule": TEXT,
            "duration": WHOLE,
            "language": TEXT,
            "request": WHOLE,
            "sentences": WHOLE,
            "tokens": WHOLE,
            "layers": WHOLE,
            "seconds": REAL,
            "disturbed": FLAG,
        },
        ("replicate", "batch_size", "block", "rule", "duration", "language", "request"),
        {"seconds": (0, INFINITY), "layers": (1, INFINITY), "sentences": (1, INFINITY)},
    ),
    # One row per (checkpoint, MLPerf scenario, metric), as LoadGen reports it. `official`: whether the run was as long as
    # MLPerf asks for; `validated`: whether the accuracy run decided as the timed one did.
    "scenarios": Table(
        {
            "seed": WHOLE,
            "target": TEXT,
            "engine": TEXT,
            "duration": WHOLE,
            "scenario": TEXT,
            "metric": TEXT,
            "value": REAL,
            "samples": WHOLE,
            "seconds": REAL,
            "bound_s": REAL,
            "official": FLAG,
            "validated": FLAG,
            "disturbed": FLAG,
        },
        ("seed", "target", "engine", "duration", "scenario", "metric"),
        {"value": (0, INFINITY)},
    ),
    # One row per (run, retrieval target, language, layer): exact search against a graph index, on one thread. Queries/s;
    # `distances`: candidates compared per query; `reached`: whether the graph has the recall that was asked for.
    "searches": Table(
        {
            **RUN,
            "target": TEXT,
            "language": TEXT,
            "layer": WHOLE,
            "exact_qps": REAL,
            "graph_qps": REAL,
            "recall": REAL,
            "reached": FLAG,
            "ef_search": WHOLE,
            "distances_exact": WHOLE,
            "distances_graph": REAL,
            "build_s": REAL,
            "disturbed": FLAG,
        },
        ("intermediate", "duration", "seed", "target", "language", "layer"),
        {"exact_qps": (0, INFINITY), "graph_qps": (0, INFINITY), "recall": (0, 1), "ef_search": (1, INFINITY)},
    ),
    # One row per logged optimizer step; counts are cumulative, `tokens` without padding.
    "training": Table(
        {
            **RUN,
            "target": TEXT,
            "step": WHOLE,
            "loss": REAL,
            "learning_rate": REAL,
            "examples": WHOLE,
            "tokens": WHOLE,
        },
        ("intermediate", "duration", "seed", "target", "step"),
        {"step": (1, INFINITY)},
    ),
    # One row per checkpoint of an intermediate trajectory. `distance`: relative L2 distance from the pretrained weights.
    "checkpoints": Table(
        {**RUN, "examples": WHOLE, "tokens": WHOLE, "parameters": WHOLE, "subnormals": WHOLE, "distance": REAL},
        ("intermediate", "duration", "seed"),
        {"distance": (0, INFINITY)},
    ),
    # One row per language and text: `words` counts whitespace words, 0 where the script does not separate them.
    "fertility": Table(
        {
            "task": TEXT,
            "language": TEXT,
            "item": TEXT,
            "words": WHOLE,
            "characters": WHOLE,
            "tokens": WHOLE,
            "unknown": WHOLE,
        },
        ("task", "language", "item"),
        {"tokens": (1, INFINITY)},
    ),
    # One row per shortcut baseline of a target in a language.
    "shortcuts": Table(
        {"target": TEXT, "language": TEXT, "baseline": TEXT, "metric": TEXT, "score": REAL, "items": WHOLE},
        ("target", "language", "baseline", "metric"),
        {"score": (0, 100)},
    ),
    # One row per (target, language) that the study asked for and the source lacks.
    "lacking": Table({"target": TEXT, "language": TEXT, "reason": TEXT}, ("target", "language"), {}),
    # One row per measured part of a run: what a notebook spent its time on, in seconds.
    "costs": Table(
        {"phase": TEXT, "run": TEXT, "part": TEXT, "seconds": REAL, "steps": WHOLE, "tokens": WHOLE},
        ("phase", "run", "part"),
        {"seconds": (0, INFINITY)},
    ),
    # One row per executed notebook: its begin in seconds after the first one's, wall time, largest resident size of it
    # and its children, size of what it wrote.
    # What is stored beside the notebooks has rows of the phase `stored`.
    "jobs": Table(
        {"phase": TEXT, "run": TEXT, "began": REAL, "seconds": REAL, "peak_mb": REAL, "disk_mb": REAL},
        ("phase", "run"),
        {"began": (0, INFINITY), "seconds": (0, INFINITY), "peak_mb": (0, INFINITY), "disk_mb": (0, INFINITY)},
    ),
}


# Tables of what a study may leave out: empty where no run has written them.
OPTIONAL = ("engine_scores", "exits", "exit_timings", "scenarios", "searches")


def run_of(out: str) -> tuple[str, str]:
    """Phase and run that a folder of tables belongs to: `.../<phase>/<run>/tables`."""
    return Path(out).parts[-3], Path(out).parts[-2]


class RecordError(ValueError):
    """A table does not fit its schema, or is missing."""


def _check_columns(name: str, found) -> None:
    known = TABLES[name].columns
    if set(found) != set(known):
        missing, extra = [c for c in known if c not in found], [c for c in found if c not in known]
        raise RecordError(f"table {name}: columns missing: {missing}, not in the schema: {extra}")


def _schema(table: Table, nullable: bool) -> pa.Schema:
    return pa.schema([pa.field(column, kind, nullable=nullable) for column, kind in table.columns.items()])


def check(name: str, frame: pd.DataFrame) -> pa.Table:
    """Check a frame against a table's schema and return it as Arrow. Raises RecordError naming column and value."""
    if name not in TABLES:
        raise RecordError(f"table is {name!r}, allowed: {', '.join(TABLES)}")
    table = TABLES[name]
    _check_columns(name, frame.columns)
    frame = frame[list(table.columns)]
    for column in table.columns:
        if frame[column].isna().any():
            raise RecordError(f"table {name}: column {column} has empty values")
    try:
        checked = pa.Table.from_pandas(frame, schema=_schema(table, nullable=False), preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise RecordError(f"table {name}: {error}") from error
    for column, (low, high) in table.ranges.items():
        outside = frame.loc[~frame[column].between(low, high), column]
        if len(outside):
            raise RecordError(f"table {name}: column {column} is {outside.iloc[0]}, allowed: {low} to {high}")
    repeated = frame[frame.duplicated(list(table.key))]
    if len(repeated):
        raise RecordError(f"table {name}: repeated key {repeated.iloc[0][list(table.key)].to_dict()}")
    return checked


def write(name: str, rows: pd.DataFrame | list[dict], folder: Path | str) -> Path:
    """Check rows and write them to `folder/name.parquet`, whole or not at all."""
    if not isinstance(rows, pd.DataFrame):
        rows = pd.DataFrame(rows, columns=None if rows else list(TABLES[name].columns))
    table = check(name, rows)
    path = Path(folder) / f"{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    pq.write_table(table, temporary, compression="zstd")
    temporary.replace(path)
    return path


def read(name: str, *folders: Path | str) -> pd.DataFrame:
    """All rows of a table below some folders, in a fixed order; of an optional one none where there is none.

    Raises RecordError when there is none.
    """
    paths = sorted(path for folder in folders for path in Path(folder).rglob(f"{name}.parquet"))
    if not paths and name in OPTIONAL:
        return _schema(TABLES[name], nullable=False).empty_table().to_pandas()
    if not paths:
        where = ", ".join(map(str, folders[:3]))
        raise RecordError(f"table {name}: no {name}.parquet below {where}; run `make study` first")
    # A dataset reads thousands of files several times as fast as one call for each; it leaves out columns that it does
    # not know and fills in those that a file lacks, so the columns of every file are compared first.
    stored = dataset(paths, schema=_schema(TABLES[name], nullable=True), format="parquet")
    try:
        for fragment in stored.get_fragments():
            _check_columns(name, fragment.physical_schema.names)
        frame = stored.to_table().to_pandas()
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise RecordError(f"table {name}: {error}") from error
    check(name, frame)
    return frame.sort_values(list(TABLES[name].key), ignore_index=True)
