"""What a change re-runs, as Snakemake says in a dry run over a copy of a checkout with a finished smoke study."""

import json
import os
import re
import shutil
import subprocess
import sys

import pandas as pd
import pytest

from stilts_utils import ROOT
from stilts_utils.tables.schema import TABLES

pytestmark = pytest.mark.graph
MODELS = {"1_pretrained", "2_intermediate", "3_target", "4_inference"}
TRAJECTORY, TARGET = "stilts_utils/training/trajectory.py", "notebooks/3_target.ipynb"


@pytest.fixture(scope="module")
def finished(smoke, tmp_path_factory):
    """A copy of the checkout with its finished study."""
    folder = tmp_path_factory.mktemp("copy") / "checkout"
    left_out = shutil.ignore_patterns(".git", ".venv", "cache", "conda*", "interrupted", "lab")
    shutil.copytree(ROOT, folder, ignore=left_out)
    return folder


def called(folder, *arguments):
    """What a command of this Python prints in a checkout, with that checkout's package."""
    environment = os.environ | {"PYTHONPATH": str(folder), "STILTS_CACHE": str(ROOT / "runs/cache")}
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def changed(finished):
    """`changed({path: function})`: phases that would run if the files' texts were what the functions make of them."""
    before = {}

    def run(changes):
        for path, function in changes.items():
            before[path] = (finished / path).read_text(encoding="utf8")
            (finished / path).write_text(function(before[path]), encoding="utf8")
        told = called(finished, "-m", "snakemake", "--dry-run", "--config", "study=studies/smoke.yaml")
        phases = set(re.findall(r"^    wildcards: phase=(\w+),", told, re.MULTILINE))
        return phases | set(re.findall(r"^rule (findings|book):", told, re.MULTILINE))

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
        cells[2]["source"].append("\nprint('checked')")  # what only refuses wrong parameters
        cells[-1].update(source=["## Try that"])

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
    def computed(cells):
        last = [cell for cell in cells if cell["cell_type"] == "code"][-1]
        last["source"].append("\nprint(len(frames))")

    phases = changed({TARGET: notebook(computed)})
    assert "3_target" in phases and "2_intermediate" not in phases


def test_another_version_runs_every_model_again(changed):
    assert changed({"constraints.txt": lambda text: f"{text}torch==99\n"}) >= MODELS


def test_the_margin_is_judged_and_neither_trained_nor_timed(changed):
    phases = changed(
        {"studies/smoke.yaml": lambda text: text.replace("  seconds: 0.5\n", "  seconds: 0.5\n  margin: 0.05\n")}
    )
    assert phases == {"1_pretrained", "findings", "book"}  # the first stores the study file, and trains nothing


def test_a_target_s_items_time_nothing(changed):
    phases = changed(
        {"studies/smoke.yaml": lambda text: text.replace("qa_parts: {steps: 3}", "qa_parts: {steps: 3, items: 4}")}
    )
    assert phases == {"1_pretrained", "3_target", "findings", "book"}  # the third trains what changed, see `kept`


def test_what_was_run_by_hand_feeds_no_study(finished, changed):
    """With a loss that teaches nothing, notebook 3 is run by hand; then the code is as it was."""
    checkpoints = finished / "runs/smoke/checkpoints"
    before = {path: path.read_bytes() for path in checkpoints.rglob("*.safetensors")}
    assert before
    file = finished / TRAJECTORY
    text = file.read_text(encoding="utf8")
    file.write_text(text.replace("loss.backward()", "(loss * 0).backward()"), encoding="utf8")
    try:
        by_hand = ("-p", "study", "studies/smoke.yaml", "-p", "intermediate", "temprel", "-p", "duration", "2")
        called(finished, "-m", "papermill", TARGET, "by_hand.ipynb", *by_hand, "-k", "python3", "--no-progress-bar")
    finally:
        file.write_text(text, encoding="utf8")
    lab = finished / "runs/lab/3_target/study=smoke,intermediate=temprel,duration=2,seed=1"
    made = {path.relative_to(lab / "checkpoints") for path in (lab / "checkpoints").rglob("*.safetensors")}
    assert {path.parts[0] for path in made} == {"intermediate", "ner_slots", "mc_facts-exits"}
    assert (lab / "tables/scores.parquet").is_file()
    assert {path: path.read_bytes() for path in checkpoints.rglob("*.safetensors")} == before
    assert changed({}) == set()


TAKE = """
import json
from stilts_utils.study.study import Study
from stilts_utils.workflow import status, stored
study = Study.load("studies/smoke.yaml")
lines = stored.take(study)
left = {state.run.key: state.reasons for state in status.states(study) if not state.done}
print(json.dumps({"lines": lines, "left": left}))
"""


@pytest.fixture
def taken(finished):
    """`taken(changes)`: what a checkout with the stored study says, and would run, after changes of its files."""
    runs, aside = finished / "runs/smoke", finished / "runs/aside"
    called(finished, "-m", "stilts_utils.tables.store", "runs/smoke", "results/smoke")
    runs.rename(aside)

    def run(changes):
        shutil.rmtree(runs, ignore_errors=True)
        before = {path: (finished / path).read_text(encoding="utf8") for path in changes}
        for path, function in changes.items():
            (finished / path).write_text(function(before[path]), encoding="utf8")
        told = json.loads(called(finished, "-c", TAKE))
        for path, text in before.items():
            (finished / path).write_text(text, encoding="utf8")
        return told

    yield run
    shutil.rmtree(runs, ignore_errors=True)
    aside.rename(runs)
    shutil.rmtree(finished / "results/smoke")


def test_a_stored_study_is_taken_where_it_is_up_to_date(taken, finished):
    told = taken({})
    assert told["left"] == {"1_pretrained/baseline": ["not run yet"]}  # it checks encoder and engines of the machine
    (line,) = told["lines"]
    assert line.startswith("taken from results/smoke, stored and up to date: 5 runs (")
    made, original = finished / "runs/smoke", finished / "runs/aside"
    tables = sorted(path.relative_to(made) for path in made.rglob("*.parquet"))
    assert tables == sorted(
        path.relative_to(original) for path in original.glob("[234]_*/*/tables/*.parquet") if "kept" not in path.parts
    )
    for path in tables:
        key = list(TABLES[path.stem].key)
        frames = [pd.read_parquet(folder / path).sort_values(key, ignore_index=True) for folder in (made, original)]
        pd.testing.assert_frame_equal(*frames)
    told = taken({"studies/smoke.yaml": lambda text: text.replace("seeds: [1]", "seeds: [1, 2]")})
    assert told["left"].keys() - {"1_pretrained/baseline"} == {
        "2_intermediate/temprel-s2",
        *(f"3_target/{arm}-s2" for arm in ("none-0", "temprel-2", "temprel-4")),
        "4_inference/ner_slots-s2",
    }
    told = taken({TRAJECTORY: lambda text: text.replace("loss.backward()", "(loss * 0).backward()")})
    assert len(told["left"]) == 6 and not any("taken" in line for line in told["lines"])
    assert f"because of code of {TRAJECTORY}" in told["lines"][0]
    stored = finished / "results/smoke/scores.parquet"
    before = stored.read_bytes()
    stored.write_bytes(before[:-1])
    with pytest.raises(AssertionError, match=r"scores\.parquet is not what was written"):
        taken({})
    stored.write_bytes(before)
