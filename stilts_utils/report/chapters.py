"""The parts of the book that are made from tables: reports, chapters on studies, executed notebooks, table of contents."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import yaml
from sphinx.errors import SphinxError

from stilts_utils.report import (
    answer,
    answer_rows,
    beside,
    cache,
    citation,
    claims,
    compare,
    data_page,
    explorer,
    figures,
    numbers,
    pages,
    sources,
)
from stilts_utils.report.escape import Markup, plain
from stilts_utils.report.unfilled import UnfilledError
from stilts_utils.tables import provenance

# Folders of `book/` that are made here, and are not versioned.
STUDIES, RUN = "studies", "run"
TOC = "_toc.yml"
TEMPLATE = "chapter.md.jinja"
# In place of a chapter whose tables cannot be read.
REFUSED = "# {{ name }}\n\nThe tables in `results/{{ name }}` cannot be shown.\n\nBecause: {{ reason }}\n"

# Captions of `_toc.yml`: a chapter on a study stands in the part of its rows.
REAL, EMBEDDED = "I. XTREME-R", "II. The embedded suite"
FOREST, ANSWER = "forest", "answer.csv"
APPENDIX = "Appendix: executed notebooks"


class BookError(SphinxError):
    """The book cannot be built."""


def write(root: Path, leading: str, run: Path | None = None) -> dict[str, dict]:
    """Write what the pages name and include below `root`/book. Returns the values that a page may name, by page.

    `leading` is the stored study that *Results* shows, and whose numbers other pages name. The others have a chapter each,
    which says why if their tables cannot be read. So has the run in the folder `run`, followed by its executed notebooks.
    Values of the key "" are those of all other pages; they hold the answer over all stored studies.
    """
    book, toc = root / "book", yaml.safe_load((root / TOC).read_text(encoding="utf8"))
    names = provenance.stored(root / "results")
    if leading not in names:
        raise BookError(f"results/{leading} has no tables; _config.yml: book_study is the study that leads: {names}")
    for part in (STUDIES, RUN):
        shutil.rmtree(book / part, ignore_errors=True)
    (book / STUDIES).mkdir()
    values, reports = {}, cache.reports(root / "results" / name for name in names)
    for name, report in reports.items():
        page = "" if name == leading else f"book/{STUDIES}/{name}"
        if isinstance(report, UnfilledError):
            raise BookError(str(report)) from report
        if isinstance(report, BaseException):
            values[page] = _refused(root, page, name, report)
            continue
        prefix = "" if name == leading else f"{name}-"
        _copy_report(report, book / STUDIES / name, prefix)
        here = "results" if name == leading else name
        values[page] = _values(root, book / STUDIES / name, here, name=name, prefix=prefix, own_run=False)
        if page:
            shutil.copy2(book / TEMPLATE, root / f"{page}.md")
    read = {name: report for name, report in reports.items() if not isinstance(report, BaseException)}
    values[""] |= _answer(read, leading, book / STUDIES) | {"bibtex": citation.bibtex(root / citation.CFF)}
    explored = read | ({"your run": run / "5_findings" / "report"} if run else {})
    for page in filter(None, values):
        _chapters(toc, REAL if values[page].get("real") else EMBEDDED).append({"file": page})
    toc["parts"] += _appendix(root, {page: values[page] for page in values if "heading" in values[page]})
    if run:
        page = f"book/{RUN}/chapter"
        report = run / "5_findings" / "report"
        if not (report / numbers.FILE).is_file():
            raise BookError(f"{report} has no {numbers.FILE}; run `make study STUDY={run.name}` first")
        _copy_report(report, book / RUN, "run-")
        shutil.copy2(book / TEMPLATE, root / f"{page}.md")
        values[page] = _values(root, book / RUN, "chapter", name=run.name, prefix="run-", own_run=True)
        own = compare.read(run.name, report)
        executed = pages.write(pages.of_run(run), root, f"book/{RUN}", "[the chapter on your run](chapter.md)")
        toc["parts"].append({"caption": "Your run", "chapters": [{"file": page}, *executed]})
    else:
        own = compare.read(leading, read[leading])
    for given in filter(lambda given: "generated" in given, values.values()):
        given["notebooks"] = _notebooks(root, (root / given["generated"].strip("/")).parent)
    values[""] |= beside.values(own, read, _place_of(leading), bool(run))
    values[""] |= data_page.values(read, f"{STUDIES}/{{}}".format)
    explorer.write(explored, book / STUDIES)
    (book / STUDIES / TOC).write_text(yaml.safe_dump(toc, sort_keys=False), encoding="utf8")
    return values


def _chapters(toc: dict, caption: str) -> list[dict]:
    """The chapters of a part of the table of contents. Raises BookError if there is no such part."""
    parts = {part["caption"]: part["chapters"] for part in toc["parts"]}
    if caption not in parts:
        raise BookError(f"{TOC}: no part is called {caption!r}, there are: {', '.join(parts)}")
    return parts[caption]


def _place_of(leading: str) -> Callable[[str], str]:
    """Where a page of the book finds the results of a study."""
    return lambda study: "results.md" if study == leading else f"{STUDIES}/{study}.md"


def _answer(reports: dict[str, Path], leading: str, folder: Path) -> dict:
    """The answer over all stored studies, as a page names it; its figure is written into `folder`."""
    rows = answer.strongest(reports)
    newest = max((report / answer_rows.FILE for report in reports.values()), key=lambda file: file.stat().st_mtime_ns)
    for width, ending in ((figures.WIDE, ".svg"), (figures.NARROW, "-narrow.svg")):
        with figures.drawn_for(width):
            made = figures.save(figures.forest(answer.effects(rows)), folder / f"{FOREST}{ending}")
        shutil.copystat(newest, made)  # Sphinx reads again what is newer
    sources.write(answer.data(reports), folder / ANSWER)
    shutil.copystat(newest, folder / ANSWER)
    return {
        "answer_headline": answer.headline(rows),
        "answer_table": answer.table(rows, _place_of(leading)),
        "answer_key": answer.key(rows),
        "answer_advice": answer.advice(rows),
        "answer_figure_says": answer.figure_says(rows),
        "studies_table": answer.studies(reports, _place_of(leading)),
        **claims.values(reports, _place_of(leading)),
        "explorer_table": explorer.fallback(reports[leading]),
    }


def _copy_report(report: Path, folder: Path, prefix: str) -> None:
    """Copy a report, its tables with the prefix of the labels of their page."""

    def copy(source: str, target: str) -> str:
        if not source.endswith(".md"):
            return shutil.copy2(source, target)
        text = Path(source).read_text(encoding="utf8").replace(Markup.PREFIX, prefix)
        Path(target).write_text(text, encoding="utf8")
        shutil.copystat(source, target)  # Sphinx reads again what is newer
        return target

    shutil.copytree(report, folder, copy_function=copy)


def _values(root: Path, report: Path, page: str, **more: str | bool) -> dict:
    """What a page may name: the numbers of a report, as text and never as markup, and where its files lie.

    `page`: the name of the page that has the report's tables of runs, in the same folder as those that link there.
    """
    texts = json.loads((report / numbers.FILE).read_text(encoding="utf8"))
    generated = f"/{report.relative_to(root).as_posix()}/generated"
    given = {"generated": generated, "timed": "untimed_sentence" not in texts}
    # The theme writes a page's title a second time, as if it were HTML.
    given["heading"] = plain(texts["study_title"].translate(str.maketrans("<>", "‹›")))
    given["real"] = json.loads((report / answer_rows.FILE).read_text(encoding="utf8"))["about"]["real"]
    notes = json.loads((report / sources.FILE).read_text(encoding="utf8"))
    given |= {kind: {name: plain(text) for name, text in each.items()} for kind, each in notes.items()}
    given["runs_page"] = f"{page}.html"
    given["data"] = sorted(path.stem for path in (report / "generated").glob("*.csv"))
    given["phases"] = {
        name: sources.phase(name) for file in given["data"] for name in (file, file.removeprefix(sources.FIGURE))
    }
    given["validated"] = "found_validation" in texts
    given["kinds"] = (report / "generated" / "machines.md").is_file()
    given |= {name: (report / "generated" / f"{name}.md").is_file() for name in ("arms", "forms", "lexical")}
    given["exits"] = (report / "generated" / "exit_languages.md").is_file()
    return {name: plain(text) for name, text in texts.items()} | given | more


def _notebooks(root: Path, folder: Path) -> dict[str, str]:
    """Phase -> the page of its first executed notebook, of the notebooks below a folder of the book."""
    pages = sorted((path.relative_to(root).with_suffix("") for path in folder.rglob("*.ipynb")), reverse=True)
    return {page.name.split("-")[0]: f"/{page.as_posix()}" for page in pages}


def _refused(root: Path, page: str, name: str, error: BaseException) -> dict:
    """Write the page of results that cannot be read, and return its values. Raises BookError if they lead."""
    reason = f"{type(error).__name__}: {error}".replace(f"{root}/", "")
    print(f"results/{name} cannot be shown: {reason}")
    if not page:
        raise BookError(f"results/{name} leads the book and cannot be read: {reason}") from error
    (root / f"{page}.md").write_text(REFUSED, encoding="utf8")
    return {"name": name, "prefix": f"{name}-", "reason": plain(reason)}


def _appendix(root: Path, studies: dict[str, dict]) -> list[dict]:
    """The part of the stored notebooks, if there are any. `studies`: page -> values of a stored study."""
    chapters = []
    for page, values in studies.items():
        notebooks = pages.stored(root / "results" / values["name"])
        link = f"[{values['heading']}](/{page or 'book/results'}.md)"
        chapters.append(pages.appendix(notebooks, root, values["name"], values["heading"], link))
    found = [chapter for chapter in chapters if chapter]
    return [{"caption": APPENDIX, "chapters": found}] if found else []
