import pytest

from stilts_utils import engines
from stilts_utils.engines import base
from stilts_utils.models import batches
from stilts_utils.study.engines import ENGINES


def ticking(monkeypatch, step=1.0):
    """A clock that goes on by `step` whenever it is read."""
    now = iter(range(10**6))
    monkeypatch.setattr(base.time, "perf_counter", lambda: step * next(now))


@pytest.mark.parametrize(
    ("hold", "decode_s"),
    [(0.0, 1), (0.1, 2), (0.5, 3), (1.0, 4)],  # 3 ticks of work, held in whole ticks
)
def test_a_hold_lengthens_a_request_by_its_share(hold, decode_s, monkeypatch, tiny_encoder, tiny_rows, task_of):
    engine = engines.make(ENGINES["fp32"], tiny_encoder, task_of["pair"], 64)
    ticking(monkeypatch)
    answer = engine.answer(tiny_rows("pair", 2), hold)
    assert (answer.tokenise_s, answer.forward_s, answer.decode_s) == (1, 1, decode_s)


def test_a_held_request_takes_at_least_its_share_longer_and_decides_the_same(tiny_encoder, tiny_rows, task_of):
    engine, rows = engines.make(ENGINES["fp32"], tiny_encoder, task_of["pair"], 64), tiny_rows("pair", 4)
    answer = engine.answer(rows, hold=3.0)
    assert answer.decode_s >= 3.0 * (answer.tokenise_s + answer.forward_s)
    assert answer.decisions == engine.answer(rows).decisions


def test_a_long_request_is_computed_in_batches_and_answered_in_its_own_order(
    tiny_encoder, tiny_rows, task_of, monkeypatch
):
    rows = tiny_rows("pair", 20)
    engine = engines.make(ENGINES["fp32"], tiny_encoder, task_of["pair"], 64)
    whole = engine.answer(rows)
    inference_batches = batches.inference_batches
    monkeypatch.setattr(batches, "inference_batches", lambda encoded: inference_batches(encoded, 32))
    parts = engine.answer(rows)
    assert parts.decisions == whole.decisions == [engine.answer([row]).decisions[0] for row in rows]
    assert parts.tokens == whole.tokens <= parts.padded < whole.padded
