import pytest
import torch

from stilts_utils.models.batches import encode
from stilts_utils.models.checkpoints import snapshot
from stilts_utils.study.place import MARK
from stilts_utils.study.settings import Recipe
from stilts_utils.training import progress
from stilts_utils.training.evaluation import Evaluation
from stilts_utils.training.trajectory import Training

RECIPE = Recipe(encoder_lr=1e-3, head_lr=1e-2, warmup_steps=2, batch_size=4, dropout=0.1)


class Shown:
    """In place of a notebook's display: the texts that were shown."""

    def __init__(self):
        self.texts = []

    def __call__(self, page, raw, display_id):
        return self.update(page, raw)

    def update(self, page, raw):
        self.texts.append(page["text/plain"])
        return self


@pytest.fixture
def shown(monkeypatch):
    """What is shown to someone who watches; all is as before afterwards."""
    for kind, name in (
        (Training, "run"),
        (Training, "_one_step"),
        (Evaluation, "of_model"),
        (Evaluation, "of_encoder"),
    ):
        monkeypatch.setattr(kind, name, getattr(kind, name))
    monkeypatch.setattr(progress, "display", shown := Shown())
    monkeypatch.setattr(progress, "PAUSE", -1)
    monkeypatch.setenv(progress.EDITORS[0], "3_target.ipynb")
    monkeypatch.delenv(MARK, raising=False)
    return shown


@pytest.fixture
def train(tiny_encoder, tiny_rows, task_of):
    pretrained = snapshot(tiny_encoder.trainable())

    def make():
        rows = encode(task_of["pair"], tiny_rows("pair", 24), tiny_encoder.tokenizer, 64)
        training = Training(tiny_encoder, [(task_of["pair"], rows)], RECIPE, 1, pretrained, "fp32").run(2).run(5)
        return snapshot(training.weights) | training.head_weights(), training.log

    return make


def test_nothing_is_shown_in_a_run_of_a_study_or_outside_an_editor(shown, monkeypatch):
    plain = Training.run
    monkeypatch.setenv(MARK, "runs/mini")
    progress.show()
    monkeypatch.delenv(MARK)
    monkeypatch.delenv(progress.EDITORS[0])
    progress.show()
    assert Training.run is plain and not shown.texts


def test_training_that_is_watched_is_the_same_bit_for_bit(shown, train):
    weights, log = train()
    progress.show()
    progress.show()  # the cell is run twice
    watched, its_log = train()
    assert log == its_log and weights.keys() == watched.keys()
    assert all(torch.equal(weights[name], watched[name]) for name in weights)
    assert len(shown.texts) == 7  # one when each of both runs begins, and one a step


def test_the_line_says_step_loss_and_seconds_left(shown, train):
    progress.show()
    _, log = train()
    first, last = shown.texts[3], shown.texts[-1]
    assert "step 2 of 5" in first and "left" not in first
    assert f"step 4 of 5, loss {log[3]['loss']:.3f}, " in shown.texts[-2] and shown.texts[-2].endswith(" s left")
    assert f"step 5 of 5, loss {log[4]['loss']:.3f}, after " in last and last.endswith(" s")


def test_a_single_thing_is_not_counted(shown):
    line = progress.Line("xnli", 1, "scoring")
    line.update(1)
    assert shown.texts[0] == "xnli: scoring" and shown.texts[1].startswith("xnli: scoring, after ")


def test_names_are_no_markup(shown):
    page = progress.Line("a<b", 2, "step")._page(1, "")
    assert "a&lt;b" in page["text/html"] and "a<b" not in page["text/html"]
