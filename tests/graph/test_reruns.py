"""What a change re-runs, as Snakemake says in a dry run over a copy of a checkout with a finished smoke study."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from stilts_utils import ROOT

pytestmark = pytest.mark.graph
MODELS = {"1_pretrained", "2_intermediate", "3_target", "4_inference"}
TRAJECTORY, TARGET = "stilts_utils/training/trajectory.py", "notebooks/3_target.ipynb"


@pytest.fixture(scope="module")
def finished(smoke, tmp_path_factory):
    """A copy of the checkout with its finished study."""
    folder = tmp_path_factory.mktemp("copy") / "checkout"
    left_out = shutil.ignore_patterns(".git", ".venv", "checkpoints", "cache", "conda*", "interrupted")
    shutil.copytree(ROOT, folder, ignore=left_out)
    return folder


@pytest.fixture
def changed(finished):
    """`changed({path: function})`: phases that would run if the files' texts were what the functions make of them."""
    before = {}

    def run(changes):
        for path, function in changes.items():
            before[path] = (finished / path).read_text(encoding="utf8")
            (finished / path).write_text(function(before[path]), encoding="utf8")
        command = [sys.executable, "-m", "snakemake", "--dry-run", "--config", "study=studies/smoke.yaml"]
        environment = os.environ | {"PYTHONPATH": str(finished)}
        done = subprocess.run(command, cwd=finished, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        phases = set(re.findall(r"^    wildcards: phase=(\w+),", done.stdout, re.MULTILINE))
        return phases | set(re.findall(r"^rule (findings|book):", done.stdout, re.MULTILINE))

    yield run
    for path, text in before.items():
        (finished / path).write_text(text, encoding="utf8")


def notebook(change):
    """A change of a notebook's cells."""

    def function(text):
        content = json.loads(text)
        change(content["cells"])
        return json.dumps(content, indent=1)

    return function


def test_words_outputs_and_plots_run_no_model(changed):
    def saved(cells):
        cells[0].update(source=["# Target: another heading?"])
        cells[1].update(execution_count=3, outputs=[])

    assert changed({}) == set()
    phases = changed(
        {
            TRAJECTORY: lambda text: "# A comment.\n" + text.replace('"""One training', '"""A training'),
            TARGET: notebook(saved),
            "stilts_utils/report/figures/style.py": lambda text: f"{text}\n\nUNUSED = 1\n",
            "stilts_utils/analysis/bootstrap.py": lambda text: f"{text}\n\nUNUSED = 1\n",
        }
    )
    assert "findings" in phases and not phases & MODELS


def test_another_loss_trains_and_times_again(changed):
    phases = changed({TRAJECTORY: lambda text: text.replace("loss.backward()", "(loss * 0).backward()")})
    assert phases >= {"2_intermediate", "3_target", "4_inference", "findings"}


def test_another_cell_of_a_notebook_runs_its_phase_again(changed):
    phases = changed({TARGET: notebook(lambda cells: cells[-1]["source"].append("\nprint(len(frames))"))})
    assert "3_target" in phases and "2_intermediate" not in phases


def test_another_version_runs_every_model_again(changed):
    assert changed({"constraints.txt": lambda text: f"{text}torch==99\n"}) >= MODELS
