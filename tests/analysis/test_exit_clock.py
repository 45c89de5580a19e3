import numpy as np
import pytest

from stilts_utils.analysis import exit_clock, exit_rules
from tests.exit_tables import SLOPE, START, timings_of


def test_measured_by_hand_and_in_spite_of_a_stall():
    depth = {(rule, 0): 6 for rule in exit_rules.RULES} | {(rule, 8): 9 for rule in exit_rules.RULES}
    timings = timings_of(dict(depth), blocks=5)
    stalled = (timings.block == 1) & (timings.duration == 8) & (timings.rule == "calibrated") & (timings.request == 0)
    timings.loc[stalled, "seconds"] *= 10
    timings.loc[timings.block == 2, "seconds"] *= 1.5  # slow, but for all alike
    table = exit_clock.measured(timings).set_index(["batch_size", "rule", "duration"])
    assert len(table) == 2 * 2 * (3 + 4)
    for size in (1, 4):
        times = [[START[one] + size * layers * SLOPE[one] for one in ("en", "sw")] for layers in (6, 9, 12)]
        six, nine, twelve = np.exp(np.log(times).mean(1))
        row = table.loc[size, "calibrated", 8]
        assert [row.ratio, row.ratio_low, row.ratio_high] == pytest.approx([nine / six] * 3)
        assert row.faster == pytest.approx(twelve / nine) and row.depth == pytest.approx(9)
        assert table.loc[size, "equal_depth", 0].faster == pytest.approx(twelve / six)
        assert table.loc[size, "layer-12", 8][["ratio", "faster"]].tolist() == pytest.approx([1, 1])


def test_controls_of_a_quiet_run_pass():
    table = exit_clock.controls(timings_of(noise=0.02, replicates=5))
    assert table.columns.tolist() == exit_clock.CONTROLS and table.batch_size.tolist() == [1, 4]
    assert table.usable.all() and set(table.reason) == {""}
    assert (table.aa_low < 1).all() and (table.aa_high > 1).all()
    times = [[START[one] + layers * SLOPE[one] for one in ("en", "sw")] for layers in (9, 12)]
    nine, twelve = np.exp(np.log(times).mean(1))
    assert table.deeper_low[0] < twelve / nine < table.deeper_high[0]
    assert table.deeper[0] == pytest.approx(twelve / nine, rel=0.02)


@pytest.mark.parametrize(
    ("rule", "factor", "reason"),
    [("equal_threshold", 1.2, "A/A ratio does not cover 1"), ("layer-12", 0.7, "more layers are not found slower")],
)
def test_controls_that_fail_are_named(rule, factor, reason):
    timings = timings_of(noise=0.02, replicates=5)
    wrong = (timings.rule == rule) & (timings.duration == 0) & (timings.batch_size == 4)
    table = exit_clock.controls(timings.assign(seconds=timings.seconds.where(~wrong, timings.seconds * factor)))
    assert table.reason.tolist() == ["", reason] and table.usable.tolist() == [True, False]


def test_a_disturbed_process_makes_all_unusable():
    timings = timings_of(noise=0.02, replicates=5)
    table = exit_clock.controls(timings.assign(disturbed=timings.replicate == 1))
    assert table.reason.tolist() == ["disturbed"] * 2


def test_a_median_of_two_blocks_is_none():
    timings = timings_of(noise=0.02, replicates=5)
    table = exit_clock.controls(timings[(timings.replicate > 0) | (timings.block < 2)])
    assert table.blocks.tolist() == [2, 2] and table.reason.tolist() == ["too few blocks in a process"] * 2


def test_nothing_timed_has_no_controls():
    assert exit_clock.controls(timings_of().iloc[:0]).empty


def test_the_interval_of_the_control_covers_1_as_often_as_it_says():
    rng = np.random.default_rng(0)
    usual = timings_of(noise=0.0, blocks=1, sizes=(1,), languages=("en",), replicates=5)
    slower = np.where((usual.rule == "equal_threshold") & (usual.duration == 0), 1.2, 1.0)
    covered = {"same": 0, "slower": 0}
    for _ in range(200):
        seconds = usual.seconds * np.exp(0.05 * rng.normal(size=len(usual)))
        for name, factor in (("same", 1.0), ("slower", slower)):
            row = exit_clock.controls(usual.assign(seconds=seconds * factor)).iloc[0]
            covered[name] += row.aa_low <= 1 <= row.aa_high
    assert covered["same"] >= 194 and covered["slower"] <= 20
