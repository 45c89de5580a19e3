"""A session on the tiny study, and how weights are compared."""

import pytest
import torch

from stilts_utils.models import hardware
from stilts_utils.training import trajectory
from stilts_utils.training.session import Session

both_precisions = pytest.mark.parametrize("session", ["fp32", "bf16"], indirect=True)


@pytest.fixture(params=["fp32"])
def session(request, tiny_study, tiny_place, monkeypatch):
    """A session on the tiny study; its `pretrained` must come out as it went in."""
    monkeypatch.setattr(hardware, "training_precision", lambda: request.param)
    opened = Session.open(tiny_study, tiny_place)
    before = {name: weights.clone() for name, weights in opened.pretrained.items()}
    yield opened
    assert same(opened.pretrained, before)


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def no_training(monkeypatch):
    monkeypatch.setattr(trajectory.Training, "run", lambda self, until: pytest.fail("trained again"))
