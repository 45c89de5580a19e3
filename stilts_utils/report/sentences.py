"""The sentences of the book that state a finding: written here from the findings, never typed into a page."""

import numpy as np
import pandas as pd

from stilts_utils.analysis import findings, latency
from stilts_utils.analysis.exit_rules import CALIBRATED
from stilts_utils.analysis.findings import MEAN, Findings
from stilts_utils.analysis.latency import POWER
from stilts_utils.study.hypotheses import EXIT_MARGIN, LEAST_SEEDS
from stilts_utils.study.settings import CONTROL
from stilts_utils.tasks import task


def percent(ratio: float, digits: int = 2) -> str:
    """A ratio as a signed change: 1.012 -> '+1.2 %'."""
    return f"{100 * (ratio - 1):+z.{digits}f} %".replace("-", "−")


def points(row: pd.Series, name: str = "difference") -> str:
    """A difference with its interval, in points."""
    return f"{row[name]:+z.1f} [{row.low:+z.1f}, {row.high:+z.1f}]".replace("-", "−")


def listed(names) -> str:
    names = [str(name) for name in names]
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else "".join(names)


def dense(found: Findings) -> pd.DataFrame:
    """Ratios of real durations, without the controls."""
    return found.ratios[found.ratios.verdict != "control"]


def answer(found: Findings) -> str:
    """The answer to the study's question, in one or two sentences."""
    cells, margin = dense(found), found.study["inference"]["margin"]
    timed = found.intermediates[0]
    steps = f"Up to {found.longest_of(timed)} steps of intermediate training on {timed}"
    counts = cells.verdict.value_counts()
    if counts.get("unusable", 0) == len(cells):
        return "The timings are unusable, because a control failed or the machine was disturbed: no verdict on latency."
    usable = cells[cells.verdict != "unusable"]
    low, high = percent(usable.low.min()), percent(usable.high.max())
    detectable = f"{100 * usable.detectable.max():.1f} %"
    if (usable.verdict == "equivalent").all():
        verdict = f"{steps} left latency and throughput equivalent to those of duration 0 within ±{100 * margin:g} %"
    elif (usable.verdict == "different").any():
        verdict = f"{steps} changed latency in {counts['different']} of {len(cells)} comparisons"
    else:
        verdict = (
            f"{steps} did not show a change of latency; {counts.get('equivalent', 0)} of {len(cells)} comparisons are "
            f"equivalent to duration 0 within ±{100 * margin:g} %, {counts['undecided']} undecided"
        )
    missing = f"; {counts['unusable']} of {len(cells)} comparisons are unusable" if "unusable" in counts else ""
    return (
        f"{verdict} (95 % intervals between {low} and {high}; an effect of {detectable} would have been detected with "
        f"{100 * POWER:g} % power in every {'usable ' if missing else ''}comparison{missing})."
    )


def answer_quality(found: Findings, brief: bool = False) -> str:
    """What duration did to quality, over all targets, at the longest duration. `brief`: undecided targets are counted."""
    parts, seeds, learned = [], len(found.study["seeds"]), findings.above_shortcuts(found)
    for intermediate in found.intermediates:
        longest = found.longest_of(intermediate)
        rows = [(target, found.mean_change(target, intermediate, longest)) for target in found.study["targets"]]
        beaten = {t: findings.above_control(found, t, intermediate) for t, row in rows if row.low > 0}
        notes = {t: "" if learned[t] else "; not above a shortcut" for t, _ in rows}
        up = [
            f"{t} ({points(row)}{notes[t]}{'; not above the same steps on it' if beaten[t] is False else ''})"
            for t, row in rows
            if row.low > 0
        ]
        down = [f"{t} ({points(row)}{notes[t]})" for t, row in rows if row.high < 0]
        still = [f"{t} ({points(row)})" for t, row in rows if row.low <= 0 <= row.high]
        said = [f"{verb} {listed(names)}" for verb, names in (("raised", up), ("lowered", down)) if names]
        left = f"{len(still)} of {len(rows)} targets" if brief else listed(still)
        said += [f"left {left} undecided"] if still else []
        parts.append(f"Over {longest} steps, {intermediate} {'; it '.join(said)}")
    note = "points, mean over languages, last layer, intervals simultaneous over targets"
    return f"{'. '.join(parts)} ({note}, {seeds} seed{'s' * (seeds > 1)})."


def answer_controls(found: Findings) -> str:
    usable, planted = found.controls[found.controls.usable], 100 * found.study["inference"]["planted"]
    if usable.empty:
        return f"Controls passed in none of {len(found.controls)} settings: these timings cannot be used."
    return (
        f"Controls passed in {len(usable)} of {len(found.controls)} settings of engine and batch size: the 99 % interval of a "
        f"checkpoint timed against itself covers 1 (the widest: {_widest(usable)}), and a planted slow-down of {planted:g} % "
        "was found."
    )


def answer_exits(found: Findings) -> str:
    """What duration does to latency with early exit, at the longest duration."""
    rows = found.exit_effects
    if rows.empty:
        return "Early exit, where duration could matter, was not measured in this study."
    if found.exits_unusable:
        return f"The timings of early exit are unusable: {found.exits_unusable}."
    row, seeds = longest_exit(found), len(found.exits.seeds)
    if seeds < LEAST_SEEDS:
        verdict = (
            f"{seeds} seed{'s are' if seeds > 1 else ' is'} too few to settle what {row.duration} steps do to latency"
        )
    elif row.low > 1 - EXIT_MARGIN and row.high < 1 + EXIT_MARGIN:
        verdict = f"{row.duration} steps left latency within ±{100 * EXIT_MARGIN:g} %"
    elif row.low > 1 or row.high < 1:
        verdict = f"{row.duration} steps changed latency"
    else:
        verdict = f"what {row.duration} steps do to latency is undecided"
    return (
        f"With early exit calibrated on English, {verdict}: {percent(row.ratio, 1)} against duration 0 "
        f"(95 % interval {percent(row.low, 1)} to {percent(row.high, 1)} over {seeds} seed{'s' * (seeds > 1)}, calibration "
        f"rows, items and processes, by a line through the measured depths); English lost {lost_points(row, 'en')} and other "
        f"languages {lost_points(row)} points to full depth, where {found.study['inference']['exits']['points_lost']:g} was "
        "allowed on the calibration rows."
    )


def search(found: Findings) -> str:
    """What duration does to the work of vector search by a graph index, at the longest duration."""
    rows = found.tables["searches"]
    if rows.empty:
        return "Vector search was not measured in this study."
    longest, wanted = rows.duration.max(), 100 * found.study["inference"]["search"]["recall"]
    start, trained = rows[rows.duration == 0], rows[rows.duration == longest]
    before, recall = start.distances_graph.mean(), 100 * rows.groupby("duration").recall.mean()
    logs = np.log(trained.groupby("seed").distances_graph.mean() / before).to_numpy()
    ratio, (low, high) = np.exp(logs.mean()), latency.interval(logs, 0.95)
    known = f"95 % interval {percent(low, 0)} to {percent(high, 0)} over {len(logs)} seeds"
    return (
        f"After {longest} steps, a graph index tuned to {wanted:g} % of what exact search finds compared "
        f"{ratio * before:.0f} candidates a query, against {before:.0f} at duration 0 and {start.distances_exact.mean():.0f} "
        f"by exact search ({percent(ratio, 0)}, {known if len(logs) > 1 else 'one seed, so without an interval'}; that of "
        "duration 0 is one graph, whose own noise is in no interval; on other "
        f"queries than it was tuned on, where it found {recall[longest]:.0f} % and {recall[0]:.0f} %; means over "
        f"{rows.language.nunique()} languages)."
    )


def longest_exit(found: Findings) -> pd.Series:
    """Effects of the calibrated exit at the longest duration."""
    rows = found.exit_effects
    return rows[(rows.rule == CALIBRATED) & (rows.duration == rows.duration.max())].iloc[0]


def lost_points(row, group: str = "others") -> str:
    """Points that early exit loses in a group of languages, `others` or `en`, with the interval."""
    difference, low, high = (getattr(row, f"lost_{group}{end}") for end in ("", "_low", "_high"))
    return points(pd.Series({"difference": difference, "low": low, "high": high}))


def _widest(controls: pd.DataFrame) -> str:
    row = max(controls.itertuples(), key=lambda row: row.aa_high - row.aa_low)
    return f"{percent(row.aa_low)} to {percent(row.aa_high)}"


def aa_summary(found: Findings) -> str:
    passed = ((found.controls.aa_low <= 1) & (found.controls.aa_high >= 1)).sum()
    low, high = percent(found.controls.aa_low.min()), percent(found.controls.aa_high.max())
    return f"The 99 % interval of the A/A ratio covers 1 in {passed} of {len(found.controls)} settings (from {low} to {high})."


def planted_summary(found: Findings) -> str:
    read = listed(percent(ratio) for ratio in found.controls.planted_ratio)
    missed = found.controls.reason.str.contains("planted").sum()
    return (
        f"The planted slow-down of {100 * found.study['inference']['planted']:g} % read {read}; it was found in "
        f"{len(found.controls) - missed} of {len(found.controls)} settings."
    )


def disturbed_summary(found: Findings) -> str:
    noise = found.tables["noise"]
    foreign, steal = (f"{100 * noise[name].max():.1f} %" for name in ("foreign_share", "steal_share"))
    return (
        f"{noise.disturbed.sum()} of {len(noise)} timed stretches were disturbed; other processes took at most {foreign} of "
        f"the machine and its host at most {steal}; {noise.stalled.sum()} of {noise.blocks.sum()} blocks stalled and were "
        "dropped."
    )


def requests_asked(found: Findings) -> str:
    """Whether the requests of the paired timings differ between processes, as their lengths show."""
    timings = found.tables["timings"]
    lengths = timings.groupby(["language", "batch_size", "replicate"]).tokens.first()
    if (lengths.groupby(["language", "batch_size"]).nunique() > 1).any():
        return "Every process has requests of its own, so intervals over processes are over requests, too"
    return "All processes have the same requests, so intervals over processes are of these requests alone"


def above_shortcuts(found: Findings) -> str:
    """Which targets are, at duration 0, above their best shortcut in English, and above the trivial one in most languages.

    A target without English rows is compared by its mean over languages.
    """
    texts = {True: [], False: []}
    for _, well, text in findings.beside_shortcuts(found):
        texts[well].append(text)
    said = []
    if texts[True]:
        said.append(
            f"At duration 0 above every shortcut and, in most languages, the trivial baseline: {listed(texts[True])}."
        )
    return " ".join(said + [f"Not so: {listed(texts[False])}."] * bool(texts[False]))


def premium_extremes(found: Findings) -> tuple[pd.Series, pd.Series]:
    """Languages with the fewest and the most tokens for the same messages."""
    known = found.premiums.dropna(subset="premium")
    return known.iloc[0], known.iloc[-1]


def claims(found: Findings) -> dict[str, str]:
    """What this study measured about each of the nine claims of the synthesis."""
    tasks = listed(found.intermediates)
    means = found.changes[(found.changes.language == MEAN) & (found.changes.intermediate != CONTROL)]
    changes = _at_longest(found, means)
    average = {name: rows.difference.mean() for name, rows in changes.groupby("intermediate")}
    gains = listed(f"{name} {value:+z.1f}".replace("-", "−") for name, value in average.items())
    best = f"{means.groupby('target').difference.max().mean():+z.1f}".replace("-", "−")
    at_longest = _at_longest(found, found.layer_changes)
    retrieval = "; ".join(
        f"{row.target} {points(row)} at layer {row.layer}"
        for _, row in at_longest[at_longest.layer.isin([found.middle, found.depth])].iterrows()
    )
    kinds = {kind: [] for kind in ("question answering", "classification")}
    for _, row in changes.iterrows():
        after = f" after {row.intermediate}" if len(found.intermediates) > 1 else ""
        kinds.get(task(row.target).category, []).append(f"{row.target}{after} {points(row)}")
    by_kind = "; ".join(f"{kind}: {listed(names)}" for kind, names in kinds.items() if names)
    several = [name for name, arm in found.study["intermediate"].items() if arm["tasks"]]
    stand_ins = f"{material(found)}; longest duration {found.longest} steps"
    multi = {name: value for name, value in average.items() if name in several}
    mixed = listed(f"{name} {value:+z.1f}".replace("-", "−") for name, value in multi.items())
    return {
        "claim_1": f"Mean change over targets, in points: {gains} ({stand_ins}).",
        "claim_2": f"Mean change over targets, in points: {mixed} ({stand_ins})."
        if multi
        else f"Not measured: {len(found.intermediates)} intermediate task{'s' * (len(found.intermediates) > 1)}, no multi-task "
        "training.",
        "claim_3": f"Change of retrieval ({stand_ins}): {retrieval or 'no retrieval target'}.",
        "claim_4": f"{by_kind[:1].upper()}{by_kind[1:] or 'No such target'} ({stand_ins}).",
        "claim_5": f"Mean over targets of the best duration's change, chosen after the fact: {best} points ({stand_ins}).",
        "claim_6": "Not measured: no multilingual or translated intermediate training here.",
        "claim_7": f"Not so here: {found.provenance['encoder']['layers']} layers of {encoder_name(found)}.",
        "claim_8": "Followed as the design of this study, with a timing phase added.",
        "claim_9": f"{len(found.intermediates)} here: {tasks}; all nine are registered.",
    }


def _at_longest(found: Findings, frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of the longest duration of each intermediate task."""
    return frame[
        frame.duration == frame.intermediate.map({name: found.longest_of(name) for name in found.intermediates})
    ]


def material(found: Findings) -> str:
    """What the scores are scores of."""
    return "stand-ins, not XTREME-R" if found.study["source"] == "embedded" else "rows of XTREME-R's data sets"


def encoder_name(found: Findings) -> str:
    names = {"packaged": "multilingual-e5-small", "random": "a tiny random encoder"}
    return names.get(found.provenance["encoder"]["name"], found.provenance["encoder"]["name"])
