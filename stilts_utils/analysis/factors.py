"""The factors of latency: shares of the variance of log seconds, speed by engine, and the language tax. Pure.

All but `premiums` read the table `timings`. The seconds of a sentence are those of its request over its sentences. A cell is
the median over blocks of one condition of one process.
"""

import numpy as np
import pandas as pd

from stilts_utils.analysis.latency import CONTROLS, PARTS, ZERO, interval, mean_interval
from stilts_utils.tasks import TRAINING_LANGUAGE

FACTORS = ["engine", "language", "batch_size", "duration"]
CELL = [*FACTORS, "replicate"]
SOURCES = [*FACTORS, "process", "interactions", "residual"]


def cells(timings: pd.DataFrame) -> pd.DataFrame:
    """One row per (engine, language, batch_size, duration, replicate): `log_s` of a sentence, and its `tokens`."""
    rows = timings[~timings.condition.isin(CONTROLS)]
    rows = rows.assign(log_s=np.log(rows[PARTS].sum(axis=1) / rows.sentences), tokens=rows.tokens / rows.sentences)
    return rows.groupby(CELL, as_index=False)[["log_s", "tokens"]].median()


def shares(timings: pd.DataFrame) -> pd.DataFrame:
    """Shares of the variance of log seconds a sentence: `source`, `share`, low, high; the shares add up to 1.

    From the sums of squares of a balanced table: the main effects of engine, language, batch size and process, all terms
    with duration, the interactions of the first three, and the residual, which is the process's interactions. The part of a
    source that noise alone explains is taken off (omega squared, Hays 1963), so that a share can be a little below 0: for
    duration by its interactions with the process, for the others by theirs. The interval is the jackknife's over processes,
    95 % of t (Tukey 1958), NaN with two processes.

    A factor that took one value only has no row. No rows at all if a language was not timed with every engine and batch
    size in every process.
    """
    rows = cells(timings).sort_values(CELL)
    shape = [rows[name].nunique() for name in CELL]
    if rows.empty or len(rows) < np.prod(shape):
        return pd.DataFrame(columns=["source", "share", "low", "high"])
    table, count = rows.log_s.to_numpy().reshape(shape), shape[-1]
    whole, ends = _shares(table), np.full((len(SOURCES), 2), np.nan)
    if count > 2:  # to leave one out, there have to be two others
        without = np.array([_shares(np.delete(table, left_out, axis=-1)) for left_out in range(count)])
        ends = np.array([mean_interval(values, 0.95) for values in (count * whole - (count - 1) * without).T])
    frame = pd.DataFrame({"source": SOURCES, "share": whole, "low": ends[:, 0], "high": ends[:, 1]})
    single = [name for name, size in zip(FACTORS, shape, strict=False) if size == 1]
    return frame[~frame.source.isin(single)].reset_index(drop=True)


def _shares(table: np.ndarray) -> np.ndarray:
    """Shares in the order of SOURCES. Duration has all its terms, also those with engine, language or batch size."""
    centred, (*sizes, processes) = table - table.mean(), table.shape
    axes, duration, process = set(range(table.ndim)), FACTORS.index("duration"), table.ndim - 1

    def squares(*averaged: int) -> float:
        """Sum of squares of the means over some axes."""
        return table.size * np.mean(centred.mean(axis=averaged) ** 2)

    main = np.array([squares(*(axes - {axis})) for axis in range(table.ndim)])
    total, of_cells, without_duration = np.sum(centred**2), squares(process), squares(duration, process)
    main[duration] = of_cells - without_duration
    between = without_duration - main[:duration].sum()
    # Differences between processes: between the settings of a process, and between the durations of a setting.
    settings = squares(duration) - without_duration - main[process]
    within = total - of_cells - (squares(duration) - without_duration)
    cells_of, others = np.prod(sizes[:duration]), max(1, processes - 1)
    noise = settings / others / max(1, cells_of - 1), within / others  # per degree of freedom; for all of duration
    freedom = np.array([*(size - 1 for size in sizes[:duration]), 0, others])
    main -= freedom * noise[0]
    main[duration] -= noise[1]
    between -= (cells_of - 1 - freedom[:duration].sum()) * noise[0]
    return np.array([*main, between, total - main.sum() - between]) / (total or 1.0)


def _paired(timings: pd.DataFrame) -> pd.DataFrame:
    """Cells at batch 1 against those of English in the same process: `tax` and `tokens`, log ratios of seconds and tokens."""
    rows, keys = cells(timings[timings.batch_size == 1]), ["engine", "duration", "replicate"]
    english = rows[rows.language == TRAINING_LANGUAGE].set_index(keys)[["log_s", "tokens"]]
    others = rows[rows.language != TRAINING_LANGUAGE]
    if english.empty or others.empty:
        return others.iloc[:0].assign(tax=0.0)
    paired = others.join(english, on=keys, rsuffix="_en").dropna()
    return paired.assign(tax=paired.log_s - paired.log_s_en, tokens=np.log(paired.tokens / paired.tokens_en))


def language_tax(timings: pd.DataFrame) -> pd.DataFrame:
    """Per (engine, language, duration) at batch 1: `tax`, seconds a sentence over those of English, `tokens`, the ratio of
    their tokens, and `rest`, the part of the tax that tokens do not explain, with `_low` and `_high`.

    Geometric means over processes and their 95 % t intervals. Empty if English was not timed.
    """
    rows = []
    for key, group in _paired(timings).groupby(["engine", "language", "duration"]):
        tax, tokens = group.tax.to_numpy(), group.tokens.to_numpy()
        taxes, rests = (np.exp([logs.mean(), *mean_interval(logs, 0.95)]) for logs in (tax, tax - tokens))
        rows.append((*key, *taxes, np.exp(tokens.mean()), *rests))
    names = ["tax", "tax_low", "tax_high", "tokens", "rest", "rest_low", "rest_high"]
    return pd.DataFrame(rows, columns=["engine", "language", "duration", *names])


def tax_change(timings: pd.DataFrame, engine: str) -> pd.DataFrame:
    """The tax of one engine at the longest duration over that at duration 0, at batch 1.

    Per language `ratio`, low, high (95 % t interval over processes, Bonferroni over languages), low90 and high90.
    """
    taxes = _paired(timings[timings.engine == engine])
    names = ["engine", "language", "duration", "ratio", "low", "high", "low90", "high90"]
    if taxes.duration.nunique() < 2 or 0 not in set(taxes.duration):
        return pd.DataFrame(columns=names)
    wide, longest = taxes.pivot(index=["language", "replicate"], columns="duration", values="tax"), taxes.duration.max()
    level, rows = 1 - 0.05 / taxes.language.nunique(), []
    for language, changes in (wide[longest] - wide[0]).groupby("language"):
        logs = changes.to_numpy()
        ends = np.exp([logs.mean(), *mean_interval(logs, level), *mean_interval(logs, 0.9)])
        rows.append((engine, language, int(longest), *ends))
    return pd.DataFrame(rows, columns=names)


def request_times(timings: pd.DataFrame) -> pd.DataFrame:
    """Duration 0 alone: per (engine, batch_size, language, replicate) the median seconds of a request over blocks.

    Returns also `sentences`, `tokens` and `padded` of the request.
    """
    rows = timings[timings.condition == ZERO]
    rows = rows.assign(seconds=rows[PARTS].sum(axis=1))
    keys = ["engine", "batch_size", "language", "replicate"]
    return rows.groupby(keys, as_index=False)[["seconds", "sentences", "tokens", "padded"]].median()


def speedups(timings: pd.DataFrame, first: str) -> pd.DataFrame:
    """Throughput of every engine over that of the first, within processes: engine, batch_size, ratio, low, high.

    The mean over processes and languages of the log ratio, with its t interval over processes, for the batch sizes at which
    both were timed.
    """
    times = request_times(timings)
    wide = times.pivot_table(index=["batch_size", "language", "replicate"], columns="engine", values="seconds")
    rows = []
    for engine in wide.columns.drop(first):
        logs = np.log(wide[first] / wide[engine]).dropna().groupby(["batch_size", "replicate"]).mean()
        for size, values in logs.groupby("batch_size"):
            rows.append((engine, size, np.exp(values.mean()), *interval(values.to_numpy(), 0.95)))
    return pd.DataFrame(rows, columns=["engine", "batch_size", "ratio", "low", "high"])


def premiums(tokens: pd.DataFrame) -> pd.DataFrame:
    """Per language: tokens per word and character, unknown share, and tokens relative to English on the same messages.

    Reads the table `fertility`. The relative number is the premium of Petrov et al. (2023), NaN if texts have no English
    counterpart. Words are whitespace words, or the words of a tagged text; 0 tokens per word if the script does not separate
    them.
    """
    english = tokens[tokens.language == TRAINING_LANGUAGE].set_index("item").tokens
    rows = []
    for language, texts in tokens.groupby("language"):
        words, count = texts.words.sum(), texts.tokens.sum()
        rows.append(
            {
                "language": language,
                "messages": len(texts),
                "premium": count / english.reindex(texts.item).sum(min_count=len(texts)),
                "tokens_per_word": count / words if words else 0.0,
                "tokens_per_character": count / texts.characters.sum(),
                "unknown_share": texts.unknown.sum() / count,
            }
        )
    return pd.DataFrame(rows).sort_values("premium", ignore_index=True)
