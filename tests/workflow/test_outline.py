import pytest

from stilts_utils.study import sizes
from stilts_utils.workflow.lengths import Texts
from stilts_utils.workflow.outline import Job, Outline


@pytest.mark.parametrize(
    ("shape", "tokens", "most", "sequences", "length"),
    [
        ("pair", 50, 128, 1, 50),
        ("pair", 200, 128, 1, 128),
        ("span", 128, 128, 1, 128),
        # Windows of 128 go on by 128 less the question (20) and the stride (48): 60 tokens.
        ("span", 129, 128, 2, (129 + 68) / 2),
        ("span", 188, 128, 2, (188 + 68) / 2),
        ("span", 189, 128, 3, (189 + 2 * 68) / 3),
    ],
)
def test_long_contexts_are_read_in_windows_and_other_texts_are_cut(shape, tokens, most, sequences, length):
    job = Job("x", shape, Texts(1, tokens, tokens), most, 48, batch_size=2, steps=1, items=10, languages=1)
    size = sizes.of("random")
    assert job.evaluation(size)[0] == pytest.approx(10 * sequences * length)
    assert job.training(size, 3)[0] == pytest.approx(3 * 2 * length)


def test_a_usual_step_is_the_mean_over_steps():
    pair = Job("x", "pair", Texts(1, 10, 10), 128, 48, batch_size=4, steps=4)
    choice = Job("y", "choice", Texts(4, 9, 9), 128, 48, batch_size=4, steps=4)
    outline = Outline(sizes.of("random"), (pair,), (choice,), seeds=1, split_targets=False, timing_seconds=0.0)
    rows, length = outline.batch
    assert rows == (4 + 16) / 2
    assert length == round(1.15 * (4 * 10 + 16 * 9) / 20)
