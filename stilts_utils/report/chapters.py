"""The parts of the book that are made from tables: reports, chapters on studies, executed notebooks, table of contents."""

import json
import re
import shutil
from pathlib import Path

import yaml
from sphinx.errors import SphinxError

from stilts_utils.report import cache, numbers
from stilts_utils.tables import provenance

# Folders of `book/` that are made here, and are not versioned.
STUDIES, RUN = "studies", "run"
TOC = "_toc.yml"
TEMPLATE = "chapter.md.jinja"

TITLES = {
    "1_pretrained": "Pretrained",
    "2_intermediate": "Intermediate",
    "3_target": "Target",
    "4_inference": "Inference",
    "5_findings": "Findings",
}
# What would let a value be read as a code, a role, a link, HTML or a formula.
MARKUP = re.compile(r"[\\`<{$]|\](?=\()")


class BookError(SphinxError):
    """The book cannot be built."""


def write(root: Path, leading: str, run: Path | None = None) -> dict[str, dict]:
    """Write what the pages name and include below `root`/book. Returns the values that a page may name, by page.

    `leading` is the stored study of the first page and of the results; the others have a chapter each, and so has the
    run in the folder `run`, followed by its executed notebooks. Values of the key "" are those of all other pages.
    """
    book, toc = root / "book", yaml.safe_load((root / TOC).read_text(encoding="utf8"))
    names = provenance.stored(root / "results")
    if leading not in names:
        raise BookError(f"results/{leading} has no tables; _config.yml: book_study is the study that leads: {names}")
    for part in (STUDIES, RUN):
        shutil.rmtree(book / part, ignore_errors=True)
    values = {}
    for name, report in cache.reports(root / "results" / name for name in names).items():
        shutil.copytree(report, book / STUDIES / name)
        page = "" if name == leading else f"book/{STUDIES}/{name}"
        prefix = "" if name == leading else f"{name}-"
        values[page] = _values(root, book / STUDIES / name, name=name, prefix=prefix, own_run=False)
        if page:
            shutil.copy2(book / TEMPLATE, root / f"{page}.md")
    others = [{"file": page} for page in values if page]
    toc["parts"] += [{"caption": "Other studies", "chapters": others}] if others else []
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


def _values(root: Path, report: Path, **more: str | bool) -> dict:
    """What a page may name: the numbers of a report, as text and never as markup, and where its files lie."""
    texts = json.loads((report / numbers.FILE).read_text(encoding="utf8"))
    generated = f"/{report.relative_to(root).as_posix()}/generated"
    given = {"generated": generated, "timed": "untimed_sentence" not in texts}
    given["exits"] = (report / "generated" / "exit_languages.md").is_file()
    return {name: plain(text) for name, text in texts.items()} | given | more


def plain(value: str) -> str:
    """A value in one line of Markdown in which nothing but emphasis is marked up."""
    return MARKUP.sub(r"\\\g<0>", " ".join(value.split()))


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
