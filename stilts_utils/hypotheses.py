"""The verdict on every registered hypothesis, by code from the findings: confirmed, refuted or undecided, and why."""

import numpy as np
import pandas as pd

from stilts_utils import registration, variance
from stilts_utils.deployments import ENGINES
from stilts_utils.exits import CALIBRATED
from stilts_utils.findings import MEAN, Findings
from stilts_utils.registration import EXIT_MARGIN, INT8_POINTS
from stilts_utils.sentences import dense, listed, percent, points, premium_extremes
from stilts_utils.statistics import mean_interval

FIRST = ("H1", "H2", "H3", "H4", "H5")
NOT_MEASURED = "not measured in this study"


def numbers(found: Findings) -> list[str]:
    """Numbers of the hypotheses that the study registered; results that were stored before there was a list had five."""
    return list(found.study.get("hypotheses", FIRST))


def registered(found: Findings) -> pd.DataFrame:
    """What the study registered: number, hypothesis, criterion."""
    timing = found.study["inference"]
    exits = timing.get("exits") or {}  # results that were stored earlier have no such field
    lost = exits.get("points_lost", 1.0)
    texts = registration.texts(timing["margin"], timing["planted"], lost, found.middle)
    rows = [(number, *texts[number]) for number in numbers(found)]
    return pd.DataFrame(rows, columns=["No.", "Hypothesis", "Criterion"])


def verdicts(found: Findings) -> pd.DataFrame:
    """Every registered hypothesis with its verdict."""
    rows = [(number, *VERDICTS[number](found)) for number in numbers(found)]
    return pd.DataFrame(rows, columns=["No.", "Verdict", "Because"])


def _h1(found):
    counts = dense(found).verdict.value_counts()
    because = listed(f"{n} {verdict}" for verdict, n in counts.items()) + " of all settings and durations"
    if counts.get("equivalent", 0) == counts.sum():
        return "confirmed", because
    return ("refuted" if "different" in counts else "undecided"), because


def _h2(found):
    failed = found.controls[~found.controls.usable]
    reasons = listed(f"{row.engine} at batch {row.batch_size}: {row.reason}" for row in failed.itertuples())
    return ("refuted", reasons) if len(failed) else ("confirmed", "every control passed in every setting")


def _h3(found):
    """Holds where the arm changes against duration 0 and, in the same direction, against the control."""
    said, verdicts = [], []
    for intermediate in found.intermediates:
        for target in found.study["targets"]:
            longest = found.longest_of(intermediate)
            change = found.mean_change(target, intermediate, longest)
            text, signs = f"{target} after {intermediate} {points(change)}", {_sign(change)}
            over = found.over_control
            over = over[(over.target == target) & (over.intermediate == intermediate)]
            over = over[(over.language == MEAN) & (over.duration == longest)]
            if len(over):
                text += f", against the control {points(over.iloc[0])}"
                signs.add(_sign(over.iloc[0]))
            said.append(text)
            verdicts.append("holds" if signs in ({1}, {-1}) else "contradicted" if signs == {1, -1} else "open")
    return _verdict(verdicts), "; ".join(said)


def _h4(found):
    """Holds where the last layer falls, and falls by more than the middle one (paired on items and seeds)."""
    said, verdicts = [], []
    for (target, intermediate), rows in found.layer_changes.groupby(["target", "intermediate"]):
        longest = found.longest_of(intermediate)
        rows = rows[rows.duration == longest].set_index("layer")
        last, middle = rows.loc[found.depth], rows.loc[found.middle]
        gap = found.layer_gaps.query("target == @target and intermediate == @intermediate")
        gap = gap[gap.duration == longest].iloc[0]
        holds, against = last.high < 0 and gap.high < 0, last.low > 0 or gap.low > 0
        verdicts.append("holds" if holds else "contradicted" if against else "open")
        said.append(
            f"{target} after {intermediate}: layer {found.depth} {points(last)}, layer {found.middle} {points(middle)}, "
            f"last minus middle {points(gap)}"
        )
    return _verdict(verdicts), "; ".join(said) or "no retrieval target"


def _sign(row: pd.Series) -> int:
    """1 or -1 where the interval excludes 0, else 0."""
    return int(row.low > 0) - int(row.high < 0)


def _h5(found):
    fewest, most = premium_extremes(found)
    cells = dense(found)
    cells = cells[cells.verdict != "unusable"]
    if cells.empty:
        return "undecided", "the timings are unusable"
    tokens, latency = most.premium / fewest.premium, cells.high.max() / cells.low.min()
    because = f"tokens differ {tokens:.2f}-fold between languages, latency at most {latency:.3f}-fold between durations"
    return ("confirmed" if tokens > latency else "refuted"), because


def _verdict(verdicts: list[str]) -> str:
    """Confirmed where every case holds, refuted where one is contradicted, else undecided."""
    if verdicts and set(verdicts) == {"holds"}:
        return "confirmed"
    count = f"holds in {verdicts.count('holds')} of {len(verdicts)}"
    return (
        f"refuted: contradicted in {verdicts.count('contradicted')}, {count}"
        if "contradicted" in verdicts
        else f"undecided: {count}"
    )


def _longest_exit(found: Findings) -> pd.Series | None:
    """Effects of the calibrated exit at the longest duration."""
    rows = found.exit_effects
    if rows.empty:
        return None
    return rows[(rows.rule == CALIBRATED) & (rows.duration == rows.duration.max())].iloc[0]


def _h6(found):
    row = _longest_exit(found)
    if row is None:
        return "undecided", NOT_MEASURED
    if found.tables["exit_timings"].disturbed.any():
        return "undecided", "the timings are unusable: the machine was disturbed"
    because = (
        f"{percent(row.ratio, 1)} [{percent(row.low, 1)}, {percent(row.high, 1)}] at {row.duration} steps, "
        f"{len(found.study['seeds'])} seeds"
    )
    if row.low > 1 or row.high < 1:
        return "confirmed", because
    return ("refuted" if row.low > 1 - EXIT_MARGIN and row.high < 1 + EXIT_MARGIN else "undecided"), because


def _h7(found):
    row = _longest_exit(found)
    if row is None:
        return "undecided", NOT_MEASURED
    promised = found.study["inference"]["exits"]["points_lost"]
    because = (
        f"{row.lost_others:z.1f} [{row.lost_others_low:z.1f}, {row.lost_others_high:z.1f}] points lost in other languages at "
        f"{row.duration} steps"
    ).replace("-", "−")
    if row.lost_others_low > promised:
        return "confirmed", because
    return ("refuted" if row.lost_others_high < promised else "undecided"), because


def _h8(found):
    rows = found.tables["engine_scores"]
    rows = rows[rows.engine.isin([name for name, entry in ENGINES.items() if entry.precision == "int8"])]
    if rows.empty:
        return "undecided", NOT_MEASURED
    said, verdicts = [], []
    lost = rows.assign(lost=rows.score - rows.reference_score).groupby(["duration", "seed"]).lost.mean()
    for duration, of_seeds in lost.groupby("duration"):
        low, high = mean_interval(of_seeds.to_numpy(), 0.95)
        verdicts.append("holds" if low > -INT8_POINTS else "contradicted" if high < -INT8_POINTS else "open")
        said.append(f"{of_seeds.mean():+z.2f} [{low:+z.2f}, {high:+z.2f}] points at {duration} steps".replace("-", "−"))
    return _verdict(verdicts), listed(said)


def _h9(found):
    rows = variance.tax_change(found.tables["timings"], found.study["inference"]["engines"])
    if rows.empty:
        return "undecided", NOT_MEASURED
    margin = found.study["inference"]["margin"]
    within = (rows.low90 > 1 - margin) & (rows.high90 < 1 + margin)
    outside = (rows.low > 1 + margin) | (rows.high < 1 - margin)
    said = [
        f"{row.language} {percent(row.ratio)} [{percent(row.low)}, {percent(row.high)}]" for row in rows.itertuples()
    ]
    return _verdict(list(np.select([within, outside], ["holds", "contradicted"], default="open"))), listed(said)


VERDICTS = {"H1": _h1, "H2": _h2, "H3": _h3, "H4": _h4, "H5": _h5, "H6": _h6, "H7": _h7, "H8": _h8, "H9": _h9}
