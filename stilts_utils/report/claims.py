"""The nine claims that the question started from: what the strongest stored study measures on each, and its verdict.

Strongest is first a study on XTREME-R's own data; then one with the seeds that a claim asks for; then the one that trained
longest. Statements on designs have no measure: they are compared in words.
"""

import json
from collections.abc import Callable
from pathlib import Path

from stilts_utils.analysis.claims import COUNT
from stilts_utils.report import answer_rows
from stilts_utils.report.escape import plain
from stilts_utils.report.formats import bracketed, counted, listed, signed
from stilts_utils.study.hypotheses import LEAST_SEEDS

ABSENT = "Not measured: no stored study has the arms and targets that it is about."


def values(reports: dict[str, Path], place: Callable[[str], str]) -> dict[str, str]:
    """`claim_1` and `claim_1_verdict` to `claim_9` and `claim_9_verdict`, in Markdown.

    `reports`: name of a study -> folder of its report; `place` gives the address of a study's results.
    """
    said = {
        study: json.loads((folder / answer_rows.FILE).read_text(encoding="utf8")) for study, folder in reports.items()
    }
    found = {}
    for number in range(1, COUNT + 1):
        study = max(said, key=lambda name: _strength(said[name], number))
        row = said[study]["claims"][number - 1]
        text = _measures(row["measures"], study, said[study]["about"], place) if row["measures"] else ABSENT
        found |= {f"claim_{number}": text, f"claim_{number}_verdict": row["verdict"]}
    leading = [one["about"] for one in said.values() if one["about"]["real"]] or [one["about"] for one in said.values()]
    return found | _designs(leading)


def _strength(said: dict, number: int) -> tuple:
    about, measures = said["about"], said["claims"][number - 1]["measures"]
    return bool(measures), about["real"], min(about["seeds"], LEAST_SEEDS), about["steps"], about["seeds"]


def _measures(measures: list[dict], study: str, about: dict, place: Callable[[str], str]) -> str:
    numbers = "; ".join(
        f"{plain(one['about'])} {bracketed(signed, one['value'], one['low'], one['high'])}" for one in measures
    )
    seeds = counted(min(one["seeds"] for one in measures), "seed")
    return f"{numbers} points ([{plain(about['title'])}]({place(study)}), {about['steps']:,} steps, {seeds})."


def _designs(studies: list[dict]) -> dict[str, str]:
    """What is said on the claims about designs; `studies`: `answer_rows.about_study` of those that lead."""
    encoders = dict.fromkeys(f"{about['encoder']}, {about['layers']} layers" for about in studies)
    tasks = dict.fromkeys(name for about in studies for name in about["intermediate"])
    return {
        "claim_7": f"Nothing to measure. Here: {plain(listed(encoders))}.",
        "claim_8": "Nothing to measure. The same phases are followed, and one of timing is added.",
        "claim_9": f"Nothing to measure. Here: {plain(listed(tasks))}; all nine are registered.",
    }
