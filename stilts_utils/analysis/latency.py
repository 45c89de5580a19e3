"""Paired ratios of latency to duration 0, their intervals and equivalence tests; `controls` judges the controls.

Pure functions over the tables `timings` and `noise`. A process ("replicate") is one sample of memory layouts, so it
is the unit of every interval and test: blocks are first reduced to one effect per process. An effect is a difference
of log seconds; its exponential is a ratio of latencies, and 1.02 reads "2 % slower than duration 0".
"""

from functools import cache

import numpy as np
import pandas as pd
from scipy.stats import trim_mean
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import DescrStatsW

from stilts_utils.analysis.verdict import CHANGED, EQUIVALENT, UNDECIDED

# Values of `condition` that are not plain durations, and the duration all are compared with.
ZERO = "0"
SAME = "a/a"  # the weights of duration 0 a second time: its ratio must cover 1
PLANTED = "planted"  # duration 0, held longer by a known share: its ratio must read above 1
CONTROLS = (SAME, PLANTED)

STALL = 0.28  # a block is stalled when a condition takes this share more than is usual in its run
FEWEST_BLOCKS = 3  # that a process must have left for its effect to count
TRIM = 0.25  # share of a language's ratios cut at each side of its mean: a few hold stalls that no rule catches
POWER = 0.8

PARTS = ["tokenise_s", "forward_s", "decode_s"]
SETTING = ["engine", "batch_size"]
PROCESS = ["replicate", *SETTING]
BLOCK = [*PROCESS, "block"]
CONDITION = ["condition", "duration"]
RATIOS = ["ratio", "low", "high", "low90", "high90", "p_equivalence", "p_holm", "p_different", "detectable"]


def _request_times(timings: pd.DataFrame) -> pd.DataFrame:
    """One row per (block, condition, language): `log_s`, log seconds, and `stalled` of its block."""
    rows = timings[[*BLOCK, *CONDITION, "language"]].assign(seconds=timings[PARTS].sum(axis=1))
    if not (rows.seconds > 0).all():
        raise ValueError(f"timings: a request took {rows.seconds.min()} s, allowed: above 0")
    blocks = rows.assign(reference=rows.condition == ZERO).groupby(BLOCK)
    seen = blocks.agg({"seconds": "size", "condition": "nunique", "language": "nunique", "reference": "any"})
    complete = (seen.seconds == seen.condition * seen.language) & seen.reference
    if not complete.all() or rows.duplicated([*BLOCK, "condition", "language"]).any():
        block = dict(zip(BLOCK, seen.index[~complete][0], strict=True)) if not complete.all() else "with repeated rows"
        raise ValueError(f"timings: block {block}, allowed: every language once under every condition and {ZERO!r}")
    # The usual time is taken per language: a stall in one language shows in the sum, and long texts do not hide it.
    rows["usual"] = rows.groupby([*PROCESS, "condition", "language"]).seconds.transform("median")
    rows["log_s"] = np.log(rows.seconds)
    visits = rows.groupby([*BLOCK, "condition"])
    rows["slow"] = visits.seconds.transform("sum") > (1 + STALL) * visits.usual.transform("sum")
    return rows.assign(stalled=rows.groupby(BLOCK).slow.transform("any"))


def block_ratios(timings: pd.DataFrame) -> pd.DataFrame:
    """Log ratio of every condition to duration 0 in the same block and language, without stalled blocks.

    With t(c, l) = tokenise + forward + decode seconds of condition c in language l,
    log_ratio(c, l) = log t(c, l) - log t("0", l). Condition "0", which would be 0 throughout, is left out.
    A block is stalled when any condition's time is more than 28 % above that condition's usual time in the same
    (replicate, engine, batch_size), its median over blocks in each language. Because a condition is compared with
    itself, a truly slower one is kept; because the whole block goes, no condition is favoured.

    Returns replicate, engine, batch_size, block, condition, duration (steps), language, log_ratio.
    """
    columns = [*BLOCK, *CONDITION, "language", "log_ratio"]
    if timings.empty:
        return pd.DataFrame(columns=columns)
    times, keys = _request_times(timings).query("not stalled"), [*BLOCK, "language"]
    reference = times[times.condition == ZERO].set_index(keys).log_s.rename("reference")
    paired = times[times.condition != ZERO].join(reference, on=keys)
    paired = paired.assign(log_ratio=paired.log_s - paired.reference)
    return paired[columns].reset_index(drop=True)


def stalled_blocks(timings: pd.DataFrame) -> pd.DataFrame:
    """Blocks that `block_ratios` drops: replicate, engine, batch_size, blocks (timed), stalled (count) and share."""
    blocks = _request_times(timings).groupby(BLOCK, as_index=False).stalled.first()
    counts = blocks.groupby(PROCESS, as_index=False).agg(blocks=("stalled", "size"), stalled=("stalled", "sum"))
    return counts.assign(share=counts.stalled / counts.blocks)


def process_effects(block_ratios: pd.DataFrame) -> pd.DataFrame:
    """One effect per process: the mean over languages of the interquartile means of their log ratios.

    `TRIM` of a language's blocks are cut at each side (Tukey 1962), because a disturbance hits single requests. Languages
    are not cut: were only one of them slower, it would go with the disturbances.

    Returns replicate, engine, batch_size, condition, duration, effect (log ratio), blocks (count).
    """
    keys = [*PROCESS, *CONDITION]
    languages = block_ratios.groupby([*keys, "language"], as_index=False).agg(
        effect=("log_ratio", lambda values: trim_mean(values, TRIM)), blocks=("block", "nunique")
    )
    return languages.groupby(keys, as_index=False).agg(effect=("effect", "mean"), blocks=("blocks", "min"))


@cache
def _detectable_d(n: int, alpha: float, power: float) -> float:
    return float(TTestPower().solve_power(nobs=n, alpha=alpha, power=power, alternative="two-sided"))


def detectable_effect(sd: float, n: int, alpha: float = 0.05, power: float = POWER) -> float:
    """Minimum detectable effect: the smallest slow-down, as a fraction (.012 is 1.2 %), found with the given power.

    exp(d * sd) - 1, where d is the standardised mean that a two-sided one-sample t test of n processes at `alpha`
    finds with `power` (noncentral t) and `sd` the standard deviation of log ratios between processes. As sd is
    estimated from the same few processes, this is an estimate too. 0 when sd is 0; infinite below 2 processes.
    """
    if n < 2:
        return np.inf
    return float(np.expm1(_detectable_d(int(n), alpha, power) * sd))


def interval(effects: np.ndarray, level: float) -> tuple[float, float]:
    """t interval of the mean effect, k - 1 degrees of freedom, as ratios.

    One process says nothing of the spread: (0, inf). Equal effects have none: the interval is their point.
    """
    low, high = np.exp(mean_interval(effects, level))
    return float(low), float(high)


def mean_interval(values: np.ndarray, level: float) -> tuple[float, float]:
    """t interval of a mean, k - 1 degrees of freedom; one value says nothing of the spread, equal ones have none."""
    if len(values) < 2:
        return -np.inf, np.inf
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    low, high = DescrStatsW(values).tconfint_mean(1 - level)
    return float(low), float(high)


def equivalence_p(effects: np.ndarray, margin: float) -> float:
    """p of two one-sided t tests (TOST, Schuirmann 1987) of log(1 - margin) < mean effect < log(1 + margin)."""
    low, high = np.log1p(-margin), np.log1p(margin)
    if len(effects) < 2:
        return 1.0
    if np.ptp(effects) == 0:
        return 0.0 if low < effects[0] < high else 1.0
    return float(DescrStatsW(effects).ttost_mean(low, high)[0])


def _difference_p(effects: np.ndarray) -> float:
    """p of a two-sided t test of a mean effect of 0."""
    if len(effects) < 2:
        return 1.0
    if np.ptp(effects) == 0:
        return float(effects[0] == 0)
    return float(DescrStatsW(effects).ttest_mean(0)[1])


def ratio_table(effects: pd.DataFrame, margin: float, alpha: float = 0.05, lost: int = 0) -> pd.DataFrame:
    """Latency ratio to duration 0 and the verdict on it, per (engine, batch_size, condition).

    effects: from `process_effects`, or from `language_effects`, whose rows per language are a family of their own; margin:
    largest ratio deviation that does not matter, as a fraction; lost: comparisons of the family that were timed and lost all
    their blocks, which count as not found in Holm's steps.

    Returns processes (k), ratio = exp(mean effect), low and high (t interval at 1 - alpha), low90 and high90 (at
    1 - 2 alpha: inside the margin exactly when the unadjusted test finds equivalence), p_equivalence (TOST at
    1 - margin and 1 + margin), p_holm (Holm 1979, over the durations of all engines and batch sizes; NaN for the
    controls, which are not part of the family), detectable (see `detectable_effect`, a fraction, at the level of Holm's
    strictest step: alpha over the size of the family) and verdict:

    - "equivalent": p_holm < alpha. This holds even if low and high exclude 1: the difference is then real, and too
      small to matter.
    - "changed": p_different < alpha and equivalence is not shown. p_different comes from a two-sided t test of a
      ratio of 1, adjusted by Holm over the same family.
    - "undecided": neither; `detectable` says which effect could have been found.
    - "control": a row of the A/A or the planted condition.
    """
    if not 0 < margin < 1:
        raise ValueError(f"margin is {margin}, allowed: between 0 and 1")
    rows, keys = [], [*SETTING, *(["language"] if "language" in effects else []), *CONDITION]
    compared = lost + len(effects.loc[~effects.condition.isin(CONTROLS), keys].drop_duplicates())
    for key, group in effects.groupby(keys):
        values = group.effect.to_numpy()
        spread = float(np.std(values, ddof=1)) if np.ptp(values) > 0 else 0.0
        numbers = (
            float(np.exp(values.mean())),
            *interval(values, 1 - alpha),
            *interval(values, 1 - 2 * alpha),
            equivalence_p(values, margin),
            np.nan,
            _difference_p(values),
            detectable_effect(spread, len(values), alpha / max(1, compared)),
        )
        rows.append((*key, len(values), *numbers))
    table = pd.DataFrame(rows, columns=[*keys, "processes", *RATIOS])
    family = ~table.condition.isin(CONTROLS)
    if family.any():
        for adjusted, name in (("p_holm", "p_equivalence"), ("p_different", "p_different")):
            every = np.append(table.loc[family, name], np.ones(lost))
            table.loc[family, adjusted] = multipletests(every, alpha, method="holm")[1][: family.sum()]
    verdicts = {"control": ~family, EQUIVALENT: table.p_holm < alpha, CHANGED: table.p_different < alpha}
    table["verdict"] = np.select(list(verdicts.values()), list(verdicts), default=UNDECIDED)
    return table.sort_values([*keys[:-2], "duration", "condition"], ignore_index=True)


def language_effects(timings: pd.DataFrame) -> pd.DataFrame:
    """`process_effects` of every language by itself, without the controls, with `language`."""
    parts = [
        process_effects(block_ratios(rows)).assign(language=language) for language, rows in timings.groupby("language")
    ]
    effects = pd.concat(parts, ignore_index=True)
    return effects[~effects.condition.isin(CONTROLS)]
