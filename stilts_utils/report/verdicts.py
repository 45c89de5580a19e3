"""The verdict on every registered hypothesis, by code from the findings, and why.

A hypothesis is confirmed or refuted by the verdicts on the effects that it is about (`analysis.verdict`), as its criterion
says; otherwise it is undecided, not learned or not measured, in the same words as those effects.
"""

import pandas as pd

from stilts_utils.analysis import factors
from stilts_utils.analysis.findings import Findings, above_shortcuts
from stilts_utils.analysis.latency import mean_interval
from stilts_utils.analysis.verdict import CHANGED, EQUIVALENT, NOT_LEARNED, NOT_MEASURED, UNDECIDED, of_interval
from stilts_utils.report import estimand_verdicts
from stilts_utils.report.estimand_verdicts import ABSENT, learned, over_seeds
from stilts_utils.report.formats import bracketed, change, interval, listed, points, signed
from stilts_utils.report.sentences import dense, exit_verdict, longest_exit, lost_points, premium_extremes
from stilts_utils.study import hypotheses
from stilts_utils.study.engines import ENGINES
from stilts_utils.study.hypotheses import INT8_POINTS
from stilts_utils.tables import provenance
from stilts_utils.tasks import task

CONFIRMED, REFUTED = "confirmed", "refuted"
# Failures that show the protocol to be biased or blind; all other failures mean that it could not be applied.
BIASED_OR_BLIND = "A/A ratio|planted slow-down reads"

Verdict = tuple[str, str]  # the verdict, and why


def registered(findings: Findings) -> pd.DataFrame:
    """The hypotheses on which the study says something, as they are judged today: since when, and what they are in it."""
    texts, known = _texts(findings), hypotheses.HYPOTHESES
    rows = [
        (number, *texts[number], known[number].registered, _kind(findings, number)) for number in _numbers(findings)
    ]
    return pd.DataFrame(rows, columns=["No.", "Hypothesis", "Criterion", "Registered", "Kind"])


def _numbers(findings: Findings) -> list[str]:
    return hypotheses.of_study(findings.study["hypotheses"], provenance.began(findings.provenance))


def _texts(findings: Findings) -> dict[str, tuple[str, str]]:
    timing = findings.study["inference"]
    lost = timing["exits"]["points_lost"] if timing["exits"] else None
    return hypotheses.texts(timing["margin"], timing["planted"], lost, findings.depth)


def _kind(findings: Findings, number: str) -> str:
    stored = (findings.provenance.get("registered") or {}).get(number, ())
    return hypotheses.kind(number, provenance.began(findings.provenance), tuple(stored) == _texts(findings)[number])


def verdicts(findings: Findings) -> pd.DataFrame:
    """Every hypothesis with its verdict."""
    rows = [(number, _kind(findings, number), *verdict(findings, number)) for number in _numbers(findings)]
    return pd.DataFrame(rows, columns=["No.", "Kind", "Verdict", "Because"])


def verdict(findings: Findings, number: str) -> Verdict:
    """The verdict on one hypothesis: not measured if it needs timings and there are none."""
    if number in NEED_TIMINGS and not findings.timed:
        return NOT_MEASURED, "this study was not timed"
    return VERDICTS[number](findings)


def _latency_equivalent(findings: Findings) -> Verdict:
    counts, engines = dense(findings).verdict.value_counts(), findings.tables["engines"]
    because = listed(f"{n} {verdict}" for verdict, n in counts.items()) + " of all settings and durations"
    if absent := list(engines.engine[engines.reason != ""].unique()):
        because += f"; not run on this machine: {listed(absent)}"
    if counts.get(EQUIVALENT, 0) == counts.sum():
        return CONFIRMED, because
    return (REFUTED if CHANGED in counts else UNDECIDED), because


def _controls_passed(findings: Findings) -> Verdict:
    failed = findings.controls[~findings.controls.usable]
    if failed.empty:
        return CONFIRMED, "every control passed in every setting"
    reasons = listed(f"{row.engine} at batch {row.batch_size}: {row.reason}" for row in failed.itertuples())
    return (REFUTED if failed.reason.str.contains(BIASED_OR_BLIND).any() else UNDECIDED), reasons


def _quality_changed(findings: Findings) -> Verdict:
    """Holds if the arm changes against duration 0 and, in the same direction, against the control.

    If nothing was trained on the target, there is no control. Targets and arms that were not learned are no cases.
    """
    texts, cases, every = [], [], findings.verdicts.set_index(["target", "intermediate", "duration"])
    for intermediate in findings.intermediates:
        for target in findings.study["targets"]:
            longest = findings.longest_of(intermediate)
            if (target, intermediate, longest) not in every.index:  # an arm may not be able to train every target
                continue
            row = every.loc[target, intermediate, longest]
            if row.verdict == NOT_LEARNED:
                continue
            signs = {_direction(row)}
            text = f"{target} after {intermediate} {points(row)}"
            over = findings.mean_over_control(target, intermediate)
            if over is not None:
                text += f", against the control {points(over)}"
                signs.add(_direction(over))
            elif task(target).trainable:
                text += f", no control at {longest} steps"
                signs = {0}
            texts.append(f"{text}: {row.verdict}")
            cases.append(_case(signs in ({1}, {-1}), signs == {1, -1}))
    return over_seeds(findings, *_all_hold(cases, texts))


def _direction(row) -> int:
    return of_interval(row.low, row.high).direction


def _last_layer_fell(findings: Findings) -> Verdict:
    """Holds if the last layer falls, and falls by more than the middle one (paired on items and seeds)."""
    texts, cases, learned = [], [], above_shortcuts(findings)
    if findings.layer_changes.empty:
        return NOT_MEASURED, "no retrieval target"
    for (target, intermediate), rows in findings.layer_changes.groupby(["target", "intermediate"]):
        if not findings.learned.arm(intermediate):
            continue
        longest = findings.longest_of(intermediate)
        rows = rows[rows.duration == longest].set_index("layer")
        last, middle = rows.loc[findings.depth], rows.loc[findings.middle]
        gaps = findings.layer_gaps.query("target == @target and intermediate == @intermediate")
        gap = gaps[gaps.duration == longest].iloc[0]
        cases.append(_case(last.high < 0 and gap.high < 0, last.low > 0 or gap.low > 0))
        noted = "" if learned[target] else " (not above a shortcut)"
        texts.append(
            f"{target}{noted} after {intermediate}: layer {findings.depth} {points(last)}, layer {findings.middle} "
            f"{points(middle)}, last minus middle {points(gap)}"
        )
    return over_seeds(findings, *_all_hold(cases, texts))


def _tokens_outweigh_durations(findings: Findings) -> Verdict:
    fewest, most = premium_extremes(findings)
    if fewest.language == most.language:
        return NOT_MEASURED, "no text of another language has an English translation"
    cells = dense(findings)
    cells = cells[cells.verdict != NOT_MEASURED]
    if cells.empty:
        return NOT_MEASURED, "the timings are unusable"
    tokens, latency = most.premium / fewest.premium, cells.high.max() / cells.low.min()
    because = f"tokens differ {tokens:.2f}-fold between languages, latency at most {latency:.3f}-fold between durations"
    if tokens > latency:
        return CONFIRMED, because
    return (REFUTED if tokens < cells.ratio.max() / cells.ratio.min() else UNDECIDED), because


def _exits_change_latency(findings: Findings) -> Verdict:
    if findings.exit_effects.empty:
        return ABSENT
    given = exit_verdict(findings).kind
    if given == NOT_MEASURED:
        return NOT_MEASURED, f"the timings are unusable: {findings.exits_unusable}"
    if given == NOT_LEARNED:
        return _exits_not_learned(findings)
    row, seeds = longest_exit(findings), findings.seeds_of(findings.intermediates[0])
    because = f"{interval(row, 'ratio', change)} at {row.duration} steps, {seeds} seeds"
    return over_seeds(findings, {CHANGED: CONFIRMED, EQUIVALENT: REFUTED}.get(given, UNDECIDED), because)


def _exits_not_learned(findings: Findings) -> Verdict:
    return NOT_LEARNED, f"{findings.study['inference']['exits']['target']} with exits, or the arm, is below its floor"


def _exits_lose_more_elsewhere(findings: Findings) -> Verdict:
    if findings.exit_effects.empty:
        return ABSENT
    if not learned(findings):
        return _exits_not_learned(findings)
    row, promised = longest_exit(findings), findings.study["inference"]["exits"]["points_lost"]
    because = f"{lost_points(row)} points lost in other languages at {row.duration} steps, {lost_points(row, 'en')} in English"
    confirmed, refuted = row.lost_others_low > promised, row.lost_others_high < promised
    return over_seeds(findings, CONFIRMED if confirmed else REFUTED if refuted else UNDECIDED, because)


def _int8_keeps_quality(findings: Findings) -> Verdict:
    rows = findings.tables["engine_scores"]
    rows = rows[rows.engine.isin([name for name, entry in ENGINES.items() if entry.precision == "int8"])]
    if rows.empty:
        return ABSENT
    if not findings.learned.target(findings.study["inference"]["target"]):
        return NOT_LEARNED, f"{findings.study['inference']['target']} is below its floor"
    texts, cases = [], []
    gained = rows.assign(gained=rows.score - rows.reference_score).groupby(["duration", "seed"]).gained.mean()
    for duration, seeds in gained.groupby("duration"):
        low, high = mean_interval(seeds.to_numpy(), 0.95)
        cases.append(_case(low > -INT8_POINTS, high < -INT8_POINTS))
        texts.append(f"{bracketed(signed, seeds.mean(), low, high, 2)} points at {duration} steps")
    return _all_hold(cases, texts)


def _tax_unchanged(findings: Findings) -> Verdict:
    timed = set(findings.tables["timings"].engine)
    engine = next((name for name in findings.study["inference"]["engines"] if name in timed), None)
    controls = findings.controls[(findings.controls.engine == engine) & (findings.controls.batch_size == 1)]
    if controls.empty:
        return ABSENT
    if not controls.usable.all():
        return NOT_MEASURED, f"the timings of {engine} are unusable"
    rows = factors.tax_change(findings.usable_timings, engine)
    if rows.empty:
        return ABSENT
    margin = findings.study["inference"]["margin"]
    within = (rows.low90 > 1 - margin) & (rows.high90 < 1 + margin)
    outside = (rows.low > 1 + margin) | (rows.high < 1 - margin)
    texts = [f"{row.language} {interval(row, 'ratio', change, 2)}" for row in rows.itertuples()]
    outcome, because = _all_hold([*map(_case, within, outside)], texts)
    return outcome, f"{engine}: {because}"


VERDICTS = {
    "H1": _latency_equivalent,
    "H2": _controls_passed,
    "H3": _quality_changed,
    "H4": _last_layer_fell,
    "H5": _tokens_outweigh_durations,
    "H6": _exits_change_latency,
    "H7": _exits_lose_more_elsewhere,
    "H8": _int8_keeps_quality,
    "H9": _tax_unchanged,
    **estimand_verdicts.VERDICTS,
}

NEED_TIMINGS = ("H1", "H2", "H5", "H6", "H8", "H9", "H14")


def _case(holds: bool, contradicted: bool) -> str:
    return "holds" if holds else "contradicted" if contradicted else "open"


def _all_hold(cases: list[str], texts: list[str]) -> Verdict:
    """Confirmed if every case holds, refuted if one is contradicted, otherwise undecided; not learned if there is none."""
    if not cases:
        return NOT_LEARNED, "no target and arm reached its floor"
    held, said = cases.count("holds"), "; ".join(texts)
    if held == len(cases):
        return CONFIRMED, said
    if against := cases.count("contradicted"):
        return REFUTED, f"contradicted in {against}, holds in {held} of {len(cases)}: {said}"
    return UNDECIDED, f"holds in {held} of {len(cases)}: {said}"
