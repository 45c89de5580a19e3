import dataclasses

import numpy as np
import pytest
import torch

from stilts_utils.data import unlabelled
from stilts_utils.models.batches import encode_texts
from stilts_utils.models.checkpoints import snapshot
from stilts_utils.study.settings import Arm
from stilts_utils.tables import identity
from stilts_utils.training.intermediate import start, trajectory
from stilts_utils.training.lessons import Beside
from stilts_utils.training.methods import begin, mlm
from stilts_utils.training.trajectory import Training
from tests.training.methods.conftest import RECIPE

WORDS = ["the cat sat on the mat", "a dog ran to the door", "die Katze lief zur Tür"]
TEXT = [f"{words} {i % 4}" for i, words in enumerate(WORDS * 8)]


@pytest.fixture
def alone(tiny_encoder):
    """`alone(seed)`: a training of the tiny encoder on texts, without a task."""
    pretrained = snapshot(tiny_encoder.trainable())

    def make(seed=1):
        text = encode_texts(TEXT, tiny_encoder.tokenizer, 64)
        beside = Beside(mlm.NAME, 1.0, lambda encoder, recipe, own: mlm.lesson(encoder, text, recipe, own))
        return Training(tiny_encoder, [], RECIPE, seed, pretrained, "fp32", beside=beside)

    return make


def test_tokens_are_masked_drawn_at_random_and_left_in_their_shares():
    tokens, kept = torch.randint(10, 90, (200, 100)), torch.arange(100, 200)
    free = torch.rand(200, 100) < 0.9
    read, asked = mlm.masked(tokens, free, kept, 5, np.random.default_rng(1))
    assert not (asked & ~free).any() and torch.equal(read[~asked], tokens[~asked])
    assert asked.sum() / free.sum() == pytest.approx(0.15, abs=0.01)
    of = read[asked]
    assert (of == 5).float().mean() == pytest.approx(0.8, abs=0.03)
    assert (of >= 100).float().mean() == pytest.approx(0.1, abs=0.03)
    assert (of == tokens[asked]).float().mean() == pytest.approx(0.1, abs=0.03)


def test_one_token_is_asked_for_at_least():
    for seed in range(20):
        free = torch.tensor([[False, True, False]])
        _, asked = mlm.masked(torch.tensor([[0, 7, 2]]), free, torch.tensor([7]), 5, np.random.default_rng(seed))
        assert asked.tolist() == [[False, True, False]]


def test_it_learns_to_fill_in_with_embeddings_as_they_were(alone, tiny_encoder):
    before = tiny_encoder.model.get_input_embeddings().weight.clone()
    training = alone().run(60)
    losses = [row["loss"] for row in training.log]
    assert sum(losses[-10:]) < 0.9 * sum(losses[:10])
    assert torch.equal(tiny_encoder.model.get_input_embeddings().weight, before)
    lesson = training.lessons[0]
    assert not {"words"} & {name for name, _ in lesson.model.head.named_parameters()}  # tied, and frozen
    assert torch.equal(lesson.model.head.words, before[lesson.kept])
    assert set(lesson.kept.tolist()).isdisjoint(lesson.special.tolist())


def test_it_goes_on_bit_for_bit_and_counts_its_output_layer(alone):
    whole, part = alone().run(6), alone().run(3)
    state = part.state()
    on = alone()
    on.restore(state)
    assert on.run(6).log == whole.log
    lesson, encoder_alone = whole.lessons[0], 0
    first = alone().lessons[0]
    texts = next(first.batches)
    sequences = [lesson.text.sequences[i][0] for i in texts]
    width = max(map(len, sequences))
    encoder_alone = lesson.sizes.training(width * len(sequences), width)
    assert whole.log[0]["tokens"] == sum(map(len, sequences)) and whole.log[0]["examples"] == len(texts)
    assert encoder_alone < whole.log[0]["operations"] < 2 * encoder_alone


@pytest.fixture
def arms(session, monkeypatch):  # noqa: F811 - a fixture
    """A session on a study with arms of both methods, and a fixed text."""
    monkeypatch.setattr(unlabelled, "texts", lambda study: {"en": TEXT[:4], "de": TEXT[4:6]})
    settings = {
        "temprel": Arm(),
        "both": Arm(tasks=("temprel",), method="mlm", mlm=0.25, durations=(0, 4, 8)),
        "text": Arm(method="mlm_alone", durations=(0, 2)),
    }
    session.study = dataclasses.replace(session.study, intermediate=settings)
    return session


def test_it_takes_its_share_of_the_steps_and_leaves_the_task_as_it_was(arms):
    plain, both = begin(arms, "temprel", 1).run(3), begin(arms, "both", 1)
    assert [lesson.task and lesson.task.name for lesson in both.lessons] == ["temprel", None]
    both.run(3)  # the fourth step is the first of the text
    assert both.log == plain.log
    both.run(8)
    assert both.lessons[1].passed == 2


def test_an_arm_without_a_task_is_a_trajectory_without_scores(arms):
    frames = trajectory(arms, "text", 1)
    assert frames["validation"] == [] and [row["steps"] for row in frames["arms"]] == [2]
    assert begin(arms, "text", 1).lessons[0].text.sequences[1] != begin(arms, "text", 1).lessons[0].text.sequences[0]
    weights = start(arms, "text", 2, 1)
    assert any(not torch.equal(weights[name], weight) for name, weight in arms.pretrained.items())


def test_languages_are_read_in_equal_parts(arms):
    assert len(mlm.texts(arms)) == 8  # four of each of two languages


def test_its_text_and_code_are_in_the_identities_of_its_own_arms_alone(arms):
    found = {
        name: identity.of_intermediate(arms.study, name, 2, 1).parts["settings"] for name in arms.study.intermediate
    }
    assert not {"text", "method", "method_code"} & found["temprel"].keys()
    for name in ("both", "text"):
        assert found[name]["text"]["apart_from"].keys() == arms.study.targets.keys() and found[name]["method_code"]
    fewer = dataclasses.replace(arms.study, items=4)
    assert identity.of_intermediate(fewer, "text", 2, 1) != identity.of_intermediate(arms.study, "text", 2, 1)
    assert identity.of_intermediate(fewer, "temprel", 2, 1) == identity.of_intermediate(arms.study, "temprel", 2, 1)
