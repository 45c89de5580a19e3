"""The tables of the book, as frames with the headings that a reader sees."""

from collections import Counter

import pandas as pd

from stilts_utils.analysis.findings import MEAN, Findings
from stilts_utils.report import tables_deployment, tables_estimands, verdicts
from stilts_utils.report.columns import SETTING, Source, by_language, markdown, table, with_interval, yes
from stilts_utils.report.formats import change, decimal, interval, percent, points, signed, span
from stilts_utils.report.sentences import at_longest, dense, latency_verdict, quality_verdict
from stilts_utils.study.facts import trained_on
from stilts_utils.study.settings import CONTROL, PRETRAINED
from stilts_utils.tasks import TASKS

__all__ = ["every", "markdown"]
LEARNED = "Learned in English"
EXTREMES = 7  # languages shown at each end
RUN = ["target", "intermediate", "duration"]


def every(findings: Findings) -> dict[str, pd.DataFrame]:
    """Table name -> frame; of a study that was not timed, none that needs timings."""
    return {
        "answer": answer(findings),
        "hypotheses": verdicts.verdicts(findings),
        "registered": verdicts.registered(findings),
        **tables_deployment.every(findings),
        **tables_estimands.every(findings),
        "quality": quality(findings),
        "learned": learned(findings),
        "floors": floors(),
        "quality_languages": quality_languages(findings),
        "fertility": fertility(findings.premiums),
        "shortcuts": shortcuts(findings),
        "lacking": findings.tables["lacking"].rename(columns=str.capitalize),
        "left_out": findings.tables["left_out"].rename(columns=str.capitalize),
        "provenance": provenance(findings.provenance),
        "extremes": extremes(findings),
        "tasks": tasks(findings.study),
        "registry": registry(findings.study),
        **(_of_times(findings) if findings.timed else {}),
    }


def _of_times(findings: Findings) -> dict[str, pd.DataFrame]:
    return {
        "latency": latency(findings),
        "controls": controls(findings),
        "noise": noise(findings.tables["noise"]),
        "checkpoints": checkpoints(findings.tables["checkpoints"]),
        "costs": costs(findings.tables["costs"], findings.tables["jobs"]),
    }


def answer(findings: Findings) -> pd.DataFrame:
    """Latency ratio of every setting and quality of every target with their verdicts, one column per duration.

    Models are `Learned` by their English score at duration 0 and its floor; latency needs no floor.
    """
    durations, rows, verdicts = findings.durations, [], findings.verdicts.set_index(RUN).sort_index()
    for (engine, batch_size), cells in dense(findings).groupby(["engine", "batch_size"], sort=False):
        changes = {cell.duration: f"{change(cell.ratio)}, {latency_verdict(cell)}" for cell in cells.itertuples()}
        rows.append({"": f"Latency, {engine}, batch {batch_size}", LEARNED: "", 0: "reference", **changes})
    means = findings.quality[(findings.quality.language == MEAN) & (findings.quality.intermediate != CONTROL)]
    for target, cells in means.groupby("target", sort=False):
        for intermediate in findings.intermediates:
            name = f"{target} score" + f" after {intermediate}" * (len(findings.intermediates) > 1)
            shown = cells[(cells.duration == 0) | (cells.intermediate == intermediate)]
            scores = {row.duration: interval(row, "score") for row in shown.itertuples()}
            for duration in scores.keys() - {0}:
                scores[duration] += f", {_verdict(verdicts, (target, intermediate, duration))}"
            rows.append({"": name, LEARNED: _standing(findings, target, PRETRAINED, 0), **scores})
    frame = pd.DataFrame(rows)[["", *durations, LEARNED]].fillna("")
    return frame.rename(columns={duration: f"{duration} steps" for duration in durations})


def _verdict(verdicts: pd.DataFrame, run: tuple) -> str:
    return quality_verdict(verdicts.loc[run]) if run in verdicts.index else ""


def _standing(findings: Findings, target: str, intermediate: str, duration: int) -> str:
    """Whether models of a target have learned it: their English score and the floor."""
    rows = findings.learned.models.set_index(RUN)
    if (target, intermediate, duration) not in rows.index:
        return ""
    row = rows.loc[(target, intermediate, duration)]
    return f"{row.standing}{_beside(row)}"


def _beside(row) -> str:
    return "" if pd.isna(row.score) or pd.isna(row.floor) else f": {decimal(row.score)}, floor {row.floor:g}"


def learned(findings: Findings) -> pd.DataFrame:
    """Every target at duration 0 and every task of an arm at its longest duration, against its floor."""
    models, arms = findings.learned.models, findings.learned.arms
    targets = models[models.intermediate == PRETRAINED].rename(columns={"target": "task"}).assign(role="target", by="")
    rows = pd.concat([targets, arms.assign(role="intermediate, arm " + arms.intermediate)])
    columns = {
        "Task": "task",
        "Role": "role",
        "Steps": lambda row: row.duration if row.by or row.role == "target" else "",
        "English score": lambda row: "not measured" if pd.isna(row.score) else decimal(row.score),
        "Floor": lambda row: "none" if pd.isna(row.floor) else f"{row.floor:g}",
        "Standing": lambda row: row.standing + " (by its training loss)" * (row.by == "training loss"),
    }
    return table(rows, columns)


def floors() -> pd.DataFrame:
    """The floors of the registry: how far above the best shortcut, and why."""
    columns = {
        "Task": "name",
        "Metric": "metric",
        "Floor": lambda entry: f"{entry.floor.score:g}",
        "Above the best shortcut": lambda entry: f"{entry.floor.above:.1f} points",
        "Because": lambda entry: entry.floor.reason,
    }
    return table((entry for entry in TASKS.values() if entry.floor), columns)


def _arm(intermediate: str) -> str:
    return {PRETRAINED: "pretrained", CONTROL: "control"}.get(intermediate, intermediate)


def quality(findings: Findings) -> pd.DataFrame:
    """Score, change and control by target and duration, mean over languages."""

    def difference(frame: pd.DataFrame) -> Source:
        means = frame[frame.language == MEAN].set_index(RUN)
        return lambda row: points(means.loc[run]) if (run := tuple(getattr(row, n) for n in RUN)) in means.index else ""

    verdicts = findings.verdicts.set_index(RUN).sort_index()
    names = [*findings.study["targets"], PRETRAINED, CONTROL, *findings.intermediates]
    place = {name: at for at, name in enumerate(names)}
    means = findings.quality[findings.quality.language == MEAN]
    columns = {
        "Target": "target",
        "Arm": ("intermediate", _arm),
        "Steps": "duration",
        "Score [95 %]": with_interval("score"),
        "Change to 0 steps": difference(findings.changes),
        "Over the control": difference(findings.over_control),
        "Verdict": lambda row: _verdict(verdicts, tuple(getattr(row, n) for n in RUN)),
        LEARNED: lambda row: _standing(findings, row.target, row.intermediate, row.duration),
    }
    if findings.over_control.empty:
        del columns["Over the control"]
    return table(means.sort_values(RUN, key=lambda cells: cells.replace(place)), columns)


def extremes(findings: Findings) -> pd.DataFrame:
    """The languages that gain and lose most at the longest durations: mean change over learned targets, in points."""
    rows = at_longest(findings, findings.changes[findings.changes.language != MEAN])
    rows = rows[rows.target.map(findings.learned.target) & rows.intermediate.map(findings.learned.arm)]
    if rows.empty:
        return pd.DataFrame({"Language": ["not learned"]})
    arms = [name for name in findings.intermediates if findings.learned.arm(name)]
    wide = rows.pivot_table(index="language", columns="intermediate", values="difference")[arms]
    wide = wide.assign(mean=wide.mean(axis=1)).sort_values("mean", ascending=False)
    if len(wide) > 2 * EXTREMES:
        wide = pd.concat([wide.head(EXTREMES), wide.tail(EXTREMES)])
    shown = wide.map(signed)
    shown.insert(0, "Targets", rows.groupby("language").target.nunique())
    names = {name: f"After {name}" for name in arms} | {"mean": "Mean"}
    return shown.rename(columns=names).reset_index(names="Language")


def quality_languages(findings: Findings) -> pd.DataFrame:
    """Score by target, arm and duration, a column per language."""
    rows = findings.quality[findings.quality.language != MEAN].sort_values(RUN)
    index = {"Target": "target", "Arm": "intermediate", "Steps": "duration"}
    wide = by_language(rows, index, "score", decimal, 0, findings.study["languages"])
    return wide.assign(Arm=wide.Arm.map(_arm))


def latency(findings: Findings) -> pd.DataFrame:
    columns = {
        **SETTING,
        "Steps": "duration",
        "Ratio [95 %]": with_interval("ratio", digits=4),
        "p (equivalence, Holm)": ("p_holm", decimal, 4),
        "Detectable": ("detectable", percent, 2),
        "Verdict": latency_verdict,
    }
    return table(dense(findings), columns)


def controls(findings: Findings) -> pd.DataFrame:
    columns = {
        **SETTING,
        "A/A ratio, 99 %": lambda row: span(row.aa_low, row.aa_high, decimal, 4),
        "Planted ratio [95 %]": with_interval("planted_ratio", digits=4, ends="planted_"),
        "Usable": lambda row: "yes" if row.usable else f"no: {row.reason}",
    }
    return table(findings.controls, columns)


def noise(rows: pd.DataFrame) -> pd.DataFrame:
    columns = {
        "Process": "replicate",
        **SETTING,
        "Blocks": "blocks",
        "Stalled": "stalled",
        "Other processes": ("foreign_share", percent),
        "Hypervisor": ("steal_share", percent),
        "Load before": ("load", decimal, 2),
        "Disturbed": ("disturbed", yes),
    }
    return table(rows, columns)


def checkpoints(rows: pd.DataFrame) -> pd.DataFrame:
    columns = {
        "Task": "intermediate",
        "Seed": "seed",
        "Steps": "duration",
        "Examples": "examples",
        "Tokens": "tokens",
        "Distance": ("distance", decimal, 4),
        "Subnormal weights": "subnormals",
    }
    return table(rows, columns)


def fertility(premiums: pd.DataFrame) -> pd.DataFrame:
    columns = {
        "Language": "language",
        "Messages": "messages",
        "Tokens relative to English": lambda row: (
            "no parallel text" if pd.isna(row.premium) else decimal(row.premium, 2)
        ),
        "Tokens per word": lambda row: decimal(row.tokens_per_word, 2) if row.tokens_per_word else "no word spaces",
        "Tokens per character": ("tokens_per_character", decimal, 2),
        "Unknown tokens": ("unknown_share", percent, 2),
    }
    return table(premiums, columns)


def costs(costs: pd.DataFrame, jobs: pd.DataFrame) -> pd.DataFrame:
    """Seconds by phase and part; `start-up and rest`: the time of executed notebooks outside their parts."""
    parts = costs.groupby(["phase", "part"])[["seconds", "steps", "tokens"]].sum().reset_index()
    rest = (jobs.groupby("phase").seconds.sum() - parts.groupby("phase").seconds.sum()).dropna().reset_index()
    rows = pd.concat([parts, rest.assign(part="start-up and rest", steps=0, tokens=0)])
    columns = {
        "Phase": "phase",
        "Part": "part",
        "Seconds": ("seconds", decimal),
        "Optimizer steps": lambda row: row.steps or "",
        "Tokens": lambda row: row.tokens or "",
        "Tokens per second": lambda row: decimal(row.tokens / row.seconds, 0) if row.tokens else "",
    }
    return table(rows.sort_values(["phase", "part"], kind="stable"), columns)


def shortcuts(findings: Findings) -> pd.DataFrame:
    index = {"Target": "target", "Baseline": "baseline"}
    return by_language(findings.tables["shortcuts"], index, "score", decimal, 0, findings.study["languages"])


def provenance(about: dict) -> pd.DataFrame:
    rows = [("commit", about["commit"]), ("date", about["date"]), ("study", about["study"]["name"])]
    rows += [("note", about["note"])] if "note" in about else []
    for group in ("machine", "encoder", "versions"):
        rows += [(f"{group}: {name}", value) for name, value in about[group].items()]
    timed = {**about["timed"], **about["timed"]["machine"]} if "timed" in about else {}
    rows += [(f"timings: {name}", value) for name, value in timed.items() if name != "machine"]
    rows += [(f"runs made on {where}", count) for where, count in _places(about.get("made", {})).items()]
    if waiting := about.get("waiting"):
        rows += [("runs that are still to come", ", ".join(waiting))]
    return pd.DataFrame([row for row in rows if row[1] is not None], columns=["What", "Value"]).astype(str)


def _places(made: dict[str, dict]) -> Counter:
    """How many runs were made by each machine, date and commit."""
    places = ((run["machine"]["cpu"], run["date"], run["commit"]) for run in made.values())
    return Counter(f"{cpu}, {date}, commit {commit}" for cpu, date, commit in places)


def tasks(study: dict) -> pd.DataFrame:
    """The tasks of the embedded suite; the role each plays in this study."""
    columns = {
        "Task": "name",
        "Shape": "shape",
        "Asks": "asks",
        "Stands in for": ("stands_in_for", ", ".join),
        "Role in this study": ("name", _roles, study),
    }
    return table((entry for entry in TASKS.values() if entry.stands_in_for), columns)


def registry(study: dict) -> pd.DataFrame:
    """The data sets of XTREME-R and of the nine intermediate tasks, as registered."""
    columns = {
        "Task": "name",
        "Shape": "shape",
        "Metrics": ("metrics", ", ".join),
        "Languages": ("languages", len),
        "Tokens at most": "max_length",
        "Data sets": lambda entry: ", ".join(dict.fromkeys(rows.hub for rows in entry.sets)),
        "Licence": "licence",
        "Role in this study": ("name", _roles, study),
        "Differs": "differs",
    }
    return table((entry for entry in TASKS.values() if not entry.stands_in_for), columns)


def _roles(name: str, study: dict) -> str:
    trained = {task for arm, mix in study["intermediate"].items() for task in trained_on(arm, mix)}
    roles = ["target"] * (name in study["targets"]) + ["intermediate"] * (name in trained)
    return ", ".join(roles) or "not used"
