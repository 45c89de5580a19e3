"""The sentences of the book that state a finding: written here from the findings, never typed into a page."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from stilts_utils.analysis import factors, latency
from stilts_utils.analysis.exit_rules import CALIBRATED
from stilts_utils.analysis.findings import Findings, above_control, above_shortcuts, beside_shortcuts
from stilts_utils.analysis.verdict import (
    CHANGED,
    EQUIVALENT,
    NOT_LEARNED,
    NOT_MEASURED,
    UNDECIDED,
    Verdict,
    of_interval,
    with_seeds,
)
from stilts_utils.report.formats import change, counted, decimal, interval, listed, percent, points, span
from stilts_utils.study.engines import REFERENCE
from stilts_utils.study.hypotheses import EXIT_MARGIN, LEAST_SEEDS
from stilts_utils.tasks import TRAINING_LANGUAGE, task

# How a metric that stands beside the official one differs from it.
DIRECTIONS = {"accuracy_to_english": "from the language to English, not in the official direction"}


def dense(findings: Findings) -> pd.DataFrame:
    """Ratios of real durations, without the controls."""
    return findings.ratios[findings.ratios.verdict != "control"]


def latency_verdict(row) -> str:
    """The verdict on a row of `Findings.ratios`, of an undecided one with its half-width in percent."""
    return row.verdict if row.verdict != UNDECIDED else _said(row, percent)


def quality_verdict(row) -> str:
    """The verdict on a row of `Findings.verdicts`, of an undecided one with its half-width in points."""
    return row.verdict if row.verdict != UNDECIDED else _said(row, decimal)


def _said(row, write: Callable[..., str]) -> str:
    return Verdict(UNDECIDED, half_width=(row.high - row.low) / 2).says(write)


def at_longest(findings: Findings, frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of the longest duration of each intermediate task."""
    longest = {name: findings.longest_of(name) for name in findings.intermediates}
    return frame[frame.duration == frame.intermediate.map(longest)]


def place(about: dict) -> str:
    """Machine, date and commit of a provenance, of training and scoring or of timings."""
    machine, commit = about["machine"], about["commit"].replace("+", " with uncommitted changes")
    device = machine["cpu"] if machine["device"] == "CPU" else f"{machine['device']}, {machine['cpu']}"
    return f"{device}, {machine['cores']} cores, {about['date']}, commit {commit}"


def as_trained(findings: Findings) -> str:
    """With how many layers and in which precision the encoder was trained, and why with fewer than elsewhere."""
    about = findings.provenance
    encoder, asked = about["encoder"], {**about["study"], **about.get("settings", {})}
    said = f"The encoder has {counted(encoder['layers'], 'layer')} and was trained in {encoder['precision']}"
    if encoder["precision"] == "bf16":
        return f"{said}."
    said += ", because the machine has no bfloat16 instructions"
    if asked.get("layers_without_bf16"):
        kept = asked["layers"] or "all"
        said += f"; with them, it keeps {kept} layers and trains in bf16. That is another model, so its numbers differ"
    return f"{said}."


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
    counts, usable = cells.verdict.value_counts(), cells[cells.verdict != NOT_MEASURED]
    if usable.empty:
        return (
            "Latency was not measured: a control failed or the machine was disturbed, so that the timings are unusable."
        )
    steps = f"Up to {findings.longest_of(timed)} steps of intermediate training on {timed}"
    within = f"within ±{100 * findings.study['inference']['margin']:g} %"
    if (usable.verdict == EQUIVALENT).all():
        verdict = f"{steps} left latency equivalent to that of duration 0 {within}"
    elif (usable.verdict == CHANGED).any():
        verdict = f"{steps} changed latency in {counts[CHANGED]} of {len(cells)} comparisons"
    else:
        verdict = (
            f"{steps} did not show a change of latency; {counts.get(EQUIVALENT, 0)} of {len(cells)} comparisons are "
            f"equivalent to duration 0 {within}, {counts[UNDECIDED]} undecided"
        )
    missing = f"; {counts[NOT_MEASURED]} of {len(cells)} not measured: unusable" if NOT_MEASURED in counts else ""
    return (
        f"{verdict} (95 % intervals between {change(usable.low.min())} and {change(usable.high.max())}; an effect of "
        f"{percent(usable.detectable.max())} would have been detected with {100 * latency.POWER:g} % power in every "
        f"{'usable ' if missing else ''}comparison{missing})."
    )


def answer_quality(findings: Findings) -> str:
    """How duration changed quality, over all targets that were learned, at the longest duration, by `Findings.verdicts`."""
    rows, parts, seeds = at_longest(findings, findings.verdicts), [], findings.fewest_seeds
    for intermediate in findings.intermediates:
        own = rows[(rows.intermediate == intermediate) & (rows.verdict != NOT_LEARNED)].set_index("target")
        own = own.reindex([target for target in findings.study["targets"] if target in own.index])
        named = {1: [], -1: [], 0: []}
        for row in own.assign(target=own.index, intermediate=intermediate).itertuples():
            effect = f" ({points(row)}{_notes(findings, row)})" * (row.direction != 0)
            named[row.direction].append(f"{row.target}{effect}")
        said = [
            f"{verb} {listed(named[side])}{end}"
            for side, verb, end in ((1, "raised", ""), (-1, "lowered", ""), (0, "left", " undecided"))
            if named[side]
        ]
        if said:
            parts.append(f"Over {findings.longest_of(intermediate):,} steps, {intermediate} {'; it '.join(said)}")
    note = f"points, mean over languages, last layer, intervals simultaneous over targets, {counted(seeds, 'seed')}"
    return f"{'. '.join(parts)} ({note})." if parts else "Nothing is said of a change of quality."


def rests_on(findings: Findings) -> str:
    """How many seeds the answer rests on, whether they are too few for a claim, and what was not learned."""
    seeds = findings.fewest_seeds
    few = f", fewer than the {LEAST_SEEDS} that a claim of an effect asks for" * (seeds < LEAST_SEEDS)
    return f"It rests on {counted(seeds, 'seed')}{few}.{unlearned(findings)}"


def _notes(findings: Findings, row) -> str:
    """What a change has to be read with."""
    note = "; not above a shortcut" * (sign(row) != 0 and not above_shortcuts(findings)[row.target])
    if sign(row) > 0 and above_control(findings, row.target, row.intermediate) is False:
        note += "; not above the same steps on it"
    return note


def unlearned(findings: Findings) -> str:
    """Which targets and arms are below their floor, with a space before it; "" if none is."""
    targets = [name for name in findings.study["targets"] if not findings.learned.target(name)]
    arms = [name for name in findings.intermediates if not findings.learned.arm(name)]
    named = [listed(targets)] * bool(targets) + [f"training on {listed(arms)}"] * bool(arms)
    return f" Not learned, so not counted: {'; '.join(named)}." if named else ""


def sign(row) -> int:
    """1 or -1 if the interval of a row excludes 0, otherwise 0."""
    return int(row.low > 0) - int(row.high < 0)


def answer_controls(findings: Findings) -> str:
    """In how many settings the controls passed, and what that means."""
    usable, timing = findings.controls[findings.controls.usable], findings.study["inference"]
    if usable.empty:
        return f"Controls passed in none of {len(findings.controls)} settings: these timings cannot be used."
    widest = usable.loc[(usable.aa_high - usable.aa_low).idxmax()]
    settings = f"{len(usable)} of {len(findings.controls)} settings of engine and batch size"
    return (
        f"Controls passed in {settings}: a checkpoint timed against itself is equivalent within ±{100 * timing['margin']:g} % "
        f"(the widest 99 % interval: {span(widest.aa_low, widest.aa_high, change, 2)}), "
        f"and a planted slow-down of {100 * timing['planted']:g} % was found."
    )


def longest_exit(findings: Findings) -> pd.Series:
    """Effects of the calibrated exit at the longest duration."""
    rows = findings.exit_effects
    return rows[(rows.rule == CALIBRATED) & (rows.duration == rows.duration.max())].iloc[0]


def exit_verdict(findings: Findings) -> Verdict:
    """On latency with the calibrated exit at the longest duration, as a share of that of duration 0."""
    if findings.exit_effects.empty or findings.exits_unusable:
        return Verdict(NOT_MEASURED)
    if not (findings.exits_learned and findings.learned.arm(findings.intermediates[0])):
        return Verdict(NOT_LEARNED)
    row = longest_exit(findings)
    given = of_interval(row.low - 1, row.high - 1, EXIT_MARGIN)
    return with_seeds(given, findings.seeds_of(findings.intermediates[0]), LEAST_SEEDS)


def lost_points(row, group: str = "others") -> str:
    """Points that early exit loses in a group of languages, `others` or `en`, with the interval."""
    return points(row, f"lost_{group}", f"lost_{group}_")


def search(findings: Findings) -> str:
    """The effect of duration on the work of vector search by a graph index, at the longest duration."""
    rows = findings.tables["searches"]
    if rows.empty:
        return "Vector search was not measured in this study."
    if not findings.learned.arm(findings.intermediates[0]):
        return f"Vector search is not counted: {findings.intermediates[0]} was not learned."
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
    missed, read = controls.reason.str.contains("planted").sum(), controls.planted_ratio.dropna()
    return (
        f"The planted slow-down of {100 * findings.study['inference']['planted']:g} % read "
        f"{listed(map(change, read)) or 'nowhere'}; it was found in {len(controls) - missed} of {len(controls)} settings."
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
    if (lengths.groupby(["batch_size", "replicate"]).agg(tuple).groupby("batch_size").nunique() > 1).all():
        return "Every process has requests of its own, so intervals over processes are over requests, too"
    return "All processes have the same requests, so intervals over processes are of these requests alone"


def targets_above_shortcuts(findings: Findings) -> str:
    """Which targets are, at duration 0, above their best shortcut in English, and above the trivial one in most languages.

    A target without English rows is compared by its mean over languages.
    """
    compared = list(beside_shortcuts(findings))
    below = [text for _, above, text in compared if not above]
    well = len(compared) - len(below)
    said = (
        f"At duration 0, {well or 'none'} of {counted(len(compared), 'target')} {'is' if well == 1 else 'are'} above every "
        "shortcut in English and, in most languages, above the trivial baseline."
    )
    return f"{said} Not so: {listed(below)}." if below else said


def premium_extremes(findings: Findings) -> tuple[pd.Series, pd.Series]:
    """Languages with the fewest and the most tokens for the same messages: both are English if no others are known."""
    known = findings.premiums.dropna(subset="premium")
    if known.empty:
        known = pd.DataFrame({"language": [TRAINING_LANGUAGE], "premium": [1.0]})
    return known.iloc[0], known.iloc[-1]


def material(findings: Findings) -> str:
    """Which rows the scores were computed on."""
    return "stand-ins, not XTREME-R" if findings.study["source"] == "embedded" else "rows of XTREME-R's data sets"


def encoder_name(findings: Findings) -> str:
    name = findings.provenance["encoder"]["name"]
    return {"packaged": "multilingual-e5-small", "random": "a tiny random encoder"}.get(name, name)
