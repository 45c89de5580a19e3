import pandas as pd
import pytest

from stilts_utils.analysis import frontier

POINTS = pd.DataFrame(
    {"engine": ["int8", "fp32", "fp32"], "duration": [0, 0, 8], "ms": [1.0, 2.0, 2.0], "score": [0.0, 50.0, 60.0]}
)


def seeds(*lead):
    """Scores in which fp32 after 8 steps leads fp32 of 0 steps by so many points with every seed."""
    rows = [(seed, 0.0, 50.0, 50.0 + ahead) for seed, ahead in enumerate(lead)]
    names = [("int8", 0), ("fp32", 0), ("fp32", 8)]
    return pd.DataFrame(
        {"engine": engine, "duration": duration, "seed": seed, "score": score}
        for seed, *scores in rows
        for (engine, duration), score in zip(names, scores, strict=True)
    )


def test_the_best_within_a_bound_is_advised_if_it_is_ahead_by_more_than_noise():
    rows = frontier.advised(POINTS, seeds(9.0, 10.0, 11.0))
    assert rows[["bound", "engine", "duration", "tied"]].to_numpy().tolist() == [
        [1.0, "int8", 0, 0],
        [2.0, "fp32", 8, 0],
    ]
    assert rows.ahead.tolist() == [0.0, 0.0]


def test_the_shorter_duration_is_advised_where_two_tie():
    row = frontier.advised(POINTS, seeds(1.0, 10.0, 19.0)).iloc[-1]
    assert (row.engine, row.duration, row.best, row.best_duration, row.tied) == ("fp32", 0, "fp32", 8, 1)
    assert row.ahead == pytest.approx(10.0) and row.best_score == 60.0
    assert not row.low > 0


def test_one_seed_tells_no_two_apart():
    rows = frontier.advised(POINTS, seeds(10.0))
    assert rows.engine.tolist() == ["int8"]


def test_a_bound_at_which_the_choice_stays_is_not_listed():
    points = pd.concat([POINTS, POINTS.tail(1).assign(engine="slow", ms=9.0, score=61.0)])
    scores = seeds(1.0, 10.0, 19.0)
    slow = scores[(scores.engine == "fp32") & (scores.duration == 8)].assign(engine="slow")
    rows = frontier.advised(points, pd.concat([scores, slow]))
    assert rows.bound.tolist() == [1.0, 2.0]
