"""What every figure shows, in a sentence: the start of its caption, and its alternative text. Pure."""

import numpy as np
import pandas as pd

from stilts_utils.analysis import latency
from stilts_utils.analysis.bootstrap import MEAN
from stilts_utils.analysis.findings import Findings, above_shortcuts
from stilts_utils.analysis.verdict import CHANGED, EQUIVALENT, UNDECIDED
from stilts_utils.report import estimand_verdicts, languages, sentences
from stilts_utils.report.formats import change, counted, decimal, listed, percent, points
from stilts_utils.study.hypotheses import EXIT_MARGIN
from stilts_utils.study.settings import CONTROL


def found(findings: Findings) -> dict[str, str]:
    """`found_<figure>` of every figure of a study, a sentence or two each."""
    said = {
        "quality": _quality_and_control(findings),
        "curves": _curves(findings),
        "languages": _languages(findings),
        "layers": _layers(findings),
        "learning": _learning(findings),
        **({"validation": _validation(findings)} if len(findings.tables["validation"]) else {}),
        "fertility": _fertility(findings),
        **(_exits(findings) if findings.exits is not None or findings.timed else {}),
        **(_times(findings) if findings.timed else {}),
    }
    return {f"found_{name}": text for name, text in said.items()}


def changes(findings: Findings) -> pd.DataFrame:
    """Changes in quality against 0 steps at the longest duration, with their verdicts, in the study's order of targets."""
    return ordered(findings, sentences.at_longest(findings, findings.verdicts))


def over_control(findings: Findings) -> pd.DataFrame:
    """Changes in quality over the same steps on the target at the longest duration, with their verdicts; as `changes`."""
    rows = sentences.at_longest(findings, findings.over_control)
    rows = rows[rows.language == MEAN]
    given = [findings.verdict(row.target, row.intermediate, row.low, row.high) for row in rows.itertuples()]
    return ordered(findings, rows.assign(verdict=[one.kind for one in given]))


def ordered(findings: Findings, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows in the study's order of targets and arms."""
    places = [(target, arm) for target in findings.study["targets"] for arm in findings.intermediates]
    order = [places.index(key) for key in zip(rows.target, rows.intermediate, strict=True)]
    return rows.iloc[np.argsort(order, kind="stable")].reset_index(drop=True)


def _counts(verdicts: pd.Series) -> str:
    """`3 changed, 1 undecided and 2 not learned`."""
    numbers = verdicts.value_counts()
    order = [kind for kind in (EQUIVALENT, CHANGED, UNDECIDED) if kind in numbers]
    order += [kind for kind in numbers.index if kind not in order]
    return listed(f"{numbers[kind]} {kind}" for kind in order)


def _quality(findings: Findings) -> str:
    rows = changes(findings)
    if rows.empty:
        return "There is no duration to compare with 0 steps."
    up, down = ((rows.direction == side).sum() for side in (1, -1))
    said = [f"raises quality in {up}"] * bool(up) + [
        f"lowers it in {down}" if up else f"lowers quality in {down}"
    ] * bool(down)
    moved = listed(said) if said else "changes quality in none"
    text = f"The longest training {moved} of {counted(len(rows), 'comparison')}"
    others = rows.verdict[rows.verdict != CHANGED]
    text += f"; {_counts(others)}." if len(others) else "."
    return text


def _quality_and_control(findings: Findings) -> str:
    text, over = _quality(findings), over_control(findings)
    if over.empty:
        return text
    better = ((over.verdict == CHANGED) & (over.low > 0)).sum() or "none"
    return f"{text} It beats the same steps on the target in {better} of {len(over)}."


def _curves(findings: Findings) -> str:
    above = above_shortcuts(findings)
    return (
        f"After 0 steps {sum(above.values())} of {counted(len(above), 'target')} are above every shortcut in English and "
        "above a trivial baseline in most languages."
    )


def _languages(findings: Findings) -> str:
    rows = sentences.at_longest(findings, findings.changes)
    rows = rows[(rows.language != MEAN) & (rows.intermediate != CONTROL)]
    if rows.empty:
        return "There is no duration to compare with 0 steps."
    up, down = (rows.low > 0).sum(), (rows.high < 0).sum()
    text = f"At the longest duration {up} of {len(rows)} cells gain and {down} lose, by intervals that exclude 0"
    if not down:
        return f"{text}."
    worst = rows[rows.high < 0].sort_values("difference", kind="stable").iloc[0]
    where = f"{worst.target} in {languages.name(worst.language)} after {worst.intermediate}"
    return f"{text}; the largest loss is {where} ({points(worst)} points)."


def _layers(findings: Findings) -> str:
    rows = sentences.at_longest(findings, findings.layer_changes)
    if rows.empty:
        return "No retrieval target was scored by layer."
    lost = []
    for layer in (findings.middle, findings.depth):
        here = rows[(rows.layer == layer) & (rows.language == MEAN)]
        low = (here.high < 0).sum()
        lost.append(f"layer {layer} in {low} of {len(here)}")
    return f"At the longest duration retrieval is lower than after 0 steps from {' and from '.join(lost)} comparisons."


def _learning(findings: Findings) -> str:
    arms = findings.learned.arms
    if findings.tables["training"].empty:
        return "Training losses are not stored."
    named = [
        f"{standing}: {listed(dict.fromkeys(rows.task))}" for standing, rows in arms.groupby("standing", sort=False)
    ]
    return f"Intermediate tasks by their floors: {'; '.join(named)}."


def _validation(findings: Findings) -> str:
    arms = findings.learned.arms.dropna(subset="score")
    best = [f"{row.task} {decimal(row.score)} (floor {row.floor:g}, {row.standing})" for row in arms.itertuples()]
    return f"At their longest durations the intermediate tasks score {listed(best)}."


def _fertility(findings: Findings) -> str:
    fewest, most = sentences.premium_extremes(findings)
    if fewest.language == most.language:
        return (
            "No text of another language has an English translation: tokens cannot be compared with those of English."
        )
    return (
        f"The same messages need {decimal(most.premium, 2)} times the tokens of English in "
        f"{languages.name(most.language)}, and {decimal(fewest.premium, 2)} times in {languages.name(fewest.language)}."
    )


def _exits(findings: Findings) -> dict[str, str]:
    rows = findings.exit_frontier[findings.exit_frontier.accuracy < 0]
    rows = rows[rows.ratio.notna() & (rows.duration == rows.duration.max())]
    cost = estimand_verdicts.measure(findings)[1]
    if rows.empty:
        return {"equal_accuracy": "No duration shares accuracies with 0 steps, so nothing is compared."}
    named = [
        f"{change(row.ratio, 0)} [{change(row.low, 0)}, {change(row.high, 0)}] in {row.group}"
        for row in rows.itertuples()
    ]
    steps = f"At equal accuracy, {rows.duration.max()} steps change {cost} by"
    return {"equal_accuracy": f"{steps} {listed(named)}; the margin is ±{100 * EXIT_MARGIN:g} %."}


def _times(findings: Findings) -> dict[str, str]:
    cells, margin = sentences.dense(findings), 100 * findings.study["inference"]["margin"]
    equal = (cells.verdict == EQUIVALENT).sum()
    inside = f"Latency stays within {margin:g} % of 0 steps in {equal} of {counted(len(cells), 'comparison')}"
    usable = f"the controls passed in {findings.controls.usable.sum()} of {counted(len(findings.controls), 'setting')}"
    return {
        "answer": f"{inside}. {_quality(findings)}",
        "latency": f"{inside}; {usable}.",
        "parts": _parts(findings),
        "variance": _variance(findings),
        "frontier": _frontier(findings),
        "costs": _costs(findings),
    }


def _parts(findings: Findings) -> str:
    rows = findings.tables["timings"]
    means = rows[~rows.condition.isin(latency.CONTROLS)].groupby(latency.SETTING)[latency.PARTS].mean()
    shares = means.forward_s / means.sum(axis=1)
    return f"The forward pass takes {percent(shares.min(), 0)} to {percent(shares.max(), 0)} of a request's time."


def _variance(findings: Findings) -> str:
    shares = findings.variance
    if shares.empty:
        return "The timings of this study cannot be split by source."
    rows = shares.set_index("source")
    row, most = rows.loc["duration"], shares.loc[shares.share.idxmax()]
    ends = f" (95 % interval {100 * row.low:.2f} to {100 * row.high:.2f} %)" if row.low == row.low else ""
    text = (
        f"Duration explains {percent(max(row.share, 0), 2)} of the variance of latency{ends}; the largest part, "
        f"{percent(most.share, 0)}, is due to {most.source.replace('_', ' ')}."
    )
    return text.replace("-", "−")


def _frontier(findings: Findings) -> str:
    rows = findings.exit_effects
    if rows.empty or findings.exits_unusable:
        return "Early exit was not timed, or its timings cannot be used."
    row = sentences.longest_exit(findings)
    return (
        f"With the threshold chosen anew, early exit after {row.duration} steps takes {change(row.ratio, 0)} "
        f"[{change(row.low, 0)}, {change(row.high, 0)}] of the time that it takes after 0 steps."
    )


def _costs(findings: Findings) -> str:
    seconds = findings.tables["costs"].groupby("part").seconds.sum()
    if seconds.empty:
        return "Times spent are not stored."
    share = percent(seconds.max() / seconds.sum(), 0)
    return f"Most of the time went into {seconds.idxmax()}: {share} of {seconds.sum() / 60:.0f} minutes."
