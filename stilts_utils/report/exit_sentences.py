"""The sentences on early exit: at a fixed threshold, at equal accuracy, and with the threshold of duration 0 kept."""

import pandas as pd

from stilts_utils.analysis import exit_frontier, exit_outcomes
from stilts_utils.analysis.findings import Findings
from stilts_utils.report.estimand_verdicts import at_longest, clocked, effect, in_words, judged, learned, measure
from stilts_utils.report.formats import change, counted, interval, points
from stilts_utils.study.hypotheses import EXIT_MARGIN, LEAST_SEEDS


def answer_exits(findings: Findings) -> str:
    """The effect of duration on early exit, at the longest duration."""
    row = at_longest(findings, exit_outcomes.PRIMARY)
    if row is None:
        return "Early exit, where duration could matter, was not measured in this study."
    if not learned(findings):
        target, arm = findings.study["inference"]["exits"]["target"], findings.intermediates[0]
        return f"Early exit is not counted: {arm if findings.exits_learned else target} was not learned."
    verdict, text = effect(findings, row)
    seeds = len(findings.exits.seeds)
    few = f"; {counted(seeds, 'seed')} {'are' if seeds > 1 else 'is'} too few to settle it" * (seeds < LEAST_SEEDS)
    said = [
        f"At a fixed threshold of {exit_outcomes.PRIMARY}, {row.duration:,} steps change {measure(findings)[1]} by {text}, "
        f"to a mean exit layer of {row.depth:.1f} of {findings.depth}: {in_words(verdict)}, at a margin of "
        f"{100 * EXIT_MARGIN:g} %{few}"
    ]
    said.append(_equal(findings))
    said.append(_kept(findings))
    if findings.timed and not clocked(findings):
        half = 50 * (row.ratio_high - row.ratio_low)
        said.append(
            f"Latency itself is not measured: the timings of early exit fail their controls ({findings.exits_unusable}); by a "
            f"line through measured depths it is {interval(row, 'ratio', change, 1, 'ratio_')} (half-width {half:.1f} %)"
        )
    return ". ".join(said) + "."


def _equal(findings: Findings) -> str:
    rows = exit_frontier.mean_ratios(findings.exit_frontier)
    rows = rows[(rows.group == exit_frontier.ALL) & (rows.duration == rows.duration.max())]
    if rows.empty or pd.isna(rows.iloc[0].ratio):
        return "At equal accuracy nothing is compared: the frontiers reach no accuracies in common"
    row = rows.iloc[0]
    given = judged(findings, row.low, row.high)
    return f"At equal accuracy it is {interval(row, 'ratio', change, 1)}, {in_words(given)}"


def _kept(findings: Findings) -> str:
    row = at_longest(findings, exit_outcomes.KEPT)
    others = f", and {points(row, 'more_others', 'more_others_')} in other languages" if "more_others" in row else ""
    return (
        f"A threshold that is chosen at duration 0 and kept loses {points(row, 'more_en', 'more_en_')} points more of English "
        f"accuracy than at duration 0{others}"
    )
