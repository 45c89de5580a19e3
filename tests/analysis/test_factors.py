import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.anova import anova_lm

from stilts_utils.analysis import factors
from stilts_utils.analysis.latency import PARTS
from stilts_utils.tables.files import check

TOKENS = {"en": 10, "sw": 20, "ar": 40}


def timings_of(log_s, engines=("fp32", "bf16"), languages=("en", "sw", "ar"), sizes=(1, 4), replicates=4, blocks=3):
    """Rows of `timings`, with the controls; log_s(engine, language, size, condition, replicate, block) a sentence."""
    conditions = {"0": 0, "a/a": 0, "planted": 0, "4": 4, "16": 16}
    rows = [
        {
            "replicate": replicate,
            "seed": 1,
            "target": "xnli",
            "engine": engine,
            "batch_size": size,
            "block": block,
            "position": position,
            "condition": condition,
            "duration": duration,
            "language": language,
            "sentences": size,
            "tokens": TOKENS[language] * size,
            "padded": TOKENS[language] * size,
            "tokenise_s": 0.1 * seconds,
            "forward_s": 0.8 * seconds,
            "decode_s": 0.1 * seconds,
        }
        for engine in engines
        for size in sizes
        for replicate in range(replicates)
        for block in range(blocks)
        for position, (condition, duration) in enumerate(conditions.items())
        for language in languages
        for seconds in [size * np.exp(log_s(engine, language, size, condition, replicate, block))]
    ]
    return pd.DataFrame(rows)


def noisy(key=0, sd=0.1):
    """Effects of everything, noise in every row, and controls that are far away."""
    rng = np.random.default_rng(key)

    def log_s(engine, language, size, condition, replicate, block):
        far = 3.0 if condition in ("a/a", "planted") else 0.0
        mixed = 0.2 * (engine == "bf16") * (size == 4) + 0.1 * (language == "ar") * (engine == "fp32")
        main = 0.5 * (engine == "fp32") + 0.02 * TOKENS[language] - 0.1 * size + 0.05 * (condition == "16")
        return -5 + far + main + mixed + 0.06 * replicate + sd * rng.normal()

    return timings_of(log_s)


def shares_of(timings):
    return factors.shares(timings).set_index("source").share


def test_the_tables_made_here_fit_the_schema():
    check("timings", noisy())


def test_shares_agrees_with_statsmodels():
    timings = noisy()
    ours = shares_of(timings)
    plain = timings[~timings.condition.isin(["a/a", "planted"])]
    plain = plain.assign(y=np.log(plain[["tokenise_s", "forward_s", "decode_s"]].sum(axis=1) / plain.sentences))
    cells = plain.groupby(["engine", "language", "batch_size", "duration", "replicate"], as_index=False).y.median()
    settings = "C(engine) * C(language) * C(batch_size)"
    model = f"y ~ {settings} * C(duration) + {settings} * C(replicate)"  # its residual: durations within processes
    table = anova_lm(smf.ols(model, cells).fit(), typ=2)
    names = table.index.to_series()
    durations, processes = names.str.contains("duration"), names.str.contains("replicate")
    of_process = table[processes & names.str.contains(":")].sum()
    noise = of_process.sum_sq / of_process.df  # differences between processes, per degree of freedom
    total = table.sum_sq.sum()

    def omega(rows, per_freedom):
        return (table.sum_sq[rows].sum() - table.df[rows].sum() * per_freedom) / total

    for name in ("engine", "language", "batch_size"):
        assert ours[name] == pytest.approx(omega(names == f"C({name})", noise))
    assert ours["process"] == pytest.approx(omega(names == "C(replicate)", noise))
    residual = table.loc["Residual"]
    assert ours["duration"] == pytest.approx(omega(durations, residual.sum_sq / residual.df))
    assert ours["interactions"] == pytest.approx(omega(names.str.contains(":") & ~durations & ~processes, noise))
    assert ours.sum() == pytest.approx(1)


def test_shares_by_hand():
    # Engines apart by 2, durations by 1 (0, 4 against 16), nothing else: squares 1 and 2/9.
    alone = timings_of(lambda engine, language, size, condition, *_: 2.0 * (engine == "fp32") + (condition == "16"))
    table = factors.shares(alone)
    assert table.columns.tolist() == ["source", "share", "low", "high"] and table.source.tolist() == factors.SOURCES
    assert table.share.tolist() == pytest.approx([9 / 11, 0, 0, 2 / 11, 0, 0, 0])
    # Every process alike: the intervals are points.
    assert table[["low", "high"]].to_numpy() == pytest.approx(table[["share", "share"]].to_numpy())
    only = shares_of(timings_of(lambda e, n, s, c, replicate, b: 0.1 * replicate))
    assert only["process"] == pytest.approx(1)
    crossed = shares_of(timings_of(lambda engine, n, size, *_: float((engine == "fp32") == (size == 1))))
    assert crossed["interactions"] == pytest.approx(1)


def test_medians_over_blocks_outlive_a_stall():
    timings = noisy(sd=0)
    stalled = timings.assign(forward_s=timings.forward_s.where(timings.block != 1, 10 * timings.forward_s))
    pd.testing.assert_series_equal(shares_of(stalled), shares_of(timings))


@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1))
def test_shares_add_up_and_order_does_not_matter(key):
    timings = noisy(key % 1000)
    table = factors.shares(timings)
    assert table.share.sum() == pytest.approx(1) and ((table.low <= table.share) & (table.share <= table.high)).all()
    shuffled = factors.shares(timings.sample(frac=1, random_state=key))
    pd.testing.assert_frame_equal(table, shuffled)


def test_a_duration_without_effect_has_a_share_around_0_though_requests_differ_between_processes():
    rng, rows = np.random.default_rng(0), []
    usual = timings_of(lambda engine, *_: 0.5 * (engine == "fp32"), replicates=5, blocks=1)
    for _ in range(100):
        of_request = rng.normal(0, 0.2, (5, 2, 3, 2))  # the same for all durations, other for every process
        places = [
            usual.replicate,
            *(usual[name].astype("category").cat.codes for name in ("engine", "language", "batch_size")),
        ]
        log_s = of_request[tuple(places)] + rng.normal(0, 0.01, len(usual))
        timings = usual.assign(**{name: usual[name] * np.exp(log_s) for name in PARTS})
        rows.append(factors.shares(timings).set_index("source").loc["duration"])
    table = pd.DataFrame(rows)
    assert abs(table.share.mean()) < 1e-4 and (table.share < 0).mean() > 0.3
    assert ((table.low <= 0) & (table.high >= 0)).mean() >= 0.9


def test_two_processes_give_shares_without_an_interval():
    table = factors.shares(noisy().query("replicate < 2"))
    assert table.share.sum() == pytest.approx(1) and table[["low", "high"]].isna().all(axis=None)


def test_an_unbalanced_table_has_no_shares():
    timings = noisy()
    unbalanced = timings[~((timings.engine == "bf16") & (timings.language == "sw") & (timings.replicate == 2))]
    assert factors.shares(unbalanced).empty and factors.shares(timings.iloc[:0]).empty


def test_the_tax_by_hand():
    # 0.5 + 0.05 a token: 1, 1.5 and 2.5; blocks and processes differ in speed, for all languages alike.
    speed = np.random.default_rng(0).normal(0, 0.3, (4, 3))
    timings = timings_of(lambda e, n, s, c, replicate, b: np.log(0.5 + 0.05 * TOKENS[n]) + speed[replicate, b])
    table = factors.language_tax(timings)
    assert len(table) == 2 * 2 * 3
    assert table.columns.tolist() == [
        *("engine", "language", "duration", "tax", "tax_low", "tax_high", "tokens"),
        *("rest", "rest_low", "rest_high"),
    ]
    row = table.query("engine == 'bf16' and language == 'ar' and duration == 16").iloc[0]
    assert row.tolist()[3:] == pytest.approx([2.5, 2.5, 2.5, 4, 0.625, 0.625, 0.625])
    row = table.query("engine == 'fp32' and language == 'sw' and duration == 0").iloc[0]
    assert row.tolist()[3:] == pytest.approx([1.5, 1.5, 1.5, 2, 0.75, 0.75, 0.75])
    noise = factors.language_tax(noisy())
    assert ((noise.tax_low < noise.tax) & (noise.tax < noise.tax_high)).all()


def test_requests_that_differ_between_processes_widen_the_tax_and_not_what_is_left_of_it_per_token():
    timings = timings_of(lambda *_: 0.0)
    length = 1 + timings.replicate * (timings.language == "sw")  # English is the same in every process
    timings["tokens"] *= length
    timings[PARTS] = timings[PARTS].mul(timings.tokens, axis=0)
    row = factors.language_tax(timings).query("engine == 'fp32' and language == 'sw' and duration == 0").iloc[0]
    assert [row.rest, row.rest_low, row.rest_high] == pytest.approx([1, 1, 1])
    assert row.tax == pytest.approx(row.tokens) == pytest.approx(2 * np.prod([1, 2, 3, 4]) ** 0.25)
    assert row.tax_low < row.tax < row.tax_high


def test_a_stall_does_not_move_the_tax():
    timings = timings_of(lambda e, language, *_: 0.1 * (language == "sw"), blocks=4)
    stalled = (timings.block == 2) & (timings.language == "sw") & (timings.replicate == 1)
    timings.loc[stalled, "forward_s"] *= 10
    assert factors.language_tax(timings).query("language == 'sw'").tax.tolist() == pytest.approx([np.exp(0.1)] * 6)


def test_the_change_of_the_tax():
    planted = {("16", "sw"): 0.1, ("4", "ar"): 5.0, ("16", "en"): 0.02}

    def log_s(engine, language, size, condition, replicate, block):
        shift = planted.get((condition, language), 0.0) if engine == "bf16" else 0.0
        return (
            TOKENS[language] / 10
            + 0.3 * replicate
            + shift
            + 0.001 * replicate * (condition == "16") * (language == "sw")
        )

    timings = timings_of(log_s)
    table = factors.tax_change(timings, "bf16")
    assert table.columns.tolist() == ["engine", "language", "duration", "ratio", "low", "high", "low90", "high90"]
    assert table[["engine", "language", "duration"]].to_numpy().tolist() == [["bf16", "ar", 16], ["bf16", "sw", 16]]
    arabic, swahili = table.iloc[0], table.iloc[1]
    assert [arabic.ratio, arabic.low, arabic.high90] == pytest.approx([np.exp(-0.02)] * 3)
    assert swahili.ratio == pytest.approx(np.exp(0.08 + 0.0015))
    assert swahili.low < swahili.low90 < swahili.ratio < swahili.high90 < swahili.high
    fp32 = factors.tax_change(timings, "fp32")
    assert fp32.set_index("language").ratio["ar"] == pytest.approx(1)


def test_where_nothing_can_be_compared_there_are_no_rows():
    timings = noisy()
    for part in (
        timings[timings.language == "en"],
        timings[timings.language != "en"],
        timings[timings.batch_size == 4],
        timings[timings.duration == 0],
        timings[timings.duration == 4],
        timings.iloc[:0],
    ):
        change = factors.tax_change(part, "fp32")
        assert change.empty and "low90" in change
    assert factors.tax_change(timings, "int8").empty
    assert factors.language_tax(timings[timings.language != "en"]).empty
