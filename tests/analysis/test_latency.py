import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.power import TTestPower

from stilts_utils.analysis.latency import (
    CONTROLS,
    block_ratios,
    detectable_effect,
    process_effects,
    ratio_table,
    stalled_blocks,
)
from tests.simulated_timings import SLOWDOWNS, effects_of, simulate


def timed(rows):
    """Timings from (block, condition, language, tokenise, forward, decode)."""
    frame = pd.DataFrame(rows, columns=["block", "condition", "language", "tokenise_s", "forward_s", "decode_s"])
    duration = frame.condition.map(lambda name: 0 if name in CONTROLS else int(name))
    return frame.assign(replicate=0, engine="fp32", batch_size=1, duration=duration)


def test_block_ratio_by_hand():
    timings = timed(
        [
            (0, "0", "en", 1.0, 2.0, 1.0),
            (0, "0", "sw", 1.0, 7.0, 1.0),
            (0, "4", "en", 1.0, 2.4, 1.0),
            (0, "4", "sw", 1.0, 7.0, 1.2),
        ]
    )
    ratios = block_ratios(timings)
    assert ratios.columns.tolist() == [
        *("replicate", "engine", "batch_size", "block", "condition", "duration", "language", "log_ratio")
    ]
    assert ratios.condition.tolist() == ["4", "4"] and ratios.duration.tolist() == [4, 4]
    assert ratios.set_index("language").log_ratio.to_dict() == pytest.approx(
        {"en": np.log(4.4 / 4), "sw": np.log(9.2 / 9)}
    )


def effect_of_languages(by_language):
    """`process_effects` of one condition in one process, from language -> log ratios of blocks."""
    frame = pd.concat(
        pd.DataFrame({"log_ratio": values, "block": range(len(values)), "language": language})
        for language, values in by_language.items()
    )
    return process_effects(frame.assign(replicate=0, engine="fp32", batch_size=1, condition="4", duration=4))


def test_process_effect_is_a_mean_over_languages_of_trimmed_means():
    held = [0.01] * 6 + [5.0, -4.0, 3.0, -2.0]  # a quarter of ten ratios is two at each side
    effects = effect_of_languages({"en": held, "sw": [0.03] * 10})
    assert effects.effect[0] == pytest.approx(0.02) and effects.blocks[0] == 10
    assert effects.columns.tolist() == [
        *("replicate", "engine", "batch_size", "condition", "duration", "effect", "blocks")
    ]


def test_a_slow_down_of_one_language_of_four_is_in_the_effect():
    slow = {"en": [0.0] * 8, "de": [0.0] * 8, "sw": [0.0] * 8, "ar": [0.2] * 8}
    assert effect_of_languages(slow).effect[0] == pytest.approx(0.05)


def test_stalled_blocks_are_dropped_and_counted():
    timings = simulate(np.random.default_rng(0))
    clean = timings[~((timings.replicate == 1) & timings.block.isin([2, 5]))]
    stalled = timings.copy()
    # One block stalls as a whole, the other under one condition in one language only.
    here = (stalled.replicate == 1) & ((stalled.block == 2) & (stalled.condition == "16"))
    here |= (stalled.replicate == 1) & (stalled.block == 5) & (stalled.condition == "0") & (stalled.language == "en")
    stalled.loc[here, "forward_s"] *= 10
    pd.testing.assert_frame_equal(block_ratios(stalled), block_ratios(clean))
    counts = stalled_blocks(stalled)
    assert counts.stalled.tolist() == [0, 2, 0, 0] and counts.blocks.tolist() == [10] * 4
    assert counts.share[1] == 0.2
    assert stalled_blocks(timings).stalled.sum() == 0


def test_the_stall_threshold():
    rows = [(block, condition, "en", 0.0, 1.0, 0.0) for block in range(5) for condition in ("0", "4")]
    timings = timed(rows)
    for factor, count in ((1.27, 0), (1.29, 1), (0.5, 0)):
        timings.loc[3, "forward_s"] = factor
        assert stalled_blocks(timings).stalled[0] == count


def test_a_slower_condition_is_not_a_stall():
    timings = simulate(np.random.default_rng(1), {**SLOWDOWNS, "64": 0.6})
    assert stalled_blocks(timings).stalled.sum() == 0


@pytest.mark.parametrize("broken", ["condition", "language", "repeat", "zero"])
def test_incomplete_timings_are_refused(broken):
    timings = simulate(np.random.default_rng(2))
    if broken == "condition":
        timings = timings[~((timings.block == 3) & (timings.condition == "0"))]
    if broken == "language":
        timings = timings.drop(index=5)
    if broken == "repeat":
        timings = pd.concat([timings, timings])
    if broken == "zero":
        timings.loc[5, ["tokenise_s", "forward_s", "decode_s"]] = 0
    with pytest.raises(ValueError, match="timings: .* allowed"):
        block_ratios(timings)


def test_ratio_table_agrees_with_scipy_and_a_tost_by_hand():
    values, margin = np.array([0.004, -0.002, 0.009, 0.001, 0.003]), 0.02
    row = ratio_table(effects_of(values), margin).iloc[0]
    test = stats.ttest_1samp(values, 0)
    assert row.processes == 5
    assert row.ratio == pytest.approx(np.exp(values.mean()))
    assert [row.low, row.high] == pytest.approx(np.exp(list(test.confidence_interval(0.95))))
    assert [row.low90, row.high90] == pytest.approx(np.exp(list(test.confidence_interval(0.90))))
    error = values.std(ddof=1) / np.sqrt(5)
    above = stats.t.sf((values.mean() - np.log(0.98)) / error, 4)
    below = stats.t.cdf((values.mean() - np.log(1.02)) / error, 4)
    assert row.p_equivalence == pytest.approx(max(above, below))
    assert row.p_holm == pytest.approx(row.p_equivalence)  # a family of one
    assert row.detectable == pytest.approx(detectable_effect(values.std(ddof=1), 5))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.lists(st.floats(-0.05, 0.05), min_size=3, max_size=6, unique=True), st.floats(0.005, 0.05))
def test_equivalence_is_the_90_percent_interval_inside_the_margin(values, margin):
    if np.std(values) < 1e-6:
        return
    row = ratio_table(effects_of(values), margin).iloc[0]
    gap = min(row.low90 - (1 - margin), 1 + margin - row.high90)
    if abs(gap) > 1e-9:
        assert (row.p_equivalence < 0.05) == (gap > 0)


def test_holm_over_durations_of_all_settings_but_not_controls():
    rng = np.random.default_rng(3)
    tested = [("fp32", 1, "4"), ("fp32", 1, "16"), ("bf16", 8, "4")]
    parts = [effects_of(rng.normal(0, 0.006, 4), c, e, b) for e, b, c in tested]
    table = ratio_table(pd.concat(parts), 0.02)
    order = np.argsort(table.p_equivalence.to_numpy())
    stepped = np.maximum.accumulate(table.p_equivalence.to_numpy()[order] * [3, 2, 1])
    assert table.p_holm.to_numpy()[order] == pytest.approx(np.minimum(stepped, 1))
    assert (table.p_holm > table.p_equivalence).any()

    # The verdict follows the adjusted p.
    close = pd.concat([effects_of(np.array([-1, 1, -1, 1]) * s, c) for s, c in ((0.0145, "4"), (0.014, "16"))])
    single, both = ratio_table(close.query("condition == '4'"), 0.02), ratio_table(close, 0.02)
    assert single.verdict.tolist() == ["equivalent"] and both.verdict.tolist() == ["undecided"] * 2

    controls = [effects_of(rng.normal(0, 0.006, 4), c) for c in CONTROLS]
    mixed = ratio_table(pd.concat(parts + controls), 0.02)
    control = mixed.condition.isin(CONTROLS)
    assert mixed[control].p_holm.isna().all() and (mixed[control].verdict == "control").all()
    pd.testing.assert_frame_equal(mixed[~control].reset_index(drop=True), table)
    only = ratio_table(pd.concat(controls), 0.02)
    assert only.p_holm.isna().all()


@pytest.mark.parametrize(
    "values, verdict",
    [
        ([0.001, -0.001, 0.0005, -0.0005], "equivalent"),
        ([0.005, 0.0051, 0.0049, 0.005], "equivalent"),  # excludes 1, and is too small to matter
        ([0.05, 0.051, 0.049, 0.05], "changed"),
        ([-0.05, -0.051, -0.049, -0.05], "changed"),
        ([0.02, 0.024, 0.015, 0.018], "changed"),  # partly inside the margin
        ([0.03, -0.03, 0.01, 0.0], "undecided"),
    ],
)
def test_verdicts(values, verdict):
    assert ratio_table(effects_of(values), 0.02).verdict.tolist() == [verdict]


@pytest.mark.parametrize("value, p, verdict", [(0.0, 0, "equivalent"), (0.01, 0, "equivalent"), (0.03, 1, "changed")])
def test_zero_variance_is_a_point(value, p, verdict):
    row = ratio_table(effects_of([value] * 3), 0.02).iloc[0]
    assert [row.ratio, row.low, row.high, row.low90, row.high90] == pytest.approx([np.exp(value)] * 5)
    assert (row.p_equivalence, row.p_holm, row.detectable, row.verdict) == (p, p, 0, verdict)


def test_one_process_decides_nothing():
    row = ratio_table(effects_of([0.05]), 0.02).iloc[0]
    assert (row.low, row.high, row.p_equivalence, row.detectable) == (0, np.inf, 1, np.inf)
    assert row.verdict == "undecided"


def test_margin_is_checked():
    with pytest.raises(ValueError, match="margin is 2, allowed"):
        ratio_table(effects_of([0.0, 0.1]), 2)


@pytest.mark.parametrize("n", [2, 3, 4, 8])
def test_detectable_effect_has_the_stated_power(n):
    sd = 0.002
    effect = np.log1p(detectable_effect(sd, n))
    assert TTestPower().power(effect / sd, n, 0.05) == pytest.approx(0.8, abs=1e-4)
    samples = np.random.default_rng(4).normal(effect, sd, (20000, n))
    assert np.mean(stats.ttest_1samp(samples, 0, axis=1).pvalue < 0.05) == pytest.approx(0.8, abs=0.015)


def test_detectable_effect_grows_with_spread_and_shrinks_with_processes():
    assert detectable_effect(0.002, 4) < detectable_effect(0.004, 4)
    assert detectable_effect(0.002, 8) < detectable_effect(0.002, 4)
    assert detectable_effect(0.002, 4, power=0.5) < detectable_effect(0.002, 4)
    assert detectable_effect(0.0, 4) == 0 and detectable_effect(0.1, 1) == np.inf


def test_a_planted_slowdown_is_found_with_the_stated_power():
    sd = 0.02 / detectable_effect(1e-6, 4) * 1e-6  # at which 2 % is just detectable by a test alone
    rng = np.random.default_rng(6)
    timings = simulate(rng, {"0": 0.0, "16": 0.02}, blocks=4, batch_sizes=range(1, 401), languages=("en",),
                       process_sd=sd, block_sd=1e-5)  # fmt: skip
    table = ratio_table(process_effects(block_ratios(timings)), 0.02)
    assert np.mean(table.low > 1) == pytest.approx(0.8, abs=3 * np.sqrt(0.8 * 0.2 / 400))
    # All are one family: Holm's strictest step.
    spread = np.log1p(table.detectable) / np.log1p(detectable_effect(1e-6, 4, 0.05 / 400)) * 1e-6
    assert np.median(spread) == pytest.approx(sd, rel=0.2)
