"""A study opened on this machine: its encoder, and what every run of it needs."""

from dataclasses import dataclass
from pathlib import Path

import torch

from stilts_utils.data import sources
from stilts_utils.models import checkpoints, encoder, families, hardware
from stilts_utils.models.checkpoints import Stored, Weights, snapshot
from stilts_utils.study.place import Place
from stilts_utils.study.study import Study
from stilts_utils.study.validation import require
from stilts_utils.tables.costs import Costs
from stilts_utils.tables.identity import Identity
from stilts_utils.tasks import Task
from stilts_utils.training.trajectory import Training


@dataclass
class Session:
    """A study opened on this machine, for a run. `pretrained` are the encoder's trainable weights in float32."""

    study: Study
    place: Place
    encoder: encoder.Encoder
    pretrained: Weights
    precision: str
    costs: Costs

    @classmethod
    def open(cls, study: Study, place: Place, attention: str = "eager") -> "Session":
        """Load the study's encoder, and take the study's number of threads.

        Eager attention trains faster than SDPA on a CPU, whose backward pass is slow. Raises StudyError if the study's
        sequences are longer than the encoder takes, or if it has exits, which this family of encoders cannot have.
        """
        costs = Costs(place.phase, place.run)
        with costs.part("load"):
            torch.set_num_threads(study.training.threads)
            precision = hardware.training_precision()
            loaded = encoder.load(study.encoder_at(precision), attention)
        longest = study.longest_sequence
        allowed = f"at most {loaded.longest}, the positions that the encoder {study.encoder} has"
        require(longest <= loaded.longest, "training.max_length", longest, allowed)
        walking = ", ".join(name for name, family in families.FAMILIES.items() if family.walks)
        allowed = f"none with the encoder {study.encoder}: early exit computes layers one by one, as {walking} do"
        require(loaded.family.walks or not study.inference.exits, "inference.exits", study.inference.exits, allowed)
        return cls(study, place, loaded, snapshot(loaded.trainable()), precision, costs)

    def task(self, name: str) -> Task:
        """A task's entry, with the labels that its source gives."""
        return sources.task(name, self.study.data_source)

    def stored(self, made: Identity, name: str) -> Stored:
        """Where a checkpoint is kept, and by which fingerprint: its identity, and the depth and precision here."""
        arm, duration, seed = (made.parameters[part] for part in ("intermediate", "duration", "seed"))
        file = Path(name, f"{arm}-{duration}-s{seed}.safetensors")
        return Stored(tuple(folder / file for folder in self.place.checkpoints), self.fingerprint(made))

    def fingerprint(self, made: Identity) -> str:
        """A digest of an identity, and of the depth and precision that this machine trains with."""
        return checkpoints.fingerprint(made.digest, self.encoder.layers, self.precision)

    def advance(self, training: Training, until: int) -> Training:
        """Train up to optimizer step `until`, on the account of the run."""
        steps, tokens = training.step, training.tokens
        with self.costs.part("train") as part:
            training.run(until)
            part["steps"] += training.step - steps
            part["tokens"] += training.tokens - tokens
        return training
