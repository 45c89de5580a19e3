"""What the phases do, in the calls that notebooks make: one session holds the study, the encoder and its weights."""

import dataclasses
from dataclasses import dataclass

import pandas as pd
import torch
from datasets import Dataset

from stilts_utils.data import leakage, sources, study_rows
from stilts_utils.data.study_rows import available, evaluation_rows, training_rows
from stilts_utils.models import checkpoints, encoder, hardware
from stilts_utils.models.batches import encode
from stilts_utils.models.checkpoints import Weights, copy_into, snapshot
from stilts_utils.study.settings import CONTROL, PRETRAINED, Arm, Fit, adapt
from stilts_utils.study.study import Study
from stilts_utils.study.validation import require
from stilts_utils.tables.costs import Costs
from stilts_utils.tasks import TRAINING_LANGUAGE, Task, task
from stilts_utils.training.evaluation import Evaluation
from stilts_utils.training.trajectory import Training


@dataclass
class Session:
    """A study opened on this machine. `pretrained` are the encoder's trainable weights in float32."""

    study: Study
    encoder: encoder.Encoder
    pretrained: Weights
    precision: str
    costs: Costs

    @classmethod
    def open(cls, study: Study, phase: str, run: str, attention: str = "eager") -> "Session":
        """Load the study's encoder, and take the study's number of threads.

        Eager attention trains faster than SDPA on a CPU, whose backward pass is slow. Raises StudyError where the study's
        sequences are longer than the encoder takes.
        """
        costs = Costs(phase, run)
        with costs.part("load"):
            torch.set_num_threads(study.training.threads)
            precision = hardware.training_precision()
            loaded = encoder.load(study.encoder_at(precision), attention)
        longest = study.longest_sequence
        allowed = f"at most {loaded.longest}, the positions that the encoder {study.encoder} has"
        require(longest <= loaded.longest, "training.max_length", longest, allowed)
        return cls(study, loaded, snapshot(loaded.trainable()), precision, costs)

    def train_rows(self, name: str, seed: int, stage: int = 0):
        """English training rows of one of a task's stages, tokenised."""
        return self.lesson(name, training_rows(self.study, name, seed, stage=stage))

    def lesson(self, name: str, rows: Dataset):
        """Training rows of a task, without those that occur in what is scored, tokenised."""
        if self.study.source != "embedded":  # what is generated is apart by construction
            rows = self._apart(name, rows)
        length, stride = self.study.max_length(name), self.study.training.stride
        return encode(self.task(name), rows, self.encoder.tokenizer, length, stride=stride, training=True)

    def _apart(self, name: str, rows: Dataset) -> Dataset:
        """The training rows without those that occur, in English, in what a target of the same shape is scored on."""
        shape, study = task(name).shape, self.study
        scored = [
            evaluation_rows(study, target, TRAINING_LANGUAGE, None)
            for target in study.targets
            if task(target).shape == shape and TRAINING_LANGUAGE in available(study, target)
        ]
        kept = leakage.disjoint(rows, *scored, drop=True)
        if len(kept) < len(rows):
            print(f"{name}: left out {len(rows) - len(kept)} training rows that occur in evaluation rows")
        return kept

    def splits(self) -> dict[str, str]:
        """The split that every target is evaluated on."""
        return {name: sources.evaluation_split(name, self.study.data_source) for name in self.study.targets}

    def task(self, name: str) -> Task:
        """A task's entry, with the labels that its source gives."""
        return sources.task(name, self.study.data_source)

    def made_from(self, *parts) -> str:
        """Fingerprint of a checkpoint: the encoder, the recipe and the given parts."""
        recipe = dataclasses.asdict(self.study.training)
        depth = (self.study.encoder, self.encoder.layers, self.precision, self.study.source)
        return checkpoints.fingerprint(*depth, recipe, *parts)

    def trajectory(self, intermediate: str, seed: int) -> tuple[list[dict], list[dict]]:
        """Train one intermediate trajectory with a checkpoint at every duration: rows of `training`, `checkpoints`."""
        rows = []
        training = self.intermediate_training(intermediate, seed)
        for duration in self.study.durations_of(intermediate)[1:]:
            self.advance(training, duration)
            with self.costs.part("store"):
                self._store_intermediate(training, intermediate, duration, seed)
                rows.append(
                    {
                        "intermediate": intermediate,
                        "duration": duration,
                        "seed": seed,
                        "examples": training.examples,
                        "tokens": training.tokens,
                        "parameters": sum(w.numel() for w in training.weights.values()),
                        "subnormals": checkpoints.subnormals(training.weights),
                        "distance": checkpoints.distance(training.weights, self.pretrained),
                    }
                )
        longest = self.study.durations_of(intermediate)[-1]
        run = {"intermediate": intermediate, "duration": longest, "seed": seed, "target": PRETRAINED}
        return [{**run, **row} for row in training.log], rows

    def start(self, intermediate: str, duration: int, seed: int) -> Weights:
        """Encoder weights after `duration` steps of an intermediate task, trained here when they are not stored."""
        if intermediate == PRETRAINED:
            return self.pretrained
        made_from = self._intermediate_made_from(intermediate, duration, seed)
        stored = checkpoints.load(checkpoints.path(self.study, intermediate, duration, seed), made_from)
        if stored is None:
            print(f"no stored checkpoint of {intermediate} at {duration} steps, seed {seed}: training it now")
            training = self.advance(self.intermediate_training(intermediate, seed), duration)
            self._store_intermediate(training, intermediate, duration, seed)
            stored = snapshot(training.weights)
        return stored

    def intermediate_training(self, intermediate: str, seed: int) -> Training:
        arm = self.study.intermediate[intermediate]
        names = self.study.tasks_of(intermediate)
        return self._training(names, seed, self.pretrained, arm, cap=arm.cap)

    def _training(self, names: tuple[str, ...], seed: int, start: Weights, own: Arm | Fit, **options) -> Training:
        with self.costs.part("data"):
            lessons = [(self.task(name), self.train_rows(name, seed)) for name in names]
        recipe = adapt(self.study.training, own)
        return Training(self.encoder, lessons, recipe, seed, start, self.precision, **options)

    def advance(self, training: Training, until: int) -> Training:
        steps, tokens = training.step, training.tokens
        with self.costs.part("train") as part:
            training.run(until)
            part["steps"] += training.step - steps
            part["tokens"] += training.tokens - tokens
        return training

    def _store_intermediate(self, training: Training, intermediate: str, duration: int, seed: int) -> None:
        file = checkpoints.path(self.study, intermediate, duration, seed)
        checkpoints.save(training.weights, file, self._intermediate_made_from(intermediate, duration, seed))

    def _intermediate_made_from(self, intermediate: str, duration: int, seed: int) -> str:
        arm = dataclasses.replace(self.study.intermediate[intermediate], durations=None)
        return self.made_from(intermediate, arm, duration, seed)

    def evaluation(self, target: str, languages: list[str] | None = None) -> Evaluation:
        """The target's evaluation rows in every language of the study that the source has."""
        study, limit = self.study, self.study.items_of(target)
        with self.costs.part("data"):
            languages = languages or available(study, target)
            rows = {language: list(evaluation_rows(study, target, language, limit)) for language in languages}
            candidates = None
            if not task(target).trainable:
                # Where all rows are asked for, so are all candidates: of Mewsli-X also those that answer no row.
                most = limit if any(len(found) == limit for found in rows.values()) else None
                candidates = {name: list(study_rows.candidates(study, target, name, most)) for name in languages}
                if not study.candidate_context:
                    candidates = {name: [row | {"context": ""} for row in rows] for name, rows in candidates.items()}
            return Evaluation(
                self.task(target),
                rows,
                self.encoder,
                study.max_length(target),
                stride=study.training.stride,
                candidates=candidates,
            )

    def fine_tune(self, target: str, intermediate: str, duration: int, seed: int, start: Weights) -> Training:
        """Fine-tune a target in English from given weights; kept for the inference phase when that times it."""
        fit, until = self.study.targets[target], 0
        training = self._training((target,), seed, start, fit)
        for stage, steps in enumerate(fit.steps):
            if stage:
                with self.costs.part("data"):
                    training.go_on_with(self.train_rows(target, seed, stage), stage)
            until += steps
            self.advance(training, until)
        if target == self.study.inference.target:
            with self.costs.part("store"):
                self._store_target(training, target, intermediate, duration, seed)
        return training

    def fine_tuned(self, target: str, intermediate: str, duration: int, seed: int) -> Weights:
        """Encoder and head weights of a fine-tuned target, trained here when they are not stored."""
        file = checkpoints.path(self.study, intermediate, duration, seed, target)
        stored = checkpoints.load(file, self._target_made_from(target, intermediate, duration, seed))
        if stored is None:
            print(f"no stored {target} from {intermediate} at {duration} steps, seed {seed}: training it now")
            start = self.start(intermediate, duration, seed)
            training = self.fine_tune(target, intermediate, duration, seed, start)
            stored = snapshot(training.weights) | training.head_weights()
        return stored

    def _target_made_from(self, target: str, intermediate: str, duration: int, seed: int) -> str:
        return self.made_from(target, self.study.targets[target], intermediate, duration, seed)

    def _store_target(self, training: Training, target: str, intermediate: str, duration: int, seed: int) -> None:
        file = checkpoints.path(self.study, intermediate, duration, seed, target)
        weights = snapshot(training.weights) | training.head_weights()
        checkpoints.save(weights, file, self._target_made_from(target, intermediate, duration, seed))

    def score_model(self, training: Training, evaluation: Evaluation, **run) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Scores and items of a fine-tuned model in every language of an evaluation."""
        with self.costs.part("evaluate") as part:
            part["tokens"] += evaluation.tokens
            return evaluation.of_model(training.model, **run)

    def score_retrieval(self, start: Weights, evaluation: Evaluation, **run) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Scores and items of retrieval by every layer of an encoder with given weights, without a head."""
        from stilts_utils.models.checkpoints import DTYPES

        with self.costs.part("evaluate") as part:
            part["tokens"] += evaluation.tokens
            self.encoder.model.to(DTYPES[self.precision]).eval()
            copy_into(self.encoder.trainable(), start)
            return evaluation.of_encoder(**run)

    def transfer(self, targets: tuple[str, ...], intermediate: str, duration: int, seed: int):
        """Fine-tune every target from one arm and score it zero-shot: frames for `scores`, `items`, `training`.

        From duration 0, training then goes on: that is the duration-matched control, which spends the steps of every
        duration on the target itself. A retrieval target has nothing to train, and no control.
        """
        scores, items, logs = [], [], []
        control = (CONTROL, self.study.durations[-1])
        start = self.start(intermediate, duration, seed)
        for target in targets:
            evaluation = self.evaluation(target)
            if not task(target).trainable:
                found = [self.score_retrieval(start, evaluation, **_run(intermediate, duration, seed))]
            else:
                training = self.fine_tune(target, intermediate, duration, seed, start)
                found = [self.score_model(training, evaluation, **_run(intermediate, duration, seed))]
                if intermediate == PRETRAINED:
                    found += self._control(training, seed, evaluation)
                own = sum(self.study.targets[target].steps)  # what follows is the control's
                logs += [
                    {
                        **_run(*((intermediate, duration) if row["step"] <= own else control), seed),
                        "target": target,
                        **row,
                    }
                    for row in training.log
                ]
            scores += [pair[0] for pair in found]
            items += [pair[1] for pair in found]
        return pd.concat(scores, ignore_index=True), pd.concat(items, ignore_index=True), logs

    def _control(
        self, training: Training, seed: int, evaluation: Evaluation
    ) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
        own, found = training.step, []
        for duration in self.study.durations[1:]:
            self.advance(training, own + duration)
            found.append(self.score_model(training, evaluation, **_run(CONTROL, duration, seed)))
        return found


def _run(intermediate: str, duration: int, seed: int) -> dict:
    return {"intermediate": intermediate, "duration": duration, "seed": seed}
