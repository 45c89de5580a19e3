"""The verdict on every registered hypothesis, by code from the findings: confirmed, refuted or undecided, and why."""

import numpy as np
import pandas as pd

from stilts_utils.analysis import factors, findings
from stilts_utils.analysis.findings import Findings
from stilts_utils.analysis.latency import mean_interval
from stilts_utils.report.sentences import dense, listed, longest_exit, lost_points, percent, points, premium_extremes
from stilts_utils.study import hypotheses
from stilts_utils.study.engines import ENGINES
from stilts_utils.study.hypotheses import EXIT_MARGIN, INT8_POINTS, LEAST_SEEDS
from stilts_utils.tasks import task

NOT_MEASURED = "not measured in this study"
# What makes timings unusable because the protocol is biased or blind; the rest says that it could not be applied.
FOUND_WANTING = ("A/A ratio", "planted slow-down not", "planted slow-down reads")


def registered(found: Findings) -> pd.DataFrame:
    """What the study registered: number, hypothesis, criterion, as its provenance has them, or as they are today."""
    timing = found.study["inference"]
    lost = timing["exits"]["points_lost"] if timing["exits"] else None
    today = hypotheses.texts(timing["margin"], timing["planted"], lost, found.depth)
    texts = found.provenance.get("registered") or today
    rows = [(number, *texts[number]) for number in found.study["hypotheses"]]
    return pd.DataFrame(rows, columns=["No.", "Hypothesis", "Criterion"])


def verdicts(found: Findings) -> pd.DataFrame:
    """Every registered hypothesis with its verdict."""
    rows = [(number, *VERDICTS[number](found)) for number in found.study["hypotheses"]]
    return pd.DataFrame(rows, columns=["No.", "Verdict", "Because"])


def _h1(found):
    counts = dense(found).verdict.value_counts()
    because = listed(f"{n} {verdict}" for verdict, n in counts.items()) + " of all settings and durations"
    asked = found.tables["engines"]
    if absent := list(asked.engine[asked.reason != ""].unique()):
        because += f"; not run on this machine: {listed(absent)}"
    if counts.get("equivalent", 0) == counts.sum():
        return "confirmed", because
    return ("refuted" if "different" in counts else "undecided"), because


def _h2(found):
    failed = found.controls[~found.controls.usable]
    if failed.empty:
        return "confirmed", "every control passed in every setting"
    reasons = listed(f"{row.engine} at batch {row.batch_size}: {row.reason}" for row in failed.itertuples())
    return ("refuted" if failed.reason.str.contains("|".join(FOUND_WANTING)).any() else "undecided"), reasons


def _h3(found):
    """Holds where the arm changes against duration 0 and, in the same direction, against the control.

    Where nothing was trained on the target, there is no control.
    """
    said, verdicts = [], []
    for intermediate in found.intermediates:
        for target in found.study["targets"]:
            longest = found.longest_of(intermediate)
            change = found.mean_change(target, intermediate, longest)
            text, signs = f"{target} after {intermediate} {points(change)}", {_sign(change)}
            over = found.mean_over_control(target, intermediate)
            if over is not None:
                text += f", against the control {points(over)}"
                signs.add(_sign(over))
            elif task(target).trainable:
                text += f", no control at {longest} steps"
                signs = {0}
            said.append(text)
            verdicts.append("holds" if signs in ({1}, {-1}) else "contradicted" if signs == {1, -1} else "open")
    return _over_seeds(found, _verdict(verdicts), "; ".join(said))


def _h4(found):
    """Holds where the last layer falls, and falls by more than the middle one (paired on items and seeds)."""
    said, verdicts, learned = [], [], findings.above_shortcuts(found)
    for (target, intermediate), rows in found.layer_changes.groupby(["target", "intermediate"]):
        longest = found.longest_of(intermediate)
        rows = rows[rows.duration == longest].set_index("layer")
        last, middle = rows.loc[found.depth], rows.loc[found.middle]
        gap = found.layer_gaps.query("target == @target and intermediate == @intermediate")
        gap = gap[gap.duration == longest].iloc[0]
        holds, against = last.high < 0 and gap.high < 0, last.low > 0 or gap.low > 0
        verdicts.append("holds" if holds else "contradicted" if against else "open")
        noted = "" if learned[target] else " (not above a shortcut)"
        said.append(
            f"{target}{noted} after {intermediate}: layer {found.depth} {points(last)}, layer {found.middle} {points(middle)}, "
            f"last minus middle {points(gap)}"
        )
    return _over_seeds(found, _verdict(verdicts), "; ".join(said)) if said else ("undecided", "no retrieval target")


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
    if tokens > latency:
        return "confirmed", because
    return ("refuted" if tokens < cells.ratio.max() / cells.ratio.min() else "undecided"), because


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


def _few_seeds(found: Findings) -> str:
    """Why a claim about what training does is undecided: it takes more seeds."""
    return f"; fewer than {LEAST_SEEDS} seeds" * (len(found.study["seeds"]) < LEAST_SEEDS)


def _over_seeds(found: Findings, verdict: str, because: str) -> tuple[str, str]:
    """The verdict, or none with too few seeds."""
    few = _few_seeds(found)
    return ("undecided" if few else verdict), because + few


def _h6(found):
    if found.exit_effects.empty:
        return "undecided", NOT_MEASURED
    row = longest_exit(found)
    if found.exits_unusable:
        return "undecided", f"the timings are unusable: {found.exits_unusable}"
    because = (
        f"{percent(row.ratio, 1)} [{percent(row.low, 1)}, {percent(row.high, 1)}] at {row.duration} steps, "
        f"{len(found.study['seeds'])} seeds"
    )
    if few := _few_seeds(found):
        return "undecided", because + few
    if row.low > 1 - EXIT_MARGIN and row.high < 1 + EXIT_MARGIN:
        return "refuted", because
    return ("confirmed" if row.low > 1 or row.high < 1 else "undecided"), because


def _h7(found):
    if found.exit_effects.empty:
        return "undecided", NOT_MEASURED
    row = longest_exit(found)
    promised = found.study["inference"]["exits"]["points_lost"]
    because = f"{lost_points(row)} points lost in other languages at {row.duration} steps, {lost_points(row, 'en')} in English"
    if few := _few_seeds(found):
        return "undecided", because + few
    if row.lost_others_low > promised:
        return "confirmed", because
    return ("refuted" if row.lost_others_high < promised else "undecided"), because


def _h8(found):
    rows = found.tables["engine_scores"]
    rows = rows[rows.engine.isin([name for name, entry in ENGINES.items() if entry.precision == "int8"])]
    if rows.empty:
        return "undecided", NOT_MEASURED
    said, verdicts = [], []
    gained = rows.assign(gained=rows.score - rows.reference_score).groupby(["duration", "seed"]).gained.mean()
    for duration, of_seeds in gained.groupby("duration"):
        low, high = mean_interval(of_seeds.to_numpy(), 0.95)
        verdicts.append("holds" if low > -INT8_POINTS else "contradicted" if high < -INT8_POINTS else "open")
        said.append(f"{of_seeds.mean():+z.2f} [{low:+z.2f}, {high:+z.2f}] points at {duration} steps".replace("-", "−"))
    return _verdict(verdicts), listed(said)


def _h9(found):
    timed = set(found.tables["timings"].engine)
    engine = next((name for name in found.study["inference"]["engines"] if name in timed), None)
    controls = found.controls[(found.controls.engine == engine) & (found.controls.batch_size == 1)]
    if controls.empty:
        return "undecided", NOT_MEASURED
    if not controls.usable.all():
        return "undecided", f"the timings of {engine} are unusable"
    rows = factors.tax_change(found.usable_timings, engine)
    if rows.empty:
        return "undecided", NOT_MEASURED
    margin = found.study["inference"]["margin"]
    within = (rows.low90 > 1 - margin) & (rows.high90 < 1 + margin)
    outside = (rows.low > 1 + margin) | (rows.high < 1 - margin)
    said = [
        f"{row.language} {percent(row.ratio)} [{percent(row.low)}, {percent(row.high)}]" for row in rows.itertuples()
    ]
    verdict = _verdict(list(np.select([within, outside], ["holds", "contradicted"], default="open")))
    return verdict, f"{engine}: {listed(said)}"


VERDICTS = {"H1": _h1, "H2": _h2, "H3": _h3, "H4": _h4, "H5": _h5, "H6": _h6, "H7": _h7, "H8": _h8, "H9": _h9}
