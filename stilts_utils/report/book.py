"""The book: a Sphinx extension that fills its pages from stored tables, so that `jupyter-book build .` is all it takes.

`python -m stilts_utils.report.book` builds it with every warning an error, and prints where its first page is.
`python -m stilts_utils.report.book runs/mini` adds a chapter on that run and its executed notebooks, in the run's folder;
`STILTS_RUN=runs/mini` does the same to a plain `jupyter-book build .`.

Pages are templates in which only the study's numbers can be named. A number is text: what it contains is never a
template, nor markup. One that a page names and the report does not have stops the build.
"""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from jinja2 import FileSystemLoader, StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment
from sphinx.application import Sphinx
from sphinx.config import Config

from stilts_utils import ROOT
from stilts_utils.report import chapters, explorer
from stilts_utils.report.chapters import BookError

RUN = "STILTS_RUN"  # the environment variable that names the folder of a run
FONTS = re.compile(r'<link rel="preload" as="font"[^>]*>\n?')
EARLY = 100  # the table of contents is read at 900
# Before every page, on its first line, so that lines keep their numbers.
IMPORTS = (
    '{% from "markup.md.jinja" import answer, answer_figure, answer_links, drawing, figure, forest, how_to_read, see, table '
    "with context %}"
)


def setup(app: Sphinx) -> dict:
    """Called by Sphinx."""
    app.add_config_value("book_study", "mini", "env")
    app.add_config_value("book_values", {}, "env")  # other values: all pages are read again
    app.connect("config-inited", prepare, priority=EARLY)
    app.connect("source-read", fill)
    app.connect("build-finished", without_preloaded_fonts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def prepare(app: Sphinx, config: Config) -> None:
    """Write the numbers, tables and figures of the pages, and tell Sphinx their place."""
    root, run = Path(app.srcdir), os.environ.get(RUN)
    config.book_values = chapters.write(root, config.book_study, root / run if run else None)
    config.external_toc_path = str(root / "book" / chapters.STUDIES / chapters.TOC)
    mathjax = Path(find_spec("sphinx-mathjax-offline").origin).parent / "static" / "mathjax" / "tex-svg.js"
    config.html_search_scorer = str(root / "book" / "search_scorer.js")
    # Files, not their folders: Jupyter Book loads every script of a static folder on every page.
    scripts = explorer.scripts(root, root / "book" / chapters.STUDIES)
    config.html_static_path = [*config.html_static_path, str(mathjax), *scripts]


def fill(app: Sphinx, page: str, content: list[str]) -> None:
    """Fill the text of a page; executed notebooks stay as they are."""
    if not app.env.doc2path(page).endswith(".md"):
        return
    folder = Path(app.srcdir) / "book"
    for template in folder.glob("*.jinja"):
        app.env.note_dependency(str(template))
    values = app.config.book_values
    content[0] = filled(content[0], values.get(page, values[""]), folder, f"{page}.md")


def without_preloaded_fonts(app: Sphinx, error: Exception | None) -> None:
    """Take out the theme's hints to fonts: no page uses them, and a browser refuses them to a page opened from a folder."""
    if error is not None:
        return
    for page in Path(app.outdir).rglob("*.html"):
        text = page.read_text(encoding="utf8")
        if FONTS.search(text):
            page.write_text(FONTS.sub("", text), encoding="utf8")


def filled(text: str, values: dict, folder: Path, name: str) -> str:
    """A page's text with its values. Raises BookError naming the page and the number that is missing."""
    templates = SandboxedEnvironment(
        loader=FileSystemLoader(folder), undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    try:
        return templates.from_string(IMPORTS + text).render(values)
    except TemplateError as error:
        raise BookError(f"{name}: {error.message} in the report of {values['name']}") from error


def build(root: Path = ROOT, run: Path | None = None) -> Path:
    """Build the book. Returns the path of its first page; raises BookError with the warnings."""
    output = root / run / "book" if run else root
    builder = Path(sys.executable).with_name("jupyter-book")  # it has no `python -m`
    command = [str(builder), "build", "-W", "--keep-going", "--path-output", str(output), str(root)]
    environment = os.environ | {RUN: str(run or "")}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    print(done.stdout + done.stderr)
    if done.returncode:
        lines = (done.stdout + done.stderr).splitlines()
        troubles = [line for line in lines if any(word in line for word in ("WARNING", "ERROR", "BookError: "))]
        raise BookError("\n".join(troubles or [done.stderr[-2000:]]))
    return output / "_build" / "html" / "index.html"


if __name__ == "__main__":
    print(build(run=Path(sys.argv[1]) if sys.argv[1:] else None))
