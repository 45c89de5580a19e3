"""The data dictionary: what every table's rows and every column mean, in which unit, and which values they may have.

Types, keys and ranges stand in `schema`; here are the words. No run imports this: they can be mended and nothing is repeated.
"""

from dataclasses import dataclass
from typing import NamedTuple

from stilts_utils.tables.schema import FLAG, INFINITY, REAL, TABLES, TEXT, WHOLE


class Word(NamedTuple):
    """What a column means, its unit, and the values that are allowed where the schema has no range."""

    says: str
    unit: str = ""
    allowed: str = ""


@dataclass(frozen=True)
class Column:
    """A column of a table as a reader sees it. `key`: it is one of those that name a row."""

    table: str
    name: str
    type: str
    unit: str
    allowed: str
    key: bool
    says: str


TYPES = {TEXT: "text", WHOLE: "whole number", REAL: "number", FLAG: "true or false"}
# A table's rows: one row for each of these.
ROWS = {
    "scores": "run, target, language, layer and metric",
    "items": "run, target, language, layer, metric and scored item; a score is 100 · Σ numerator / Σ denominator",
    "timings": "request that was timed in a block",
    "noise": "process, engine and batch size: other work of the machine meanwhile",
    "outputs": "process, engine, batch size and condition",
    "engines": "process and engine: how long it prepared, or why this machine cannot run it",
    "work": "checkpoint, engine, batch size, language and rule: the operations that were executed",
    "fidelity": "seed, engine, duration and language: an engine against the reference engine on scored rows",
    "engine_scores": "seed, engine, duration and language: the scores of both on the same rows",
    "exits": "run, row of the target with early exit, and exit",
    "exit_timings": "request answered with early exit",
    "form_timings": "request answered by a checkpoint in one of its forms",
    "form_scores": "seed, engine, kind, form and language: a form against the plain one on scored rows",
    "scenarios": "process, checkpoint, MLPerf scenario and metric, as LoadGen reports it",
    "searches": "run, retrieval target, language and layer: exact search against a graph index, on one thread",
    "training": "logged optimizer step",
    "checkpoints": "checkpoint of an intermediate trajectory",
    "arms": "arm, duration, seed and target: what the steps of the duration cost",
    "validation": "checkpoint of an intermediate trajectory, task and metric: held-out English rows of the task itself",
    "lexical": "checkpoint of an arm of lexical injection, language, kind of word pairs and layer",
    "fertility": "text and language",
    "shortcuts": "target, language, baseline and metric: a score that needs no understanding",
    "lacking": "target and language of the study without rows in the source",
    "left_out": "task, language and reason to leave rows out",
    "costs": "measured part of a run",
    "jobs": "executed notebook",
}
# Columns that mean the same wherever they are.
SHARED = {
    "intermediate": Word("The arm: intermediate task before the target", "", "none: pretrained; target: the control"),
    "duration": Word("Length of intermediate training; 0 is the pretrained encoder", "optimizer steps", "0 or more"),
    "seed": Word("Seed of the trajectory and of fine-tuning", "", "0 or more"),
    "target": Word("Task that is fine-tuned on in English, or retrieved with", "", "a task of the registry"),
    "language": Word("Language of the rows", "", "code such as sw"),
    "layer": Word("Encoder layer that is read, or at which an exit stands", "", "0 (embeddings) to the depth"),
    "metric": Word("Metric of the score", "", "one of the task's metrics"),
    "score": Word("Score by the metric", "points"),
    "items": Word("Rows or queries that the value is over", "items", "1 or more"),
    "replicate": Word("Number of the fresh process that timed", "", "0 or more"),
    "engine": Word("Way to deploy the checkpoint", "", "an engine of the registry"),
    "batch_size": Word("Rows in a request", "rows", "1 or more"),
    "block": Word("Number of the randomised block in its process", "", "0 or more"),
    "position": Word("Place of the request within its block", "", "0 or more"),
    "sentences": Word("Rows that were answered", "rows", "1 or more"),
    "tokens": Word("Tokens without padding", "tokens", "0 or more"),
    "padded": Word("Tokens that are computed, with padding", "tokens", "1 or more"),
    "tokenise_s": Word("Time from texts to token ids", "s"),
    "forward_s": Word("Time of the forward pass", "s"),
    "decode_s": Word("Time from outputs to decisions", "s"),
    "disturbed": Word("Other work took so much of the machine that the row cannot be used"),
    "rule": Word("Rule of early exit", "", "calibrated, equal_threshold, equal_depth, layer-N; dense: none"),
    "largest_difference": Word("Largest difference of a logit from the reference", "logits"),
    "agreement": Word("Share of decisions that are those of the reference", "share"),
    "reference_score": Word("Score by the reference on the same rows", "points"),
    "examples": Word("Training rows seen so far", "rows", "0 or more"),
    "kind": Word("What the forms are of: adapters or votes of perturbed copies", "", "adapters, votes"),
    "task": Word("Task that the rows are of", "", "a task of the registry"),
    "reason": Word("Why", "", "text; empty: no reason"),
    "phase": Word("Phase of the study", "", "1_pretrained to 4_inference; stored: files of no notebook"),
    "run": Word("Run within its phase", "", "such as temprel-16-s1"),
    "seconds": Word("Time that it took", "s"),
    "condition": Word("Checkpoint under its name in a block", "", "a duration, a/a, planted"),
}
# Columns that mean something else in one table, or are in one table only.
OWN = {
    "items": {
        "item": Word("Name of the scored row, the same for all runs", "", "text"),
        "numerator": Word("What the item adds to the score's numerator", "points of the metric"),
        "denominator": Word("What it adds to the denominator", "points of the metric"),
    },
    "timings": {"tokens": Word("Tokens of the request without padding", "tokens")},
    "noise": {
        "blocks": Word("Blocks that were timed", "blocks", "1 or more"),
        "stalled": Word("Blocks left out because one request took far longer than usual", "blocks", "0 or more"),
        "foreign_share": Word("CPU time that other processes took", "share"),
        "steal_share": Word("CPU time that the hypervisor took", "share"),
        "load": Word("Load of the machine before", "processes", "0 or more"),
    },
    "outputs": {"sha256": Word("Hash of the decisions that were made while timing", "", "64 hexadecimal digits")},
    "engines": {"prepare_s": Word("Time until every shape of request was answered once, with conversion", "s")},
    "work": {
        "layers": Word("Layers computed, summed over rows", "layers"),
        "operations": Word("Operations that could be seen", "operations"),
        "trace": Word("Hash of names, shapes and types of all operations in order", "", "hexadecimal digits"),
        "flops": Word("Floating-point operations of matrix products and attention", "operations"),
        "bytes": Word("Inputs and outputs of operations: an upper bound of memory traffic", "bytes"),
        "subnormal_weights": Word("Weights that are subnormal numbers", "numbers"),
        "subnormal_activations": Word("Activations that are subnormal numbers", "numbers"),
    },
    "exits": {
        "split": Word("What the row is used for", "", "calibration: thresholds are chosen; evaluation"),
        "item": Word("Name of the row, the same for all runs", "", "text"),
        "confidence": Word("Highest softmax probability at the exit", "share"),
        "correct": Word("1 if the exit decides rightly, else 0", ""),
    },
    "exit_timings": {
        "request": Word("Number of the request in its language", "", "0 or more"),
        "layers": Word("Layers computed, summed over rows", "layers"),
    },
    "form_timings": {
        "condition": Word("The form, plain as 0", "", "0, a/a, planted, beside, or the number of votes"),
        "tokens": Word("Tokens of the request without padding", "tokens"),
    },
    "form_scores": {"form": Word("The form that is compared with the plain one", "", "beside, or the number of votes")},
    "scenarios": {
        "process": Word("Number of the fresh process", ""),
        "turn": Word("Place of the run among those in which checkpoints take turns; 0 of all others", ""),
        "scenario": Word("MLPerf scenario", "", "SingleStream, Offline, Server, Accuracy"),
        "metric": Word("Quantity that LoadGen reports", "", "such as samples_per_second"),
        "value": Word("Its value", "that of the metric"),
        "samples": Word("Samples that were answered", "samples", "0 or more"),
        "seconds": Word("Least duration that was asked for", "s", "0 or more"),
        "bound_s": Word("Bound on the p99 latency of Server; 0 in other scenarios", "s", "0 or more"),
        "official": Word("The run was as long as MLPerf asks for"),
        "validated": Word("The accuracy run decided as the timed one did"),
    },
    "searches": {
        "exact_qps": Word("Rate of exact search", "queries/s"),
        "graph_qps": Word("Rate of the graph index at its ef_search", "queries/s"),
        "recall": Word("Share of exact neighbours that the graph finds", "share"),
        "reached": Word("The graph has the recall that was asked for"),
        "ef_search": Word("Breadth of the graph's search", "candidates"),
        "distances_exact": Word("Candidates compared per query by exact search", "candidates", "1 or more"),
        "distances_graph": Word("Candidates compared per query by the graph, mean", "candidates", "0 or more"),
        "build_s": Word("Time to build the graph", "s", "0 or more"),
    },
    "training": {
        "target": Word("Task that is fine-tuned on; none: intermediate training", "", "a task of the registry, none"),
        "step": Word("Optimizer step", "optimizer steps"),
        "loss": Word("Training loss at the step", "nats", "any"),
        "learning_rate": Word("Learning rate of the encoder", "", "0 or more"),
        "tokens": Word("Tokens seen so far, without padding", "tokens", "0 or more"),
    },
    "checkpoints": {
        "tokens": Word("Tokens seen so far, without padding", "tokens", "0 or more"),
        "parameters": Word("Parameters of the encoder that a checkpoint holds", "parameters", "1 or more"),
        "subnormals": Word("Weights that are subnormal numbers", "weights", "0 or more"),
        "distance": Word("L2 distance from the pretrained weights, relative to their norm", "ratio"),
    },
    "arms": {
        "target": Word(
            "Task on which the steps were spent; none: before any target", "", "a task of the registry, none"
        ),
        "steps": Word("Optimizer steps that were spent", "optimizer steps"),
        "operations": Word("Floating-point operations of all passes, with padding", "operations"),
    },
    "validation": {"task": Word("Task of the arm", "", "a task of the registry")},
    "lexical": {
        "pairs": Word("Which pairs of words", "", "trained, control, random"),
        "cosine": Word("Cosine of the two words' vectors, mean over pairs", ""),
        "deviation": Word("Standard deviation of the cosine over pairs", ""),
        "items": Word("Pairs", "pairs"),
    },
    "fertility": {
        "item": Word("The English text, or its name", "", "text"),
        "words": Word("Words between spaces; 0 if the script has none", "words", "0 or more"),
        "characters": Word("Characters of the text", "characters", "0 or more"),
        "unknown": Word("Tokens that the vocabulary lacks", "tokens", "0 or more"),
    },
    "shortcuts": {"baseline": Word("Baseline that reads little or nothing", "", "majority, chance, and others")},
    "left_out": {
        "language": Word("Language, and which rows of it", "", "code, or code and training"),
        "rows": Word("Distinct rows left out", "rows"),
        "of": Word("Distinct rows there were", "rows"),
    },
    "costs": {
        "part": Word("Part of the run", "", "load, data, train, evaluate, store, time and others"),
        "steps": Word("Optimizer steps in the part", "optimizer steps", "0 or more"),
        "tokens": Word("Tokens read in the part, without padding", "tokens", "0 or more"),
    },
    "jobs": {
        "began": Word("Begin after that of the first notebook", "s"),
        "seconds": Word("Wall time of the notebook", "s"),
        "peak_mb": Word("Largest resident size of it and its children", "MiB"),
        "disk_mb": Word("Size of its files", "MB"),
    },
}


def columns(table: str) -> list[Column]:
    """The columns of a table in the order of its schema. Raises KeyError for a table or column without an entry."""
    schema = TABLES[table]
    made = []
    for name, kind in schema.columns.items():
        word = OWN.get(table, {}).get(name) or SHARED[name]
        allowed = _range(*schema.ranges[name]) if name in schema.ranges else word.allowed
        made.append(Column(table, name, TYPES[kind], word.unit, allowed, name in schema.key, word.says))
    return made


def _range(low: float, high: float) -> str:
    return f"{low:g} or more" if high == INFINITY else f"{low:g} to {high:g}"


def every() -> list[Column]:
    """The columns of all tables."""
    return [column for table in TABLES for column in columns(table)]
