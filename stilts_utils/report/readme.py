"""Write the answer of the reference results into the README, between its two markers.

`python -m stilts_utils.report.readme` does it; a test checks that the README agrees with the tables.
"""

import re

from stilts_utils import ROOT
from stilts_utils.analysis.findings import MEAN, Findings, analyse
from stilts_utils.report import figures, sentences
from stilts_utils.report import numbers as report
from stilts_utils.report.escape import plain
from stilts_utils.tables import provenance

RESULTS = ROOT / "results" / "mini"
BEGIN, END = "<!-- answer: written by `make results` -->", "<!-- end of the answer -->"


def others() -> dict[str, Findings]:
    """The findings of the other stored studies, by name."""
    names = [name for name in provenance.stored(RESULTS.parent) if name != RESULTS.name]
    return {name: analyse(RESULTS.parent / name) for name in names}


def block(findings: Findings, besides: dict[str, Findings]) -> str:
    """The README's answer, in Markdown: that of the default study, then a line for each other stored study."""
    numbers = _texts(findings)
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


def _texts(findings: Findings) -> dict[str, str]:
    return {name: plain(text) for name, text in report.numbers(findings).items()}


def _line(name: str, findings: Findings) -> str:
    """The findings of another study, without those that it did not measure."""
    numbers = _texts(findings)
    said = [numbers["answer_sentence"]] if findings.timed else []
    said += [plain(sentences.answer_quality(findings, brief=True) + sentences.unofficial(findings))]
    said += [numbers["answer_exits_sentence"]] if findings.timed and findings.exits is not None else []
    said += [numbers["search_sentence"]] if len(findings.tables["searches"]) else []
    return (
        f"**{numbers['study_title']}** ([tables](results/{name}), a chapter of the book): {' '.join(said)} "
        f"*{numbers['encoder_layers']} layers, {numbers['languages_count']} languages, {numbers['seeds_count']} seeds; "
        f"{'' if findings.timed else 'not timed; trained and scored on '}{numbers['ran_on']}.*"
    )


def replaced(text: str, findings: Findings, besides: dict[str, Findings]) -> str:
    """The README's text with the answer of these findings. Raises ValueError if the markers are missing."""
    if BEGIN not in text or END not in text:
        raise ValueError(f"README.md: the markers {BEGIN!r} and {END!r} are missing")
    return re.sub(
        f"{re.escape(BEGIN)}.*?{re.escape(END)}",
        lambda _: f"{BEGIN}\n\n{block(findings, besides)}\n\n{END}",
        text,
        flags=re.S,
    )


def write() -> None:
    """Write the answer and its figure."""
    findings = analyse(RESULTS)
    readme = ROOT / "README.md"
    readme.write_text(replaced(readme.read_text(encoding="utf8"), findings, others()), encoding="utf8")
    means = findings.quality[findings.quality.language == MEAN]
    margin = findings.study["inference"]["margin"]
    figures.save(figures.answer(findings.ratios, findings.controls, means, margin), RESULTS / "answer.svg")


if __name__ == "__main__":
    write()
