"""The answer over all stored studies: a headline, a table of the strongest evidence for every row, and advice by rule.

The strongest study on a question is one that answers it; then one on XTREME-R's own data, before stand-ins; then one with the
seeds that a claim asks for; then the one that trained longest, and with most seeds.
"""

import dataclasses
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from stilts_utils.analysis.verdict import CHANGED, EQUIVALENT, NOT_MEASURED, UNDECIDED
from stilts_utils.report import answer_rows
from stilts_utils.report.answer_rows import QUESTIONS, RATIO, Row
from stilts_utils.report.columns import Table
from stilts_utils.report.columns import table as table_of
from stilts_utils.report.escape import plain
from stilts_utils.report.figures.forest import Effect
from stilts_utils.report.formats import bracketed, change, listed, signed
from stilts_utils.study.hypotheses import LEAST_SEEDS
from stilts_utils.tasks import CATEGORIES

LETTERS = "ABCDEFGHIJ"
ANSWERED = (EQUIVALENT, CHANGED, UNDECIDED)


@dataclass(frozen=True)
class Evidence:
    """A row of the answer, the study that it is from, and that study's facts (`answer_rows.about_study`)."""

    row: Row
    study: str
    about: dict

    @property
    def question(self) -> answer_rows.Question:
        return QUESTIONS[self.row.question]

    @property
    def strength(self) -> tuple:
        row = self.row
        enough = min(row.seeds, LEAST_SEEDS)
        return row.verdict in ANSWERED, self.about["real"], enough, row.steps, row.seeds

    @property
    def answer(self) -> str:
        """The verdict and, if duration changes it, how: `changed: slower in 2 of 4`."""
        row = self.row
        if row.verdict != CHANGED:
            return row.verdict
        which = {1: self.question.more, -1: self.question.less, 0: "both ways"}[row.direction]
        return f"{CHANGED}: {which}" + f" in {row.agreeing} of {row.cases}" * (row.cases > 1)

    @property
    def effect(self) -> str:
        """The change with its interval: `−0.3 % [−0.7, +0.2]`."""
        row = self.row
        if row.verdict not in ANSWERED:
            return "–"
        if self.question.unit == RATIO:
            low, high = (signed(100 * end) for end in (row.low, row.high))
            return f"{change(1 + row.change, 1)} [{low}, {high}]"
        return bracketed(signed, row.change, row.low, row.high)


def read(reports: dict[str, Path]) -> dict[str, list[Evidence]]:
    """Question -> what every study says of it, the strongest first. `reports`: name of a study -> folder of its report."""
    given: dict[str, list[Evidence]] = {name: [] for name in QUESTIONS}
    for study, folder in reports.items():
        stored = json.loads((folder / answer_rows.FILE).read_text(encoding="utf8"))
        for one in of_study(study, stored):
            given[one.row.question].append(one)
    return {name: sorted(each, key=lambda one: one.strength, reverse=True) for name, each in given.items()}


def of_study(study: str, said: dict) -> list[Evidence]:
    """What one study says on every question. `said`: its `answer_rows.said`."""
    return [Evidence(Row(**values), study, said["about"]) for values in said["rows"]]


def alone(rows: list[Evidence]) -> Table:
    """The rows of one study, each with the comparison that it shows."""
    columns = {
        "Does duration change it?": "question.says",
        "Verdict": lambda one: one.answer.replace(NOT_MEASURED, "not\u00a0measured"),
        "Longest against 0\u00a0steps [95\u00a0%]": "effect",
        "Farthest": lambda one: one.row.about or "–",
    }
    facts = [{"says": one.question.says, "answer": one.answer, "effect": one.effect} for one in rows]
    return table_of(rows, columns, data=pd.DataFrame(facts).join(pd.DataFrame([one.row for one in rows])))


def data(reports: dict[str, Path]) -> pd.DataFrame:
    """What every study says on every question, with the study's facts, and whether it is what the answer shows."""
    rows = [
        {"study": one.study, "shown": place == 0}
        | dataclasses.asdict(one.row)
        | {f"study_{k}": v for k, v in one.about.items()}
        for each in read(reports).values()
        for place, one in enumerate(each)
    ]
    return pd.DataFrame(rows)


def strongest(reports: dict[str, Path]) -> list[Evidence]:
    """The evidence that leads, for every question in the order of the answer."""
    return [each[0] for each in read(reports).values() if each]


def headline(rows: list[Evidence]) -> str:
    """The answer in one sentence."""
    of = {one.row.question: one for one in rows}
    said = {
        EQUIVALENT: "leaves dense latency as it is",
        CHANGED: "changes dense latency",
        UNDECIDED: "has no proven effect on dense latency",
    }.get(of["dense"].row.verdict)
    parts = [said] if said else []
    fixed = of["exit_fixed"].row
    if fixed.verdict == CHANGED:
        parts.append(f"makes early exit stop {'later' if fixed.direction > 0 else 'earlier'}")
    for direction, verb in ((1, "raises"), (-1, "lowers")):
        kinds = [kind for kind in CATEGORIES if _moved(of[kind], direction)]
        if kinds:
            parts.append(f"{verb} the quality of {listed(kinds)}")
    changes = listed(parts) if parts else "shows no effect"
    return f"Longer intermediate training {changes}{'' if said else '; its effect on latency was not measured'}."


def _moved(evidence: Evidence, direction: int) -> bool:
    return evidence.row.verdict == CHANGED and evidence.row.direction == direction


def advice(rows: list[Evidence]) -> list[str]:
    """What follows for whoever trains and deploys: a line for every row that says something, at most four."""
    of, lines = {one.row.question: one for one in rows}, []
    if (dense := of["dense"].row.verdict) in (EQUIVALENT, UNDECIDED):
        sure = "a dense model costs the same after any" if dense == EQUIVALENT else "no latency cost was found"
        lines.append(f"Choose duration by quality: {sure}.")
    if _moved(of["retrieval"], -1):
        lines.append("Retrieve with the encoder from before intermediate training.")
    if of["exit_fixed"].row.verdict == CHANGED:
        lines.append("Recalibrate early exit after every training.")
    control = of["control"].row
    if control.verdict == CHANGED and control.direction > 0:
        lines.append(f"More target steps do not always replace intermediate training ({control.about}).")
    elif control.verdict in (CHANGED, UNDECIDED):
        lines.append("Try the same steps on the target first: no intermediate training was better than they are.")
    return lines[:4]


def effects(rows: list[Evidence]) -> list[Effect]:
    """The rows that have an effect, for `figures.forest`."""
    drawn = []
    for one in rows:
        if one.row.verdict in ANSWERED:
            scale, unit = (100.0, "%") if one.question.unit == RATIO else (1.0, "points")
            ends = (scale * end for end in (one.row.change, one.row.low, one.row.high))
            drawn.append(Effect(one.question.says, unit, one.row.verdict, *ends, one.effect))
    return drawn


def figure_says(rows: list[Evidence]) -> str:
    """What the forest plot shows, in a sentence."""
    kinds = [one.row.verdict for one in rows]
    said = [
        f"The longest duration {verb} {listed(_named(one) for one in rows if one.row.verdict == verdict)}."
        for verdict, verb in ((CHANGED, "changes"), (EQUIVALENT, "leaves as it was"))
        if verdict in kinds
    ]
    if open_ := kinds.count(UNDECIDED):
        said.append(f"{open_} of {sum(kind in ANSWERED for kind in kinds)} rows are undecided.")
    return " ".join(said) or "Nothing is measured that duration could change."


def _named(evidence: Evidence) -> str:
    """A question within a sentence."""
    text = re.sub(r", (.*)", r" (\1)", evidence.question.says.replace(": ", " of "))
    return text[0].lower() + text[1:]


def lettered(rows: list[Evidence]) -> dict[str, str]:
    """Study -> the letter that stands for it, in the order in which the rows name them."""
    used = [one.study for one in rows if one.row.verdict in ANSWERED]
    return dict(zip(dict.fromkeys(used), LETTERS, strict=False))


def table(rows: list[Evidence], place: Callable[[str], str]) -> str:
    """The rows in Markdown; `place` gives the address of a study's results."""
    letters = {study: f"[{letter}]({place(study)})" for study, letter in lettered(rows).items()}
    lines = ["| Does duration change it? | Verdict | Longest against 0 steps [95 %] | From |", "|:--|:--|--:|:-:|"]
    for one in rows:
        letter = letters.get(one.study, "–") if one.row.verdict in ANSWERED else "–"
        lines.append(f"| {one.question.says} | {plain(one.answer)} | {one.effect} | {letter} |")
    return "\n".join(lines)


def key(rows: list[Evidence]) -> str:
    """What the letters stand for."""
    about = {one.study: one.about for one in rows}
    texts = [
        f"{letter}: {_material(about[study])}, {about[study]['layers']} layers, {about[study]['seeds']} seeds, "
        f"{about[study]['steps']:,} steps, {about[study]['device']}"
        for study, letter in lettered(rows).items()
    ]
    return "; ".join(texts) + "."


def _material(about: dict) -> str:
    return "XTREME-R" if about["real"] else "generated tasks"


def studies(reports: dict[str, Path], place: Callable[[str], str]) -> str:
    """The studies on XTREME-R's own data, in Markdown."""
    lines = ["| Study | Layers | Seeds | Longest duration | Timed | Trained on |", "|:--|--:|--:|--:|:--|:--|"]
    for study, folder in reports.items():
        about = json.loads((folder / answer_rows.FILE).read_text(encoding="utf8"))["about"]
        if about["real"]:
            named, timed = f"[{plain(about['title'])}]({place(study)})", "yes" if about["timed"] else "no"
            cells = named, about["layers"], about["seeds"], f"{about['steps']:,} steps", timed, plain(about["device"])
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)
