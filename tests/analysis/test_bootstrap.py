import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from stilts_utils.analysis.bootstrap import (
    DRAWS,
    KEYS,
    TAIL,
    bootstrap_differences,
    bootstrap_scores,
    draws_of,
    layer_gaps,
)

NONE, NLI, QA = ("none", 0), ("nli", 64), ("qa", 64)


def items_of(values, target="qa", language="en", layer=12, metric="accuracy", denominator=1.0, prefix=""):
    """Rows from {(intermediate, duration): array (seeds, items)} of numerators."""
    rows = [
        (*arm, seed, target, language, layer, metric, f"{prefix}{item:04d}", float(value), denominator)
        for arm, table in values.items()
        for seed, line in enumerate(np.atleast_2d(table))
        for item, value in enumerate(line)
    ]
    columns = ["intermediate", "duration", "seed", "target", "language", "layer", "metric", "item"]
    return pd.DataFrame(rows, columns=[*columns, "numerator", "denominator"])


def coins(seed, shape, p=0.7):
    return (np.random.default_rng(seed).random(shape) < p).astype(float)


def test_scores_by_hand():
    items = items_of({NONE: [[1, 0, 1, 1], [0, 0, 1, 0]], NLI: [[1, 1, 1, 1], [1, 1, 0, 1]]})
    scores = bootstrap_scores(items, draws=50).query("language == 'en'")
    assert scores.columns.tolist() == [*KEYS, "score", "low", "high"]
    assert scores.set_index("intermediate").score.to_dict() == {"none": 50.0, "nli": 87.5}
    differences = bootstrap_differences(items, draws=50).query("language == 'en'")
    assert differences.columns.tolist() == [*KEYS, "difference", "low", "high"]
    assert differences.intermediate.tolist() == ["nli"] and differences.difference.tolist() == [37.5]


def test_a_score_is_a_ratio_of_sums():
    items = items_of({NONE: [[2, 0, 4]]}).assign(denominator=[2.0, 6.0, 4.0])
    assert bootstrap_scores(items, draws=50).score[0] == pytest.approx(50)
    empty = bootstrap_scores(items.assign(numerator=0.0, denominator=0.0), draws=50)
    assert empty[["score", "low", "high"]].to_numpy().tolist() == [[0.0] * 3] * 2


def test_the_gap_of_layers_is_the_difference_of_their_changes_where_items_weigh_differently():
    """As in mining, where an item counts twice and a denominator is what was found plus what was to be found."""
    random = np.random.default_rng(8)
    parts = [
        items_of({arm: 2 * coins(8 + layer + arm[1], (2, 30)) for arm in (NONE, NLI)}, layer=layer) for layer in (6, 12)
    ]
    items = pd.concat(parts).reset_index(drop=True)
    items["denominator"] = random.integers(1, 3, len(items)).astype(float)
    changes = bootstrap_differences(items).set_index(["language", "layer"]).difference
    gaps = layer_gaps(items, last=12, middle=6).set_index("language")
    for language in ("en", "mean"):
        assert gaps.difference[language] == pytest.approx(changes[language, 12] - changes[language, 6])
        assert gaps.low[language] < gaps.difference[language] < gaps.high[language]
    assert set(gaps.layer) == {12}


def test_the_tails_of_an_interval_hold_enough_draws():
    assert draws_of(0.95) == DRAWS and draws_of(1 - 0.05 / 24) * 0.05 / 24 / 2 == pytest.approx(TAIL)


def test_one_seed_agrees_with_scipy():
    correct = coins(0, 80)
    ours = bootstrap_scores(items_of({NONE: correct}), draws=20000).iloc[0]
    theirs = stats.bootstrap((100 * correct,), np.mean, n_resamples=20000, method="percentile", rng=1)
    # Scores move in steps of 100 / 80 points.
    assert [ours.low, ours.high] == pytest.approx(list(theirs.confidence_interval), abs=1.3)
    narrow = bootstrap_scores(items_of({NONE: correct}), draws=20000, level=0.5).iloc[0]
    assert narrow.high - narrow.low < 0.5 * (ours.high - ours.low)


def test_one_seed_difference_agrees_with_scipy():
    before, after = coins(1, 80), coins(2, 80, 0.8)
    ours = bootstrap_differences(items_of({NONE: before, NLI: after}), draws=20000).iloc[0]
    theirs = stats.bootstrap((100 * (after - before),), np.mean, n_resamples=20000, method="percentile", rng=1)
    assert [ours.low, ours.high] == pytest.approx(list(theirs.confidence_interval), abs=1.3)


def test_two_levels_agree_with_a_plain_loop():
    rng = np.random.default_rng(3)
    correct = rng.normal(0, 0.3, (3, 1)) + rng.random((3, 30))
    ours = bootstrap_scores(items_of({NONE: correct}), draws=10000).iloc[0]
    plain = [
        100 * correct[rng.integers(0, 3, 3)][:, rng.integers(0, 30, 30)].mean()  # the same items for every seed
        for _ in range(10000)
    ]
    low, high = np.quantile(plain, [0.025, 0.975])
    assert [ours.low, ours.high] == pytest.approx([low, high], abs=0.05 * (high - low))


def test_spread_between_seeds_widens_the_interval():
    correct = np.repeat(coins(4, (1, 40)), 4, axis=0)
    shifted = correct + np.array([[0.0], [0.2], [0.4], [0.6]])
    widths = [np.ptp(bootstrap_scores(items_of({NONE: c})).iloc[0][["low", "high"]]) for c in (correct, shifted)]
    assert widths[1] > 1.2 * widths[0]


def test_differences_are_paired_on_items_and_seeds():
    rng = np.random.default_rng(5)
    base = rng.random((2, 40)) + np.array([[0.0], [5.0]])  # seeds differ by far more than arms
    items = items_of({NONE: base, NLI: base, ("nli", 128): base + 0.1})
    table = bootstrap_differences(items).query("language == 'en'").set_index("duration")
    assert table.loc[64, ["difference", "low", "high"]].tolist() == [0, 0, 0]
    assert table.loc[128, ["difference", "low", "high"]].tolist() == pytest.approx([10, 10, 10])
    scores = bootstrap_scores(items).query("language == 'en'")
    assert (scores.high - scores.low > 100).all()


def test_the_mean_over_languages():
    values = {language: {NONE: coins(i, (2, 60)), NLI: coins(i + 9, (2, 60))} for i, language in enumerate("abcd")}
    apart = pd.concat([items_of(v, language=name, prefix=name) for name, v in values.items()])
    for function, name in ((bootstrap_scores, "score"), (bootstrap_differences, "difference")):
        table = function(apart, draws=4000)
        single = table[table.language != "mean"].groupby(["intermediate", "duration"])
        mean = table[table.language == "mean"].set_index(["intermediate", "duration"])
        assert mean[name].to_dict() == pytest.approx(single[name].mean().to_dict())
        # Independent items: four languages halve the width, up to what the shared seeds add.
        widths = (mean.high - mean.low) / single.apply(lambda g: (g.high - g.low).mean())
        assert ((widths > 0.4) & (widths < 0.75)).all()

    same = pd.concat([items_of(values["a"], language=name) for name in "abcd"])
    table = bootstrap_scores(same).set_index("language")[["low", "high"]]
    # Translations of the same items are drawn jointly: more of them say nothing new.
    assert table.loc["mean"].to_numpy() == pytest.approx(table.loc["a"].to_numpy())
    # The same values as different items are drawn apart.
    other = bootstrap_scores(pd.concat([items_of(values["a"], language=name, prefix=name) for name in "abcd"]))
    width = (other.high - other.low).groupby(other.language).mean()
    assert width["mean"] < 0.8 * width["a"]


def test_layers_metrics_and_targets_stand_alone():
    values = {NONE: coins(6, (2, 30)), NLI: coins(7, (2, 30))}
    one = items_of(values)
    more = pd.concat([one, items_of(values, layer=6), items_of(values, metric="f1"), items_of({NONE: [[1, 0]]}, "pos")])
    table = bootstrap_scores(more)
    alone = table.query("target == 'qa' and layer == 12 and metric == 'accuracy'").reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, bootstrap_scores(one))
    # The same draws for every layer and metric of a target.
    numbers = (
        table[table.target == "qa"].groupby(["layer", "metric"])[["low", "high"]].apply(lambda g: g.to_numpy().tolist())
    )
    assert numbers.iloc[0] == numbers.iloc[1] == numbers.iloc[2]


def test_coverage_over_many_seeds():
    # 12 seeds and 40 items, both random: the interval of the true score 50 should hold it about 95 times of 100.
    rng = np.random.default_rng(8)
    held = 0
    for _ in range(100):
        correct = 0.5 + rng.normal(0, 0.1, (12, 1)) + rng.normal(0, 0.3, (1, 40)) + rng.normal(0, 0.1, (12, 40))
        row = bootstrap_scores(items_of({NONE: correct}), draws=400).iloc[0]
        held += row.low <= 50 <= row.high
    assert 86 <= held <= 99


@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1))
def test_row_order_does_not_matter(order):
    items = pd.concat(
        [items_of({NONE: coins(1, (2, 9)), NLI: coins(2, (2, 9))}, language=name) for name in ("en", "sw")]
    )
    shuffled = items.sample(frac=1, random_state=order)
    for function in (bootstrap_scores, bootstrap_differences):
        pd.testing.assert_frame_equal(function(items, draws=100), function(shuffled, draws=100))


def test_the_seed_decides_the_draws():
    items = items_of({NONE: coins(3, (3, 41)), NLI: coins(4, (3, 41))})
    pd.testing.assert_frame_equal(bootstrap_scores(items, seed=1), bootstrap_scores(items, seed=1))
    assert not bootstrap_scores(items, seed=1).equals(bootstrap_scores(items, seed=2))


def test_arms_with_fewer_seeds_are_compared_on_their_own():
    items = items_of({NONE: coins(3, (3, 41)), NLI: coins(4, (3, 41)), QA: coins(5, (3, 41))})
    fewer = items[(items.intermediate != QA[0]) | (items.seed < items.seed.max())]
    found, rectangular = bootstrap_differences(fewer, draws=100), bootstrap_differences(items, draws=100)
    of_qa = found.intermediate == QA[0]
    of_all = rectangular[rectangular.intermediate != QA[0]].reset_index(drop=True)
    pd.testing.assert_frame_equal(found[~of_qa].reset_index(drop=True), of_all)
    alone = fewer[(fewer.seed < items.seed.max()) & (fewer.intermediate != NLI[0])]
    of_two = bootstrap_differences(alone, draws=100)
    pd.testing.assert_frame_equal(found[of_qa].reset_index(drop=True), of_two)
    assert not bootstrap_scores(fewer, draws=100).duplicated(["intermediate", "duration", "language"]).any()


def test_unpaired_items_are_refused():
    items = items_of({NONE: coins(3, (2, 9)), NLI: coins(4, (2, 9))})
    for broken in (items.drop(index=3), items[~((items.intermediate == NONE[0]) & (items.seed == 1))]):
        with pytest.raises(ValueError, match="'qa'.* differ in seeds, languages or items"):
            bootstrap_scores(broken)
    with pytest.raises(ValueError, match="lacks the reference"):
        bootstrap_differences(items[items.intermediate == "nli"])
    with pytest.raises(ValueError, match="lacks the reference"):
        bootstrap_differences(items, reference_intermediate="pos")


def test_a_full_study_has_a_row_for_every_arm_target_and_language():
    arms = [NONE, *[(name, d) for name in ("nli", "qa") for d in (4, 16, 64)]]
    parts = [
        items_of({arm: coins(i, (2, 40)) for i, arm in enumerate(arms)}, target, f"l{j:02d}", prefix=f"l{j}")
        for target in ("a", "b", "c", "d")
        for j in range(13)
    ]
    items = pd.concat(parts)
    table = bootstrap_differences(items)
    assert len(table) == 4 * 14 * 6
