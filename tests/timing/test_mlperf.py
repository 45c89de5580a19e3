import dataclasses
import json
import shutil
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from stilts_utils.engines import Answer
from stilts_utils.tables import files
from stilts_utils.timing import mlperf
from stilts_utils.timing.mlperf import ACCURACY, DETAIL, LOWEST, STEPS, Load, digest, largest_rate, run

pytestmark = pytest.mark.timeout(120)  # LoadGen waits for ever for a response that does not come

ROWS = [{"id": f"row-{i:02}", "text": "a" * (1 + 7 * i % 16)} for i in range(16)]
LOAD = Load(seconds=0.1, bound_s=0.1, batch=4, seed=3)
METRICS = {
    ("SingleStream", "p90_s"),
    ("Offline", "samples_per_second"),
    ("Server", "queries_per_second"),
    ("Server", "p99_s"),
    ("Accuracy", "agreement"),
}


class Fake:
    """Decides the length of the text after 1 ms a row; `drift` rows later it decides otherwise."""

    name = "fake"

    def __init__(self, drift: float = float("inf")):
        self.drift, self.asked = drift, []

    def answer(self, rows):
        time.sleep(0.001 * len(rows))
        shift = sum(map(len, self.asked)) >= self.drift
        self.asked.append([row["id"] for row in rows])
        return Answer([len(row["text"]) + shift for row in rows], 0.0, 0.0, 0.0, len(rows))


def values(rows: list[dict]) -> dict:
    return {(row["scenario"], row["metric"]): row["value"] for row in rows}


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> tuple[list[dict], Path, Fake]:
    folder, engine = tmp_path_factory.mktemp("scenarios"), Fake()
    return run(engine, ROWS, folder, LOAD), folder, engine


def test_all_scenarios_give_rows_that_fit_the_table(ran):
    rows, _, _ = ran
    assert set(values(rows)) == METRICS and len(rows) == len(METRICS)
    files.check(
        "scenarios",
        pd.DataFrame(rows).assign(process=1, seed=1, target="t", engine="fake", duration=0, turn=0, disturbed=False),
    )
    assert all(row["validated"] and not row["official"] and row["seconds"] == 0.1 for row in rows)
    assert {row["scenario"] for row in rows if row["bound_s"]} == {"Server"}
    assert values(rows)["Accuracy", "agreement"] == 1
    assert values(rows)["SingleStream", "p90_s"] > 0.001  # it sleeps that long
    assert 0 < values(rows)["Offline", "samples_per_second"] < 1000


def test_offline_can_be_run_once_more(ran):
    rows, folder, _ = ran
    (again,) = mlperf.offline(Fake(), ROWS, folder, LOAD, rows)
    first = next(row for row in rows if row["scenario"] == "Offline")
    assert set(again) == set(first) and again["samples"] % len(ROWS) == 0 and again["validated"]
    assert (folder / "Turns" / DETAIL).is_file() and 0 < again["value"] < 1000
    shutil.rmtree(folder / "Turns")


def test_results_are_those_of_loadgens_own_logs(ran):
    rows, folder, _ = ran
    assert sorted(path.name for path in folder.iterdir()) == ["Accuracy", "Offline", "Server", "SingleStream"]
    places = [folder / name for name in ("Accuracy", "SingleStream", "Offline")] + list((folder / "Server").iterdir())
    for place in places:
        assert {DETAIL, ACCURACY, "mlperf_log_summary.txt"} <= {path.name for path in place.iterdir()}
    logged = mlperf.read_log(folder / "SingleStream" / DETAIL)
    assert values(rows)["SingleStream", "p90_s"] == logged["result_90.00_percentile_latency_ns"] / 1e9
    assert logged["effective_min_duration_ms"] == 100 and logged["effective_schedule_rng_seed"] == 3
    entries = json.loads((folder / "Accuracy" / ACCURACY).read_text())
    assert {entry["qsl_idx"]: entry["data"] for entry in entries} == {
        index: digest(len(row["text"])).hex().upper() for index, row in enumerate(ROWS)
    }


def test_the_server_rate_is_the_largest_tried_within_its_bound(ran):
    rows, folder, _ = ran
    tried = [mlperf.read_log(place / DETAIL) for place in (folder / "Server").iterdir()]
    rate = values(rows)["Server", "queries_per_second"]
    assert 1 <= len(tried) <= 1 + STEPS and rate <= values(rows)["Offline", "samples_per_second"]
    within = [log for log in tried if log["result_99.00_percentile_latency_ns"] <= 1e9 * LOAD.bound_s]
    assert rate == pytest.approx(max((log["effective_target_qps"] for log in within), default=0), rel=1e-4)
    assert (values(rows)["Server", "p99_s"] <= LOAD.bound_s) == (rate > 0)


def test_a_bound_that_no_rate_meets_gives_rate_0(tmp_path, monkeypatch):
    monkeypatch.setattr(mlperf, "STEPS", 1)
    found = run(Fake(), ROWS, tmp_path, Load(0.1, 0.0005, 4, 0))  # half of what one row takes
    assert values(found)["Server", "queries_per_second"] == 0 and values(found)["Server", "p99_s"] > 0.0005


def test_batches_are_bounded_sorted_by_length_and_nothing_is_cached(ran):
    rows, folder, engine = ran
    assert max(map(len, engine.asked)) == LOAD.batch
    lengths = [len(ROWS[int(name.removeprefix("row-"))]["text"]) for batch in engine.asked[:4] for name in batch]
    assert lengths == sorted(lengths) and len(lengths) == len(ROWS)  # the accuracy run
    logs = [mlperf.read_log(path) for path in folder.rglob(DETAIL) if path.parent.name != "Accuracy"]
    timed = [log["result_query_count"] * log["generated_samples_per_query"] for log in logs]
    assert sum(map(len, engine.asked)) == len(ROWS) + sum(timed)
    assert {row["samples"] for row in rows if row["scenario"] != "Accuracy"} <= set(timed)
    assert next(row["samples"] for row in rows if row["scenario"] == "Offline") % len(ROWS) == 0


def test_an_engine_that_decides_otherwise_under_load_is_not_validated(tmp_path, monkeypatch):
    monkeypatch.setattr(mlperf, "STEPS", 1)
    found = run(Fake(drift=len(ROWS)), ROWS, tmp_path, LOAD)
    assert not any(row["validated"] for row in found) and values(found)["Accuracy", "agreement"] == 0


def test_one_other_decision_counts_against_its_scenario_only(tmp_path, monkeypatch):
    monkeypatch.setattr(mlperf, "STEPS", 1)
    engine, answer = Fake(), Fake.answer

    def once(rows):
        found = answer(engine, rows)
        if len(engine.asked) == 5:  # the first sample of SingleStream
            found.decisions[0] += 1
        return found

    engine.answer = once
    validated = {row["scenario"]: row["validated"] for row in run(engine, ROWS, tmp_path, LOAD)}
    assert validated == {"SingleStream": False, "Offline": True, "Server": True, "Accuracy": False}


def test_an_engine_that_is_slow_at_first_has_queries_enough(tmp_path):
    """The accuracy run comes first, and LoadGen draws as many queries as its speed lets expect."""

    class Slow(Fake):
        def answer(self, rows):
            if sum(map(len, self.asked)) < len(ROWS):
                time.sleep(0.005 * len(rows))
            return super().answer(rows)

    rows = run(Slow(), ROWS, tmp_path, dataclasses.replace(LOAD, seconds=0.4))
    assert set(values(rows)) == METRICS and all(row["validated"] for row in rows)


@pytest.mark.parametrize("fault", ["raises", "too few decisions"])
def test_an_engine_that_fails_ends_the_run_and_leaves_no_logs_as_whole(fault, tmp_path):
    class Broken(Fake):
        def answer(self, rows):
            if fault == "raises":
                raise KeyError("out of memory")
            return Answer([], 0.0, 0.0, 0.0, 0)

    with pytest.raises(RuntimeError, match=r"failed in Offline \(AccuracyOnly\)"):
        run(Broken(), ROWS, tmp_path, LOAD)
    assert [path.name for path in tmp_path.iterdir()] == [".Accuracy.tmp"]


@pytest.mark.parametrize("share", [LOWEST * 1.1, 0.1, 0.5, 0.99])
def test_the_bisection_comes_within_its_factor(share):
    tried = []
    found = largest_rate(lambda rate: tried.append(rate) or rate <= share * 800, 800)
    assert len(tried) == 1 + STEPS and 1 <= share * 800 / found <= (1 / LOWEST) ** (0.5**STEPS)


def test_the_bisection_ends_at_either_end_of_its_bracket():
    assert largest_rate(lambda rate: True, 800) == 800
    assert largest_rate(lambda rate: False, 800) == 0


@pytest.mark.parametrize(("field", "value"), [("seconds", 0), ("bound_s", float("nan")), ("batch", 0), ("seed", -1)])
def test_a_load_outside_its_range_is_refused(field, value):
    with pytest.raises(ValueError, match=f"{field} of a load is {value}, allowed"):
        Load(**{"seconds": 1, "bound_s": 1, "batch": 1, "seed": 0, field: value})


def test_without_rows_or_loadgen_the_error_says_what_to_do(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="one or more"):
        run(Fake(), [], tmp_path, LOAD)
    monkeypatch.setitem(sys.modules, "mlperf_loadgen", None)
    with pytest.raises(ModuleNotFoundError, match="pip install .*mlcommons-loadgen"):
        run(Fake(), ROWS, tmp_path, LOAD)
