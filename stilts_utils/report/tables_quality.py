"""Tables of the book on quality: by target, by language, against floors and shortcuts."""

import pandas as pd

from stilts_utils.analysis.findings import MEAN, Findings
from stilts_utils.report.columns import LANGUAGE, MOST_ROWS, Table, stated, table, with_interval
from stilts_utils.report.formats import decimal, signed
from stilts_utils.report.sentences import at_longest, quality_verdict
from stilts_utils.study.settings import CONTROL, PRETRAINED
from stilts_utils.tasks import CATEGORIES, TASKS, TRAINING_LANGUAGE, task

EXTREMES = 7  # languages shown at each end
MOST_ARMS = 4  # arms with a column of their own
RUN = ["target", "intermediate", "duration"]
INTERVAL = ["low", "high"]
NOTHING_LEARNED = "No target and arm reached its floor, so no language is said to gain or lose."


def every(findings: Findings) -> dict[str, Table]:
    """Table name -> table."""
    return {
        "quality": quality(findings),
        "learned": learned(findings),
        "floors": floors(embedded=True),
        "floors_registry": floors(embedded=False),
        "extremes": extremes(findings),
        "quality_languages": quality_languages(findings),
        "shortcuts": shortcuts(findings),
    }


def scores(findings: Findings) -> pd.DataFrame:
    """Mean over languages by target, arm and duration: score, change against 0 steps and what it is over the control, each
    with its interval, and the verdict. Learned targets first, each in the study's order.
    """

    def named(frame: pd.DataFrame, value: str, name: str) -> pd.DataFrame:
        means = frame[frame.language == MEAN][[*RUN, value, *INTERVAL]]
        return means.rename(columns={value: name} | {end: f"{name}_{end}" for end in INTERVAL})

    rows = named(findings.quality, "score", "score")
    rows = rows.merge(named(findings.changes, "difference", "change"), "left", RUN)
    rows = rows.merge(named(findings.over_control, "difference", "over"), "left", RUN)
    rows = rows.merge(findings.verdicts.drop(columns="difference"), "left", RUN)
    rows["verdict"] = [quality_verdict(row) if isinstance(row.verdict, str) else "" for row in rows.itertuples()]
    names = [*findings.study["targets"], PRETRAINED, CONTROL, *findings.intermediates]
    place = {name: at for at, name in enumerate(names)}
    ordered = rows.drop(columns=INTERVAL).sort_values(RUN, key=lambda cells: cells.replace(place))
    return ordered.sort_values(
        "target", key=lambda cells: ~cells.map(findings.learned.target).astype(bool), kind="stable"
    )


def quality(findings: Findings) -> Table:
    """Score, change and what it is over the control, at the longest duration of every arm, mean over languages."""
    rows = scores(findings)
    columns = {
        "Target": "target",
        "Trained on": "intermediate",
        "Steps": "duration",
        "Score": ("score", decimal),
        "Change, points": with_interval("change", signed, ends="change_"),
        "Over the control, points": lambda row: "–" if pd.isna(row.over) else _over(row),
        "Verdict": lambda row: row.verdict.partition(" (")[0],  # the half-width stands beside it
    }
    if findings.over_control.empty:
        del columns["Over the control, points"]
    return table(rows, columns, at_longest(findings, rows), "the longest durations, learned targets first")


_over = with_interval("over", signed, ends="over_")


def learned(findings: Findings) -> Table:
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


def floors(embedded: bool) -> Table:
    """The floors of the registry: how far above the best shortcut, and why; of the embedded suite, or of data sets."""
    columns = {
        "Task": "name",
        "Metric": "metric",
        "Floor": lambda entry: f"{entry.floor.score:g}",
        "Above the best shortcut, points": lambda entry: decimal(entry.floor.above),
        "Because": lambda entry: entry.floor.reason,
    }
    return table((entry for entry in TASKS.values() if entry.floor and bool(entry.stands_in_for) == embedded), columns)


def _by_language(findings: Findings) -> pd.DataFrame:
    """Changes in every language at the longest durations, of what was learned."""
    rows = at_longest(findings, findings.changes[findings.changes.language != MEAN])
    return rows[rows.target.map(findings.learned.target).astype(bool) & rows.intermediate.map(findings.learned.arm)]


def extremes(findings: Findings) -> Table:
    """The languages that gain and lose most at the longest durations: mean change over learned targets, in points."""
    rows = _by_language(findings)
    if rows.empty:
        return stated(NOTHING_LEARNED)
    arms = [name for name in findings.intermediates if name in set(rows.intermediate)]
    wide = rows.pivot_table(index="language", columns="intermediate", values="difference")[arms]
    wide = wide.assign(mean=wide.mean(axis=1), targets=rows.groupby("language").target.nunique())
    wide = wide.sort_values("mean", ascending=False).reset_index()
    ends = pd.concat([wide.head(EXTREMES), wide.tail(EXTREMES)]) if len(wide) > 2 * EXTREMES else wide
    columns = {**LANGUAGE, "Targets": "targets"}
    if len(arms) <= MOST_ARMS:
        columns |= {f"After {name}": lambda row, place=2 + at: signed(row[place]) for at, name in enumerate(arms)}
    columns["Mean change, points"] = ("mean", signed)
    return table(wide, columns, ends, "both ends")


def quality_languages(findings: Findings) -> Table:
    """Change by language and kind of target at the longest durations; the data hold every target, arm and duration."""
    keys = [*RUN, "language"]
    data = findings.quality[findings.quality.language != MEAN].drop(columns=["layer", "metric"])
    changes = findings.changes.drop(columns=["layer", "metric"])
    data = data.merge(changes, "left", keys, suffixes=("", "_of_change")).rename(columns={"difference": "change"})
    rows = _by_language(findings)
    if rows.empty:
        return stated(NOTHING_LEARNED, data)
    kinds = [kind for kind in CATEGORIES if kind in set(rows.target.map(lambda name: task(name).category))]
    wide = rows.assign(kind=rows.target.map(lambda name: task(name).category))
    wide = wide.pivot_table(index="language", columns="kind", values="difference")[kinds]
    wide = wide.assign(targets=rows.groupby("language").target.nunique()).reset_index()
    most = wide.sort_values("targets", ascending=False, kind="stable").head(MOST_ROWS)
    place = {language: at for at, language in enumerate(findings.study["languages"])}
    most = most.sort_values("language", key=lambda cells: cells.map(place))
    columns = {**LANGUAGE, "Targets": "targets"}
    columns |= {
        f"{kind.capitalize()}, points": lambda row, at=2 + at: "–" if pd.isna(row[at]) else signed(row[at])
        for at, kind in enumerate(kinds)
    }
    return table(wide, columns, most, f"the {MOST_ROWS} of {len(wide)} languages with most targets", data)


def shortcuts(findings: Findings) -> Table:
    """Baselines in English and in the other languages."""
    data, rows = findings.tables["shortcuts"], []
    for (target, baseline), cells in data.groupby(["target", "baseline"], sort=False):
        others = cells[cells.language != TRAINING_LANGUAGE]
        english = cells[cells.language == TRAINING_LANGUAGE].score
        ends = (others.score.min(), others.score.max()) if len(others) else (float("nan"),) * 2
        rows.append((target, baseline, english.mean(), others.score.mean(), *ends, len(others)))
    columns = {
        "Target": "target",
        "Baseline": "baseline",
        "English": lambda row: _score(row.english),
        "Other languages, mean": lambda row: _score(row.others),
        "Lowest": lambda row: _score(row.lowest),
        "Highest": lambda row: _score(row.highest),
        "Other languages": "count",
    }
    names = ["target", "baseline", "english", "others", "lowest", "highest", "count"]
    return table(pd.DataFrame(rows, columns=names), columns, data=data)


def _score(value: float) -> str:
    return "–" if pd.isna(value) else decimal(value)
