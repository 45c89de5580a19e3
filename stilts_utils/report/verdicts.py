"""The verdict on every registered hypothesis, by code from the findings: confirmed, refuted or undecided, and why."""

import pandas as pd

from stilts_utils.analysis import factors
from stilts_utils.analysis.findings import Findings, above_shortcuts
from stilts_utils.analysis.latency import mean_interval
from stilts_utils.report import estimand_verdicts
from stilts_utils.report.formats import bracketed, change, interval, listed, points, signed
from stilts_utils.report.sentences import dense, exit_latency, longest_exit, lost_points, premium_extremes, sign
from stilts_utils.study import hypotheses
from stilts_utils.study.engines import ENGINES
from stilts_utils.study.hypotheses import INT8_POINTS
from stilts_utils.tasks import task

NOT_MEASURED = "undecided", "not measured in this study"
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
    return hypotheses.of_study(findings.study["hypotheses"], findings.provenance["date"])


def _texts(findings: Findings) -> dict[str, tuple[str, str]]:
    timing = findings.study["inference"]
    lost = timing["exits"]["points_lost"] if timing["exits"] else None
    return hypotheses.texts(timing["margin"], timing["planted"], lost, findings.depth)


def _kind(findings: Findings, number: str) -> str:
    stored = (findings.provenance.get("registered") or {}).get(number, ())
    return hypotheses.kind(number, findings.provenance["date"], tuple(stored) == _texts(findings)[number])


def verdicts(findings: Findings) -> pd.DataFrame:
    """Every hypothesis with its verdict."""
    rows = [(number, _kind(findings, number), *verdict(findings, number)) for number in _numbers(findings)]
    return pd.DataFrame(rows, columns=["No.", "Kind", "Verdict", "Because"])


def verdict(findings: Findings, number: str) -> Verdict:
    """The verdict on one hypothesis: not measured if it needs timings and there are none."""
    if number in NEED_TIMINGS and not findings.timed:
        return "not measured", "this study was not timed"
    return VERDICTS[number](findings)


def _latency_equivalent(findings: Findings) -> Verdict:
    counts, engines = dense(findings).verdict.value_counts(), findings.tables["engines"]
    because = listed(f"{n} {verdict}" for verdict, n in counts.items()) + " of all settings and durations"
    if absent := list(engines.engine[engines.reason != ""].unique()):
        because += f"; not run on this machine: {listed(absent)}"
    if counts.get("equivalent", 0) == counts.sum():
        return "confirmed", because
    return ("refuted" if "different" in counts else "undecided"), because


def _controls_passed(findings: Findings) -> Verdict:
    failed = findings.controls[~findings.controls.usable]
    if failed.empty:
        return "confirmed", "every control passed in every setting"
    reasons = listed(f"{row.engine} at batch {row.batch_size}: {row.reason}" for row in failed.itertuples())
    return ("refuted" if failed.reason.str.contains(BIASED_OR_BLIND).any() else "undecided"), reasons


def _quality_changed(findings: Findings) -> Verdict:
    """Holds if the arm changes against duration 0 and, in the same direction, against the control.

    If nothing was trained on the target, there is no control.
    """
    texts, cases = [], []
    for intermediate in findings.intermediates:
        for target in findings.study["targets"]:
            longest = findings.longest_of(intermediate)
            difference = findings.mean_change(target, intermediate, longest)
            text, signs = f"{target} after {intermediate} {points(difference)}", {sign(difference)}
            over = findings.mean_over_control(target, intermediate)
            if over is not None:
                text += f", against the control {points(over)}"
                signs.add(sign(over))
            elif task(target).trainable:
                text += f", no control at {longest} steps"
                signs = {0}
            texts.append(text)
            cases.append(_case(signs in ({1}, {-1}), signs == {1, -1}))
    return _over_seeds(findings, _all_hold(cases), "; ".join(texts))


def _last_layer_fell(findings: Findings) -> Verdict:
    """Holds if the last layer falls, and falls by more than the middle one (paired on items and seeds)."""
    texts, cases, learned = [], [], above_shortcuts(findings)
    for (target, intermediate), rows in findings.layer_changes.groupby(["target", "intermediate"]):
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
    if not texts:
        return "undecided", "no retrieval target"
    return _over_seeds(findings, _all_hold(cases), "; ".join(texts))


def _tokens_outweigh_durations(findings: Findings) -> Verdict:
    fewest, most = premium_extremes(findings)
    cells = dense(findings)
    cells = cells[cells.verdict != "unusable"]
    if cells.empty:
        return "undecided", "the timings are unusable"
    tokens, latency = most.premium / fewest.premium, cells.high.max() / cells.low.min()
    because = f"tokens differ {tokens:.2f}-fold between languages, latency at most {latency:.3f}-fold between durations"
    if tokens > latency:
        return "confirmed", because
    return ("refuted" if tokens < cells.ratio.max() / cells.ratio.min() else "undecided"), because


def _exits_change_latency(findings: Findings) -> Verdict:
    if findings.exit_effects.empty:
        return NOT_MEASURED
    if findings.exits_unusable:
        return "undecided", f"the timings are unusable: {findings.exits_unusable}"
    row, seeds = longest_exit(findings), len(findings.study["seeds"])
    because = f"{interval(row, 'ratio', change)} at {row.duration} steps, {seeds} seeds"
    verdict = {"different": "confirmed", "equivalent": "refuted", "undecided": "undecided"}[exit_latency(row)]
    return _over_seeds(findings, verdict, because)


def _exits_lose_more_elsewhere(findings: Findings) -> Verdict:
    if findings.exit_effects.empty:
        return NOT_MEASURED
    row, promised = longest_exit(findings), findings.study["inference"]["exits"]["points_lost"]
    because = f"{lost_points(row)} points lost in other languages at {row.duration} steps, {lost_points(row, 'en')} in English"
    confirmed, refuted = row.lost_others_low > promised, row.lost_others_high < promised
    return _over_seeds(findings, "confirmed" if confirmed else "refuted" if refuted else "undecided", because)


def _int8_keeps_quality(findings: Findings) -> Verdict:
    rows = findings.tables["engine_scores"]
    rows = rows[rows.engine.isin([name for name, entry in ENGINES.items() if entry.precision == "int8"])]
    if rows.empty:
        return NOT_MEASURED
    texts, cases = [], []
    gained = rows.assign(gained=rows.score - rows.reference_score).groupby(["duration", "seed"]).gained.mean()
    for duration, seeds in gained.groupby("duration"):
        low, high = mean_interval(seeds.to_numpy(), 0.95)
        cases.append(_case(low > -INT8_POINTS, high < -INT8_POINTS))
        texts.append(f"{bracketed(signed, seeds.mean(), low, high, 2)} points at {duration} steps")
    return _all_hold(cases), listed(texts)


def _tax_unchanged(findings: Findings) -> Verdict:
    timed = set(findings.tables["timings"].engine)
    engine = next((name for name in findings.study["inference"]["engines"] if name in timed), None)
    controls = findings.controls[(findings.controls.engine == engine) & (findings.controls.batch_size == 1)]
    if controls.empty:
        return NOT_MEASURED
    if not controls.usable.all():
        return "undecided", f"the timings of {engine} are unusable"
    rows = factors.tax_change(findings.usable_timings, engine)
    if rows.empty:
        return NOT_MEASURED
    margin = findings.study["inference"]["margin"]
    within = (rows.low90 > 1 - margin) & (rows.high90 < 1 + margin)
    outside = (rows.low > 1 + margin) | (rows.high < 1 - margin)
    texts = [f"{row.language} {interval(row, 'ratio', change, 2)}" for row in rows.itertuples()]
    return _all_hold([*map(_case, within, outside)]), f"{engine}: {listed(texts)}"


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


def _all_hold(cases: list[str]) -> str:
    """Confirmed if every case holds, refuted if one is contradicted, otherwise undecided."""
    if cases and set(cases) == {"holds"}:
        return "confirmed"
    count = f"holds in {cases.count('holds')} of {len(cases)}"
    if "contradicted" in cases:
        return f"refuted: contradicted in {cases.count('contradicted')}, {count}"
    return f"undecided: {count}"


def _over_seeds(findings: Findings, verdict: str, because: str) -> Verdict:
    """A verdict on an effect of training; undecided with too few seeds."""
    return estimand_verdicts.over_seeds(findings, verdict, because)
