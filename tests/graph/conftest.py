"""The smoke study, run once through the real launcher and Snakefile for all tests of this folder.

A checkout runs one study at a time. Two workers may share the files: `test_resume` runs its study in a copy of its own, and
the order in `tests/conftest.py` leaves everything that starts in this checkout, or copies it, to one worker.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock
from playwright.sync_api import sync_playwright

from stilts_utils import ROOT
from stilts_utils.report import pdf
from stilts_utils.study.settings import CACHE

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
SECRET = "hf_this_must_never_reach_a_notebook"


def launch(study: str, root: Path = ROOT, *options: str) -> subprocess.Popen:
    """Start a study in a checkout as `make study` does; its output can be read from `stdout`.

    Every checkout uses the cache of this one, where the reports of the stored results may lie already.
    SIGINT is ignored at first, as a shell leaves it to what it starts in the background: the launcher has to mend that.
    """
    environment = os.environ | {"HF_TOKEN": SECRET, "PYTHONPATH": str(root), CACHE: str(ROOT / "runs/cache")}
    environment.pop("OMP_NUM_THREADS", None)
    command = [sys.executable, "-m", "stilts_utils.workflow.launch", study, *options]
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return subprocess.Popen(
            command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def smoke(tmp_path_factory, worker_id):
    """Folder and printed lines of a smoke study that was run from nothing, once for all workers."""
    folder, base = ROOT / "runs" / "smoke", tmp_path_factory.getbasetemp()
    told = (base if worker_id == "master" else base.parent) / "smoke.txt"
    with FileLock(f"{told}.lock"):
        if not told.is_file():
            shutil.rmtree(folder, ignore_errors=True)
            process = launch("studies/smoke.yaml")
            printed, _ = process.communicate()
            assert process.returncode == 0, printed
            told.write_text(printed, encoding="utf8")
    return folder, told.read_text(encoding="utf8")


@pytest.fixture(scope="session")
def html(smoke):
    """The folder of the book with the smoke study's run in it."""
    return smoke[0] / "book" / "_build" / "html"


@pytest.fixture(scope="module")
def browser():
    """Chromium; `make test` installs it on Debian as root."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=pdf.browser(), args=FLAGS)
        yield browser
        browser.close()
