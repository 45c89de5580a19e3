import pandas as pd
import pytest

from stilts_utils.tables import costs, files
from stilts_utils.tables.costs import Costs


@pytest.fixture
def clock(monkeypatch):
    """A clock that tests set."""
    now = [0.0]
    monkeypatch.setattr(costs.time, "perf_counter", lambda: now[0])
    return now


def test_parts_of_the_same_name_add_up(clock):
    found = Costs("3_target", "temprel-4-s1")
    for seconds, steps in ((2.0, 3), (0.5, 4)):
        with found.part("train") as part:
            clock[0] += seconds
            part["steps"] += steps
            part["tokens"] += 10 * steps
    with found.part("evaluate"):
        clock[0] += 1.0
    run = {"phase": "3_target", "run": "temprel-4-s1"}
    assert found.rows() == [
        {**run, "part": "train", "seconds": 2.5, "steps": 7, "tokens": 70},
        {**run, "part": "evaluate", "seconds": 1.0, "steps": 0, "tokens": 0},
    ]
    files.check("costs", pd.DataFrame(found.rows()))


def test_a_part_that_fails_is_counted(clock):
    found = Costs("3_target", "x")
    with pytest.raises(ZeroDivisionError), found.part("train"):
        clock[0] += 3.0
        raise ZeroDivisionError
    assert found.rows()[0]["seconds"] == 3.0


def test_no_parts_are_no_rows():
    assert Costs("3_target", "x").rows() == []
