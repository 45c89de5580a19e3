import pytest

from stilts_utils.tables import finished
from stilts_utils.tables.errors import RecordError

SEEDS = (1, 2)


@pytest.fixture
def about():
    """A study of two tasks, of which the second has one seed, and two durations; the first is timed."""
    given = {"1_pretrained/baseline": {}}
    arms = {"nli": [1, 2], "qa": [1]}
    for name, seeds in arms.items():
        given |= {f"2_intermediate/{name}-s{seed}": {"intermediate": name, "seed": seed} for seed in seeds}
    for seed in SEEDS:
        models = [("none", 0), *((name, steps) for name, seeds in arms.items() if seed in seeds for steps in (4, 8))]
        for name, steps in models:
            given[f"3_target/{name}-{steps}-s{seed}"] = {"intermediate": name, "duration": steps, "seed": seed}
        given[f"4_inference/xnli-s{seed}"] = {"seed": seed}
    facts = {
        "name": "some",
        "seeds": [1, 2],
        "intermediate": {name: {"durations": [0, 4, 8], "seeds": seeds} for name, seeds in arms.items()},
        "inference": {"seeds": [1, 2], "processes": {"1": [101, 102], "2": [201, 202]}, "replicates": 4},
    }
    return {"study": facts, "runs": list(given), "parameters": given}


def without(about, *keys):
    return set(about["runs"]) - set(keys)


def test_a_study_that_has_ended_stays_as_it_is(about):
    assert finished.smaller(about, set(about["runs"])) is about


def test_a_seed_that_was_not_timed_is_scored_alone(about):
    small = finished.smaller(about, without(about, "4_inference/xnli-s2"))
    assert small["study"]["seeds"] == [1, 2] and small["study"]["inference"]["seeds"] == [1]
    assert small["study"]["inference"]["processes"] == {"1": [101, 102]}
    assert small["study"]["inference"]["replicates"] == 2
    assert small["waiting"] == ["4_inference/xnli-s2"]


@pytest.mark.parametrize("lost", ["2_intermediate/nli-s2", "3_target/nli-8-s2", "3_target/none-0-s2"])
def test_a_cell_counts_with_all_its_runs_or_not_at_all(about, lost):
    small = finished.smaller(about, without(about, lost))
    assert small["study"]["seeds"] == [1] and small["study"]["intermediate"]["nli"]["seeds"] == [1]
    assert small["study"]["inference"]["seeds"] == [1]
    assert {key.rsplit("-s", 1)[-1] for key in small["runs"]} == {"1", "1_pretrained/baseline"}
    assert lost in small["waiting"] and not set(small["waiting"]) & set(small["runs"])


def test_a_task_without_a_whole_cell_is_left_out(about):
    small = finished.smaller(about, without(about, "3_target/qa-4-s1"))
    assert set(small["study"]["intermediate"]) == {"nli"}
    assert not any("qa" in key for key in small["runs"])
    assert {"2_intermediate/qa-s1", "3_target/qa-8-s1"} <= set(small["waiting"])


@pytest.mark.parametrize("lost", [("1_pretrained/baseline",), ("3_target/nli-8-s1", "3_target/none-0-s2")])
def test_nothing_whole_is_refused(about, lost):
    with pytest.raises(
        RecordError, match=r"some: no seed of nli has ended with all its durations and targets; `make study"
    ):
        finished.smaller(about, without(about, *lost))


def test_a_run_whose_tables_are_not_whole_has_not_ended(tmp_path):
    assert finished.record(tmp_path) == {}
