import pandas as pd
import pytest

from stilts_utils.training.kept import kept

SCORE = {"intermediate": "none", "duration": 0, "seed": 1, "target": "t", "language": "en", "layer": 1, "metric": "f1"}


@pytest.fixture
def make(session):
    calls = []

    def frames():
        calls.append(1)
        with session.costs.part("train") as part:
            part["steps"] += 5
        return {"scores": pd.DataFrame([{**SCORE, "score": 50.0 + len(calls), "items": 3}])}

    frames.calls = calls
    return frames


def steps(session):
    return {row["part"]: row["steps"] for row in session.costs.rows()}["train"]


def test_a_part_is_made_once_and_its_costs_count_each_time(session, make, capsys):
    first = kept(session, "t", "made", make)
    assert steps(session) == 5
    again = kept(session, "t", "made", make)
    assert len(make.calls) == 1 and steps(session) == 10
    pd.testing.assert_frame_equal(first["scores"], again["scores"], check_dtype=False)
    assert "t: kept from an earlier try of this run" in capsys.readouterr().out


@pytest.mark.parametrize(("made_from", "others_there"), [("otherwise", True), ("made", False)])
def test_what_was_made_from_something_else_or_is_not_whole_is_made_again(session, make, made_from, others_there):
    kept(session, "t", "made", make)
    assert kept(session, "t", made_from, make, others_there)["scores"].score.tolist() == [52.0]
    assert len(make.calls) == 2


def test_a_failure_keeps_nothing(session, make):
    def fail():
        make()
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        kept(session, "t", "made", fail)
    assert not session.place.kept.exists() or not list(session.place.kept.iterdir())
    kept(session, "t", "made", make)
    assert len(make.calls) == 2 and steps(session) == 5


@pytest.mark.parametrize("damage", [lambda file: file.unlink(), lambda file: file.write_bytes(b"half")])
def test_what_is_damaged_is_made_again(session, make, damage):
    kept(session, "t", "made", make)
    damage(session.place.kept / "t" / "scores.parquet")
    assert kept(session, "t", "made", make)["scores"].score.tolist() == [52.0]
