"""Write the answer of the stored studies into the README, between its two markers.

`python -m stilts_utils.report.readme` does it; a test checks that the README agrees with the tables.
"""

import re
from pathlib import Path

from stilts_utils import ROOT
from stilts_utils.report import answer, cache, figures
from stilts_utils.tables import provenance

RESULTS = ROOT / "results"
FIGURE = "answer.svg"
BEGIN, END = "<!-- answer -->", "<!-- /answer -->"  # what stands between is written by `make results`


def reports() -> dict[str, Path]:
    """Name of a stored study -> its report. Raises what kept one from it."""
    made = cache.reports(RESULTS / name for name in provenance.stored(RESULTS))
    for report in made.values():
        if isinstance(report, BaseException):
            raise report
    return made


def block(reports: dict[str, Path]) -> str:
    """The README's answer, in Markdown, from the reports of the stored studies."""
    rows = answer.strongest(reports)
    return "\n\n".join(
        (
            f"**{answer.headline(rows)}**",
            re.sub(r" *\| *", "|", answer.table(rows, "results/{}".format)),
            f"![The table as a forest plot](results/{FIGURE})",
            "Plus is more; quality in points. Of several comparisons (a target after a task), the farthest from 0. "
            + answer.key(rows),
            "\n".join(f"- {line}" for line in answer.advice(rows)),
        )
    )


def replaced(text: str, reports: dict[str, Path]) -> str:
    """The README's text with the answer of these reports. Raises ValueError if the markers are missing."""
    if BEGIN not in text or END not in text:
        raise ValueError(f"README.md: the markers {BEGIN!r} and {END!r} are missing")
    return re.sub(
        f"{re.escape(BEGIN)}.*?{re.escape(END)}",
        lambda _: f"{BEGIN}\n\n{block(reports)}\n\n{END}",
        text,
        flags=re.S,
    )


def write() -> None:
    """Write the answer and its figure."""
    made, readme = reports(), ROOT / "README.md"
    readme.write_text(replaced(readme.read_text(encoding="utf8"), made), encoding="utf8")
    figures.save(figures.forest(answer.effects(answer.strongest(made))), RESULTS / FIGURE)


if __name__ == "__main__":
    write()
