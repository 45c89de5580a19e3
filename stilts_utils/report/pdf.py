"""Print the paper: `python -m stilts_utils.report.pdf [runs/mini]` makes `_build/paper.pdf` of the book that was built."""

import datetime
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from stilts_utils import ROOT
from stilts_utils.report import chapters, paper
from stilts_utils.report.chapters import BookError
from stilts_utils.report.citation import CFF, authors

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PAGE = "paper.html"  # beside the book's first page, whose pictures and scripts it shows
FLAGS = ("--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
PRINT = ("--no-pdf-header-footer", "--generate-pdf-document-outline", "--virtual-time-budget=60000")
PATIENCE = 300  # seconds


def browser() -> str:
    """The path of Chromium. Raises BookError if there is none."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        raise BookError(
            f"printing the paper needs one of {', '.join(BROWSERS)}; install it with your package manager, for example "
            "`sudo apt-get install chromium`"
        )
    return path


def imprint(root: Path) -> paper.Imprint:
    """Authors of `CITATION.cff`; commit of the files and its date, or without a git checkout today's."""
    about = yaml.safe_load((root / CFF).read_text(encoding="utf8"))
    return paper.Imprint(", ".join(authors(about)), *_version(root))


def _version(root: Path) -> tuple[str, str]:
    """Date and commit, with `+` if files differ from it."""
    git = ["git", "-C", str(root)]
    try:
        log = subprocess.run([*git, "log", "-1", "--format=%cs %h"], capture_output=True, text=True, check=True)
        changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"), "unknown"
    date, commit = log.stdout.split()
    return date, commit + "+" * bool(changed.stdout.strip())


def write(root: Path = ROOT, run: Path | None = None) -> Path:
    """Print the paper of the book that was built, with that of a run's folder if told. Returns the path of the PDF.

    Raises BookError if there is no browser, no book, or no PDF in the end.
    """
    browser()
    build = (root / run / "book" if run else root) / "_build"
    toc = root / "book" / chapters.STUDIES / chapters.TOC
    if not toc.is_file():
        raise BookError(f"the paper is made of the built book, and {toc} is missing; run `make book` first")
    page = build / "html" / PAGE
    page.write_text(paper.joined(build / "html", toc, imprint(root)), encoding="utf8")
    return printed(page, build / "paper.pdf")


def printed(page: Path, made: Path) -> Path:
    """Print a page to a file. Returns it; raises BookError if the browser is missing or makes none."""
    program = browser()
    made.unlink(missing_ok=True)
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses to be root in its sandbox
    with tempfile.TemporaryDirectory() as profile:
        command = [program, *FLAGS, *sandbox, f"--user-data-dir={profile}", *PRINT]
        command += [f"--print-to-pdf={made}", page.resolve().as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    if not made.is_file():
        raise BookError(f"{program} printed nothing (exit status {done.returncode}): {done.stderr[-1000:]}")
    return made


if __name__ == "__main__":
    print(write(run=Path(sys.argv[1]) if sys.argv[1:] else None))
