"""The sentences of the book that state a finding: written here from the findings, never typed into a page."""

import numpy as np
import pandas as pd

from stilts_utils.analysis import factors, latency
from stilts_utils.analysis.exit_rules import CALIBRATED
from stilts_utils.analysis.findings import MEAN, Findings, above_control, above_shortcuts, beside_shortcuts
from stilts_utils.report.formats import change, counted, interval, listed, percent, points, signed, span
from stilts_utils.study.engines import REFERENCE
from stilts_utils.study.hypotheses import EXIT_MARGIN
from stilts_utils.study.settings import CONTROL
from stilts_utils.tasks import task

# How a metric that stands beside the official one differs from it.
DIRECTIONS = {"accuracy_to_english": "from the language to English, not in the official direction"}


def dense(findings: Findings) -> pd.DataFrame:
    """Ratios of real durations, without the controls."""
    return findings.ratios[findings.ratios.verdict != "control"]


def at_longest(findings: Findings, frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of the longest duration of each intermediate task."""
    longest = {name: findings.longest_of(name) for name in findings.intermediates}
    return frame[frame.duration == frame.intermediate.map(longest)]


def place(about: dict) -> str:
    """Machine, date and commit of a provenance, of training and scoring or of timings."""
    machine, commit = about["machine"], about["commit"].replace("+", " with uncommitted changes")
    device = machine["cpu"] if machine["device"] == "CPU" else f"{machine['device']}, {machine['cpu']}"
    return f"{device}, {machine['cores']} cores, {about['date']}, commit {commit}"


def untimed(findings: Findings) -> str:
    """What is said of a study that was not timed, in place of every finding on latency."""
    return f"This study was trained and scored on {place(findings.provenance)}; it was not timed."


def unofficial(findings: Findings) -> str:
    """Which targets are not read by their official metric, with a space before it; "" if all are."""
    return "".join(
        f" {target} is scored by {metric}, {DIRECTIONS.get(metric, f'not by the official {task(target).metric}')}."
        for target, metric in findings.unofficial.items()
    )


def answer(findings: Findings) -> str:
    """The answer to the study's question, in one or two sentences."""
    cells, timed = dense(findings), findings.intermediates[0]
    counts, usable = cells.verdict.value_counts(), cells[cells.verdict != "unusable"]
    if usable.empty:
        return "The timings are unusable, because a control failed or the machine was disturbed: no verdict on latency."
    steps = f"Up to {findings.longest_of(timed)} steps of intermediate training on {timed}"
    within = f"within ±{100 * findings.study['inference']['margin']:g} %"
    if (usable.verdict == "equivalent").all():
        verdict = f"{steps} left latency and throughput equivalent to those of duration 0 {within}"
    elif (usable.verdict == "different").any():
        verdict = f"{steps} changed latency in {counts['different']} of {len(cells)} comparisons"
    else:
        verdict = (
            f"{steps} did not show a change of latency; {counts.get('equivalent', 0)} of {len(cells)} comparisons are "
            f"equivalent to duration 0 {within}, {counts['undecided']} undecided"
        )
    missing = f"; {counts['unusable']} of {len(cells)} comparisons are unusable" if "unusable" in counts else ""
    return (
        f"{verdict} (95 % intervals between {change(usable.low.min())} and {change(usable.high.max())}; an effect of "
        f"{percent(usable.detectable.max())} would have been detected with {100 * latency.POWER:g} % power in every "
        f"{'usable ' if missing else ''}comparison{missing})."
    )


def answer_quality(findings: Findings, brief: bool = False) -> str:
    """How duration changed quality, over all targets, at the longest duration. `brief`: undecided targets are counted."""
    parts, targets, learned = [], list(findings.study["targets"]), above_shortcuts(findings)
    for intermediate in findings.intermediates:
        longest = findings.longest_of(intermediate)
        named = {1: [], -1: [], 0: []}
        for target in targets:
            row = findings.mean_change(target, intermediate, longest)
            note = "; not above a shortcut" * (sign(row) != 0 and not learned[target])
            if sign(row) > 0 and above_control(findings, target, intermediate) is False:
                note += "; not above the same steps on it"
            named[sign(row)].append(f"{target} ({points(row)}{note})")
        said = [f"{verb} {listed(named[side])}" for side, verb in ((1, "raised"), (-1, "lowered")) if named[side]]
        if named[0]:
            left = f"{len(named[0])} of {len(targets)} targets" if brief else listed(named[0])
            said.append(f"left {left} undecided")
        parts.append(f"Over {longest} steps, {intermediate} {'; it '.join(said)}")
    note = "points, mean over languages, last layer, intervals simultaneous over targets"
    return f"{'. '.join(parts)} ({note}, {counted(len(findings.study['seeds']), 'seed')})."


def sign(row) -> int:
    """1 or -1 if the interval of a row excludes 0, otherwise 0."""
    return int(row.low > 0) - int(row.high < 0)


def answer_controls(findings: Findings) -> str:
    usable, planted = findings.controls[findings.controls.usable], 100 * findings.study["inference"]["planted"]
    if usable.empty:
        return f"Controls passed in none of {len(findings.controls)} settings: these timings cannot be used."
    widest = usable.loc[(usable.aa_high - usable.aa_low).idxmax()]
    return (
        f"Controls passed in {len(usable)} of {len(findings.controls)} settings of engine and batch size: the 99 % interval "
        f"of a checkpoint timed against itself covers 1 (the widest: {span(widest.aa_low, widest.aa_high, change, 2)}), and a "
        f"planted slow-down of {planted:g} % was found."
    )


def longest_exit(findings: Findings) -> pd.Series:
    """Effects of the calibrated exit at the longest duration."""
    rows = findings.exit_effects
    return rows[(rows.rule == CALIBRATED) & (rows.duration == rows.duration.max())].iloc[0]


def exit_latency(row) -> str:
    """Whether latency with early exit is "equivalent" to that of duration 0, "different" or "undecided"."""
    if row.low > 1 - EXIT_MARGIN and row.high < 1 + EXIT_MARGIN:
        return "equivalent"
    return "different" if row.low > 1 or row.high < 1 else "undecided"


def lost_points(row, group: str = "others") -> str:
    """Points that early exit loses in a group of languages, `others` or `en`, with the interval."""
    return points(row, f"lost_{group}", f"lost_{group}_")


def search(findings: Findings) -> str:
    """The effect of duration on the work of vector search by a graph index, at the longest duration."""
    rows = findings.tables["searches"]
    if rows.empty:
        return "Vector search was not measured in this study."
    longest, wanted = rows.duration.max(), 100 * findings.study["inference"]["search"]["recall"]
    start, trained = rows[rows.duration == 0], rows[rows.duration == longest]
    before, recall = start.distances_graph.mean(), 100 * rows.groupby("duration").recall.mean()
    logs = np.log(trained.groupby("seed").distances_graph.mean() / before).to_numpy()
    ratio, bounds = np.exp(logs.mean()), latency.interval(logs, 0.95)
    known = f"95 % interval {span(*bounds, change, 0)} over {len(logs)} seeds"
    return (
        f"After {longest} steps, a graph index tuned to {wanted:g} % of what exact search finds compared "
        f"{ratio * before:.0f} candidates a query, against {before:.0f} at duration 0 and {start.distances_exact.mean():.0f} "
        f"by exact search ({change(ratio, 0)}, {known if len(logs) > 1 else 'one seed, so without an interval'}; that of "
        "duration 0 is one graph, whose own noise is in no interval; on other "
        f"queries than it was tuned on, where it found {recall[longest]:.0f} % and {recall[0]:.0f} %; means over "
        f"{rows.language.nunique()} languages)."
    )


def engines_summary(findings: Findings) -> str:
    """How fast the other engines are, and how far from the reference every engine is."""
    timings, fidelity = findings.usable_timings, findings.tables["fidelity"]
    ran = [name for name in findings.study["inference"]["engines"] if name in set(fidelity.engine)]
    first = next((name for name in ran if name in set(timings.engine)), None)
    said = []
    for name, rows in factors.speedups(timings, first).groupby("engine", sort=False) if first else ():
        ratios = [f"{interval(row, 'ratio', digits=2)} at batch {row.batch_size}" for row in rows.itertuples()]
        said.append(f"{name} {' and '.join(ratios)}")
    faster = f"Throughput over that of {first}, with 95 % intervals: {'; '.join(said)}. " if said else ""
    lowest = fidelity.groupby("engine").agreement.min()
    agreed = ", ".join(f"{name} {percent(lowest[name])}" for name in ran)
    return f"{faster}Lowest agreement with {REFERENCE.name} over languages, durations and seeds: {agreed}."


def aa_summary(findings: Findings) -> str:
    controls = findings.controls
    passed = ((controls.aa_low <= 1) & (controls.aa_high >= 1)).sum()
    return (
        f"The 99 % interval of the A/A ratio covers 1 in {passed} of {len(controls)} settings (from "
        f"{span(controls.aa_low.min(), controls.aa_high.max(), change, 2)})."
    )


def planted_summary(findings: Findings) -> str:
    controls = findings.controls
    missed = controls.reason.str.contains("planted").sum()
    return (
        f"The planted slow-down of {100 * findings.study['inference']['planted']:g} % read "
        f"{listed(map(change, controls.planted_ratio))}; it was found in {len(controls) - missed} of {len(controls)} settings."
    )


def disturbed_summary(findings: Findings) -> str:
    noise = findings.tables["noise"]
    return (
        f"{noise.disturbed.sum()} of {len(noise)} timed stretches were disturbed; other processes took at most "
        f"{percent(noise.foreign_share.max())} of the machine and its host at most {percent(noise.steal_share.max())}; "
        f"{noise.stalled.sum()} of {noise.blocks.sum()} blocks stalled and were dropped."
    )


def requests_differ(findings: Findings) -> str:
    """Whether the requests of the paired timings differ between processes, as their lengths show."""
    timings = findings.tables["timings"]
    lengths = timings.groupby(["language", "batch_size", "replicate"]).tokens.first()
    if (lengths.groupby(["language", "batch_size"]).nunique() > 1).any():
        return "Every process has requests of its own, so intervals over processes are over requests, too"
    return "All processes have the same requests, so intervals over processes are of these requests alone"


def targets_above_shortcuts(findings: Findings) -> str:
    """Which targets are, at duration 0, above their best shortcut in English, and above the trivial one in most languages.

    A target without English rows is compared by its mean over languages.
    """
    texts = {True: [], False: []}
    for _, above, text in beside_shortcuts(findings):
        texts[above].append(text)
    starts = {True: "At duration 0 above every shortcut and, in most languages, the trivial baseline", False: "Not so"}
    return " ".join(f"{starts[above]}: {listed(names)}." for above, names in texts.items() if names)


def premium_extremes(findings: Findings) -> tuple[pd.Series, pd.Series]:
    """Languages with the fewest and the most tokens for the same messages."""
    known = findings.premiums.dropna(subset="premium")
    return known.iloc[0], known.iloc[-1]


def claims(findings: Findings) -> dict[str, str]:
    """The measurements of this study on each of the nine claims of the synthesis."""
    arms, several = findings.study["intermediate"], len(findings.intermediates) > 1
    means = findings.changes[(findings.changes.language == MEAN) & (findings.changes.intermediate != CONTROL)]
    changes = at_longest(findings, means)
    average = changes.groupby("intermediate").difference.mean()
    gains = {name: f"{name} {signed(value)}" for name, value in average.items()}
    mixed = [gain for name, gain in gains.items() if arms[name]["tasks"]]
    best = signed(means.groupby("target").difference.max().mean())
    layers = at_longest(findings, findings.layer_changes)
    layers = layers[layers.layer.isin([findings.middle, findings.depth])]
    retrieval = "; ".join(f"{row.target} {points(row)} at layer {row.layer}" for row in layers.itertuples())
    kinds = {kind: [] for kind in ("question answering", "classification")}
    for row in changes.itertuples():
        after = f" after {row.intermediate}" * several
        kinds.get(task(row.target).category, []).append(f"{row.target}{after} {points(row)}")
    by_kind = "; ".join(f"{kind}: {listed(names)}" for kind, names in kinds.items() if names)
    stand_ins = f"{material(findings)}; longest duration {findings.longest} steps"
    return {
        "claim_1": f"Mean change over targets, in points: {listed(gains.values())} ({stand_ins}).",
        "claim_2": f"Mean change over targets, in points: {listed(mixed)} ({stand_ins})."
        if mixed
        else f"Not measured: {counted(len(arms), 'intermediate task')}, no multi-task training.",
        "claim_3": f"Change of retrieval ({stand_ins}): {retrieval or 'no retrieval target'}.",
        "claim_4": f"{by_kind[:1].upper()}{by_kind[1:] or 'No such target'} ({stand_ins}).",
        "claim_5": f"Mean over targets of the best duration's change, chosen after the fact: {best} points ({stand_ins}).",
        "claim_6": "Not measured: no multilingual or translated intermediate training here.",
        "claim_7": f"Not so here: {findings.depth} layers of {encoder_name(findings)}.",
        "claim_8": "Followed as the design of this study, with a timing phase added.",
        "claim_9": f"{len(arms)} here: {listed(findings.intermediates)}; all nine are registered.",
    }


def material(findings: Findings) -> str:
    """Which rows the scores were computed on."""
    return "stand-ins, not XTREME-R" if findings.study["source"] == "embedded" else "rows of XTREME-R's data sets"


def encoder_name(findings: Findings) -> str:
    name = findings.provenance["encoder"]["name"]
    return {"packaged": "multilingual-e5-small", "random": "a tiny random encoder"}.get(name, name)
