import numpy as np
import pandas as pd
import pytest

from stilts_utils.analysis import exit_outcomes, exit_rules
from stilts_utils.analysis.exit_effects import Recorded
from tests.exit_tables import SLOPE, START, drawn_exits, rows_of, timings_of

SURE = np.array([0.72, 0.85, 0.92, 0.97])


def study(later=None, seeds=(1, 2), rows=20):
    """Rows that are as sure at their exits as `SURE`, after 8 steps as `later`; right from the second exit on."""
    frames = []
    for seed in seeds:
        for duration, sure in ((0, SURE), (8, SURE if later is None else later)):
            own = np.tile(sure, (rows, 1)), np.tile([0, 1, 1, 1], (rows, 1))
            for split, language in (("calibration", "en"), ("evaluation", "en"), ("evaluation", "sw")):
                frames.append(rows_of(*own, split, language, duration, seed))
    return Recorded.read(pd.concat(frames), "nli")


def at(table, rule, duration=8):
    return table[(table.rule == rule) & (table.duration == duration)].iloc[0]


def test_equal_answers_leave_every_ratio_at_1():
    table = exit_outcomes.outcomes(study(), timings_of(), 1.0, draws=20)
    assert list(table.rule.unique()) == list(exit_outcomes.RULES)
    ratios = table[[name for name in table if name.startswith(("ratio", "depth_ratio"))]]
    assert ratios.to_numpy() == pytest.approx(1)
    changed = table[[name for name in table if name.startswith(("gained", "more"))]]
    assert changed.to_numpy() == pytest.approx(0)


def test_fixed_thresholds_by_hand():
    later = np.array([0.92, 0.92, 0.92, 0.97])  # surer at the first exit, where all are wrong
    table = exit_outcomes.outcomes(study(later), timings_of(), 1.0, draws=20)
    start, row = at(table, "0.9", 0), at(table, "0.9")
    assert (start.depth, row.depth) == pytest.approx((9, 3)) and (start.least, start.most) == (0.9, 0.9)
    assert [row.depth_ratio, row.depth_ratio_low, row.depth_ratio_high] == pytest.approx([1 / 3] * 3)
    lines = [(START[one] + 3 * SLOPE[one]) / (START[one] + 9 * SLOPE[one]) for one in ("en", "sw")]
    assert [row.ratio, row.ratio_low] == pytest.approx([np.exp(np.mean(np.log(lines)))] * 2)
    assert [row.gained_en, row.lost_en, row.more_en, row.gained_others] == pytest.approx([-100, 100, 100, -100])
    assert [at(table, "0.7").depth, at(table, "0.95").depth] == pytest.approx([3, 12])


def test_a_threshold_that_is_kept_is_that_of_duration_0():
    later = np.array([0.92, 0.92, 0.92, 0.97])
    table = exit_outcomes.outcomes(study(later, rows=400), None, 1.0, draws=5)
    for own, kept in (("calibrated", exit_outcomes.KEPT), (exit_outcomes.CONTROLLED, exit_outcomes.CONTROLLED_KEPT)):
        start, row, anew = at(table, kept, 0), at(table, kept), at(table, own)
        assert start.least == row.least == at(table, own, 0).least == 0.73  # the first exit is wrong below it
        assert (row.more_en, anew.least, anew.more_en) == pytest.approx((100, 0.93, 0))
    assert "ratio" not in table


def test_too_few_calibration_rows_exit_nothing_early_under_risk_control():
    row = at(exit_outcomes.outcomes(study(rows=60), None, 1.0, draws=2), exit_outcomes.CONTROLLED)
    assert row.least == row.most == exit_rules.NEVER and row.depth == pytest.approx(12)


def test_the_interval_is_paired_by_seed():
    made = drawn_exits(seeds=(1, 2, 3, 4), rows=60)
    table = exit_outcomes.outcomes(Recorded.read(made, "nli"), None, 1.0, draws=200)
    row = at(table, "0.8")
    assert row.depth_ratio_low < row.depth_ratio < row.depth_ratio_high
    by_seed = []
    for seed in (1, 2, 3, 4):
        single = exit_outcomes.outcomes(Recorded.read(made[made.seed == seed], "nli"), None, 1.0, draws=1)
        assert at(single, "0.8").depth_ratio_high == np.inf
        by_seed.append(np.log(at(single, "0.8").depth_ratio))
    assert np.log(row.depth_ratio) == pytest.approx(np.mean(by_seed))


def test_languages_that_were_not_timed_leave_no_clock():
    with pytest.raises(ValueError, match="in the same languages in every process"):
        exit_outcomes.outcomes(study(), timings_of(languages=("de",)), 1.0, draws=1)
