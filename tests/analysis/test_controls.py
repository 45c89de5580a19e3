import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from stilts_utils.analysis.controls import control_verdicts, latency_verdicts
from stilts_utils.analysis.latency import CONTROLS
from tests.simulated_timings import SLOWDOWNS, effects_of, quiet, simulate


def stall_every_block(timings, here):
    """A condition stalls in every picked block: another one each time, so that the usual times stay."""
    names = list(timings.condition.unique())
    turn = timings.condition == timings.block.map(lambda block: names[block % len(names)])
    return timings.assign(forward_s=timings.forward_s.where(~(here & turn), 10 * timings.forward_s))


def test_a_process_with_no_block_left_makes_its_setting_unusable():
    timings = simulate(np.random.default_rng(0))
    stalled = stall_every_block(timings, timings.replicate == 1)
    _, controls = latency_verdicts(stalled, quiet(stalled), 0.02, 0.02)
    assert "too few blocks left in a process" in controls.reason[0] and not controls.usable[0]


def test_a_setting_with_no_block_left_stays_in_the_family():
    timings = simulate(np.random.default_rng(0), engines=("fp32", "bf16"))
    stalled = stall_every_block(timings, timings.engine == "bf16")
    whole, _ = latency_verdicts(timings, quiet(timings), 0.02, 0.02)
    ratios, controls = latency_verdicts(stalled, quiet(stalled), 0.02, 0.02)
    assert controls.set_index("engine").usable.to_dict() == {"bf16": False, "fp32": True}
    keys = ["engine", "condition", "duration"]
    assert ratios[keys].to_numpy().tolist() == whole[keys].to_numpy().tolist()
    lost, left = ratios[ratios.engine == "bf16"], ratios[ratios.engine == "fp32"].reset_index(drop=True)
    assert set(lost.verdict[~lost.condition.isin(CONTROLS)]) == {"not measured"} and set(lost.processes) == {0}
    alone, _ = latency_verdicts(timings[timings.engine == "fp32"], quiet(timings[timings.engine == "fp32"]), 0.02, 0.02)
    family = ~left.condition.isin(CONTROLS)
    assert (left.p_holm[family] >= alone.p_holm[family]).all() and (left.detectable > alone.detectable).all()
    assert left.p_equivalence.equals(alone.p_equivalence)


@pytest.fixture(scope="module")
def nulls():
    """300 independent settings in which the duration changes nothing."""
    rng = np.random.default_rng(5)
    timings = simulate(rng, blocks=8, batch_sizes=range(1, 301), languages=("en",))
    return latency_verdicts(timings, quiet(timings), 0.02, 0.02)


def test_a_null_is_rarely_called_different(nulls):
    durations = nulls[0].query("condition == '16'")
    excluded = (durations.low > 1) | (durations.high < 1)
    # 5 % of 300 is 15; the bounds are the .001 and .999 quantiles. Blocks as the unit would give over 100.
    assert stats.binom.ppf(0.001, 300, 0.05) <= excluded.sum() <= stats.binom.ppf(0.999, 300, 0.05)
    assert (durations.verdict == "changed").sum() <= stats.binom.ppf(0.999, 300, 0.05)


def test_controls_of_sound_timings_hold(nulls):
    controls = nulls[1]
    outside = (controls.aa_low > 1) | (controls.aa_high < 1)
    assert outside.sum() <= stats.binom.ppf(0.999, 300, 0.01)
    assert controls.reason.str.contains("A/A ratio").sum() == outside.sum()
    wrong = controls.reason.str.contains("reads too").sum()
    assert wrong <= stats.binom.ppf(0.999, 300, 0.01)
    assert controls.usable.mean() > 0.95
    assert controls.planted_ratio.mean() == pytest.approx(1.02, abs=0.001)
    assert (nulls[0].query("condition == '16'").verdict == "not measured").sum() == (~controls.usable).sum()


def test_verdicts_of_a_whole_study():
    timings = simulate(np.random.default_rng(7), {**SLOWDOWNS, "64": 0.05}, engines=("fp32", "bf16"), process_sd=0.001)
    ratios, controls = latency_verdicts(timings, quiet(timings), 0.02, 0.02)
    verdicts = ratios.set_index(["engine", "condition"]).verdict
    assert controls.usable.all() and (controls.reason == "").all()
    for engine in ("fp32", "bf16"):
        assert verdicts[engine, "16"] == "equivalent" and verdicts[engine, "64"] == "changed"
        assert verdicts[engine, "planted"] == verdicts[engine, "a/a"] == "control"
    assert ratios.query("condition == '64'").ratio.to_numpy() == pytest.approx([1.05] * 2, abs=0.005)


def test_disturbed_processes_leave_no_verdict():
    timings = simulate(np.random.default_rng(7), engines=("fp32", "bf16"), process_sd=0.001)
    noise = quiet(timings)
    noise.loc[(noise.engine == "bf16") & (noise.replicate == 2), "disturbed"] = True
    ratios, controls = latency_verdicts(timings, noise, 0.02, 0.02)
    assert controls.set_index("engine").disturbed.to_dict() == {"bf16": True, "fp32": False}
    assert controls.set_index("engine").reason.to_dict() == {"bf16": "disturbed", "fp32": ""}
    verdicts = ratios.query("condition == '16'").set_index("engine").verdict
    assert verdicts.to_dict() == {"bf16": "not measured", "fp32": "equivalent"}


SAME_OK, PLANTED_OK = [0.001, -0.001, 0.0005, -0.0004], [0.019, 0.021, 0.02, 0.0195]


@pytest.mark.parametrize(
    "same, planted, reason",
    [
        (SAME_OK, PLANTED_OK, ""),
        ([0.03, 0.031, 0.029, 0.03], PLANTED_OK, "A/A ratio does not cover 1"),
        ([0.03, -0.03, 0.02, -0.02], PLANTED_OK, "A/A is not equivalent within ±2 %"),  # covers 1 and says nothing
        (SAME_OK, [0.04, -0.03, 0.02, 0.01], "planted slow-down not found"),
        (SAME_OK, [0.001, 0.04, 0.002, 0.038], "planted slow-down not found"),  # above 1 by one side only
        (SAME_OK, [0.004, 0.0041, 0.0039, 0.004], "planted slow-down reads too small"),
        (SAME_OK, [0.04, 0.0401, 0.0399, 0.04], "planted slow-down reads too large"),
        (SAME_OK, [], "planted slow-down timed in fewer than 2 processes"),
        ([0.0], PLANTED_OK, "A/A timed in fewer than 2 processes"),
        ([0.0] * 4, [np.log(1.02)] * 4, ""),  # no spread at all
    ],
)
def test_controls_say_what_failed(same, planted, reason):
    effects = pd.concat([effects_of(same, "a/a"), effects_of(planted, "planted")])
    noise = effects_of(range(4)).assign(disturbed=False)
    row = control_verdicts(effects, noise, 0.02, 0.02).iloc[0]
    assert (row.reason, row.usable) == (reason, reason == "")


def test_control_intervals():
    effects = pd.concat([effects_of(SAME_OK, "a/a"), effects_of(PLANTED_OK, "planted")])
    row = control_verdicts(effects, effects.assign(disturbed=False), 0.02, 0.02).iloc[0]
    same = stats.ttest_1samp(SAME_OK, 0).confidence_interval(0.99)
    slowed = stats.ttest_1samp(PLANTED_OK, 0).confidence_interval(0.95)
    assert [row.aa_low, row.aa_high] == pytest.approx(np.exp(list(same)))
    assert [row.planted_low, row.planted_high] == pytest.approx(np.exp(list(slowed)))
    assert row.planted_ratio == pytest.approx(np.exp(np.mean(PLANTED_OK)))


def test_unrecorded_noise_and_settings_without_blocks_are_unusable():
    effects = pd.concat([effects_of(SAME_OK, "a/a"), effects_of(PLANTED_OK, "planted")])
    missing = effects.query("replicate < 3").assign(disturbed=False)
    assert control_verdicts(effects, missing, 0.02, 0.02).reason.tolist() == ["noise not recorded"]
    other = effects_of(range(4), engine="int8").assign(disturbed=False)
    controls = control_verdicts(effects, pd.concat([other, effects.assign(disturbed=False)]), 0.02, 0.02)
    assert controls.set_index("engine").usable.to_dict() == {"fp32": True, "int8": False}


@settings(max_examples=6, deadline=None, derandomize=True)
@given(st.floats(1e-3, 1e3), st.integers(0, 2**32 - 1))
def test_scale_and_row_order_do_not_matter(factor, seed):
    timings = simulate(np.random.default_rng(8), processes=3, blocks=5)
    changed = timings.sample(frac=1, random_state=seed)
    changed[["tokenise_s", "forward_s", "decode_s"]] *= factor
    for left, right in zip(*(latency_verdicts(t, quiet(t), 0.02, 0.02) for t in (timings, changed)), strict=True):
        pd.testing.assert_frame_equal(left, right, rtol=1e-6, atol=1e-9)
