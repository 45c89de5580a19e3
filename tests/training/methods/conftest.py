"""Trainings of the tiny encoder on a tiny task."""

import pytest

from stilts_utils.models.batches import encode
from stilts_utils.models.checkpoints import snapshot
from stilts_utils.study.settings import Recipe
from stilts_utils.training.trajectory import Training
from tests.training.conftest import session as session  # noqa: F401 - a fixture

RECIPE = Recipe(encoder_lr=1e-3, head_lr=1e-2, warmup_steps=2, batch_size=8)


@pytest.fixture
def begin(tiny_encoder, tiny_rows, task_of):
    """`begin(shape, seed)`: a training on 48 tiny rows, and `begin.rows`, 60 others."""
    start = snapshot(tiny_encoder.trainable())

    def make(shape="pair", seed=1, exits=()):
        task, every = task_of[shape], tiny_rows(shape, 108)
        rows, make.rows = (encode(task, part, tiny_encoder.tokenizer, 64) for part in (every[:48], every[48:]))
        return Training(tiny_encoder, [(task, rows)], RECIPE, seed, start, "fp32", exits=exits)

    return make
