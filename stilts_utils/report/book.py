"""The book of a study: its pages, executed notebooks and report put together, and built with Jupyter Book.

`python -m stilts_utils.report.book runs/mini` builds `runs/mini/book/_build/html/index.html`. A number that a page names and
the report lacks stops the build, and so does every warning.
"""

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import yaml
from jinja2 import Environment, StrictUndefined

from stilts_utils import ROOT
from stilts_utils.analysis import findings
from stilts_utils.report import numbers as report
from stilts_utils.tables import provenance

RESULTS = ROOT / "results"

TITLES = {
    "1_pretrained": "Pretrained",
    "2_intermediate": "Intermediate",
    "3_target": "Target",
    "4_inference": "Inference",
    "5_findings": "Findings",
}


class BookError(RuntimeError):
    """The book cannot be built."""


def assemble(folder: Path, source: Path) -> None:
    """Put the book's source together from a study's folder: pages, report, executed notebooks."""
    report = folder / "5_findings" / "report"
    if not (report / "numbers.json").is_file():
        raise BookError(f"{report} has no numbers.json; run `make study STUDY={folder.name}` first")
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(ROOT / "book", source)
    shutil.copytree(report / "generated", source / "generated")
    mathjax = Path(find_spec("sphinx-mathjax-offline").origin).parent / "static" / "mathjax" / "tex-svg.js"
    (source / "mathjax").mkdir()
    shutil.copy(mathjax, source / "mathjax")
    executed = _copy_notebooks(folder, source)
    toc = yaml.safe_load((source / "_toc.yml").read_text(encoding="utf8"))
    stored = write(source, folder.name, RESULTS)
    if stored:
        toc["parts"].append({"caption": "Other studies", "chapters": stored})
    toc["parts"].append({"caption": "Executed notebooks", "chapters": executed})
    (source / "_toc.yml").write_text(yaml.safe_dump(toc, sort_keys=False), encoding="utf8")
    config = yaml.safe_load((source / "_config.yml").read_text(encoding="utf8"))
    config["parse"]["myst_substitutions"] = json.loads((report / "numbers.json").read_text(encoding="utf8"))
    (source / "_config.yml").write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf8")


def _copy_notebooks(folder: Path, source: Path) -> list[dict]:
    """Copy the executed notebooks, each under a heading that names its run; their entries in the table of contents."""
    listed = []
    for phase, title in TITLES.items():
        entries = []
        places = [place for place in provenance.run_folders(folder) if place.parent.name == phase]
        for path in [place / "notebook.ipynb" for place in places or [folder / phase]]:
            run = path.parent.name if path.parent.name != phase else ""
            name = f"executed/{phase}" + (f"-{run}" if run else "")
            notebook = json.loads(path.read_text(encoding="utf8"))
            heading, *rest = "".join(notebook["cells"][0]["source"]).split("\n")
            question = heading.split(":", 1)[1].strip()
            heading = f"# {title}{f' ({run})' if run else ''}: {question}"
            notebook["cells"][0]["source"] = "\n".join([heading, *rest])
            target = source / f"{name}.ipynb"
            target.parent.mkdir(exist_ok=True)
            target.write_text(json.dumps(notebook), encoding="utf8")
            entries.append({"file": name, "title": f"{title} {run}".strip()})
        if len(entries) > 1:  # the first run of a phase holds the others
            entries = [{**entries[0], "sections": entries[1:]}]
        listed += entries
    return listed


def build(folder: Path) -> Path:
    """Build the book of a study's folder. Returns the path of its first page; raises BookError with the warnings."""
    source = folder / "book"
    assemble(folder, source)
    builder = Path(sys.executable).with_name("jupyter-book")  # it has no `python -m`
    command = [str(builder), "build", "-W", "--keep-going", str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    print(done.stdout + done.stderr)
    if done.returncode:
        troubles = [line for line in (done.stdout + done.stderr).splitlines() if "WARNING" in line or "ERROR" in line]
        raise BookError("the book did not build:\n" + "\n".join(troubles or [done.stderr[-2000:]]))
    return source / "_build" / "html" / "index.html"


if __name__ == "__main__":
    print(build(Path(sys.argv[1]).resolve()))

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
