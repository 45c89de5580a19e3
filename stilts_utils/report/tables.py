"""The tables of the book, as frames with the headings that a reader sees."""

import pandas as pd

from stilts_utils.analysis.findings import MEAN, Findings
from stilts_utils.report import sentences, tables_deployment, tables_engines, verdicts
from stilts_utils.study.settings import CONTROL, PRETRAINED
from stilts_utils.tasks import TASKS

EXTREMES = 7  # languages shown at each end
ARMS = {PRETRAINED: "pretrained", CONTROL: "control"}


def markdown(frame: pd.DataFrame) -> str:
    """A frame as one Markdown table; an empty one as a sentence."""
    if frame.empty:
        return "Nothing is lacking.\n"
    return frame.to_markdown(index=False, disable_numparse=True) + "\n"


def interval(row, name: str, digits: int = 1) -> str:
    """`58.1 [55.0, 61.2]`."""
    return f"{getattr(row, name):.{digits}f} [{row.low:.{digits}f}, {row.high:.{digits}f}]"


def every(found: Findings) -> dict[str, pd.DataFrame]:
    """Table name -> frame."""
    return {
        "answer": answer(found),
        "hypotheses": verdicts.verdicts(found),
        "registered": verdicts.registered(found),
        **tables_deployment.every(found),
        "quality": quality(found),
        "quality_languages": quality_languages(found),
        "latency": latency(found),
        "controls": controls(found),
        "noise": noise(found),
        "engines": tables_engines.engines(found),
        "speed": tables_engines.speed(found),
        "fidelity": tables_engines.fidelity(found),
        "checkpoints": checkpoints(found),
        "fertility": fertility(found),
        "costs": costs(found),
        "shortcuts": shortcuts(found),
        "lacking": found.tables["lacking"].rename(columns=str.capitalize),
        "provenance": provenance(found),
        "extremes": extremes(found),
        "tasks": tasks(found),
        "registry": registry(found),
    }


def _arm(row) -> str:
    return ARMS.get(row.intermediate, row.intermediate)


def answer(found: Findings) -> pd.DataFrame:
    """Latency ratio of every setting and quality of every target, one column per duration."""
    ratios, durations = sentences.dense(found), found.durations
    rows = []
    for (engine, batch_size), cells in ratios.groupby(["engine", "batch_size"], sort=False):
        changes = {cell.duration: f"{sentences.percent(cell.ratio)} ({cell.verdict})" for cell in cells.itertuples()}
        rows.append({"": f"Latency, {engine}, batch {batch_size}", 0: "reference", **changes})
    means = found.quality[(found.quality.language == MEAN) & (found.quality.intermediate != CONTROL)]
    for target, cells in means.groupby("target", sort=False):
        scores = {row.duration: interval(row, "score") for row in cells[cells.duration == 0].itertuples()}
        for intermediate in found.intermediates:
            trained = cells[cells.intermediate == intermediate]
            name = f"{target} score" if len(found.intermediates) < 2 else f"{target} score after {intermediate}"
            rows.append({"": name, **scores, **{row.duration: interval(row, "score") for row in trained.itertuples()}})
    table = pd.DataFrame(rows)[["", *durations]].fillna("")
    return table.rename(columns={duration: f"{duration} steps" for duration in durations})


def quality(found: Findings) -> pd.DataFrame:
    """Score, change and control by target and duration, mean over languages."""
    keys = ["target", "intermediate", "duration"]
    place = {name: at for at, name in enumerate([*found.study["targets"], PRETRAINED, CONTROL, *found.intermediates])}
    means = found.quality[found.quality.language == MEAN]
    means = means.sort_values(keys, key=lambda values: values.replace(place) if values.name != "duration" else values)
    changes = found.changes[found.changes.language == MEAN].set_index(keys)
    over = found.over_control[found.over_control.language == MEAN].set_index(keys)
    rows = []
    for row in means.itertuples():
        key = (row.target, row.intermediate, row.duration)
        rows.append(
            {
                "Target": row.target,
                "Arm": _arm(row),
                "Steps": row.duration,
                "Score [95 %]": interval(row, "score"),
                "Change to 0 steps": sentences.points(changes.loc[key]) if key in changes.index else "",
                "Over the control": sentences.points(over.loc[key]) if key in over.index else "",
            }
        )
    return pd.DataFrame(rows)


def extremes(found: Findings) -> pd.DataFrame:
    """The languages that gain and lose most at the longest durations: mean change over targets, in points."""
    at = found.changes.intermediate.map({name: found.longest_of(name) for name in found.intermediates})
    rows = found.changes[(found.changes.language != MEAN) & (found.changes.duration == at)]
    wide = rows.pivot_table(index="language", columns="intermediate", values="difference")[found.intermediates]
    wide = wide.assign(mean=wide.mean(axis=1), targets=rows.groupby("language").target.nunique())
    wide = wide.sort_values("mean", ascending=False)
    if len(wide) > 2 * EXTREMES:
        wide = pd.concat([wide.head(EXTREMES), wide.tail(EXTREMES)])
    shown = wide.drop(columns="targets").map(lambda value: f"{value:+.1f}".replace("-", "−"))
    names = {name: f"After {name}" for name in found.intermediates} | {"mean": "Mean"}
    shown.insert(0, "Targets", wide.targets)
    return shown.rename(columns=names).reset_index(names="Language")


def quality_languages(found: Findings) -> pd.DataFrame:
    """Score by target, arm and duration, a column per language."""
    order = [language for language in found.study["languages"] if language in set(found.quality.language)]
    wide = found.quality[found.quality.language != MEAN].pivot_table(
        index=["target", "intermediate", "duration"], columns="language", values="score"
    )[order]
    wide = wide.map(lambda score: "–" if pd.isna(score) else f"{score:.0f}").reset_index()
    wide["intermediate"] = wide.intermediate.replace(ARMS)
    return wide.rename(columns={"target": "Target", "intermediate": "Arm", "duration": "Steps"})


def latency(found: Findings) -> pd.DataFrame:
    rows = [
        {
            "Engine": row.engine,
            "Batch": row.batch_size,
            "Steps": row.duration,
            "Ratio [95 %]": interval(row, "ratio", 4),
            "p (equivalence, Holm)": f"{row.p_holm:.4f}",
            "Detectable": f"{100 * row.detectable:.2f} %",
            "Verdict": row.verdict,
        }
        for row in sentences.dense(found).itertuples()
    ]
    return pd.DataFrame(rows)


def controls(found: Findings) -> pd.DataFrame:
    rows = [
        {
            "Engine": row.engine,
            "Batch": row.batch_size,
            "A/A ratio, 99 %": f"{row.aa_low:.4f} to {row.aa_high:.4f}",
            "Planted ratio [95 %]": f"{row.planted_ratio:.4f} [{row.planted_low:.4f}, {row.planted_high:.4f}]",
            "Usable": "yes" if row.usable else f"no: {row.reason}",
        }
        for row in found.controls.itertuples()
    ]
    return pd.DataFrame(rows)


def noise(found: Findings) -> pd.DataFrame:
    rows = [
        {
            "Process": row.replicate,
            "Engine": row.engine,
            "Batch": row.batch_size,
            "Blocks": row.blocks,
            "Stalled": row.stalled,
            "Other processes": f"{100 * row.foreign_share:.1f} %",
            "Hypervisor": f"{100 * row.steal_share:.1f} %",
            "Load before": f"{row.load:.2f}",
            "Disturbed": "yes" if row.disturbed else "no",
        }
        for row in found.tables["noise"].itertuples()
    ]
    return pd.DataFrame(rows)


def checkpoints(found: Findings) -> pd.DataFrame:
    rows = [
        {
            "Task": row.intermediate,
            "Seed": row.seed,
            "Steps": row.duration,
            "Examples": row.examples,
            "Tokens": row.tokens,
            "Distance": f"{row.distance:.4f}",
            "Subnormal weights": row.subnormals,
        }
        for row in found.tables["checkpoints"].itertuples()
    ]
    return pd.DataFrame(rows)


def fertility(found: Findings) -> pd.DataFrame:
    rows = [
        {
            "Language": row.language,
            "Messages": row.messages,
            "Tokens relative to English": f"{row.premium:.2f}" if row.premium == row.premium else "no parallel text",
            "Tokens per word": f"{row.tokens_per_word:.2f}" if row.tokens_per_word else "no word spaces",
            "Tokens per character": f"{row.tokens_per_character:.2f}",
            "Unknown tokens": f"{100 * row.unknown_share:.2f} %",
        }
        for row in found.premiums.itertuples()
    ]
    return pd.DataFrame(rows)


def costs(found: Findings) -> pd.DataFrame:
    """Seconds by phase and part; `start-up and rest`: what the executed notebooks took beyond their parts."""
    parts = found.tables["costs"].groupby(["phase", "part"])[["seconds", "steps", "tokens"]].sum().reset_index()
    rest = found.tables["jobs"].groupby("phase").seconds.sum() - parts.groupby("phase").seconds.sum()
    rows = [
        {
            "Phase": row.phase,
            "Part": row.part,
            "Seconds": f"{row.seconds:.1f}",
            "Optimizer steps": row.steps or "",
            "Tokens": row.tokens or "",
            "Tokens per second": f"{row.tokens / row.seconds:.0f}" if row.tokens else "",
        }
        for row in parts.itertuples()
    ]
    rows += [{"Phase": phase, "Part": "start-up and rest", "Seconds": f"{s:.1f}"} for phase, s in rest.dropna().items()]
    return pd.DataFrame(rows).fillna("").sort_values(["Phase", "Part"], kind="stable")


def shortcuts(found: Findings) -> pd.DataFrame:
    order = [language for language in found.study["languages"] if language in set(found.tables["shortcuts"].language)]
    wide = found.tables["shortcuts"].pivot_table(
        index=["target", "baseline"], columns="language", values="score", sort=False
    )
    wide = wide[order].map(lambda score: "–" if pd.isna(score) else f"{score:.0f}").reset_index()
    return wide.rename(columns={"target": "Target", "baseline": "Baseline"})


def provenance(found: Findings) -> pd.DataFrame:
    about = found.provenance
    rows = [("commit", about["commit"]), ("date", about["date"]), ("study", about["study"]["name"])]
    rows += [("note", about["note"])] if "note" in about else []
    for group in ("machine", "encoder", "versions"):
        rows += [(f"{group}: {name}", value) for name, value in about[group].items()]
    timed = {**about["timed"], **about["timed"]["machine"]}
    rows += [(f"timings: {name}", value) for name, value in timed.items() if name != "machine"]
    return pd.DataFrame(rows, columns=["What", "Value"]).astype(str)


def tasks(found: Findings) -> pd.DataFrame:
    """The tasks of the embedded suite; the role each plays in this study."""
    rows = [
        {
            "Task": entry.name,
            "Shape": entry.shape,
            "Asks": entry.asks,
            "Stands in for": ", ".join(entry.stands_in_for),
            "Role in this study": _roles(found, entry.name),
        }
        for entry in TASKS.values()
        if entry.stands_in_for
    ]
    return pd.DataFrame(rows)


def registry(found: Findings) -> pd.DataFrame:
    """The data sets of XTREME-R and of the nine intermediate tasks, as registered."""
    rows = [
        {
            "Task": entry.name,
            "Shape": entry.shape,
            "Metrics": ", ".join(entry.metrics),
            "Languages": len(entry.languages),
            "Tokens at most": entry.max_length,
            "Data sets": ", ".join(dict.fromkeys(rows.hub for rows in entry.sets)),
            "Licence": entry.licence,
            "Role in this study": _roles(found, entry.name),
            "Differs": entry.differs,
        }
        for entry in TASKS.values()
        if not entry.stands_in_for
    ]
    return pd.DataFrame(rows)


def _roles(found: Findings, name: str) -> str:
    trained = {task for arm, mix in found.study["intermediate"].items() for task in mix["tasks"] or (arm,)}
    roles = ["target"] * (name in found.study["targets"]) + ["intermediate"] * (name in trained)
    return ", ".join(roles) or "not used"
