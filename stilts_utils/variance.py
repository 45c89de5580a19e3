"""What latency depends on: shares of the variance of log seconds, and the language tax. Pure, over the table `timings`.

Seconds are those of a sentence: of a request over its sentences. A cell is the median over blocks of one condition of one
process.
"""

import numpy as np
import pandas as pd

from stilts_utils.statistics import CONTROLS, PARTS, mean_interval
from stilts_utils.tasks import TRAINING_LANGUAGE

FACTORS = ["engine", "language", "batch_size", "duration"]
PROCESS, INTERACTIONS, RESIDUAL = "process", "interactions", "residual"
SOURCES = [*FACTORS, PROCESS, INTERACTIONS, RESIDUAL]
DRAWS = 500


def cells(timings: pd.DataFrame) -> pd.DataFrame:
    """One row per (engine, language, batch_size, duration, replicate): `log_s` of a sentence, and `tokens` of it."""
    rows = timings[~timings.condition.isin(CONTROLS)]
    rows = rows.assign(log_s=np.log(rows[PARTS].sum(axis=1) / rows.sentences), tokens=rows.tokens / rows.sentences)
    return rows.groupby([*FACTORS, "replicate"], as_index=False)[["log_s", "tokens"]].median()


def lacking_cells(timings: pd.DataFrame) -> pd.MultiIndex:
    """Cells that a balanced table would have beside those that were timed."""
    found, keys = cells(timings), [*FACTORS, "replicate"]
    whole = pd.MultiIndex.from_product([found[name].unique() for name in keys], names=keys)
    return whole.difference(pd.MultiIndex.from_frame(found[keys]))


def split(timings: pd.DataFrame, draws: int = DRAWS, seed: int = 0) -> pd.DataFrame:
    """Shares of the variance of log seconds a sentence: `source`, `share` (0-1), low, high.

    Sums of squares of a balanced table: the main effects of engine, language, batch size and process, all terms with
    duration, the interactions of the first three, and the residual. The interval (95 %, percentiles) resamples processes.

    Raises ValueError where a cell is missing.
    """
    found, lacking = cells(timings), lacking_cells(timings)
    if len(lacking):
        first = lacking.to_frame(index=False).iloc[:1].to_dict("records")[0]
        raise ValueError(
            f"timings: {len(lacking)} of {len(found) + len(lacking)} cells lack, one is {first}, allowed: a balanced table; "
            "time every language with every engine and batch size in every process"
        )
    table = found.sort_values([*FACTORS, "replicate"]).log_s.to_numpy()
    table = table.reshape([found[name].nunique() for name in [*FACTORS, "replicate"]])
    random, count = np.random.RandomState(seed), table.shape[-1]
    drawn = [_shares(table[..., random.randint(count, size=count)]) for _ in range(draws)]
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    return pd.DataFrame({"source": SOURCES, "share": _shares(table), "low": low, "high": high})


def shares(timings: pd.DataFrame) -> pd.DataFrame:
    """`split`, or no rows where not every language was timed with every engine and batch size in every process."""
    if timings.empty or len(lacking_cells(timings)):
        return pd.DataFrame(columns=["source", "share", "low", "high"])
    return split(timings)


def _shares(table: np.ndarray) -> np.ndarray:
    """Shares in the order of SOURCES. Duration has all terms that it is part of, also with engine, language or batch."""
    centred = table - table.mean()
    axes, duration, process = set(range(table.ndim)), FACTORS.index("duration"), table.ndim - 1
    main = [table.size * np.mean(centred.mean(axis=tuple(axes - {axis})) ** 2) for axis in range(table.ndim)]
    of_cells = table.size * np.mean(centred.mean(axis=process) ** 2)  # everything but the process
    without_duration = table.size * np.mean(centred.mean(axis=(duration, process)) ** 2)
    main[duration] = of_cells - without_duration
    between = of_cells - sum(main[:process])
    total = np.sum(centred**2)
    return np.array([*main, between, total - of_cells - main[process]]) / (total or 1.0)


def _paired(timings: pd.DataFrame) -> pd.DataFrame:
    """Cells at batch 1 beside those of English in the same process: `tax` and `tokens`, log ratios of seconds and tokens."""
    found, keys = cells(timings[timings.batch_size == 1]), ["engine", "duration", "replicate"]
    english = found[found.language == TRAINING_LANGUAGE].set_index(keys)[["log_s", "tokens"]]
    others = found[found.language != TRAINING_LANGUAGE]
    if english.empty or others.empty:
        return others.iloc[:0].assign(tax=0.0)
    paired = others.join(english, on=keys, rsuffix="_en").dropna()
    return paired.assign(tax=paired.log_s - paired.log_s_en, tokens=np.log(paired.tokens / paired.tokens_en))


def language_tax(timings: pd.DataFrame) -> pd.DataFrame:
    """Per (engine, language, duration) at batch 1: `tax`, seconds a sentence over those of English, `tokens`, the ratio of
    their tokens, and `rest`, what tokens do not explain of the tax, with `_low` and `_high`.

    Geometric means over processes, each with a request of its own, and their 95 % t intervals. Empty where English was not
    timed.
    """
    rows = []
    for key, group in _paired(timings).groupby(["engine", "language", "duration"]):
        tax, tokens = group.tax.to_numpy(), group.tokens.to_numpy()
        of_tax, of_rest = (np.exp([one.mean(), *mean_interval(one, 0.95)]) for one in (tax, tax - tokens))
        rows.append((*key, *of_tax, np.exp(tokens.mean()), *of_rest))
    names = ["tax", "tax_low", "tax_high", "tokens", "rest", "rest_low", "rest_high"]
    return pd.DataFrame(rows, columns=["engine", "language", "duration", *names])


def tax_change(timings: pd.DataFrame, engines: list[str]) -> pd.DataFrame:
    """The tax at the longest duration over that at duration 0, with the first of the engines that was timed, at batch 1.

    Per language `ratio`, low, high (95 % t interval over processes, Bonferroni over languages), low90 and high90.
    """
    timed = [name for name in engines if name in set(timings.engine)]
    found = _paired(timings[timings.engine.isin(timed[:1])])
    names = ["engine", "language", "duration", "ratio", "low", "high", "low90", "high90"]
    if found.duration.nunique() < 2 or 0 not in set(found.duration):
        return pd.DataFrame(columns=names)
    wide, longest = found.pivot(index=["language", "replicate"], columns="duration", values="tax"), found.duration.max()
    change, rows = wide[longest] - wide[0], []
    for language, values in change.groupby("language"):
        own, level = values.to_numpy(), 1 - 0.05 / found.language.nunique()
        ends = np.exp([own.mean(), *mean_interval(own, level), *mean_interval(own, 0.9)])
        rows.append((timed[0], language, int(longest), *ends))
    return pd.DataFrame(rows, columns=names)
