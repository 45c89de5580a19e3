"""Two studies side by side: what differs in their settings, and for every row of the answer whether the second agrees.

`python -m stilts_utils.report.compare results/mini runs/mini` prints it; `beside` makes a page of the book of it.

Rows are compared setting by setting (engine and batch size, target and intermediate task, language) where both studies have
the same settings. Where they share none, the farthest comparison of each stands for its row, and the differences between
the studies are part of what is compared. The rule of the verdicts is that of `analysis.reproduction`.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from tabulate import tabulate

from stilts_utils import ROOT
from stilts_utils.analysis import reproduction
from stilts_utils.analysis.reproduction import Estimate
from stilts_utils.analysis.verdict import Verdict
from stilts_utils.report import answer_rows, cache, differences
from stilts_utils.report.answer_cases import Case
from stilts_utils.report.answer_rows import QUESTIONS, RATIO, Row
from stilts_utils.report.formats import bracketed, change, signed
from stilts_utils.tables import provenance
from stilts_utils.tables.errors import RecordError

# Questions whose setting says how an effect was measured: other measures are other effects.
MEASURED = ("exit_fixed", "exit_calibrated")
TIMED = ("dense", "throughput", *MEASURED, "tax")  # the processor is part of their conditions


@dataclass(frozen=True)
class Side:
    """A study that is compared: its name, facts (`answer_rows.about_study`), rows and cases by question."""

    name: str
    about: dict
    rows: dict[str, Row]
    cases: dict[str, list[Case]]


@dataclass(frozen=True)
class Pair:
    """One effect in two studies, their difference with its 95 % interval, and the outcome by the rule."""

    first: Case
    second: Case
    apart: Estimate
    outcome: str


@dataclass(frozen=True)
class Comparison:
    """A row of the answer in two studies. `pairs`: its settings, none if a study has no effect to compare.

    `shown`: of the pairs with the row's outcome, the one whose difference reaches farthest; None without pairs.
    """

    question: str
    first: Row
    second: Row
    pairs: list[Pair]

    @property
    def outcome(self) -> str:
        return reproduction.joint([pair.outcome for pair in self.pairs])

    @property
    def shown(self) -> Pair | None:
        own = [pair for pair in self.pairs if pair.outcome == self.outcome]
        return max(own, key=lambda pair: max(abs(pair.apart.low), abs(pair.apart.high)), default=None)

    @property
    def says(self) -> str:
        """The outcome, and of several settings how many have it: `not reproduced (1 of 4)`."""
        count = sum(pair.outcome == self.outcome for pair in self.pairs)
        return self.outcome + f" ({count} of {len(self.pairs)})" * (len(self.pairs) > 1)

    @property
    def setting(self) -> str:
        """The setting that is shown, of both studies if they differ; "" without one."""
        abouts = (
            [self.shown.first.about, self.shown.second.about] if self.shown else [self.first.about, self.second.about]
        )
        return " and ".join(dict.fromkeys(filter(None, abouts)))


def read(name: str, report: Path) -> Side:
    """A study by its report. Raises RecordError if the report was written by older code."""
    stored = json.loads((report / answer_rows.FILE).read_text(encoding="utf8"))
    if "cases" not in stored:
        raise RecordError(f"{report}: {answer_rows.FILE} has no cases; `make study STUDY={name}` writes them")
    rows = {row["question"]: Row(**row) for row in stored["rows"]}
    return Side(name, stored["about"], rows, {name: list(map(_case, given)) for name, given in stored["cases"].items()})


def _case(stored: dict) -> Case:
    verdict = Verdict(stored["verdict"], stored["direction"])
    return Case(**{name: value for name, value in stored.items() if name != "direction"} | {"verdict": verdict})


def of_row(question: str, first: Side, second: Side) -> Comparison:
    """One row of the answer in two studies."""
    pairs = [_pair(question, *cases) for cases in _matched(question, first, second)]
    return Comparison(question, first.rows[question], second.rows[question], pairs)


def rows(first: Side, second: Side) -> list[Comparison]:
    """Every row of the answer in two studies."""
    return [of_row(question, first, second) for question in QUESTIONS]


def _matched(question: str, first: Side, second: Side) -> list[tuple[Case, Case]]:
    """The effects to compare: by setting, or the farthest of each study if they have no setting in common."""
    a, b = ({case.about: case for case in side.cases.get(question, [])} for side in (first, second))
    if both := [(a[about], b[about]) for about in a if about in b]:
        return both
    lead = a.get(first.rows[question].about), b.get(second.rows[question].about)
    return [] if None in lead or question in MEASURED else [lead]


def _pair(question: str, first: Case, second: Case) -> Pair:
    estimates = [Estimate(case.change, case.low, case.high) for case in (first, second)]
    margin = min(first.margin, second.margin)
    apart = reproduction.difference(*estimates, QUESTIONS[question].unit == RATIO)
    said = [reproduction.says(case.verdict, one, margin) for case, one in zip((first, second), estimates, strict=True)]
    return Pair(first, second, apart, reproduction.outcome(*said, apart, margin))


def effect(question: str, given: Case | Row | Estimate) -> str:
    """A change with its interval: `−0.3 % [−0.7, +0.2]` of a ratio, otherwise in points; the verdict of a row without one."""
    value = given.value if isinstance(given, Estimate) else given.change
    if value is None:
        return given.verdict
    if QUESTIONS[question].unit == RATIO:
        return f"{change(1 + value, 1)} [{signed(100 * given.low)}, {signed(100 * given.high)}]"
    return bracketed(signed, value, given.low, given.high)


def cells(one: Comparison) -> tuple[str, str, str, str, str]:
    """A row for a reader: what it is about, both effects, their difference, and the outcome."""
    pair, says = one.shown, QUESTIONS[one.question].says
    if pair is None:
        return says, effect(one.question, one.first), effect(one.question, one.second), "–", one.says
    return says, *(effect(one.question, given) for given in (pair.first, pair.second, pair.apart)), one.says


def causes(question: str, first: dict, second: dict) -> list[str]:
    """In what two studies differ that may move a row, by their `answer_rows.about_study`."""
    named = {
        "real": "source of rows",
        "encoder": "encoder",
        "layers": "layers",
        "precision": "precision",
        "steps": "durations",
        "seeds": "seeds",
        **({"processor": "processor"} if question in TIMED else {}),
    }
    return [says for name, says in named.items() if first[name] != second[name]]


def text(first: Path, second: Path) -> str:
    """Two folders of tables side by side, for a terminal. Raises FileNotFoundError or RecordError if one cannot be read."""
    names, abouts = [str(first), str(second)], [provenance.read(folder) for folder in (first, second)]
    sides = [
        read(about["study"]["name"], report(folder)) for about, folder in zip(abouts, (first, second), strict=True)
    ]
    parts = []
    if same := differences.settings(*abouts):
        parts.append(tabulate(same, headers=["setting", *names], disable_numparse=True, maxcolwidths=[None, 44, 44]))
    else:
        parts.append("All settings are the same.")
    places = [(what, a, b) for (what, a), (_, b) in zip(*map(differences.machines, abouts), strict=True)]
    parts.append(tabulate(places, headers=["machine", *names], maxcolwidths=[None, 44, 44]))
    compared = rows(*sides)
    table = [(*cells(one), one.setting) for one in compared]
    headers = ["longest duration", *names, "difference [95 %]", "verdict", "setting"]
    parts.append(tabulate(table, headers=headers, disable_numparse=True, maxcolwidths=[34, None, None, None, None, 40]))
    counts = [(sum(one.outcome == kind for one in compared), kind) for kind in reversed(reproduction.OUTCOMES)]
    parts.append(", ".join(f"{count} {kind}" for count, kind in counts) + f" of {len(compared)} rows.")
    return "\n\n".join(parts)


def report(folder: Path) -> Path:
    """The report of a folder of stored results, made if it is not there, or of a run."""
    if provenance.is_stored(folder):
        made = cache.reports([folder])[folder.name]
        if isinstance(made, BaseException):
            raise made
        return made
    made = folder / "5_findings" / "report"
    if not (made / answer_rows.FILE).is_file():
        raise FileNotFoundError(f"{made} has no {answer_rows.FILE}; run `make study STUDY={folder.name}` first")
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("first", help="a folder of tables, such as results/mini")
    parser.add_argument("second", help="another, such as runs/mini")
    arguments = parser.parse_args()
    try:
        print(text(*(_folder(name) for name in (arguments.first, arguments.second))))
    except (FileNotFoundError, RecordError) as error:
        print(error)
        return 2
    return 0


def _folder(name: str) -> Path:
    """A folder of tables by its path from here or from the repository's root. Raises FileNotFoundError with those there are."""
    if (path := Path(name)).is_dir():
        return path
    if (ROOT / path).is_dir():
        return ROOT / path
    there = [f"{room}/{found.name}" for room in ("results", "runs") for found in sorted((ROOT / room).glob("*"))]
    folders = [one for one in there if (ROOT / one).is_dir() and one != "runs/cache"]
    raise FileNotFoundError(f"folder of tables is {name!r}, there are: {', '.join(folders)}")


if __name__ == "__main__":
    sys.exit(main())
