"""A study that is killed in several ways and started again ends with the tables of an undisturbed one."""

import re
import shutil
import signal
import time

import pandas as pd
import psutil
import pytest
import yaml

from stilts_utils import ROOT
from stilts_utils.study import study as module
from stilts_utils.study.study import Study
from stilts_utils.tables import files
from stilts_utils.workflow import launch as launcher
from tests.graph.conftest import launch

pytestmark = pytest.mark.graph
DEADLINE = 300  # seconds to wait for a state before the test fails


@pytest.fixture
def interrupted(tmp_path, monkeypatch):
    """The smoke study under another name in a copy of the checkout, so that it can run beside the other.

    It is without what only the last phase would do, but for exits, with which a target is trained. Gives the copy, the study
    file and the study.
    """
    root = tmp_path / "checkout"
    made = shutil.ignore_patterns(".*", "*.egg-info", "__pycache__", "_build", "runs")
    shutil.copytree(ROOT, root, ignore=made)
    monkeypatch.setattr(module, "ROOT", root)
    path = tmp_path / "interrupted.yaml"
    content = yaml.safe_load((ROOT / "studies/smoke.yaml").read_text(encoding="utf8"))
    for name in ("scenarios", "search"):
        del content["inference"][name]
    path.write_text(yaml.safe_dump(content), encoding="utf8")
    study = Study.load(path)
    yield root, str(path), study
    launcher.stop(launcher.survivors(study))


def wait_for(condition, process):
    """Wait until a condition holds while the study runs; returns what it gave."""
    began = time.monotonic()
    while time.monotonic() - began < DEADLINE:
        if found := condition():
            return found
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.1)
    raise AssertionError("the state to interrupt was not reached")


def at_work(study: Study, phase: str):
    """Kernels of the study, once a notebook of the phase is being executed."""
    running = [run for run in study.runs() if run.phase == phase]
    if not any((study.folder / run.key / "log.ipynb").is_file() for run in running):
        return []
    return [p for p in launcher.survivors(study) if "ipykernel_launcher" in " ".join(cmdline(p))]


def cmdline(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def finished(study: Study) -> dict[str, int]:
    paths = [study.folder / run.key / "notebook.ipynb" for run in study.runs()]
    return {str(path): path.stat().st_mtime_ns for path in paths if path.is_file()}


def test_killed_three_ways_and_resumed_it_gives_the_same_tables(interrupted, request):
    root, path, study = interrupted

    # The kernels of the notebooks at work, one or two, are killed: the study stops and names one that failed.
    process = launch(path, root)
    for kernel in wait_for(lambda: at_work(study, "2_intermediate"), process):
        kernel.kill()
    printed, _ = process.communicate()
    assert process.returncode != 0
    assert re.search(r"runs/interrupted/(2_intermediate/temprel|3_target/none-0)-s1/log\.ipynb", printed), printed

    # Launcher and Snakemake are killed at once, as in a power cut of the shell: the notebook's processes survive.
    process = launch(path, root)
    wait_for(lambda: at_work(study, "3_target"), process)
    done = finished(study)
    process.kill()
    process.communicate()
    for survivor in launcher.survivors(study):
        if "snakemake" in " ".join(cmdline(survivor)) and "papermill" not in " ".join(cmdline(survivor)):
            survivor.kill()
    assert launcher.survivors(study), "something must survive, or the next start has nothing to end"

    # Interrupted with Ctrl-C: nothing survives. What was done before is not done again.
    process = launch(path, root)
    wait_for(lambda: len(finished(study)) > len(done) and at_work(study, "3_target"), process)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate()
    assert process.returncode == 130 and "interrupted" in printed
    assert not launcher.survivors(study)
    assert {name: made for name, made in finished(study).items() if name in done} == done

    # The rest of what trains and scores; the smoke study beside shows that timing, findings and book follow.
    process = launch(path, root, "--until", "3_target")
    printed, _ = process.communicate()
    assert process.returncode == 0, printed
    undisturbed, _ = request.getfixturevalue("smoke")  # only here: until now it could be made meanwhile
    same = ("scores", "items", "fertility", "shortcuts", "checkpoints", "training", "validation", "exits", "lacking")
    for table in same:
        pd.testing.assert_frame_equal(files.read(table, undisturbed), files.read(table, study.folder))
    assert not list(study.folder.rglob("*.tmp"))
