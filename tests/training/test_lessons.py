import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_utils.models.batches import encode
from stilts_utils.study.settings import Recipe
from stilts_utils.training.lessons import Beside, of_task


@given(st.floats(0.01, 1), st.integers(1, 500))
def test_a_lesson_takes_its_share_of_any_first_steps(share, steps):
    beside = Beside("text", share, None)
    assert sum(beside.takes(step) for step in range(1, steps + 1)) == pytest.approx(share * steps, abs=1.001)


@given(st.integers(1, 100))
def test_a_lesson_alone_takes_every_step(step):
    assert Beside("text", 1.0, None).takes(step)


@pytest.mark.parametrize("shape", ["pair", "choice", "tagging", "span"])
def test_a_task_counts_its_examples_tokens_and_three_passes(shape, tiny_encoder, tiny_rows, task_of):
    rows = encode(task_of[shape], tiny_rows(shape, 12), tiny_encoder.tokenizer, 64, training=True)
    lesson = of_task(tiny_encoder, task_of[shape], rows, Recipe(batch_size=4), 1)
    sequences = [sequence for row in (0, 3) for sequence in rows.sequences[row]]
    computed, width = lesson.on([0, 3]), max(map(len, sequences))
    assert (computed.examples, computed.tokens) == (2, sum(map(len, sequences)))
    assert computed.operations == pytest.approx(3 * lesson.sizes.forward(width * len(sequences), width))


def test_a_batch_that_is_skipped_is_passed_over(tiny_encoder, tiny_rows, task_of):
    rows = encode(task_of["pair"], tiny_rows("pair", 12), tiny_encoder.tokenizer, 64)
    one, other = (of_task(tiny_encoder, task_of["pair"], rows, Recipe(batch_size=4), 1) for _ in range(2))
    other.skip()
    one.compute()
    assert one.compute().loss == other.compute().loss
