"""The tables of a study's runs from the decisions of its models: scored here, with the rows themselves at hand."""

import json
import tarfile
from collections import defaultdict
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd

from stilts_utils.analysis.exit_rules import CALIBRATION, EVALUATION
from stilts_utils.cells import make
from stilts_utils.cells.jobs import DECISIONS
from stilts_utils.cells.pack import Pack
from stilts_utils.cells.rows import Arrays
from stilts_utils.data import study_rows
from stilts_utils.models.batches import Encoded
from stilts_utils.study import whole
from stilts_utils.study.arms import CONTROL, PRETRAINED
from stilts_utils.study.settings import adapt
from stilts_utils.tables import files
from stilts_utils.tasks import TRAINING_LANGUAGE, Task, task
from stilts_utils.training.evaluation import Evaluation
from stilts_utils.training.rows import evaluation, validation

ABOUT = "about.json"


def read(folder: Path) -> tuple[dict[str, Arrays], dict]:
    """Every result by its name, and a description of the device machine; a file cut short gives its whole results."""
    results, told = {}, {}
    for file in sorted(folder.glob("results-*.tar")):
        try:
            with tarfile.open(file) as archive:
                for entry in archive:
                    raw = archive.extractfile(entry).read()
                    if entry.name == ABOUT or entry.name.endswith("about.json"):
                        told = json.loads(raw)
                    else:
                        with np.load(BytesIO(raw), allow_pickle=False) as stored:
                            results[Path(entry.name).stem] = {name: stored[name] for name in stored.files}
        except (tarfile.ReadError, EOFError, ValueError) as error:
            print(f"{file.name}: {error}; results before that are taken")
    return results, told


def about(arrays: Arrays) -> dict:
    return json.loads(bytes(arrays["about"]))


def decisions_of(entry: Task, arrays: Arrays, rows: list[dict], encoded: Encoded) -> list:
    """One model's arrays as decisions, in the form of `heads.decide`."""
    if entry.shape in ("pair", "choice"):
        return arrays["classes"].tolist()
    if entry.shape == "tagging":
        decided, at = [], 0
        for places in encoded.words:
            tags = arrays["tags"][at : at + len(places)].tolist()
            words = zip(places, tags, strict=True)
            decided.append(["O" if place is None else entry.labels[tag] for place, tag in words])
            at += len(places)
        return decided
    decided = []
    for i, row in enumerate(rows):
        window, first, last = arrays["spans"][i].tolist()
        offsets = encoded.offsets[i][window]
        inside = any(span and span[1] > span[0] for span in offsets)
        text = row["context"][offsets[first][0] : offsets[last][1]].strip() if inside else ""
        decided.append("" if entry.unanswerable and arrays["null"][i] else text)
    return decided


class Tables:
    """Collects the rows of every run's tables."""

    def __init__(self, folder: Path):
        self.study, self.pack = make.study_of(folder), Pack(folder)
        self.session = make.session_of(self.study)
        self.layers = self.session.encoder.layers
        self.frames: dict[tuple[str, str], dict[str, list[pd.DataFrame]]] = defaultdict(lambda: defaultdict(list))
        self._evaluations, self._validations = {}, {}

    def evaluation(self, target: str) -> Evaluation:
        if target not in self._evaluations:
            self._evaluations = {target: evaluation(self.session, target)}  # one at a time: they are large
        return self._evaluations[target]

    def add(self, phase: str, run: str, **frames: pd.DataFrame) -> None:
        for name, frame in frames.items():
            self.frames[phase, run][name].append(frame)

    def costs(self, phase: str, run: str, told: dict, arrays: Arrays, model: int) -> None:
        """A model's share of its stack's seconds; its own steps and tokens of training."""
        place = told["seeds"].index(told["arms"][model][2]) if "seeds" in told else None
        rows = [
            {
                "phase": phase,
                "run": run,
                "part": f"{part}, {told['task']}",
                "seconds": seconds / len(told["arms"]),
                "steps": len(arrays["losses"]) if part == "train" else 0,
                "tokens": int(arrays["tokens"][:, place].sum()) if part == "train" else 0,
            }
            for part, seconds in told["seconds"].items()
        ]
        self.add(phase, run, costs=pd.DataFrame(rows))

    def training(self, told: dict, arrays: Arrays, model: int, recipe, first: int = 0, **run) -> pd.DataFrame:
        """The rows of `training` of one model; `first`: steps before, whose examples and tokens `store` adds."""
        place = told["seeds"].index(run["seed"])
        step = np.arange(1, len(arrays["losses"]) + 1) + first
        return pd.DataFrame(
            {
                **run,
                "step": step,
                "loss": arrays["losses"][:, model].astype(float),
                "learning_rate": recipe.encoder_lr * np.minimum(1.0, step / max(1, recipe.warmup_steps)),
                "examples": arrays["examples"][:, place],
                "tokens": arrays["tokens"][:, place],
            }
        )

    def trajectory(self, arrays: Arrays) -> None:
        told, name = about(arrays), about(arrays)["task"]
        recipe = adapt(self.study.training, self.study.intermediate[name])
        for model, (_, duration, seed) in enumerate(told["arms"]):
            run, keys = f"{name}-s{seed}", {"intermediate": name, "duration": duration, "seed": seed}
            training = self.training(told, arrays, model, recipe, told["before"], **keys, target=PRETRAINED)
            weights = {"parameters": told["parameters"], "subnormals": int(arrays["subnormals"][model])}
            checkpoint = {**keys, "examples": 0, "tokens": 0, **weights, "distance": float(arrays["distance"][model])}
            validation = self.validated(arrays, model, **keys)
            self.add(
                "2_intermediate", run, training=training, checkpoints=pd.DataFrame([checkpoint]), validation=validation
            )
            self.costs("2_intermediate", run, told, arrays, model)

    def validated(self, arrays: Arrays, model: int, **run) -> pd.DataFrame:
        """The rows of `validation` of one checkpoint, on as many rows as were packed."""
        name = run["intermediate"]
        if name not in self._validations:
            count = len(self.pack.rows(f"validation/{name}")["counts"])
            self._validations[name] = validation(self.session, name, count)
        scored = self._validations[name]
        given = {kind: arrays[kind][model] for kind in DECISIONS if kind in arrays}
        scores, _ = scored.of_decisions(decisions_of(scored.task, given, scored.all_rows, scored.encoded), **run)
        scores = scores[scores.metric.isin(scored.task.metrics)].rename(columns={"target": "task"})
        return scores.drop(columns=["language", "layer"])

    def fit(self, arrays: Arrays) -> None:
        told, name = about(arrays), about(arrays)["task"]
        scored = self.evaluation(name)
        recipe = adapt(self.study.training, self.study.targets[name])
        for model, (intermediate, duration, seed) in enumerate(told["arms"]):
            run, keys = (
                f"{intermediate}-{duration}-s{seed}",
                {"intermediate": intermediate, "duration": duration, "seed": seed},
            )
            given = {kind: arrays[kind][model] for kind in DECISIONS if kind in arrays}
            decided = decisions_of(scored.task, given, scored.all_rows, scored.encoded)
            scores, items = scored.of_decisions(decided, **keys)
            training = self.training(told, arrays, model, recipe, **keys, target=name)
            self.add("3_target", run, scores=scores, items=items, training=training)
            self.costs("3_target", run, told, arrays, model)
            if "confidence" in arrays:
                self.add("3_target", run, exits=self.exits(told, arrays, model, scored, name, keys))

    def exits(self, told: dict, arrays: Arrays, model: int, scored: Evaluation, name: str, keys: dict) -> pd.DataFrame:
        calibration = self.study.inference.exits.calibration
        _, held_out = study_rows.calibration_rows(self.study, name, self.study.seeds[0], calibration)
        parts = [(CALIBRATION, TRAINING_LANGUAGE, held_out["id"][:], "calibration/", slice(None))]
        for language, rows in scored.rows.items():
            parts.append((EVALUATION, language, [row["id"] for row in rows], "", scored.places[language]))
        return pd.concat(
            [
                pd.DataFrame(
                    {
                        **keys,
                        "target": name,
                        "language": language,
                        "split": split,
                        "item": list(ids),
                        "layer": layer,
                        "confidence": arrays[f"{prefix}confidence"][place, model, part].astype(float),
                        "correct": arrays[f"{prefix}correct"][place, model, part].astype(float),
                    }
                )
                for split, language, ids, prefix, part in parts
                for place, layer in enumerate(told["exits"])
            ],
            ignore_index=True,
        )

    def control(self, arrays: Arrays) -> None:
        told, name = about(arrays), about(arrays)["task"]
        scored, first = self.evaluation(name), told["offset"] + told["before"]
        recipe = adapt(self.study.training, self.study.targets[name])
        for model, (_, duration, seed) in enumerate(told["arms"]):
            run, keys = f"{PRETRAINED}-0-s{seed}", {"intermediate": CONTROL, "duration": duration, "seed": seed}
            given = {kind: arrays[kind][model] for kind in DECISIONS if kind in arrays}
            decided = decisions_of(scored.task, given, scored.all_rows, scored.encoded)
            scores, items = scored.of_decisions(decided, **keys)
            training = self.training(told, arrays, model, recipe, first, **keys, target=name)
            self.add("3_target", run, scores=scores, items=items, training=training)
            self.costs("3_target", run, told | {"task": f"control of {name}"}, arrays, model)

    def retrieve(self, arrays: Arrays) -> None:
        told, name = about(arrays), about(arrays)["task"]
        scored = self.evaluation(name)
        for model, (intermediate, duration, seed) in enumerate(told["arms"]):
            run, scores, items = f"{intermediate}-{duration}-s{seed}", [], []
            for language, rows in scored.rows.items():
                ids = [row["id"] for row in rows]
                for metric in task(name).metrics:
                    for layer, values in enumerate(arrays[f"{language}/{metric}"][:, model]):
                        keys = {"intermediate": intermediate, "duration": duration, "seed": seed, "target": name}
                        keys |= {"language": language, "layer": layer, "metric": metric}
                        values = values.astype(float)
                        items.append(pd.DataFrame({**keys, "item": ids, "numerator": values, "denominator": 1.0}))
                        scores.append({**keys, "score": 100 * float(values.mean()), "items": len(ids)})
            self.add("3_target", run, scores=pd.DataFrame(scores), items=pd.concat(items, ignore_index=True))
            self.costs("3_target", run, told, arrays, model)

    def store(self, out: Path) -> None:
        """Write and check the collected tables, by run."""
        for (phase, run), tables in self.frames.items():
            folder, written = out / phase / run / "tables", {}
            for name, frames in tables.items():
                written[name] = pd.concat(frames, ignore_index=True)
            written["costs"] = written["costs"].groupby(["phase", "run", "part"], as_index=False).sum()
            if "training" in written:
                written["training"] = _cumulated(written["training"])
            if "checkpoints" in written:
                steps = written["training"].set_index("step")
                for name in ("examples", "tokens"):
                    written["checkpoints"][name] = written["checkpoints"].duration.map(steps[name])
            for name, frame in written.items():
                files.write(name, frame, folder)
        self.frames.clear()


def _cumulated(training: pd.DataFrame) -> pd.DataFrame:
    """Rows of `training` with examples and tokens since the first step, under the longest duration that was reached.

    Those of the control go on from the target's own steps at duration 0.
    """
    training = training.sort_values(["target", "step"], ignore_index=True)
    by_target = training.groupby("target")
    training[["examples", "tokens"]] = by_target[["examples", "tokens"]].cumsum()
    training["duration"] = training.groupby(["target", "intermediate"]).duration.transform("max")
    return training


def write(folder: Path, results: Path, out: Path) -> Path:
    """Write the tables of all results below `out`, as `<phase>/<run>/tables`, and `cells.json` about the machine."""
    stored, told = read(results)
    tables = Tables(folder)
    makers = {
        "trajectory": tables.trajectory,
        "fit": tables.fit,
        "control": tables.control,
        "retrieve": tables.retrieve,
    }
    for name in sorted(stored, key=lambda name: about(stored[name])["task"]):
        makers[name.split("-")[1]](stored[name])
    tables.store(out)
    with whole.file(out / "cells.json") as temporary:
        temporary.write_text(json.dumps(told, indent=1) + "\n", encoding="utf8")
    return out
