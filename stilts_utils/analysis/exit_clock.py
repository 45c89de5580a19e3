"""Early exit by the clock, from the table `exit_timings`: ratios, controls, and the time of a request by depth. Pure."""

import numpy as np
import pandas as pd

from stilts_utils.analysis.controls import reasons
from stilts_utils.analysis.exit_rules import CALIBRATED, EQUAL_THRESHOLD, FIXED
from stilts_utils.analysis.latency import FEWEST_BLOCKS, equivalence_p, interval
from stilts_utils.study.hypotheses import EXIT_MARGIN

VISIT = ["batch_size", "rule", "duration"]
CONTROLS = ["batch_size", "blocks", "aa_low", "aa_high", "deeper", "deeper_low", "deeper_high", "usable", "reason"]


def measured(exit_timings: pd.DataFrame) -> pd.DataFrame:
    """Per (batch_size, rule, duration): `ratio` to duration 0 under the same rule and `faster`, the
    throughput over that of full depth of the same checkpoint, each with low and high (95 % t interval over processes).
    `depth`: mean exit layer.
    """
    times = _process_times(exit_timings)
    wide, depth = times.log_s.unstack(VISIT), times.depth.groupby(VISIT).mean()
    last, rows = _fixed(exit_timings)[-1], []
    for size, rule, duration in wide.columns:
        visit = (size, rule, duration)
        row = dict(zip(VISIT, visit, strict=True)) | {"depth": float(depth[visit])}
        for name, reference, sign in (("ratio", (size, rule, 0), 1), ("faster", (size, last, duration), -1)):
            names = name, f"{name}_low", f"{name}_high"
            row |= dict(zip(names, _ratio(sign * (wide[visit] - wide[reference])), strict=True))
        rows.append(row)
    return pd.DataFrame(rows)


def controls(exit_timings: pd.DataFrame) -> pd.DataFrame:
    """Whether the timings of each batch size can be used: at duration 0, equal rules have to read equal, slower ones slower.

    Equal: the rules `calibrated` and `equal_threshold`, which share a threshold at duration 0, visited apart (A/A); `aa_low`
    to `aa_high` is the 99 % interval of their ratio. Slower: the last layer against the exit before it, which computes
    fewer layers; `deeper` is that ratio, with low and high (95 %). Usable if the first covers 1 and is equivalent to it within
    `EXIT_MARGIN`, the second is above 1, every process has `FEWEST_BLOCKS` and none was disturbed; `reason` names the
    failures, "" if there are none. `blocks`: the fewest of a process.
    """
    if exit_timings.empty:
        return pd.DataFrame(columns=CONTROLS)
    wide, fixed, rows = _process_times(exit_timings).log_s.unstack(VISIT), _fixed(exit_timings), []
    for size, here in exit_timings.groupby("batch_size"):
        blocks = int(here.groupby("replicate").block.nunique().min())
        same = wide[size, EQUAL_THRESHOLD, 0] - wide[size, CALIBRATED, 0]
        _, aa_low, aa_high = _ratio(same, 0.99)
        covers = aa_low <= 1 <= aa_high
        deeper = _ratio(wide[size, fixed[-1], 0] - wide[size, fixed[-2], 0])
        failures = {
            "A/A ratio does not cover 1": not covers,
            f"A/A is not equivalent within ±{100 * EXIT_MARGIN:g} %": covers
            and equivalence_p(same.to_numpy(), EXIT_MARGIN) >= 0.05,
            "more layers are not found slower": deeper[1] <= 1,
            "too few blocks in a process": blocks < FEWEST_BLOCKS,
            "disturbed": here.disturbed.any(),
        }
        reason = reasons(failures)
        rows.append((size, blocks, aa_low, aa_high, *deeper, not reason, reason))
    return pd.DataFrame(rows, columns=CONTROLS)


def request_model(exit_timings: pd.DataFrame) -> pd.DataFrame:
    """Per (replicate, language), seconds of a request at batch 1: `start` without layers, `slope` a layer, and `asking`, the
    additional time of a request that stops by its confidence, because exits before its last are asked, too.

    `start` and `slope` describe a line through the medians of requests that stop at a fixed layer, over all durations;
    `asking` is the mean distance of the others' medians from it.
    """
    cell, single = ["replicate", "language"], exit_timings[exit_timings.batch_size == 1]
    fixed = single.rule.str.startswith(FIXED)
    medians = single[fixed].groupby([*cell, "layers"], as_index=False).seconds.median()
    lines = [(*key, *np.polyfit(rows.layers, rows.seconds, 1)[::-1]) for key, rows in medians.groupby(cell)]
    model = pd.DataFrame(lines, columns=[*cell, "start", "slope"])
    sure = single[~fixed].groupby([*cell, "rule", "duration", "request"])[["seconds", "layers"]].median()
    sure = sure.reset_index().merge(model, on=cell)
    sure = sure.assign(asking=sure.seconds - sure.start - sure.slope * sure.layers)
    return model.merge(sure.groupby(cell, as_index=False).asking.mean(), on=cell)


def _process_times(exit_timings: pd.DataFrame) -> pd.DataFrame:
    """Per (batch_size, rule, duration, replicate), means over languages: `log_s`, log seconds of a language's requests, and
    `depth`. A request counts by its median over blocks, which outlives a stall if there are three or more.
    """
    keys = [*VISIT, "replicate", "language"]
    requests = exit_timings.groupby([*keys, "request"])[["seconds", "layers", "sentences"]].median()
    cells = requests.groupby(keys).sum()
    cells = cells.assign(log_s=np.log(cells.seconds), depth=cells.layers / cells.sentences)
    return cells.groupby(keys[:-1])[["log_s", "depth"]].mean()


def _fixed(exit_timings: pd.DataFrame) -> list[str]:
    """The rules that stop at a fixed layer, the last layer last."""
    fixed = [name for name in exit_timings.rule.unique() if name.startswith(FIXED)]
    return sorted(fixed, key=lambda name: int(name.removeprefix(FIXED)))


def _ratio(log_ratios: pd.Series, level: float = 0.95) -> tuple[float, float, float]:
    """Ratio and its t interval over processes."""
    effects = log_ratios.to_numpy()
    return float(np.exp(effects.mean())), *interval(effects, level)
