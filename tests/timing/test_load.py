import dataclasses

import pandas as pd
import pytest

from stilts_utils.study.settings import Scenarios
from stilts_utils.tables import files
from stilts_utils.timing import load


@pytest.fixture
def asked(tiny_study):
    """The tiny study under load, with three pairs of turns."""
    scenarios = Scenarios(("fp32",), turns=3, seconds=0.02, bound_s=1.0, batch_size=4, rows=2)
    return dataclasses.replace(tiny_study, inference=dataclasses.replace(tiny_study.inference, scenarios=scenarios))


def test_the_first_and_the_longest_duration_are_put_under_load(asked, tiny_place):
    rows = load.tested(asked, tiny_place, 1, 1)
    files.check("scenarios", pd.DataFrame(rows))
    assert {row["duration"] for row in rows} == {0, 4} and all(row["validated"] for row in rows)
    assert (tiny_place.folder / "loadgen" / "fp32-4-1" / "SingleStream" / "mlperf_log_summary.txt").is_file()
    assert (tiny_place.folder / "loadgen" / "fp32-4-1" / "Turns" / "mlperf_log_summary.txt").is_file()
    assert {row["scenario"] for row in rows if not row["turn"]} == {"Accuracy", "SingleStream", "Offline", "Server"}


@pytest.mark.parametrize(("process", "order"), [(1, [0, 4, 4, 0, 0, 4]), (2, [4, 0, 0, 4, 4, 0])])
def test_offline_is_run_in_turns_and_every_second_process_begins_with_the_longest(asked, tiny_place, process, order):
    rows = load.tested(asked, tiny_place, 1, process)
    turns = [row for row in rows if row["turn"]]
    assert [(row["turn"], row["duration"]) for row in turns] == list(enumerate(order, 1))
    assert {(row["scenario"], row["metric"]) for row in turns} == {("Offline", "samples_per_second")}
    assert list(dict.fromkeys(row["duration"] for row in rows)) == order[:2]
    assert all(row["samples"] > 0 and row["process"] == process for row in turns)
