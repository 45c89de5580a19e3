import numpy as np
import pandas as pd
import pytest

from stilts_utils.analysis import exit_effects, exit_rules
from stilts_utils.analysis.exit_clock import request_model
from stilts_utils.analysis.exit_effects import Recorded
from stilts_utils.tables.files import check
from tests.analysis.test_exit_rules import exit_places
from tests.exit_tables import LAYERS, SLOPE, START, drawn_exits, rows_of, timings_of


def sharp(at, right=(1, 1, 1, 1), rows=10):
    """Every row is sure at one exit; decisions by exit."""
    confidence = np.full((rows, 4), 0.4)
    confidence[:, at:] = 0.9
    return confidence, np.tile(right, (rows, 1))


def one_seed(en, sw, calibration=None, duration_8=None):
    """Seed 1: what en and sw answer at both durations, or at 8 otherwise."""
    later = duration_8 or (en, sw, calibration or en)
    frames = []
    for duration, (own_en, own_sw, own) in {0: (en, sw, calibration or en), 8: later}.items():
        frames.append(rows_of(*own, "calibration", "en", duration, 1))
        frames.append(rows_of(*own_en, "evaluation", "en", duration, 1))
        frames.append(rows_of(*own_sw, "evaluation", "sw", duration, 1))
    return pd.concat(frames)


def test_the_tables_made_here_fit_the_schema():
    check("exits", drawn_exits())
    check("exit_timings", timings_of())


def test_by_language_by_hand():
    # English: right everywhere. Calibration is wrong at the first exit below a confidence of 0.5: the threshold is 0.41.
    own = sharp(1, (0, 1, 1, 1))
    # Of 10 Swahili rows 4 stop at layer 3, of which 2 are wrong and 1 would have been right; 6 stop at 12, half right.
    confidence, correct = np.full((10, 4), 0.2), np.zeros((10, 4))
    confidence[:4, 0] = 0.41
    correct[:2, 0], correct[[0, 2, 4, 5, 6], 3] = 1, 1
    recorded = Recorded.read(one_seed(sharp(0), (confidence, correct), own), "nli")
    table = exit_effects.by_language(recorded, 1.0)
    assert table.columns.tolist() == [
        *("rule", "duration", "language", "depth", "full", "accuracy"),
        *("lost", "early_wrong", "harmed", "ece"),
    ]
    assert len(table) == 3 * 2 * 4
    row = table.query("rule == 'calibrated' and duration == 0 and language == 'sw'").iloc[0]
    assert row.tolist()[3:9] == pytest.approx([(4 * 3 + 6 * 12) / 10, 50, 50, 0, 20, 10])
    assert row.ece == pytest.approx(100 * (0.5 - 0.2))
    english = table.query("rule == 'calibrated' and duration == 0 and language == 'en'").iloc[0]
    assert english.tolist()[3:9] == pytest.approx([3, 100, 100, 0, 0, 0]) and english.ece == pytest.approx(10)
    mean = table.query("rule == 'calibrated' and duration == 0 and language == 'mean'").iloc[0]
    assert mean.accuracy == 75 and mean.early_wrong == 10
    others = table.query("rule == 'calibrated' and duration == 0 and language == 'others'").iloc[0]
    assert others[3:].tolist() == pytest.approx(row[3:].tolist())


def test_by_language_is_the_mean_over_seeds():
    made = drawn_exits()
    table = exit_effects.by_language(Recorded.read(made, "nli"), 2.0).set_index(["rule", "duration", "language"])
    parts = [exit_effects.by_language(Recorded.read(made[made.seed == seed], "nli"), 2.0) for seed in (1, 2)]
    single = pd.concat(parts).groupby(["rule", "duration", "language"]).mean()
    pd.testing.assert_frame_equal(table.sort_index(), single.sort_index())
    # The thresholds are those that the timed engine took.
    rows = made.query("seed == 1 and split == 'calibration'")
    wide = {
        duration: [g.pivot(index="item", columns="layer", values=v).to_numpy() for v in ("confidence", "correct")]
        for duration, g in rows.groupby("duration")
    }
    promised = exit_rules.thresholds(wide, LAYERS, 2.0)
    sw = made.query("seed == 1 and split == 'evaluation' and language == 'sw' and duration == 8")
    confidence = sw.pivot(index="item", columns="layer", values="confidence").to_numpy()
    for rule in exit_rules.RULES:
        expected = np.take(LAYERS, exit_places(confidence, promised[rule, 8])).mean()
        got = parts[0].query("rule == @rule and duration == 8 and language == 'sw'").depth.item()
        assert got == pytest.approx(expected)


def test_the_request_model_is_a_line_per_process_and_language():
    model = request_model(timings_of()).set_index(["replicate", "language"])
    assert len(model) == 6
    for (replicate, language), line in model.iterrows():
        assert line.start == pytest.approx(START[language] * (1 + 0.01 * replicate))
        assert line.slope == pytest.approx(SLOPE[language] * (1 + 0.01 * replicate))
        assert line.asking == pytest.approx(0, abs=1e-9)


def test_asking_the_exits_is_on_top_of_the_line_for_what_stops_by_its_confidence():
    timings, zero = timings_of(), sharp(1, (0, 1, 1, 1))
    slower = timings.assign(seconds=timings.seconds + 0.004 * timings.rule.isin(exit_rules.RULES))
    model, slow_model = (request_model(one) for one in (timings, slower))
    assert slow_model.asking.tolist() == pytest.approx([0.004] * 6)
    assert slow_model[["start", "slope"]].equals(model[["start", "slope"]])
    recorded = Recorded.read(one_seed(zero, zero), "nli")
    gained = (
        exit_effects.frontier(recorded, slower).set_index("kind").ms
        - exit_effects.frontier(recorded, timings).ms.to_numpy()
    )
    assert gained["layer"].abs().max() < 1e-9 and gained["threshold"].tolist() == pytest.approx(
        [4] * len(gained["threshold"])
    )
    deeper = sharp(2, (0, 0, 1, 1))
    later = Recorded.read(one_seed(zero, zero, zero, (deeper, deeper, deeper)), "nli")
    row = exit_effects.effects(later, slower, 1.0, draws=0).query("rule == 'calibrated' and duration == 8").iloc[0]
    lines = [(START[n] + 9 * SLOPE[n] + 0.004) / (START[n] + 6 * SLOPE[n] + 0.004) for n in ("en", "sw")]
    assert row.ratio == pytest.approx(np.exp(np.mean(np.log(lines))), rel=1e-3)


def test_effects_by_hand():
    # All rows of duration 0 stop at layer 6, of duration 8 at 9 with the own threshold, and lose 100 points in Swahili.
    zero, later = sharp(1, (0, 1, 1, 1)), sharp(2, (0, 0, 1, 1))
    wrong = sharp(2, (0, 0, 0, 1))
    made = one_seed(zero, zero, zero, (later, wrong, later))
    table = exit_effects.effects(Recorded.read(made, "nli"), timings_of(), 1.0, draws=30)
    names = ["ratio", "depth", "lost_en", "more_en", "lost_others", "more_others"]
    ends = [f"{'' if name == 'ratio' else name + '_'}{end}" for name in names for end in ("low", "high")]
    assert set(table.columns) == {"rule", "duration", *names, *ends}
    row = table.query("rule == 'calibrated' and duration == 8").iloc[0]
    lines = [(START[one] + 9 * SLOPE[one]) / (START[one] + 6 * SLOPE[one]) for one in ("en", "sw")]
    ratio = np.exp(np.mean(np.log(lines)))
    assert [row.ratio, row.low, row.high] == pytest.approx([ratio] * 3)
    assert [row.depth, row.depth_low, row.depth_high] == pytest.approx([3] * 3)
    assert [row.lost_en, row.more_en, row.lost_others, row.more_others_low] == pytest.approx([0, 0, 100, 100])
    start = table.query("rule == 'calibrated' and duration == 0").iloc[0]
    assert [start.ratio, start.low, start.high, start.depth, start.lost_others] == pytest.approx([1, 1, 1, 0, 0])


def test_effects_agree_with_a_plain_loop():
    made, timings, rng = drawn_exits(rows=150, key=3), timings_of(noise=0.02), np.random.default_rng(5)
    recorded, points = Recorded.read(made, "nli"), 2.0
    table = exit_effects.effects(recorded, timings, points, draws=4000).set_index(["rule", "duration"])
    model = request_model(timings).set_index(["replicate", "language"]).T.to_dict()

    def once(seeds, calibration, items, processes):
        deep, lost = {}, {}
        for seed in seeds:
            own = {
                d: tuple(values[calibration] for values in recorded.answers["calibration", "en", d, seed])
                for d in (0, 8)
            }
            thresholds = exit_rules.thresholds(own, LAYERS, points)
            for language in ("en", "sw"):
                for (rule, d), threshold in thresholds.items():
                    confidence, correct = (v[items] for v in recorded.answers["evaluation", language, d, seed])
                    place = exit_places(confidence, threshold)
                    deep.setdefault((rule, d, language), []).append(np.take(LAYERS, place).mean())
                    right = correct[range(len(place)), place].mean()
                    lost.setdefault((rule, d, language), []).append(100 * (correct[:, -1].mean() - right))

        def log_s(d, rule):
            at = [model[p, one] for p in processes for one in ("en", "sw")]
            layers = [np.mean(deep[rule, d, one]) for _ in processes for one in ("en", "sw")]
            lines = [line["start"] + line["asking"] + line["slope"] * n for line, n in zip(at, layers, strict=True)]
            return np.mean(np.log(lines))

        return {
            rule: (np.exp(log_s(8, rule) - log_s(0, rule)), np.mean(lost[rule, 8, "sw"]))
            for rule in ("calibrated", "equal_depth")
        }

    observed = once([1, 2], slice(None), slice(None), [0, 1, 2])
    plain = [
        # Both seeds have the same calibration rows, and both languages the same items.
        once(rng.choice([1, 2], 2), rng.integers(0, 60, 60), rng.integers(0, 150, 150), rng.integers(0, 3, 3))
        for _ in range(800)
    ]
    for rule, values in observed.items():
        row = table.loc[rule, 8]
        assert [row.ratio, row.lost_others] == pytest.approx(values)
        for place, own in enumerate((["low", "high"], ["lost_others_low", "lost_others_high"])):
            low, high = np.quantile([one[rule][place] for one in plain], [0.025, 0.975])
            assert row[own].tolist() == pytest.approx([low, high], abs=0.15 * (high - low))


def test_few_calibration_rows_widen_the_interval():
    widths = []
    for calibration in (20, 2000):
        recorded = Recorded.read(drawn_exits(rows=300, calibration=calibration, seeds=(1,), key=1), "nli")
        row = exit_effects.effects(recorded, timings_of(), 1.0, draws=300).query(
            "rule == 'calibrated' and duration == 8"
        )
        widths.append((row.depth_high - row.depth_low).item())
    assert widths[0] > 1.5 * widths[1] > 0


def test_translations_are_drawn_together():
    made = drawn_exits(languages=("en", "sw", "de"), seeds=(1,))
    swahili = made[made.language == "sw"]
    same = pd.concat([made[made.language != "de"], swahili.assign(language="de")])
    apart = pd.concat([made[made.language != "de"], swahili.assign(language="de", item="de" + swahili.item)])
    widths = []
    for table in (same, apart):
        effects = exit_effects.effects(Recorded.read(table, "nli"), timings_of(), 2.0, draws=1000)
        widths.append((effects.more_others_high - effects.more_others_low)[effects.duration == 8].mean())
    assert widths[1] < 0.95 * widths[0]


def test_row_order_and_the_seed():
    made, timings = drawn_exits(), timings_of(noise=0.1)
    table = exit_effects.effects(Recorded.read(made, "nli"), timings, 2.0, draws=50)
    shuffled = Recorded.read(made.sample(frac=1, random_state=1), "nli")
    pd.testing.assert_frame_equal(
        table, exit_effects.effects(shuffled, timings.sample(frac=1, random_state=2), 2.0, draws=50)
    )
    assert not table.equals(exit_effects.effects(shuffled, timings, 2.0, seed=1, draws=50))


def test_the_frontier():
    made = one_seed(sharp(1, (0, 1, 1, 1)), sharp(2, (0, 0, 1, 0)))
    table = exit_effects.frontier(Recorded.read(made, "nli"), timings_of())
    assert table.columns.tolist() == ["duration", "group", "kind", "at", "depth", "accuracy", "low", "high", "ms"]
    assert (table.low <= table.accuracy).all() and (table.accuracy <= table.high).all()
    assert not table.duplicated(["duration", "group", "kind", "depth", "accuracy"]).any()
    english = table.query("duration == 0 and group == 'English' and kind == 'threshold'")
    assert english[["at", "depth", "accuracy"]].to_numpy().tolist() == [[0, 3, 0], [0.41, 6, 100], [0.91, 12, 100]]
    assert english.ms.tolist() == pytest.approx([1000 * 1.01 * (0.002 + 0.001 * n) for n in (3, 6, 12)])
    others = table.query("duration == 8 and group == 'other languages'")
    fixed = others[others.kind == "layer"]
    assert fixed[["at", "depth", "accuracy"]].to_numpy().tolist() == [[3, 3, 0], [6, 6, 0], [9, 9, 100], [12, 12, 0]]
    assert fixed.ms.tolist() == pytest.approx([1000 * 1.01 * (0.003 + 0.0015 * n) for n in LAYERS])
    untimed = exit_effects.frontier(Recorded.read(made, "nli"), None)
    assert untimed.ms.isna().all() and untimed.drop(columns="ms").equals(table.drop(columns="ms"))
    # Only English was timed: its line stands for the others.
    assert len(exit_effects.frontier(Recorded.read(made, "nli"), timings_of(languages=("en",)))) == len(table)
    only = Recorded.read(made[made.language == "en"], "nli")
    assert set(exit_effects.frontier(only, timings_of()).group) == {"English"}


def test_equal_quality_by_hand():
    zero, later = sharp(1, (0, 0, 0, 1)), sharp(1, (0, 1, 1, 1))
    table = exit_effects.equal_quality(
        Recorded.read(one_seed(zero, zero, zero, (later,) * 3), "nli"), timings_of(), draws=9
    )
    times = [[START[one] + layers * SLOPE[one] for one in ("en", "sw")] for layers in (6, 12)]
    six, twelve = np.exp(np.log(times).mean(1))
    assert table.columns.tolist() == ["duration", "layer", "accuracy", "wanted", "share", "gain", "low", "high"]
    assert table.iloc[0].tolist() == pytest.approx([0, 12, 100, 100, 1, 1, 1, 1])
    assert table.iloc[1].tolist() == pytest.approx([8, 6, 100, 100, 1, *[twelve / six] * 3])
    # No depth reaches it.
    table = exit_effects.equal_quality(
        Recorded.read(one_seed(later, later, later, (sharp(1, (0, 0, 0, 0)),) * 3), "nli"), timings_of(), draws=9
    )
    assert table.iloc[0].layer == 6 and table.iloc[1].tolist() == pytest.approx([8, 0, 0, 100, 0, 0, 0, 0])


def test_equal_quality_says_how_sure_the_depth_is():
    table = exit_effects.equal_quality(Recorded.read(drawn_exits(key=2), "nli"), timings_of(noise=0.05), draws=300)
    assert ((table.low <= table.gain) & (table.gain <= table.high)).all()
    assert table.share.between(0.2, 1).all() and (table.low < table.high).any()


def test_broken_tables_are_refused():
    made = drawn_exits()
    evaluated, of_english = made.split == "evaluation", made.language == "en"
    for broken, message in (
        (
            made.drop(index=made[evaluated].index[3]),
            "evaluation rows of en, seed 1, differ between durations or layers",
        ),
        (made[~(evaluated & (made.seed == 2) & (made.item == "0003"))], "seed 2 .* differs in its rows of en"),
        (made[~(evaluated & ~of_english & (made.seed == 2))], "seed 2 .* differs in its rows of sw"),
        (made[evaluated | (made.seed == 1)], "seed 2 has no calibration rows"),
        (made[made.duration > 0], "allowed: with 0"),
    ):
        with pytest.raises(ValueError, match=message):
            Recorded.read(broken, "nli")
    for timings in (timings_of(languages=("de",)), timings_of().query("replicate == 0 or language == 'en'")):
        with pytest.raises(ValueError, match="in the same languages in every process"):
            exit_effects.effects(Recorded.read(made, "nli"), timings, 1.0, draws=5)


def test_other_intermediate_tasks_are_left_out():
    made = drawn_exits()
    more = pd.concat([made, made[made.duration == 8].assign(intermediate="qa", duration=16)])
    for one, expected in (("nli", (0, 8)), ("qa", (0, 16))):
        assert Recorded.read(more, one).durations == expected


def test_english_alone():
    recorded = Recorded.read(drawn_exits(languages=("en",)), "nli")
    row = exit_effects.effects(recorded, timings_of(), 1.0, draws=20).iloc[0]
    assert (
        np.isnan([row.lost_others, row.lost_others_low, row.more_others_high]).all() and row.lost_en_high >= row.lost_en
    )
    assert "others" not in set(exit_effects.by_language(recorded, 1.0).language)
