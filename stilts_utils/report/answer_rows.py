"""The rows of the answer: for everything that duration could change, what a study says of its longest duration.

A row that is about several comparisons (engines, targets, languages) shows the one that is farthest from no change, of those
that carry its verdict. Their intervals are simultaneous where a study has them so.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np

from stilts_utils.analysis.findings import Findings
from stilts_utils.analysis.verdict import (
    CHANGED,
    EQUIVALENT,
    NOT_LEARNED,
    NOT_MEASURED,
    UNDECIDED,
)
from stilts_utils.report.answer_cases import Case, cases_of
from stilts_utils.report.sentences import encoder_name
from stilts_utils.tasks import CATEGORIES

FILE = "answer.json"  # in a report: the rows of its study, and its measures of the claims
RATIO, POINTS = "ratio", "points"


@dataclass(frozen=True)
class Question:
    """A row: what duration could change, in which unit, and the words for more and for less of it."""

    says: str
    unit: str
    more: str
    less: str


QUESTIONS = {
    "dense": Question("Latency of a dense model", RATIO, "slower", "faster"),
    "throughput": Question("Throughput under load", RATIO, "higher", "lower"),
    "exit_fixed": Question("The cost of early exit, same threshold", RATIO, "later exits", "earlier exits"),
    "exit_calibrated": Question("The cost of early exit, recalibrated", RATIO, "dearer", "cheaper"),
    "exit_kept": Question("Accuracy lost by an old threshold", POINTS, "more", "less"),
    "int8": Question("Accuracy kept by int8", POINTS, "more", "less"),
    "search": Question("Vector search, vectors compared", RATIO, "more", "less"),
    "tax": Question("Languages' latency over English", RATIO, "more", "less"),
    **{kind: Question(f"Quality: {kind}", POINTS, "higher", "lower") for kind in CATEGORIES},
    "control": Question("Quality against as many target steps", POINTS, "higher", "lower"),
}


@dataclass(frozen=True)
class Row:
    """What a study says on one question. `about`, `change`, `low` and `high` are of the farthest of `cases` comparisons with
    the verdict of the row, of which `agreeing` have it; None if there is none. `steps`: the longest duration.
    """

    question: str
    verdict: str
    direction: int = 0
    change: float | None = None
    low: float | None = None
    high: float | None = None
    about: str = ""
    cases: int = 0
    agreeing: int = 0
    steps: int = 0
    seeds: int = 0


def rows(findings: Findings) -> list[dict]:
    """A row for every question, as plain values."""
    return said(findings)["rows"]


def said(findings: Findings) -> dict:
    """What a report stores of its study, as plain values: `about`, a row for every question, and its `cases`."""
    cases = {name: cases_of(findings, name) for name in QUESTIONS}
    return {
        "about": about_study(findings),
        "rows": [asdict(_row(findings, name, given)) for name, given in cases.items()],
        "cases": {name: [_stored(case) for case in _with_interval(given)] for name, given in cases.items()},
    }


def _stored(case: Case) -> dict:
    numbers = {name: float(getattr(case, name)) for name in ("change", "low", "high", "margin")}
    return numbers | {"about": case.about, "verdict": case.verdict.kind, "direction": case.verdict.direction}


def _with_interval(cases: list[Case] | str) -> list[Case]:
    """Those with an interval, which one seed or process has not."""
    return [] if isinstance(cases, str) else [case for case in cases if np.isfinite([case.low, case.high]).all()]


def about_study(findings: Findings) -> dict:
    """What stands for a study as evidence: its title, whether its rows are XTREME-R's, its encoder, seeds and machines.

    `processor`: on which it was timed, or trained if it was not.
    """
    study, about = findings.study, findings.provenance
    return {
        "title": study["title"],
        "real": study["source"] != "embedded",
        "encoder": encoder_name(findings),
        "layers": findings.depth,
        "intermediate": findings.intermediates,
        "seeds": len(study["seeds"]),
        "steps": findings.longest,
        "timed": findings.timed,
        "device": about["machine"]["device"],
        "precision": about["encoder"]["precision"],
        "processor": _processor(about.get("timed", about)["machine"]),
    }


def _processor(machine: dict) -> str:
    return machine["cpu"] if machine["device"] == "CPU" else machine["device"]


def _row(findings: Findings, question: str, cases: list[Case] | str) -> Row:
    if isinstance(cases, str):
        return Row(question, cases)
    if not (cases := _with_interval(cases)):
        return Row(question, NOT_MEASURED)
    kind = joint(case.verdict.kind for case in cases)
    own = [case for case in cases if case.verdict.kind == kind]
    farthest = max(own, key=lambda case: case.reach)
    directions = {case.verdict.direction for case in own}
    arm = findings.intermediates[0]
    steps, seeds = (
        (findings.longest, findings.fewest_seeds)
        if question in (*CATEGORIES, "control")
        else (findings.longest_of(arm), findings.seeds_of(arm))
    )
    direction = directions.pop() if len(directions) == 1 else 0
    shown = farthest.change, farthest.low, farthest.high, farthest.about
    return Row(question, kind, direction, *map(float, shown[:3]), shown[3], len(cases), len(own), steps, seeds)


def joint(kinds: Iterable[str]) -> str:
    """The verdict on several comparisons: changed if one is, equivalent if all are, otherwise undecided.

    Comparisons that were not learned or not measured do not count, if there are others.
    """
    kinds = list(kinds)
    counted = [kind for kind in kinds if kind in (CHANGED, EQUIVALENT, UNDECIDED)]
    if not counted:
        return NOT_LEARNED if NOT_LEARNED in kinds else NOT_MEASURED
    if CHANGED in counted:
        return CHANGED
    return EQUIVALENT if set(counted) == {EQUIVALENT} else UNDECIDED
