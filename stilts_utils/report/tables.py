"""The tables of the book: what a page shows of each, and its data."""

import re

import pandas as pd

from stilts_utils.analysis.findings import Findings
from stilts_utils.analysis.verdict import NOT_LEARNED, NOT_MEASURED
from stilts_utils.report import tables_arms, tables_deployment, tables_estimands, tables_quality, tables_runs, verdicts
from stilts_utils.report.columns import LANGUAGE, SETTING, Table, markdown, measured, table, with_interval, written
from stilts_utils.report.escape import Markup
from stilts_utils.report.formats import change, decimal, percent, span
from stilts_utils.report.sentences import dense, latency_verdict
from stilts_utils.study.facts import trained_on
from stilts_utils.tasks import TASKS

__all__ = ["every", "markdown"]
RUN, PHASES = tables_quality.RUN, tables_runs.PHASES
LANGUAGES_AT_ENDS = 10  # of the tokens by language


def every(findings: Findings) -> dict[str, Table]:
    """Table name -> table, without that of the answer; of a study that was not timed, none that needs timings."""
    made = {
        "registered": registered(findings),
        **tables_deployment.every(findings),
        **tables_estimands.every(findings),
        **tables_arms.every(findings),
        **tables_quality.every(findings),
        "fertility": fertility(findings.premiums),
        **tables_runs.every(findings),
        "tasks": tasks(findings.study),
        "registry": registry(findings.study),
        **(_of_times(findings) if findings.timed else {}),
    }
    return made | {"hypotheses": hypotheses(findings, {name for name, one in made.items() if not one.said})}


def _of_times(findings: Findings) -> dict[str, Table]:
    return {
        "latency": latency(findings),
        "controls": controls(findings),
        "noise": noise(findings.tables["noise"]),
        "checkpoints": checkpoints(findings.tables["checkpoints"]),
        "costs": costs(findings.tables["costs"], findings.tables["jobs"]),
    }


# Where the numbers behind a verdict are: a table or a figure of the same page.
NUMBERS = {
    **{"H1": "tab-latency", "H2": "tab-controls", "H3": "tab-quality", "H4": "fig-layers", "H5": "tab-fertility"},
    **{"H6": "tab-early-exit", "H7": "tab-early-exit", "H8": "tab-engine-quality", "H9": "tab-language-tax"},
    **{"H10": "tab-exit-outcomes", "H11": "tab-exit-equal", "H12": "tab-exit-outcomes", "H13": "tab-best-layers"},
    **{"H14": "tab-throughput", "H15": "tab-exit-outcomes"},
}


def hypotheses(findings: Findings, there: set[str]) -> Table:
    """Every hypothesis with its verdict, and where its numbers are. `there`: names of the tables that a page has."""
    rows = verdicts.verdicts(findings).merge(verdicts.registered(findings)[["No.", "Hypothesis", "Registered"]])
    rows.columns = ["number", "kind", "verdict", "because", "hypothesis", "registered"]
    columns = {
        "No.": "number",
        "Hypothesis": "hypothesis",
        "Kind": "kind",
        "Verdict": "verdict",
        "Because": lambda row: _because(row, there),
    }
    return table(rows, columns)


COUNTED = re.compile(r"(contradicted in \d+, )?holds in \d+ of \d+")


def _because(row, there: set[str]) -> str:
    """A reason without numbers as it is; of one with numbers, how many comparisons hold, and where the numbers are."""
    kind, _, name = NUMBERS.get(row.number, "").partition("-")
    shown = kind == "fig" or name.replace("-", "_") in there
    if row.verdict in (NOT_MEASURED, NOT_LEARNED) or not kind or not shown or not re.search(r"\d", row.because):
        return row.because
    counted, (_, few, seeds) = COUNTED.match(row.because), row.because.rpartition("fewer than")
    reasons = ([counted[0]] if counted else []) + [f"{few}{seeds}"] * bool(few)
    return Markup("; ".join([f"{{numref}}`{kind}-{Markup.PREFIX}{name}`", *reasons]))


def registered(findings: Findings) -> Table:
    """The hypotheses as they are registered, with their criteria."""
    rows = verdicts.registered(findings)
    return Table(rows, rows)


def latency(findings: Findings) -> Table:
    columns = {
        **SETTING,
        "Steps": "duration",
        "Change [95 %]": measured(with_interval("ratio", change, 2)),
        "p of equivalence": measured(("p_holm", decimal, 4)),
        "Detectable": measured(("detectable", percent, 2)),
        "Verdict": latency_verdict,
    }
    return table(dense(findings), columns)


def controls(findings: Findings) -> Table:
    columns = {
        **SETTING,
        "A/A, 99 %": lambda row: "–" if pd.isna(row.aa_low) else span(row.aa_low, row.aa_high, change, 2),
        "Planted [95 %]": lambda row: "–" if pd.isna(row.planted_ratio) else _planted(row),
        "Usable": lambda row: "yes" if row.usable else f"no: {row.reason}",
    }
    return table(findings.controls, columns)


_planted = with_interval("planted_ratio", change, 2, "planted_")


def noise(rows: pd.DataFrame) -> Table:
    """What else the machine did, over the processes of a setting; the data have a row per process."""
    how = {"blocks": "sum", "stalled": "sum", "foreign_share": "max", "steal_share": "max", "disturbed": "sum"}
    settings = rows.assign(processes=1).groupby(["engine", "batch_size"], as_index=False, sort=False)
    columns = {
        **SETTING,
        "Processes": "processes",
        "Disturbed": "disturbed",
        "Blocks stalled, of all": lambda row: percent(row.stalled / row.blocks),
        "Other processes, at most": ("foreign_share", percent),
        "Hypervisor, at most": ("steal_share", percent),
    }
    return table(settings.agg({"processes": "sum"} | how), columns, data=rows)


def checkpoints(rows: pd.DataFrame) -> Table:
    """Checkpoints by arm and duration, means over seeds; the data have a row per checkpoint."""
    how = {"seed": "size", "examples": "mean", "tokens": "mean", "distance": "mean", "subnormals": "max"}
    columns = {
        "Trained on": "intermediate",
        "Steps": "duration",
        "Seeds": "seed",
        "Examples": lambda row: f"{row.examples:,.0f}",
        "Tokens": lambda row: f"{row.tokens:,.0f}",
        "Distance": ("distance", decimal, 4),
        "Subnormal weights, at most": "subnormals",
    }
    return table(rows.groupby(["intermediate", "duration"], as_index=False, sort=False).agg(how), columns, data=rows)


def fertility(premiums: pd.DataFrame) -> Table:
    known = premiums.dropna(subset="premium")
    ends = pd.concat([known.head(LANGUAGES_AT_ENDS), known.tail(LANGUAGES_AT_ENDS)])
    ends = (
        ends if len(known) >= 2 * LANGUAGES_AT_ENDS else premiums.head(2 * LANGUAGES_AT_ENDS)
    )  # few have English counterparts
    columns = {
        **LANGUAGE,
        "Messages": "messages",
        "Tokens over English": lambda row: "–" if pd.isna(row.premium) else decimal(row.premium, 2),
        "Tokens per word": lambda row: decimal(row.tokens_per_word, 2) if row.tokens_per_word else "–",
        "Tokens per character": ("tokens_per_character", decimal, 2),
        "Unknown tokens": ("unknown_share", percent, 2),
    }
    return table(premiums, columns, ends if len(premiums) > len(ends) else None, "fewest and most tokens")


def costs(costs: pd.DataFrame, jobs: pd.DataFrame) -> Table:
    """Seconds by phase and part; `start-up and rest`: the time of executed notebooks outside their parts."""
    parts = costs.groupby(["phase", "part"])[["seconds", "steps", "tokens"]].sum().reset_index()
    rest = (jobs.groupby("phase").seconds.sum() - parts.groupby("phase").seconds.sum()).dropna().reset_index()
    rows = pd.concat([parts, rest.assign(part="start-up and rest", steps=0, tokens=0)])
    columns = {
        "Phase": lambda row: PHASES.get(row.phase, row.phase),
        "Part": "part",
        "Seconds": ("seconds", decimal),
        "Optimizer steps": lambda row: f"{row.steps:,}" if row.steps else "",
        "Tokens": lambda row: f"{row.tokens:,}" if row.tokens else "",
        "Tokens per second": lambda row: f"{row.tokens / row.seconds:,.0f}" if row.tokens else "",
    }
    return table(rows.sort_values(["phase", "part"], kind="stable"), columns)


def tasks(study: dict) -> Table:
    """The tasks of the embedded suite; the role each plays in this study."""
    columns = {
        "Task": "name",
        "Shape": "shape",
        "Asks": "asks",
        "Stands in for": ("stands_in_for", ", ".join),
        "Role in this study": ("name", _roles, study),
    }
    return table((entry for entry in TASKS.values() if entry.stands_in_for), columns)


def registry(study: dict) -> Table:
    """The data sets of XTREME-R and of the nine intermediate tasks, as registered."""
    entries = [entry for entry in TASKS.values() if not entry.stands_in_for]
    columns = {
        "Task": "name",
        "Shape": "shape",
        "Metrics": ("metrics", ", ".join),
        "Languages": ("languages", len),
        "Data sets": lambda entry: ", ".join(dict.fromkeys(rows.hub for rows in entry.sets)),
        "Licence": "licence",
    }
    more = {
        "Tokens at most": "max_length",
        "Role in this study": ("name", _roles, study),
        "Differs": "differs",
    }
    return table(entries, columns, data=written(entries, columns | more))


def _roles(name: str, study: dict) -> str:
    trained = {task for arm, mix in study["intermediate"].items() for task in trained_on(arm, mix)}
    roles = ["target"] * (name in study["targets"]) + ["intermediate"] * (name in trained)
    return ", ".join(roles) or "not used"
