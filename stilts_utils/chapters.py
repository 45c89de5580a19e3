"""Chapters of a book on stored reference results: those of other studies than the one that the book is of."""

from pathlib import Path

from jinja2 import Environment, StrictUndefined

from stilts_utils import findings, provenance, report

TEMPLATE = "chapter.md.jinja"


def write(source: Path, besides: str, results: Path) -> list[dict]:
    """Write a page for each, with its tables and figures, into a book's source; their entries in the table of contents.

    `besides` is the study that the book is of. Raises jinja2.UndefinedError for a number that the report lacks.
    """
    strict, chapters = Environment(undefined=StrictUndefined, keep_trailing_newline=True), []
    for name in (name for name in provenance.stored(results) if name != besides):
        folder = source / "studies" / name
        numbers = report.write(findings.analyse(results / name), folder)
        page = strict.from_string((source / TEMPLATE).read_text(encoding="utf8"))
        text = page.render(numbers, name=name, generated=f"{name}/generated")
        (source / f"studies/{name}.md").write_text(text, encoding="utf8")
        chapters.append({"file": f"studies/{name}", "title": numbers["study_title"]})
    return chapters
