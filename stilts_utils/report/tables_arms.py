"""The tables on arms: what they cost, what they change at equal steps and operations, word pairs, and forms of a checkpoint."""

import pandas as pd

from stilts_utils.analysis import arms
from stilts_utils.analysis.findings import Findings
from stilts_utils.report.columns import Source, Table, stated, table, with_interval
from stilts_utils.report.formats import change, decimal, interval, percent, points, signed
from stilts_utils.study.methods import SUPERVISED

UNCOUNTED = "What the steps cost was not counted when this study was made."
FORMS = {"adapters": "Adapters beside the weights, against merged", "votes": "{} votes, against one answer"}


def every(findings: Findings) -> dict[str, Table]:
    """Table name -> table, of those that a study has; none if it has no arms to compare."""
    made = {"arms": compared(findings)}
    if made["arms"].shown.empty:
        return {}
    made |= {"arm_costs": costs(findings), "lexical": lexical(findings), "forms": forms(findings)}
    made = {name: one for name, one in made.items() if len(one.shown)}
    return {"arm_costs": stated(UNCOUNTED, findings.tables["arms"]), **made}


def compared(findings: Findings) -> Table:
    found = arms.compared(findings)
    rows = []
    for arm, cells in found.groupby("intermediate", sort=False):
        by = {row.equal: row for row in cells.itertuples()}
        columns = {"Arm": arm, "Method": _method(findings, arm), "Against": by["steps"].against}
        for equal, heading in arms.EQUAL.items():
            row = by.get(equal)
            columns[heading.capitalize()] = points(row) if row and row.seeds > 1 else "–"
            columns[f"Verdict {heading}"] = _verdict(row)
        rows.append(columns)
    return Table(pd.DataFrame(rows, dtype=object), found)


def _method(findings: Findings, arm: str) -> str:
    return findings.study["intermediate"][arm].get("method", SUPERVISED).replace("_", " ")


def _verdict(row) -> str:
    if row is None:
        return "operations not counted"
    return row.verdict + f" (half-width {row.half_width:.1f})" * (row.verdict == "undecided")


def costs(findings: Findings) -> Table:
    columns: dict[str, Source] = {
        "Arm": "intermediate",
        "Steps": ("steps", _count),
        "Examples": ("examples", _count),
        "Tokens": ("tokens", _count),
        "TFLOP": lambda row: decimal(row.operations / 1e12, 2),
        "Seconds": ("seconds", _count),
    }
    return table(arms.costs(findings), columns)


def _count(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:,.0f}"


def lexical(findings: Findings) -> Table:
    columns: dict[str, Source] = {
        "Arm": "intermediate",
        "Layer": "layer",
        "Pairs": "pairs",
        "Before": ("before", decimal, 3),
        "After": ("after", decimal, 3),
        "Change of the cosine": with_interval("change", signed, 3),
    }
    return table(arms.cosines(findings), columns)


def forms(findings: Findings) -> Table:
    """Every form with its ratio of latency at batch 1, and what it changes in score."""
    if findings.form_ratios.empty:
        return Table(pd.DataFrame(), findings.form_ratios)
    gains = findings.form_gains.set_index(["kind", "engine", "form"])
    found = findings.form_ratios
    found = found[found.verdict != "control"]
    rows = []
    for row in found.itertuples():
        key = row.kind, row.engine, row.condition
        gain = gains.loc[key] if key in gains.index else None
        rows.append(
            {
                "Form": FORMS[row.kind].format(row.condition),
                "Engine": row.engine,
                "Latency": interval(row, "ratio", change, 1),
                "Verdict": row.verdict,
                "Score, points": "–" if gain is None else points(gain, "change"),
                "Same decisions": "–" if gain is None else percent(gain.agreement),
                "Largest difference of a logit": f"{gain.largest_difference:.0e}"
                if row.kind == "adapters" and gain is not None
                else "–",
            }
        )
    return Table(pd.DataFrame(rows, dtype=object), found)
