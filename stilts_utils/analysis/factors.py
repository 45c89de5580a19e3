"""What latency depends on: shares of the variance of log seconds, and the language tax. Pure, over the table `timings`.

Seconds are those of a sentence: of a request over its sentences. A cell is the median over blocks of one condition of one
process.
"""

import numpy as np
import pandas as pd

from stilts_utils.analysis.latency import CONTROLS, PARTS, mean_interval
from stilts_utils.tasks import TRAINING_LANGUAGE

FACTORS = ["engine", "language", "batch_size", "duration"]

PROCESS, INTERACTIONS, RESIDUAL = "process", "interactions", "residual"

SOURCES = [*FACTORS, PROCESS, INTERACTIONS, RESIDUAL]


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


def split(timings: pd.DataFrame) -> pd.DataFrame:
    """Shares of the variance of log seconds a sentence: `source`, `share`, low, high; the shares add up to 1.

    Of the sums of squares of a balanced table: the main effects of engine, language, batch size and process, all terms
    with duration, the interactions of the first three, and the residual, which is the process's interactions. What noise
    alone gives a source is taken off it (omega squared, Hays 1963), so that a share can be a little below 0: for duration
    by its interactions with the process, for the others by theirs. The interval is the jackknife's over processes, 95 % of t
    (Tukey 1958).

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
    whole, count = _shares(table), table.shape[-1]
    ends = np.full((len(SOURCES), 2), np.nan)
    if count > 2:  # to leave one out, there have to be two others
        without = np.array([_shares(np.delete(table, left_out, axis=-1)) for left_out in range(count)])
        ends = np.array([mean_interval(values, 0.95) for values in (count * whole - (count - 1) * without).T])
    return pd.DataFrame({"source": SOURCES, "share": whole, "low": ends[:, 0], "high": ends[:, 1]})


def shares(timings: pd.DataFrame) -> pd.DataFrame:
    """`split`, or no rows where not every language was timed with every engine and batch size in every process."""
    if timings.empty or len(lacking_cells(timings)):
        return pd.DataFrame(columns=["source", "share", "low", "high"])
    return split(timings)


def _shares(table: np.ndarray) -> np.ndarray:
    """Shares in the order of SOURCES. Duration has all terms that it is part of, also with engine, language or batch."""
    centred, (*sizes, processes) = table - table.mean(), table.shape
    axes, duration, process = set(range(table.ndim)), FACTORS.index("duration"), table.ndim - 1

    def squares(*averaged: int) -> float:
        """Sum of squares of the means over some axes."""
        return table.size * np.mean(centred.mean(axis=averaged) ** 2)

    main = np.array([squares(*(axes - {axis})) for axis in range(table.ndim)])
    total, of_cells, without_duration = np.sum(centred**2), squares(process), squares(duration, process)
    main[duration] = of_cells - without_duration
    between = without_duration - main[:duration].sum()
    # What processes differ in: between the settings of a process, and between the durations of a setting.
    settings = squares(duration) - without_duration - main[process]
    within = total - of_cells - (squares(duration) - without_duration)
    cells_of, others = np.prod(sizes[:duration]), max(1, processes - 1)
    noise = settings / others / max(1, cells_of - 1), within / others  # of a degree of freedom; of all of duration
    freedom = np.array([*(size - 1 for size in sizes[:duration]), 0, others])
    main -= freedom * noise[0]
    main[duration] -= noise[1]
    between -= (cells_of - 1 - freedom[:duration].sum()) * noise[0]
    return np.array([*main, between, total - main.sum() - between]) / (total or 1.0)


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

    Geometric means over processes and their 95 % t intervals. Empty where English was not timed.
    """
    rows = []
    for key, group in _paired(timings).groupby(["engine", "language", "duration"]):
        tax, tokens = group.tax.to_numpy(), group.tokens.to_numpy()
        of_tax, of_rest = (np.exp([one.mean(), *mean_interval(one, 0.95)]) for one in (tax, tax - tokens))
        rows.append((*key, *of_tax, np.exp(tokens.mean()), *of_rest))
    names = ["tax", "tax_low", "tax_high", "tokens", "rest", "rest_low", "rest_high"]
    return pd.DataFrame(rows, columns=["engine", "language", "duration", *names])


def tax_change(timings: pd.DataFrame, engine: str) -> pd.DataFrame:
    """The tax of one engine at the longest duration over that at duration 0, at batch 1.

    Per language `ratio`, low, high (95 % t interval over processes, Bonferroni over languages), low90 and high90.
    """
    found = _paired(timings[timings.engine == engine])
    names = ["engine", "language", "duration", "ratio", "low", "high", "low90", "high90"]
    if found.duration.nunique() < 2 or 0 not in set(found.duration):
        return pd.DataFrame(columns=names)
    wide, longest = found.pivot(index=["language", "replicate"], columns="duration", values="tax"), found.duration.max()
    change, rows = wide[longest] - wide[0], []
    for language, values in change.groupby("language"):
        own, level = values.to_numpy(), 1 - 0.05 / found.language.nunique()
        ends = np.exp([own.mean(), *mean_interval(own, level), *mean_interval(own, 0.9)])
        rows.append((engine, language, int(longest), *ends))
    return pd.DataFrame(rows, columns=names)


ENGLISH = "en"


def premiums(tokens: pd.DataFrame) -> pd.DataFrame:
    """Per language: tokens per word and character, unknown share, and tokens relative to English on the same messages.

    The relative number is the premium of Petrov et al. (2023), NaN where the texts have no English counterpart. Words
    are whitespace words, or the words of a tagged text; 0 tokens per word where the script does not separate them.
    """
    english = tokens[tokens.language == ENGLISH].set_index("item").tokens
    rows = []
    for language, found in tokens.groupby("language"):
        words = found.words.sum()
        rows.append(
            {
                "language": language,
                "messages": len(found),
                "premium": found.tokens.sum() / english.reindex(found.item).sum(min_count=len(found)),
                "tokens_per_word": found.tokens.sum() / words if words else 0.0,
                "tokens_per_character": found.tokens.sum() / found.characters.sum(),
                "unknown_share": found.unknown.sum() / found.tokens.sum(),
            }
        )
    return pd.DataFrame(rows).sort_values("premium", ignore_index=True)
