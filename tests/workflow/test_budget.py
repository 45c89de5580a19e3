import dataclasses

import pytest

from stilts_utils import ROOT
from stilts_utils.study.study import Study
from stilts_utils.workflow import budget
from stilts_utils.workflow.devices import Device
from stilts_utils.workflow.status import State


@pytest.fixture
def study():
    return Study.load(ROOT / "studies/mini.yaml", durations=[0, 3, 12])


def states(study, done=(), seconds=60.0):
    return [State(run, () if run.key in done else ("not run yet",), seconds) for run in study.runs()]


def test_whole_cells_come_first(study):
    order = [run.key for run in budget.by_cell(study)]
    assert order[0] == "1_pretrained/baseline"
    first = [key for key in order if key.endswith("-s1")]
    assert order[1 : 1 + len(first)] == first  # all of a seed before the next one
    assert first[0] == "3_target/none-0-s1" and first[-1].startswith("4_inference/")


def test_runs_are_started_in_an_order_in_which_they_can_be(study):
    done = set()
    for run in budget.by_cell(study):
        assert set(run.after) <= done
        done.add(run.key)


def test_no_run_is_started_that_would_not_end_in_time(study):
    assert budget.affordable(study, states(study), 59, 2) == []
    assert budget.affordable(study, states(study), 61, 2) == ["1_pretrained/baseline"]


def test_what_cannot_start_at_once_ends_within_half_of_the_time(study):
    chosen = budget.affordable(study, states(study), 300, 2)
    assert chosen == [run.key for run in budget.by_cell(study)][:3]  # phase 1, then two side by side until 120
    done = {"1_pretrained/baseline"}
    assert len(budget.affordable(study, states(study, done), 100, 2)) == 2  # both slots, though 60 is more than half


def test_runs_that_wait_for_one_another_take_the_time_of_all(study):
    done = {"1_pretrained/baseline"}
    chosen = budget.affordable(study, states(study, done, seconds=80.0), 100, 16)
    assert chosen and not any(set(run.after) & set(chosen) for run in study.runs() if run.key in chosen)


def test_nothing_begins_before_phase_1_that_does_not_fit(study):
    slow = [
        dataclasses.replace(state, seconds=900.0 if state.run.phase == "1_pretrained" else 10.0)
        for state in states(study)
    ]
    assert budget.affordable(study, slow, 600, 2) == []


def test_the_checkpoints_of_a_taken_run_have_to_be_trained_first(study, monkeypatch):
    monkeypatch.setattr(budget.plan.devices, "measure", lambda *_: Device("some", 1e10, 1e10))
    runs = {run.key: run for run in study.runs()}
    key = "3_target/temprel-3-s1"

    def seconds(measured):
        before = runs[key].after
        given = [dataclasses.replace(s, measured=measured) if s.run.key in before else s for s in states(study, before)]
        return next(state.seconds for state in budget.estimated(study, given) if state.run.key == key)

    assert seconds(False) > seconds(True)


def test_a_run_waits_for_what_it_reads(study):
    done = {run.key for run in study.runs() if run.phase == "1_pretrained"}
    slow = [
        dataclasses.replace(state, seconds=10_000.0 if state.run.phase == "2_intermediate" else 60.0)
        for state in states(study, done)
    ]
    chosen = budget.affordable(study, slow, 600, 1)
    assert chosen and all(key.startswith("3_target/none") for key in chosen)


def test_a_phase_that_ended_here_says_how_long_its_runs_take(study, monkeypatch):
    monkeypatch.setattr(budget.plan, "here", lambda study: pytest.fail("the machine was measured"))
    measured = [
        dataclasses.replace(state, seconds=2 * state.run.work, measured=True, reasons=())
        if state.run.name.endswith("s1") or state.run.phase == "1_pretrained"
        else state
        for state in states(study)
    ]
    found = budget.estimated(study, measured)
    assert all(state.seconds == pytest.approx(2 * state.run.work) for state in found)


def test_a_phase_of_which_nothing_ended_is_planned(study, monkeypatch):
    monkeypatch.setattr(budget.plan.devices, "measure", lambda *_: Device("some", 1e10, 1e10))
    found = {state.run.key: state.seconds for state in budget.estimated(study, states(study, seconds=None))}
    assert all(seconds > 0 for seconds in found.values())
