"""A study beside the reference, for a page of the book: does every row of the answer agree, and if not, why it may not.

The reference on a row is the strongest stored study on it, see `answer`. A reader's run is also compared with the stored
results of the same study file, which differ from it in machine and date alone if nothing was edited.
"""

from collections.abc import Callable
from pathlib import Path

from stilts_utils.analysis import reproduction
from stilts_utils.analysis.reproduction import REPRODUCED
from stilts_utils.report import answer, compare
from stilts_utils.report.answer import LETTERS
from stilts_utils.report.answer_rows import QUESTIONS
from stilts_utils.report.compare import Comparison, Side
from stilts_utils.report.escape import cell, plain
from stilts_utils.report.formats import listed

Place = Callable[[str], str]
ROWS = [
    "| Longest duration | {} | Reference | Difference [95 %] | Agrees? | May differ by |",
    "|:--|--:|--:|--:|:--|:--|",
]
STUDIES = ["| | Study | Rows | Encoder | Longest | Seeds | Processor |", "|:-:|:--|:--|:--|--:|--:|:--|"]


def values(own: Side, reports: dict[str, Path], place: Place, run: bool) -> dict[str, str]:
    """What the page names. `reports`: of the stored studies; `place` gives the address of a stored study's results.

    `run`: whether `own` is a reader's run, which is a study of its own also if a stored one has its name.
    """
    sides = {name: compare.read(name, report) for name, report in reports.items()}
    others = {name: side for name, side in sides.items() if run or name != own.name}
    strongest = {name: _strongest(name, reports, others) for name in QUESTIONS}
    compared = [(compare.of_row(name, own, side), side) for name, side in strongest.items() if side]
    same = [(one, sides[own.name]) for one in compare.rows(own, sides[own.name])] if run and own.name in sides else []
    title = plain(own.about["title"])
    return {
        "beside_title": title,
        "beside_run": run,
        "beside_counts": _counts([one for one, _ in compared]),
        "beside_table": _table(compared, own, place, run),
        "beside_studies": _studies([side for _, side in compared], own, place, run),
        "same_counts": _counts([one for one, _ in same]),
        "same_table": _table(same, own, place, run) if same else "",
    }


def _strongest(question: str, reports: dict[str, Path], others: dict[str, Side]) -> Side | None:
    """The strongest of the other studies on a row; None if there is no other."""
    known = {name: report for name, report in reports.items() if name in others}
    evidence = answer.read(known)[question]
    return others[evidence[0].study] if evidence else None


def _counts(compared: list[Comparison]) -> str:
    """How many rows have which outcome: `Of 13 rows: 2 reproduced, 10 cannot be told and 1 not reproduced.`"""
    if not compared:
        return "There is no other stored study to compare it with."
    kinds = [one.outcome for one in compared]
    said = listed(f"{kinds.count(kind)} {kind}" for kind in reversed(reproduction.OUTCOMES))
    return f"Of {len(compared)} rows: {said}."


def _letters(sides: list[Side]) -> dict[str, str]:
    return dict(zip(dict.fromkeys(side.name for side in sides), LETTERS, strict=False))


def _table(compared: list[tuple[Comparison, Side]], own: Side, place: Place, run: bool) -> str:
    letters, lines = (
        _letters([side for _, side in compared]),
        [ROWS[0].format("Your run" if run else "This study"), ROWS[1]],
    )
    for one, side in compared:
        says, *effects, outcome = compare.cells(one)
        first, second, apart = map(_unbroken, effects)
        link = f"[{letters[side.name]}]({place(side.name)})"
        lines.append(
            f"| {says} | {first} | {second} {link} | {apart} | {outcome} | {', '.join(_causes(one, own, side)) or '–'} |"
        )
    return "\n".join(lines)


def _unbroken(effect: str) -> str:
    """An effect that breaks between its value and its interval alone."""
    return effect.replace(", ", ",\N{NO-BREAK SPACE}").replace(" %", "\N{NO-BREAK SPACE}%")


def _causes(one: Comparison, own: Side, side: Side) -> list[str]:
    """Why a row that has an effect in both studies may not agree."""
    if one.outcome == REPRODUCED or (pair := one.shown) is None:
        return []
    return compare.causes(one.question, own.about, side.about) + ["setting"] * (pair.first.about != pair.second.about)


def _studies(sides: list[Side], own: Side, place: Place, run: bool) -> str:
    """What the studies of a table are, the own one first."""
    lines, letters = list(STUDIES), _letters(sides)
    known = {side.name: side for side in sides}
    address = "run/chapter.md" if run else place(own.name)
    for letter, side, link in [("–", own, address), *((letters[name], known[name], place(name)) for name in letters)]:
        about = side.about
        lines.append(
            f"| {letter} | [{cell(about['title'])}]({link}) | {'XTREME-R' if about['real'] else 'generated tasks'} "
            f"| {about['layers']} layers, {cell(about['precision'])} | {about['steps']:,} steps | {about['seeds']} "
            f"| {cell(about['processor'])} |"
        )
    return "\n".join(lines)
