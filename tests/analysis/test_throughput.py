import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_utils.analysis import throughput
from stilts_utils.analysis.latency import interval


def rates(values, scenario="Offline", metric="samples_per_second", engine="fp32", disturbed=False):
    """Rows of `scenarios`: (rate of duration 0, of 8) of every process."""
    keys = {"seed": 1, "engine": engine, "turn": 0, "scenario": scenario, "metric": metric, "disturbed": disturbed}
    return pd.DataFrame(
        {**keys, "process": process, "duration": duration, "value": float(value)}
        for process, pair in enumerate(values, 1)
        for duration, value in zip((0, 8), pair, strict=True)
    )


def test_ratios_are_paired_by_process():
    pairs = [(100, 102), (50, 50), (200, 198)]  # the machine of a process does not matter
    table = throughput.ratios(rates(pairs))
    assert table.columns.tolist() == throughput.COLUMNS
    logs = np.log([after / before for before, after in pairs])
    row = table.iloc[0]
    assert (row.duration, row.processes, row.rate) == (8, 3, np.mean([102, 50, 198]))
    assert [row.ratio, row.low, row.high] == pytest.approx([np.exp(logs.mean()), *interval(logs, 0.95)])


def test_equal_rates_have_a_ratio_of_1_and_one_process_no_interval():
    row = throughput.ratios(rates([(100, 100)] * 3)).iloc[0]
    assert (row.ratio, row.low, row.high) == (1, 1, 1)
    row = throughput.ratios(rates([(100, 110)])).iloc[0]
    assert row.ratio == pytest.approx(1.1) and (row.low, row.high) == (0, np.inf)


def test_a_server_without_a_rate_within_its_bound_is_left_out():
    server = rates([(10, 10), (0, 12), (10, 0), (20, 22)], "Server", "queries_per_second")
    assert throughput.ratios(server).processes.tolist() == [2]
    assert throughput.ratios(rates([(0, 12)], "Server", "queries_per_second")).empty


def test_other_metrics_are_not_read_and_disturbance_is_kept():
    both = pd.concat([rates([(1, 2)] * 2, "Server", "p99_s"), rates([(1, 1)] * 2, disturbed=True)])
    table = throughput.ratios(both)
    assert table.scenario.tolist() == ["Offline"] and table.disturbed.all()
    assert throughput.ratios(both.iloc[:0]).empty


def in_turns(*processes):
    """Rows of `scenarios` of runs in turns: (duration, rate) of every run of every process, in order."""
    keys = {"seed": 1, "engine": "fp32", "scenario": "Offline", "metric": "samples_per_second", "disturbed": False}
    return pd.DataFrame(
        {**keys, "process": process, "turn": turn, "duration": duration, "value": float(value)}
        for process, runs in enumerate(processes, 1)
        for turn, (duration, value) in enumerate(runs, 1)
    )


def test_turns_are_compared_as_neighbours_and_runs_minutes_apart_are_not_read():
    runs = [(0, 100), (8, 90), (8, 45), (0, 50), (0, 200), (8, 180)]
    row = throughput.ratios(pd.concat([rates([(1, 5)]), in_turns(runs, runs)])).iloc[0]
    assert [row.ratio, row.low, row.high] == pytest.approx([0.9, 0.9, 0.9]) and row.processes == 2
    # 45 after 90 halves, 200 after 50 is four times as much: by turns later over earlier and earlier over later.
    assert row.aa_low == row.aa_high == pytest.approx((0.5 / 4) ** 0.5)


@given(st.floats(-0.2, 0.2), st.floats(-0.1, 0.1), st.integers(3, 9), st.booleans())
def test_a_steady_drift_is_in_neither_ratio(effect, drift, pairs, swapped):
    durations = [steps for number in range(pairs) for steps in ((0, 8) if (number + swapped) % 2 else (8, 0))]
    runs = [(steps, np.exp(effect * (steps > 0) + drift * place)) for place, steps in enumerate(durations)]
    rows = in_turns(runs)
    assert throughput.aa_of(rows) == pytest.approx(0, abs=1e-9)
    if pairs % 2 == 0:  # as many begin with the one as with the other
        assert throughput.ratio_of(rows) == pytest.approx(effect, abs=1e-9)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, ""),
        ({"processes": 1}, "one process"),
        ({"disturbed": True}, "disturbed"),
        ({"aa_low": np.nan, "aa_high": np.nan}, "no A/A control"),
        ({"aa_low": 0.97}, "A/A within ±3.0 %"),
        ({"aa_high": 1.025}, "A/A within ±2.5 %"),
    ],
)
def test_a_rate_without_an_equivalent_control_gives_no_verdict(changes, fault):
    row = pd.Series({"processes": 4, "disturbed": False, "aa_low": 0.99, "aa_high": 1.015} | changes)
    assert throughput.fault(row, 0.02) == fault


def test_a_missing_turn_is_refused():
    rows = in_turns([(0, 100), (8, 90), (8, 45), (0, 50), (0, 200), (8, 180)])
    with pytest.raises(ValueError, match=r"durations of turns are \[0, 8, 0, 0, 8\], allowed: 0 L, L 0"):
        throughput.aa_of(rows[rows.turn != 3])


def test_two_pairs_are_no_control():
    runs = [(0, 100), (8, 90), (8, 45), (0, 50)]
    assert throughput.ratios(in_turns(runs, runs)).aa_low.isna().all()
