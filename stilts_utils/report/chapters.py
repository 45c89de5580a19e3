"""The parts of the book that are made from tables: reports, chapters on studies, executed notebooks, table of contents."""

import json
import shutil
from pathlib import Path

import yaml
from sphinx.errors import SphinxError

from stilts_utils.report import answer, answer_rows, cache, figures, numbers
from stilts_utils.report.escape import plain
from stilts_utils.tables import provenance

# Folders of `book/` that are made here, and are not versioned.
STUDIES, RUN = "studies", "run"
TOC = "_toc.yml"
TEMPLATE = "chapter.md.jinja"
# In place of a chapter whose tables cannot be read.
REFUSED = "# {{ name }}\n\nThe tables in `results/{{ name }}` cannot be shown.\n\nBecause: {{ reason }}\n"

# Captions of `_toc.yml`: a chapter on a study stands in the part of its rows.
REAL, EMBEDDED = "I. XTREME-R", "II. The embedded suite"
FOREST = "forest"

TITLES = {
    "1_pretrained": "Pretrained",
    "2_intermediate": "Intermediate",
    "3_target": "Target",
    "4_inference": "Inference",
    "5_findings": "Findings",
}


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
        if isinstance(report, BaseException):
            values[page] = _refused(root, page, name, report)
            continue
        shutil.copytree(report, book / STUDIES / name)
        prefix = "" if name == leading else f"{name}-"
        values[page] = _values(root, book / STUDIES / name, name=name, prefix=prefix, own_run=False)
        if page:
            shutil.copy2(book / TEMPLATE, root / f"{page}.md")
    read = {name: report for name, report in reports.items() if not isinstance(report, BaseException)}
    values[""] |= _answer(read, leading, book / STUDIES)
    for page in filter(None, values):
        _chapters(toc, REAL if values[page].get("real") else EMBEDDED).append({"file": page})
    if run:
        page = f"book/{RUN}/chapter"
        report = run / "5_findings" / "report"
        if not (report / numbers.FILE).is_file():
            raise BookError(f"{report} has no {numbers.FILE}; run `make study STUDY={run.name}` first")
        shutil.copytree(report, book / RUN)
        shutil.copy2(book / TEMPLATE, root / f"{page}.md")
        values[page] = _values(root, book / RUN, name=run.name, prefix="run-", own_run=True)
        executed = _copy_notebooks(run, book / RUN)
        toc["parts"].append({"caption": "Your run", "chapters": [{"file": page}, *executed]})
    (book / STUDIES / TOC).write_text(yaml.safe_dump(toc, sort_keys=False), encoding="utf8")
    return values


def _chapters(toc: dict, caption: str) -> list[dict]:
    """The chapters of a part of the table of contents. Raises BookError if there is no such part."""
    parts = {part["caption"]: part["chapters"] for part in toc["parts"]}
    if caption not in parts:
        raise BookError(f"{TOC}: no part is called {caption!r}, there are: {', '.join(parts)}")
    return parts[caption]


def _answer(reports: dict[str, Path], leading: str, folder: Path) -> dict:
    """The answer over all stored studies, as a page names it; its figure is written into `folder`."""

    def place(study: str) -> str:
        return "results.md" if study == leading else f"{STUDIES}/{study}.md"

    rows = answer.strongest(reports)
    newest = max((report / answer_rows.FILE for report in reports.values()), key=lambda file: file.stat().st_mtime_ns)
    for width, ending in ((figures.WIDE, ".svg"), (figures.NARROW, "-narrow.svg")):
        with figures.drawn_for(width):
            made = figures.save(figures.forest(answer.effects(rows)), folder / f"{FOREST}{ending}")
        shutil.copystat(newest, made)  # Sphinx reads again what is newer
    return {
        "answer_headline": answer.headline(rows),
        "answer_table": answer.table(rows, place),
        "answer_key": answer.key(rows),
        "answer_advice": answer.advice(rows),
        "answer_figure_says": answer.figure_says(rows),
        "studies_table": answer.studies(reports, place),
    }


def _values(root: Path, report: Path, **more: str | bool) -> dict:
    """What a page may name: the numbers of a report, as text and never as markup, and where its files lie."""
    texts = json.loads((report / numbers.FILE).read_text(encoding="utf8"))
    generated = f"/{report.relative_to(root).as_posix()}/generated"
    given = {"generated": generated, "timed": "untimed_sentence" not in texts}
    # The theme writes a page's title a second time, as if it were HTML.
    given["heading"] = plain(texts["study_title"].translate(str.maketrans("<>", "‹›")))
    given["real"] = json.loads((report / answer_rows.FILE).read_text(encoding="utf8"))["about"]["real"]
    given["kinds"] = (report / "generated" / "machines.md").is_file()
    given["exits"] = (report / "generated" / "exit_languages.md").is_file()
    return {name: plain(text) for name, text in texts.items()} | given | more


def _refused(root: Path, page: str, name: str, error: BaseException) -> dict:
    """Write the page of results that cannot be read, and return its values. Raises BookError if they lead."""
    reason = f"{type(error).__name__}: {error}".replace(f"{root}/", "")
    print(f"results/{name} cannot be shown: {reason}")
    if not page:
        raise BookError(f"results/{name} leads the book and cannot be read: {reason}") from error
    (root / f"{page}.md").write_text(REFUSED, encoding="utf8")
    return {"name": name, "prefix": f"{name}-", "reason": plain(reason)}


def _copy_notebooks(run: Path, folder: Path) -> list[dict]:
    """Copy the executed notebooks, each under a heading that names its run; their entries in the table of contents."""
    listed = []
    for phase, title in TITLES.items():
        entries = []
        places = [place for place in provenance.run_folders(run) if place.parent.name == phase]
        for path in [place / "notebook.ipynb" for place in places or [run / phase]]:
            name = path.parent.name if path.parent.name != phase else ""
            notebook = json.loads(path.read_text(encoding="utf8"))
            heading, *rest = "".join(notebook["cells"][0]["source"]).split("\n")
            question = heading.split(":", 1)[1].strip()
            heading = f"# {title}{f' ({name})' if name else ''}: {question}"
            notebook["cells"][0]["source"] = "\n".join([heading, *rest])
            target = folder / f"{'-'.join(filter(None, (phase, name)))}.ipynb"
            target.write_text(json.dumps(notebook), encoding="utf8")
            shutil.copystat(path, target)  # Sphinx reads again what is newer
            entries.append({"file": f"book/{RUN}/{target.stem}", "title": f"{title} {name}".strip()})
        if len(entries) > 1:  # the first run of a phase holds the others
            entries = [{**entries[0], "sections": entries[1:]}]
        listed += entries
    return listed
