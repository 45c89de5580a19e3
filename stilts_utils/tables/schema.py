"""Tidy tables: their schemas, and how they are checked, written and read.

A run writes its tables into its own folder, one Parquet file a table; everything downstream reads tables only.
"""

from dataclasses import dataclass, field

import pyarrow as pa

TEXT, WHOLE, REAL, FLAG = pa.string(), pa.int64(), pa.float64(), pa.bool_()

RUN = {"intermediate": TEXT, "duration": WHOLE, "seed": WHOLE}

SCORED = {**RUN, "target": TEXT, "language": TEXT, "layer": WHOLE, "metric": TEXT}

TIMED = {"replicate": WHOLE, "seed": WHOLE, "target": TEXT, "engine": TEXT, "batch_size": WHOLE}

COMPARED = {"seed": WHOLE, "target": TEXT, "engine": TEXT, "duration": WHOLE, "language": TEXT}


@dataclass(frozen=True)
class Table:
    """A table's columns and types, its key (unique rows), and the closed range of some columns.

    `added`: columns that older files lack, with the value that all their rows are read with.
    """

    columns: dict[str, pa.DataType]
    key: tuple[str, ...]
    ranges: dict[str, tuple[float, float]]
    added: dict[str, int] = field(default_factory=dict)


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
    # One row per (process, engine, batch size): other work of the machine meanwhile, as shares of its CPU time.
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
    # One row per (checkpoint, engine, batch size, language, rule), on the same requests: the hash of the operations that an
    # engine executes, as many as it could see, and what they come to. `rule`: that of early exit, or dense. `layers`:
    # computed, summed over sentences. `bytes`: an upper bound. See `engines.trace`.
    "work": Table(
        {
            **RUN,
            "target": TEXT,
            "engine": TEXT,
            "batch_size": WHOLE,
            "language": TEXT,
            "rule": TEXT,
            "sentences": WHOLE,
            "layers": WHOLE,
            "operations": WHOLE,
            "trace": TEXT,
            "flops": WHOLE,
            "bytes": WHOLE,
            "subnormal_weights": WHOLE,
            "subnormal_activations": WHOLE,
        },
        ("duration", "seed", "target", "engine", "batch_size", "language", "rule"),
        {
            **dict.fromkeys(("sentences", "layers", "operations", "flops", "bytes"), (1, INFINITY)),
            **dict.fromkeys(("subnormal_weights", "subnormal_activations"), (0, INFINITY)),
        },
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
    # One row per (run, row of an early-exit target, exit): its highest softmax probability, and 1 if it is right.
    # A threshold is chosen on the English rows of the split `calibration`.
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
    # One row per request answered with early exit; `layers` are the computed ones, summed over its sentences.
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
    # One row per request answered by one checkpoint in one of its forms: kind adapters (merged, or the condition `beside`) or
    # votes (one plain answer, or the number of votes). Condition 0 is the plain form, which a/a and planted repeat.
    "form_timings": Table(
        {
            **TIMED,
            "kind": TEXT,
            "intermediate": TEXT,
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
            "disturbed": FLAG,
        },
        ("replicate", "kind", "engine", "batch_size", "block", "condition", "language"),
        {"tokenise_s": (0, INFINITY), "forward_s": (0, INFINITY), "decode_s": (0, INFINITY), "tokens": (1, INFINITY)},
    ),
    # On scored rows, one row per (seed, engine, kind, form, language): the form's score (0-100) and the plain one's, the share
    # of equal decisions, and the largest difference of a logit; 0 of votes, which have none.
    "form_scores": Table(
        {
            **COMPARED,
            "kind": TEXT,
            "intermediate": TEXT,
            "form": TEXT,
            "items": WHOLE,
            "score": REAL,
            "reference_score": REAL,
            "largest_difference": REAL,
            "agreement": REAL,
        },
        ("seed", "target", "engine", "kind", "form", "language"),
        {"score": (0, 100), "reference_score": (0, 100), "largest_difference": (0, INFINITY), "agreement": (0, 1)},
    ),
    # One row per (process, checkpoint, MLPerf scenario, metric), as LoadGen reports it; processes count from 1. `official`:
    # whether the run was as long as MLPerf asks for; `validated`: whether the accuracy run decided as the timed one did.
    # `turn`: the place of a run of Offline among those of a process in which checkpoints take turns, from 1; 0 of all others.
    "scenarios": Table(
        {
            "process": WHOLE,
            "seed": WHOLE,
            "target": TEXT,
            "engine": TEXT,
            "duration": WHOLE,
            "turn": WHOLE,
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
        ("process", "seed", "target", "engine", "duration", "turn", "scenario", "metric"),
        {"value": (0, INFINITY), "process": (1, INFINITY), "turn": (0, INFINITY)},
        {"process": 1, "turn": 0},
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
    # One row per arm, duration and seed: what the steps of the duration cost, `tokens` without padding, `operations`
    # floating-point ones of all passes, with padding (`study.sizes`). `target`: on which they were spent, by the control or
    # an arm of the target phase; none before any target. The seconds are in `costs`.
    "arms": Table(
        {**RUN, "target": TEXT, "steps": WHOLE, "examples": WHOLE, "tokens": WHOLE, "operations": REAL},
        (*RUN, "target"),
        dict.fromkeys(("duration", "steps", "examples", "tokens", "operations"), (1, INFINITY)),
    ),
    # One row per checkpoint of an intermediate trajectory, task of its arm and metric: the task's score (0-100) on held-out
    # English rows of its own, by the trajectory's own head. Duration 0 has none: its head is untrained, so that is chance.
    "validation": Table(
        {**RUN, "task": TEXT, "metric": TEXT, "score": REAL, "items": WHOLE},
        (*RUN, "task", "metric"),
        {"score": (0, 100), "items": (1, INFINITY), "duration": (1, INFINITY)},
    ),
    # One row per checkpoint of an arm of lexical injection, and of its duration 0, language, kind of word pairs (trained,
    # control, random) and layer: mean and standard deviation over pairs of the cosine of their words. See `data.lexicon`.
    "lexical": Table(
        {**RUN, "language": TEXT, "pairs": TEXT, "layer": WHOLE, "cosine": REAL, "deviation": REAL, "items": WHOLE},
        (*RUN, "language", "pairs", "layer"),
        {"cosine": (-1, 1), "deviation": (0, INFINITY), "items": (2, INFINITY), "layer": (1, INFINITY)},
    ),
    # One row per language and text: `words` counts whitespace words, 0 if the script does not separate them.
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
    # One row per (target, language) of the study without rows in the source.
    "lacking": Table({"target": TEXT, "language": TEXT, "reason": TEXT}, ("target", "language"), {}),
    # One row per task, its rows and reason to leave some out: `rows` distinct ones of `of`.
    "left_out": Table(
        {"task": TEXT, "language": TEXT, "reason": TEXT, "rows": WHOLE, "of": WHOLE},
        ("task", "language", "reason"),
        {"rows": (1, INFINITY), "of": (1, INFINITY)},
    ),
    # One row per measured part of a run: seconds that a notebook spent on it.
    "costs": Table(
        {"phase": TEXT, "run": TEXT, "part": TEXT, "seconds": REAL, "steps": WHOLE, "tokens": WHOLE},
        ("phase", "run", "part"),
        {"seconds": (0, INFINITY)},
    ),
    # One row per executed notebook: its begin in seconds after the first one's, wall time, largest resident size of it
    # and its children, size of its files.
    # Files that belong to no notebook have rows of the phase `stored`.
    "jobs": Table(
        {"phase": TEXT, "run": TEXT, "began": REAL, "seconds": REAL, "peak_mb": REAL, "disk_mb": REAL},
        ("phase", "run"),
        {"began": (0, INFINITY), "seconds": (0, INFINITY), "peak_mb": (0, INFINITY), "disk_mb": (0, INFINITY)},
    ),
}

# Tables that a study may leave out: empty if no run has written them. Results that are older than `validation` lack it.
OPTIONAL = ("arms", "engine_scores", "exits", "exit_timings", "left_out", "scenarios", "searches", "validation", "work")
OPTIONAL += ("lexical", "form_scores", "form_timings")  # of a method of arms, and of several forms of a checkpoint
# Tables that a study that was not timed may leave out, too.
UNTIMED = ("timings", "noise", "outputs", "engines", "fidelity", "checkpoints", "costs", "jobs")
