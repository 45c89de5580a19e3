"""The smoke study, run once through the real launcher and Snakefile for all tests of this folder."""

import os
import shutil
import signal
import subprocess
import sys

import pytest

from stilts_utils import ROOT

SECRET = "hf_this_must_never_reach_a_notebook"


def launch(study: str, **options) -> subprocess.Popen:
    """Start a study as `make study` does; its output can be read from `stdout`.

    SIGINT is ignored at first, as a shell leaves it to what it starts in the background: the launcher has to mend that.
    """
    environment = os.environ | {"HF_TOKEN": SECRET}
    environment.pop("OMP_NUM_THREADS", None)
    command = [sys.executable, "-m", "stilts_utils.workflow.launch", study]
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
        )
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def smoke():
    """Folder and printed lines of a smoke study that was run from nothing."""
    folder = ROOT / "runs" / "smoke"
    shutil.rmtree(folder, ignore_errors=True)
    process = launch("studies/smoke.yaml")
    printed, _ = process.communicate()
    assert process.returncode == 0, printed
    return folder, printed
