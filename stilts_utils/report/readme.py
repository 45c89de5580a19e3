"""Write the answer of the reference results into the README, between its two markers.

`python -m stilts_utils.report.readme` does it; a test checks that the README agrees with the tables.
"""

import json
import re
import shutil
from pathlib import Path

from stilts_utils import ROOT
from stilts_utils.report import cache
from stilts_utils.report import numbers as written
from stilts_utils.report.escape import plain
from stilts_utils.tables import provenance

RESULTS = ROOT / "results" / "mini"
BEGIN, END = "<!-- answer: written by `make results` -->", "<!-- end of the answer -->"


def reports() -> tuple[Path, dict[str, Path]]:
    """The report of the reference results, and those of the other stored studies by name. Raises what kept one from it."""
    made = cache.reports(RESULTS.parent / name for name in provenance.stored(RESULTS.parent))
    for report in made.values():
        if isinstance(report, BaseException):
            raise report
    return made.pop(RESULTS.name), made


def block(report: Path, besides: dict[str, Path]) -> str:
    """The README's answer, in Markdown: that of the default study, then a line for each other stored study.

    `besides`: name of a study -> the folder of its report.
    """
    numbers = _texts(report)
    return "\n\n".join(
        (
            f"**{numbers['answer_sentence']}**",
            numbers["answer_quality_sentence"],
            numbers["answer_controls_sentence"],
            numbers["answer_exits_sentence"],
            "![Latency ratio to duration 0, and zero-shot quality, by duration](results/mini/answer.svg)",
            f"*{numbers['encoder_name']} ({numbers['encoder_layers']} layers) on the embedded suite of stand-in tasks in "
            f"{numbers['languages_count']} languages, not on XTREME-R itself; {numbers['ran_on']}. "
            f"{numbers['run_note']}*",
            *(_line(name, other) for name, other in besides.items()),
        )
    )


def _texts(report: Path) -> dict[str, str]:
    numbers = json.loads((report / written.FILE).read_text(encoding="utf8"))
    return {name: plain(text) for name, text in numbers.items()}


def _line(name: str, report: Path) -> str:
    """The findings of another study, without those that it did not measure."""
    numbers = _texts(report)
    said = [plain(line) for line in (report / written.BRIEF).read_text(encoding="utf8").splitlines()]
    return (
        f"**{numbers['study_title']}** ([tables](results/{name}), a chapter of the book): {' '.join(said)} "
        f"*{numbers['encoder_layers']} layers, {numbers['languages_count']} languages, {numbers['seeds_count']} seeds; "
        f"{'not timed; trained and scored on ' * ('untimed_sentence' in numbers)}{numbers['ran_on']}.*"
    )


def replaced(text: str, report: Path, besides: dict[str, Path]) -> str:
    """The README's text with the answer of these reports. Raises ValueError if the markers are missing."""
    if BEGIN not in text or END not in text:
        raise ValueError(f"README.md: the markers {BEGIN!r} and {END!r} are missing")
    return re.sub(
        f"{re.escape(BEGIN)}.*?{re.escape(END)}",
        lambda _: f"{BEGIN}\n\n{block(report, besides)}\n\n{END}",
        text,
        flags=re.S,
    )


def write() -> None:
    """Write the answer and its figure."""
    report, besides = reports()
    readme = ROOT / "README.md"
    readme.write_text(replaced(readme.read_text(encoding="utf8"), report, besides), encoding="utf8")
    shutil.copyfile(report / "generated" / "answer.svg", RESULTS / "answer.svg")


if __name__ == "__main__":
    write()
