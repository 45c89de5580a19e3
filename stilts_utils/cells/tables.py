"""The tables of a study's runs from what its models decided: scored here, with the rows themselves at hand."""

import json
import tarfile
from collections import defaultdict
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd

from stilts_utils import coverage, records, scoring
from stilts_utils.batches import encode
from stilts_utils.cells import make
from stilts_utils.cells.jobs import DECISIONS
from stilts_utils.cells.pack import Pack
from stilts_utils.cells.rows import Arrays
from stilts_utils.exits import CALIBRATION, EVALUATION
from stilts_utils.recipes import adapt
from stilts_utils.records import CONTROL, PRETRAINED, TABLES
from stilts_utils.tasks import TRAINING_LANGUAGE, Task, task

ABOUT = "about.json"


def read(folder: Path) -> tuple[dict[str, Arrays], dict]:
    """Every result by its name, and what the device machine told of itself; a file cut short gives what is whole."""
    found, told = {}, {}
    for file in sorted(folder.glob("results-*.tar")):
        try:
            with tarfile.open(file) as archive:
                for entry in archive:
                    raw = archive.extractfile(entry).read()
                    if entry.name == ABOUT or entry.name.endswith("about.json"):
                        told = json.loads(raw)
                    else:
                        with np.load(BytesIO(raw), allow_pickle=False) as stored:
                            found[Path(entry.name).stem] = {name: stored[name] for name in stored.files}
        except (tarfile.ReadError, EOFError, ValueError) as error:
            print(f"{file.name}: {error}; what came before it is taken")
    return found, told


def about(arrays: Arrays) -> dict:
    return json.loads(bytes(arrays["about"]))


def decisions_of(entry: Task, found: Arrays, rows: list[dict], encoded) -> list:
    """One model's arrays as decisions, in the form of `heads.decide`."""
    if entry.shape in ("pair", "choice"):
        return found["classes"].tolist()
    if entry.shape == "tagging":
        decided, at = [], 0
        for places in encoded.words:
            own = found["tags"][at : at + len(places)].tolist()
            decided.append(
                ["O" if place is None else entry.labels[tag] for place, tag in zip(places, own, strict=True)]
            )
            at += len(places)
        return decided
    decided = []
    for i, row in enumerate(rows):
        window, first, last = found["spans"][i].tolist()
        offsets = encoded.offsets[i][window]
        inside = any(span and span[1] > span[0] for span in offsets)
        text = row["context"][offsets[first][0] : offsets[last][1]].strip() if inside else ""
        decided.append("" if entry.unanswerable and found["null"][i] else text)
    return decided


class Tables:
    """Collects the rows of every run's tables."""

    def __init__(self, pack: Pack):
        self.pack, self.study = pack, pack.study
        self.session = make.session_of(self.study)
        self.layers = self.session.encoder.layers
        self.frames: dict[tuple[str, str], dict[str, list[pd.DataFrame]]] = defaultdict(lambda: defaultdict(list))
        self._evaluations = {}

    def evaluation(self, target: str):
        if target not in self._evaluations:
            self._evaluations = {target: self.session.evaluation(target)}  # one at a time: they are large
        return self._evaluations[target]

    def add(self, phase: str, run: str, **frames: pd.DataFrame) -> None:
        for name, frame in frames.items():
            self.frames[phase, run][name].append(frame)

    def costs(self, phase: str, run: str, told: dict, arrays: Arrays, model: int) -> None:
        """A model's share of what its stack spent; of training, its own steps and tokens."""
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
        entry, rows = self.session.task(name), list(make.validation_rows(self.session, name))
        length = self.study.max_length(name)
        encoded = encode(entry, rows, self.session.encoder.tokenizer, length, stride=self.study.training.stride)
        for model, (_, duration, seed) in enumerate(told["arms"]):
            run, keys = f"{name}-s{seed}", {"intermediate": name, "duration": duration, "seed": seed}
            training = self.training(told, arrays, model, recipe, told["before"], **keys, target=PRETRAINED)
            weights = {"parameters": told["parameters"], "subnormals": int(arrays["subnormals"][model])}
            checkpoint = {**keys, "examples": 0, "tokens": 0, **weights, "distance": float(arrays["distance"][model])}
            given = {kind: arrays[kind][model] for kind in DECISIONS if kind in arrays}
            scores = scoring.score(entry, rows, decisions_of(entry, given, rows, encoded), TRAINING_LANGUAGE)
            validation = [
                {**keys, "metric": metric, "score": value, "items": len(rows)} for metric, value in scores.items()
            ]
            self.add("2_intermediate", run, training=training, checkpoints=pd.DataFrame([checkpoint]))
            self.add("2_intermediate", run, validation=pd.DataFrame(validation))
            self.costs("2_intermediate", run, told, arrays, model)

    def fit(self, arrays: Arrays) -> None:
        told, name = about(arrays), about(arrays)["task"]
        evaluation = self.evaluation(name)
        recipe = adapt(self.study.training, self.study.targets[name])
        for model, (intermediate, duration, seed) in enumerate(told["arms"]):
            run, keys = (
                f"{intermediate}-{duration}-s{seed}",
                {"intermediate": intermediate, "duration": duration, "seed": seed},
            )
            given = {kind: arrays[kind][model] for kind in DECISIONS if kind in arrays}
            scores, items = evaluation.of_decisions(
                decisions_of(evaluation.task, given, evaluation.all_rows, evaluation.encoded), **keys
            )
            training = self.training(told, arrays, model, recipe, **keys, target=name)
            self.add("3_target", run, scores=scores, items=items, training=training)
            self.costs("3_target", run, told, arrays, model)
            if "confidence" in arrays:
                self.add("3_target", run, exits=self.exits(told, arrays, model, evaluation, name, keys))

    def exits(self, told: dict, arrays: Arrays, model: int, evaluation, name: str, keys: dict) -> pd.DataFrame:
        _, held_out = coverage.calibration_rows(
            self.study, name, self.study.seeds[0], self.study.inference.exits.calibration
        )
        parts = [(CALIBRATION, TRAINING_LANGUAGE, held_out["id"][:], "calibration/", slice(None))]
        for language, rows in evaluation.rows.items():
            parts.append((EVALUATION, language, [row["id"] for row in rows], "", evaluation.places[language]))
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
                        "confidence": arrays[f"{prefix}confidence"][place, model, own].astype(float),
                        "correct": arrays[f"{prefix}correct"][place, model, own].astype(float),
                    }
                )
                for split, language, ids, prefix, own in parts
                for place, layer in enumerate(told["exits"])
            ],
            ignore_index=True,
        )

    def control(self, arrays: Arrays) -> None:
        told, name = about(arrays), about(arrays)["task"]
        evaluation, first = self.evaluation(name), told["offset"] + told["before"]
        recipe = adapt(self.study.training, self.study.targets[name])
        for model, (_, duration, seed) in enumerate(told["arms"]):
            run, keys = f"{PRETRAINED}-0-s{seed}", {"intermediate": CONTROL, "duration": duration, "seed": seed}
            given = {kind: arrays[kind][model] for kind in DECISIONS if kind in arrays}
            decided = decisions_of(evaluation.task, given, evaluation.all_rows, evaluation.encoded)
            scores, items = evaluation.of_decisions(decided, **keys)
            training = self.training(told, arrays, model, recipe, first, **keys, target=name)
            self.add("3_target", run, scores=scores, items=items, training=training)
            self.costs("3_target", run, told | {"task": f"control of {name}"}, arrays, model)

    def retrieve(self, arrays: Arrays) -> None:
        told, name = about(arrays), about(arrays)["task"]
        evaluation = self.evaluation(name)
        for model, (intermediate, duration, seed) in enumerate(told["arms"]):
            run, scores, items = f"{intermediate}-{duration}-s{seed}", [], []
            for language, rows in evaluation.rows.items():
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
        """Write and check what was collected, by run; `validation` has no schema yet and is written beside the others."""
        for (phase, run), tables in self.frames.items():
            folder, found = out / phase / run / "tables", {}
            for name, frames in tables.items():
                found[name] = pd.concat(frames, ignore_index=True)
            found["costs"] = found["costs"].groupby(["phase", "run", "part"], as_index=False).sum()
            if "training" in found:
                found["training"] = _cumulated(found["training"])
            if "checkpoints" in found:
                steps = found["training"].set_index("step")
                for name in ("examples", "tokens"):
                    found["checkpoints"][name] = found["checkpoints"].duration.map(steps[name])
            for name, frame in found.items():
                if name in TABLES:
                    records.write(name, frame, folder)
                else:
                    folder.mkdir(parents=True, exist_ok=True)
                    frame.to_parquet(folder / f"{name}.parquet", compression="zstd", index=False)
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


def write(folder: Path, study: str | None, results: Path, out: Path) -> Path:
    """Write the tables of all results below `out`, as `<phase>/<run>/tables`, and `cells.json` about the machine."""
    found, told = read(results)
    tables = Tables(Pack(folder, study))
    makers = {
        "trajectory": tables.trajectory,
        "fit": tables.fit,
        "control": tables.control,
        "retrieve": tables.retrieve,
    }
    for name in sorted(found, key=lambda name: about(found[name])["task"]):
        makers[name.split("-")[1]](found[name])
    tables.store(out)
    (out / "cells.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf8")
    return out
