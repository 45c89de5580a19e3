import numpy as np
import pandas as pd
import pytest

from stilts_utils.analysis import throughput
from stilts_utils.analysis.latency import interval


def rates(values, scenario="Offline", metric="samples_per_second", engine="fp32", disturbed=False):
    """Rows of `scenarios`: (rate of duration 0, of 8) of every process."""
    keys = {"seed": 1, "engine": engine, "scenario": scenario, "metric": metric, "disturbed": disturbed}
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
