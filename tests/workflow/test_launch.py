import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from filelock import FileLock

from stilts_utils import ROOT
from stilts_utils.workflow import budget, launch
from stilts_utils.workflow.devices import Device

pytest_plugins = ["tests.fake_study"]
STEP = """[Sun Nov 22 17:52:05 2026]
localrule run:
    input: notebooks/{phase}.ipynb, stilts_utils/__init__.py
    output: runs/fake/{phase}/{run}/notebook.ipynb, runs/fake/{phase}/{run}/tables
    log: runs/fake/{phase}/{run}/log.ipynb
    jobid: 4
    threads: 2
Select jobs to execute...
"""
DONE = "[Sun Nov 22 17:52:18 2026]\nFinished jobid: 4 (Rule: run)\n{done} of 12 steps (8%) done\n"
WAIT = "import signal, time; signal.signal(signal.SIGTERM, signal.{}); print('ready', flush=True); time.sleep(60)"


LOG = """[Sun Nov 22 17:54:31 2026]
Error in rule run:
    message: None
    jobid: 2
    input: notebooks/3_target.ipynb
    output: {0}/notebook.ipynb, {0}/tables
    log: {0}/log.ipynb (check log file(s) for error details)
    shell:
        papermill notebooks/3_target.ipynb {0}/log.ipynb
Shutting down, this might take some time.
"""


@pytest.fixture
def root(plan, tmp_path, monkeypatch):
    """A repository of its own, with the folder of a run."""
    monkeypatch.setattr(launch, "ROOT", tmp_path)
    monkeypatch.setattr(budget.plan.devices, "measure", lambda *_: Device("some", 1e10, 1e10))
    (plan.folder / "3_target" / "none-0-s1").mkdir(parents=True)
    return tmp_path


def executed(path, *outputs):
    cells = [{"cell_type": "markdown", "source": []}, {"cell_type": "code", "outputs": list(outputs)}]
    path.write_text(json.dumps({"cells": cells}), encoding="utf8")


ERROR = {"output_type": "error", "ename": "StudyError", "evalue": "seed is 9, allowed: 1, 2", "traceback": []}


@pytest.mark.parametrize(
    ("outputs", "reason"),
    [
        ([{"output_type": "stream", "text": ["Error"]}, ERROR], "StudyError: seed is 9, allowed: 1, 2"),
        ([{"output_type": "stream", "text": ["Error"]}], "it ended before a cell failed; see the log"),
    ],
)
def test_a_failed_notebook_is_named_with_its_error_once(root, outputs, reason):
    run = "runs/fake/3_target/none-0-s1"
    executed(root / run / "log.ipynb", *outputs)
    assert launch.failures(2 * LOG.format(run)) == [f"{run}/log.ipynb: {reason}"]


def test_a_failed_book_is_named_with_the_last_line_of_its_log(root):
    (root / "runs/fake/book.log").write_text("reading\nBookError: it did not build\n\n", encoding="utf8")
    log = "Error in rule book:\n    log: runs/fake/book.log (check log file(s) for error details)\n"
    assert launch.failures(log) == ["runs/fake/book.log: BookError: it did not build"]


LOST = """Error in rule run:
    message: SLURM-job '7' failed, SLURM status is: 'CANCELLED'.
    jobid: 2
    log: {0}/log.ipynb, /cluster/.snakemake/slurm_logs/rule_run/7.log (check log file(s) for error details)
    external_jobid: 7
Trying to restart job 2.
"""


@pytest.mark.parametrize("text", ["", '{"cells": [{"cell_ty'])
def test_a_notebook_that_a_cluster_lost_is_named_with_what_the_scheduler_said(root, text):
    run = "runs/fake/3_target/none-0-s1"
    (root / run / "log.ipynb").write_text(text, encoding="utf8")
    reason = "no notebook was written; SLURM-job '7' failed, SLURM status is: 'CANCELLED'."
    assert launch.failures(LOST.format(run)) == [f"{run}/log.ipynb: {reason}"]


def test_a_notebook_whose_second_try_succeeded_did_not_fail(root):
    log = LOST.format("runs/fake/3_target/none-0-s1")
    assert launch.failures(log + "Finished jobid: 2 (Rule: run)\n") == []
    assert len(launch.failures(log + "Finished jobid: 22 (Rule: run)\n")) == 1


@pytest.mark.parametrize("text", ["", "\n"])
def test_an_empty_or_missing_log_is_still_named(root, text):
    log = "Error in rule book:\n    log: runs/fake/book.log\n"
    assert launch.failures(log) == ["runs/fake/book.log: see the log"]
    (root / "runs/fake/book.log").write_text(text, encoding="utf8")
    assert launch.failures(log) == ["runs/fake/book.log: see the log"]


def test_a_log_without_errors_has_no_failures():
    assert launch.failures(STEP.format(phase="3_target", run="none-0-s1") + "Error in group\n") == []


@pytest.fixture
def child(plan):
    """`child(mark, handler)`: a waiting process with a mark in its environment."""
    started = []

    def start(mark=str(plan.folder), handler="SIG_DFL"):
        environment = os.environ | {launch.MARK: mark}
        command = [sys.executable, "-S", "-c", WAIT.format(handler)]
        started.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE))
        assert started[-1].stdout.readline() == b"ready\n"
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_processes_that_a_study_left_behind_are_found_and_ended(child, plan):
    polite, deaf, other = child(), child(handler="SIG_IGN"), child(mark="runs/other")
    left = launch.survivors(plan)
    assert sorted(process.pid for process in left) == sorted([polite.pid, deaf.pid])
    launch.stop(left)
    assert polite.poll() is not None and deaf.poll() is not None
    assert other.poll() is None
    assert launch.survivors(plan) == []
    launch.stop(left)  # they are gone already


@pytest.fixture
def study_file(root, monkeypatch):
    """A study file of the fake study's name, in the repository of its own."""
    path = root / "fake.yaml"
    path.write_text((ROOT / "studies/smoke.yaml").read_text(encoding="utf8"), encoding="utf8")
    return str(path)


def test_a_second_run_is_refused_while_the_first_holds_the_lock(root, study_file, monkeypatch):
    said = []
    monkeypatch.setattr(launch, "_supervise", lambda *_: 0)
    with FileLock(root / "runs" / ".lock"):
        assert launch.run(study_file, "profiles/default", said.append) == 1
    assert len(said) == 1 and said[0].startswith("another study is running in this checkout")
    assert launch.run(study_file, "profiles/default", said.append) == 0


def test_on_a_cluster_a_study_is_held_alone_and_others_run_beside_it(root, study_file, plan, monkeypatch):
    said = []
    monkeypatch.setattr(launch, "_supervise", lambda *_: 0)
    with FileLock(root / "runs" / ".lock"):
        assert launch.run(study_file, "profiles/slurm", said.append) == 0
    with FileLock(plan.folder / ".lock"):
        assert launch.run(study_file, "profiles/slurm", said.append) == 1
    assert said == ["fake is running already, so wait for it to end"]


def test_survivors_are_ended_before_a_study_starts(root, study_file, child, monkeypatch):
    said, process = [], child()
    monkeypatch.setattr(launch, "_supervise", lambda *_: 7)
    assert launch.run(study_file, "profiles/default", said.append) == 7
    assert said == ["ending 1 process(es) that an interrupted run left behind"]
    assert process.poll() is not None


SNAKEMAKE = """
import os, sys, time
assert sys.argv[1:5] == ["--workflow-profile", "profiles/default", "--config", "study={study}"], sys.argv
assert sys.argv[5:8] == ["--resources", "checking=100", "timing=100"] and sys.argv[8].startswith("mem_mb="), sys.argv
assert os.environ["STILTS_STUDY"].endswith("runs/fake")
print({log!r}, flush=True)
{then}
"""


@pytest.fixture
def start(root, study_file):
    """`start(log, then)`: run the study with a stand-in for Snakemake that prints a log; returns code and lines."""

    def make(log, then):
        script = SNAKEMAKE.format(study=study_file, log=log, then=then)
        (root / "snakemake.py").write_text(script, encoding="utf8")
        said = []
        return launch.run(study_file, "profiles/default", said.append), said

    return make


def test_a_finished_study_shows_the_answer_and_the_book(root, start, capsys):
    generated = root / "runs/fake/5_findings/report/generated"
    generated.mkdir(parents=True)
    rows = (
        "says,answer,effect,question\nLatency of a dense model,equivalent,+0.1 %,dense\nQuality,undecided,−2.0,pair\n"
    )
    (generated / "answer.csv").write_text(rows, encoding="utf8")
    names = ("study_headline", "rests_sentence", "trained_sentence", "answer_controls_sentence")
    numbers = json.dumps({name: name.upper() for name in names})
    (generated.parent / "numbers.json").write_text(numbers, encoding="utf8")
    log = STEP.format(phase="3_target", run="none-0-s1") + DONE.format(done=12)
    code, said = start(log, "sys.exit(0)")
    assert code == 0
    assert said == [
        "",
        "STUDY_HEADLINE RESTS_SENTENCE\n",
        "Latency of a dense model  equivalent  +0.1 %",
        "Quality                   undecided   −2.0",
        "\nTRAINED_SENTENCE",
        "ANSWER_CONTROLS_SENTENCE",
        "\nbook: runs/fake/book/_build/html/index.html",
    ]
    assert "runs done: 12 of 12 | 3_target/none-0-s1" in capsys.readouterr().out
    assert (root / "runs/fake/snakemake.log").read_text(encoding="utf8").strip() == log.strip()


def test_a_failed_study_names_the_notebook_and_the_next_command(root, start):
    run = "runs/fake/3_target/none-0-s1"
    executed(root / run / "log.ipynb", ERROR)
    code, said = start(LOG.format(run), "sys.exit(3)")
    assert code == 3
    assert said == [
        f"failed: {run}/log.ipynb: StudyError: seed is 9, allowed: 1, 2",
        "mend it, then `make study STUDY=fake` goes on from here",
    ]


def test_a_failure_outside_the_runs_names_the_log(start):
    code, said = start("SyntaxError in Snakefile", "sys.exit(1)")
    assert code == 1 and said[0] == "failed: Snakemake failed: SyntaxError in Snakefile; see runs/fake/snakemake.log"


def test_an_interrupted_study_ends_its_processes_and_says_how_to_go_on(start, plan, monkeypatch):
    def interrupt(seconds):
        log = plan.folder / "snakemake.log"
        if "waiting" in log.read_text(encoding="utf8"):  # the stand-in runs: it is not killed while it starts
            raise KeyboardInterrupt

    monkeypatch.setattr(launch, "time", SimpleNamespace(monotonic=lambda: 0.0, sleep=interrupt))
    code, said = start("waiting", "time.sleep(60)")
    assert code == 130
    assert said == ["\ninterrupted; `make study STUDY=fake` goes on from here"]
    assert launch.survivors(plan) == []


def test_an_unknown_study_is_refused_with_those_there_are():
    command = [sys.executable, "-m", "stilts_utils.workflow.launch", "studies/none.yaml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "studies/none.yaml" in done.stdout and "studies/mini.yaml, studies/smoke.yaml" in done.stdout
    assert done.stderr == ""
