"""Whether the tables of a study have every row that its facts ask for, and none that they do not.

Digests say that tables are as they were written; this says that they were all written, and `counts` that each is whole. What
the facts do not say, such as blocks, layers, metrics and rules, is taken from the rows that are there and must be the same
wherever the facts repeat it.

A study that was cut off says in its provenance what it lacks: each of its `gaps` is a table's columns with their values, such
as `{"intermediate": "target"}`, and `{"table": "training", "target": "none"}` of one table alone.
"""

from collections.abc import Iterable
from itertools import product

import pandas as pd

from stilts_utils.study.arms import CONTROL, PRETRAINED
from stilts_utils.study.facts import trained_on
from stilts_utils.tables import counts
from stilts_utils.tables.counts import PROCESS
from stilts_utils.tables.design import RUN, Design, Rows, Tables
from stilts_utils.tables.errors import RecordError
from stilts_utils.tasks import TASKS, TRAINING_LANGUAGE, task
from stilts_utils.tasks import counted as counted_tasks

COMPARED = ["engine", "duration", "language", "seed"]
SHARED = "a/a", "planted"  # conditions that are no durations
TRIVIAL = ("majority", "chance")
CALIBRATION, EVALUATION = "calibration", "evaluation"


def check(about: dict, tables: Tables, where: str, then: str) -> None:
    """Raises RecordError naming a table and its first row that is missing or that the study does not have.

    `where`: the folder of the tables; `then`: what to do about it.
    """
    _check_facts(about["study"], where, then)
    design = Design(about, tables)
    for name, columns, expected in (*_trained(design), *(_timed(design) if design.timed else ())):
        rows = tables[name]
        there = set(rows[columns].drop_duplicates().itertuples(index=False, name=None))
        asked = {row for row in expected if not design.lacks(name, dict(zip(columns, row, strict=True)))}
        for kind, others in (("lacks", asked - there), ("has, and the study does not ask for,", there - asked)):
            if others:
                first = dict(zip(columns, sorted(others, key=str)[0], strict=True))
                more = f" and {len(others) - 1} more like it" if len(others) > 1 else ""
                shown = ", ".join(f"{column} {value}" for column, value in first.items())
                raise RecordError(f"{where}: table {name} {kind} rows of {shown}{more}: {then}")
    for name, fault in counts.faults(design):
        if fault:
            raise RecordError(f"{where}: table {name} {fault}: {then}")


def _check_facts(facts: dict, where: str, then: str) -> None:
    for target in facts["targets"]:
        if target not in TASKS:
            raise RecordError(f"{where}: target is {target!r}, allowed: {', '.join(TASKS)}: {then}")
    timing = facts["inference"]
    for part in (timing, timing["exits"] or {}, timing["search"] or {}):
        if part and part["target"] not in facts["targets"]:
            allowed = ", ".join(facts["targets"])
            raise RecordError(f"{where}: inference times target {part['target']!r}, allowed: {allowed}: {then}")


def _trained(design: Design) -> Iterable[tuple[str, list[str], Rows]]:
    """(table, columns, the rows that are to be there) of training, scores and what is counted before."""
    facts, tables = design.facts, design.tables
    yield "lacking", ["target", "language"], _known(tables["lacking"], product(design.targets, facts["languages"]))
    scores = tables["scores"]
    measured = _observed(scores, ["target", "metric", "layer"])
    layers = {t: [design.depth] if task(t).trainable else range(design.depth + 1) for t in design.targets}
    columns = [*RUN, "target", "language"]
    kinds = {
        target: list(product({metric for name, metric, _ in measured if name == target}, layers[target]))
        for target in design.targets
    }
    every = [(*row, *kind) for row in design.of_targets() for kind in kinds[row[3]] or [(task(row[3]).metric, 0)]]
    yield "scores", [*columns, "metric", "layer"], every
    fits = [
        (*run, target) for target in design.targets if task(target).trainable for run in design.runs(target)
    ]  # the control's rows stand under its longest duration
    fits = [fit for fit in fits if fit[0] != CONTROL or fit[1] == facts["durations"][-1]]
    fits += [(arm, design.durations(arm)[-1], s, PRETRAINED) for arm in design.trajectories for s in design.seeds(arm)]
    yield "training", [*RUN, "target"], fits
    if len(tables["arms"]):
        yield "arms", [*RUN, "target"], _spent(design)
    if len(tables["validation"]):
        yield "validation", [*RUN, "task", "metric"], _validated(design)
    injected = {name: arm for name, arm in facts["intermediate"].items() if arm.get("method") == "lexical_injection"}
    if injected:
        runs = [
            (name, steps, seed) for name in injected for steps in design.durations(name) for seed in design.seeds(name)
        ]
        kinds = ("trained", "control", "random")
        asked = [(*run, name, kind) for run in runs for name in injected[run[0]]["languages"] for kind in kinds]
        yield "lexical", [*RUN, "language", "pairs"], asked
    if exits := facts["inference"]["exits"]:
        frame = tables["exits"]
        if design.timed or len(frame):
            places = [(EVALUATION, name) for name in design.pairs[exits["target"]]] + [(CALIBRATION, TRAINING_LANGUAGE)]
            found = _observed(frame, ["layer"]) or [(design.depth,)]
            models = [model for model in design.models if design.scores(model[0], exits["target"])]
            runs = product(models, places, found)
            asked = [(*model, exits["target"], *place, *layer) for model, place, layer in runs]
            yield "exits", [*RUN, "target", "split", "language", "layer"], asked
    baselines = _observed(tables["shortcuts"], ["target", "baseline", "metric"])
    for target in design.targets:
        if not any(name == target and baseline in TRIVIAL for name, baseline, _ in baselines):
            baselines.append((target, " or ".join(TRIVIAL), task(target).metric))
    known = [row for row in baselines if row[0] in design.pairs]
    asked = [(*row, name) for row in known for name in design.pairs[row[0]]]
    yield "shortcuts", ["target", "baseline", "metric", "language"], asked
    yield "fertility", ["language"], _counted_languages(design)


def _validated(design: Design) -> Rows:
    """Rows of `validation`: every checkpoint by every task of its arm."""
    every = [model for model in design.models if model[0] in design.trajectories]
    tasks = {name: trained_on(name, arm) for name, arm in design.facts["intermediate"].items()}
    return [(*model, name, metric) for model in every for name in tasks[model[0]] for metric in task(name).metrics]


def _spent(design: Design) -> Rows:
    """Rows of `arms`: every checkpoint of a trajectory, and what the control and arms of the target phase spend on targets."""
    trajectories = [(*model, PRETRAINED) for model in design.models if model[0] in design.trajectories]
    late = {CONTROL, *design.facts["intermediate"]} - set(design.trajectories)
    return trajectories + [(*run, target) for target in design.targets for run in design.runs(target) if run[0] in late]


def _counted_languages(design: Design) -> Rows:
    """Languages whose tokens are counted: those of the targets whose texts are, of the others as many as there are."""
    fertility = design.tables["fertility"]
    counted = {language for target in set(fertility.task) & set(design.targets) for language in design.pairs[target]}
    if design.facts["source"] == "embedded":
        counted = set(design.facts["languages"])
    known = set(fertility.language) & {*design.facts["languages"], TRAINING_LANGUAGE}
    own = len(fertility) and set(fertility.task).isdisjoint(
        counted_tasks(design.facts["source"])
    )  # may lack English rows
    return [(language,) for language in counted | known | (set() if own else {TRAINING_LANGUAGE})]


def _timed(design: Design) -> Iterable[tuple[str, list[str], Rows]]:
    """(table, columns, the rows that are to be there) of timings and what belongs to them."""
    facts, timing, tables = design.facts, design.timing, design.tables
    processes, durations = list(design.processes()), design.timed_durations
    conditions = [*((str(steps), steps) for steps in durations), *((name, 0) for name in SHARED)]
    yield "engines", ["replicate", "engine"], product(design.numbers, timing["engines"])
    yield "noise", PROCESS, processes
    asked = [(*process, *condition) for process in processes for condition in conditions]
    yield "outputs", [*PROCESS, "condition", "duration"], asked
    asked = [(*row, name) for row in asked for name in timing["languages"]]
    yield "timings", [*PROCESS, "condition", "duration", "language"], asked
    places = list(product(durations, timing["languages"]))
    compared = [
        (engine, *place, seed)
        for seed in design.timed_seeds
        for engine in design.ran_with.get(seed, ())
        for place in places
    ]
    yield "fidelity", COMPARED, compared
    if len(tables["engine_scores"]):
        yield "engine_scores", COMPARED, compared
    if len(tables["work"]):
        asked = [(*one, size, "dense") for one in compared for size in timing["batch_sizes"]]
        if timing["exits"]:
            exiting = tables["work"][~tables["work"].engine.isin(timing["engines"])]
            engine_of = dict(_observed(exiting, ["seed", "engine"]))
            rules = _observed(exiting, ["rule", "batch_size"]) or [("calibrated", 1)]
            both = product(rules, places, design.timed_seeds)
            asked += [(engine_of.get(seed, "exit"), *place, seed, size, rule) for (rule, size), place, seed in both]
        yield "work", [*COMPARED, "batch_size", "rule"], asked
    yield "checkpoints", RUN, [model for model in design.models if model[0] in design.trajectories]
    if forms := timing.get("forms"):
        engines = _observed(tables["form_timings"], ["replicate", "engine"])
        engines += [(number, "fp32") for number in set(design.numbers) - {number for number, _ in engines}]
        kinds = [(kind, form) for kind, about in forms.items() for form in ("0", *SHARED, *about["forms"])]
        asked = [
            (*engine, *kind, *place)
            for engine, kind, place in product(engines, kinds, product(timing["batch_sizes"], timing["languages"]))
        ]
        yield "form_timings", ["replicate", "engine", "kind", "condition", "batch_size", "language"], asked
    if timing["exits"]:
        rows = tables["exit_timings"]
        rules = _observed(rows, ["rule", "batch_size"]) or [("calibrated", 1)]
        every = product(design.numbers, rules, durations, timing["languages"])
        asked = [(number, *rule, steps, name) for number, rule, steps, name in every]
        yield "exit_timings", ["replicate", "rule", "batch_size", "duration", "language"], asked
    if search := timing["search"]:
        seeds = design.timed_seeds if timing.get("seeds") else facts["seeds"]
        arms = [(arm, steps, seed) for arm, steps in _timed_arms(design) for seed in seeds]
        if not timing.get("seeds"):  # in older results duration 0, one encoder whatever the seed, was searched once
            arms = [arm for arm in arms if arm[1] or arm[2] == facts["seeds"][0]]
        languages = [name for name in timing["languages"] if name in design.pairs[search["target"]]]
        yield "searches", [*RUN, "language"], [(*arm, name) for arm in arms for name in languages]
    loads = ["engine", "process", "duration", "target"]
    known = product(
        timing["engines"], tables["scenarios"].process.unique(), (durations[0], durations[-1]), [timing["target"]]
    )
    yield "scenarios", loads, _known(tables["scenarios"], known, *loads)


def _timed_arms(design: Design) -> list[tuple[str, int]]:
    arm = next(iter(design.facts["intermediate"]))
    return [(arm if steps else PRETRAINED, steps) for steps in design.timed_durations]


def _observed(frame: pd.DataFrame, columns: list[str]) -> list[tuple]:
    return list(frame[columns].drop_duplicates().itertuples(index=False, name=None))


def _known(frame: pd.DataFrame, allowed: Rows, *columns: str) -> Rows:
    """Of the allowed rows those that are there: none is asked for."""
    there = set(_observed(frame, list(columns) or ["target", "language"]))
    return [row for row in allowed if row in there]
