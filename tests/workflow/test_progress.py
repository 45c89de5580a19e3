from types import SimpleNamespace

import pytest

from stilts_utils.workflow import budget, progress, status
from stilts_utils.workflow.devices import Device

pytest_plugins = ["tests.fake_study"]
STEP = """[Sun Nov 22 17:52:05 2026]
localrule run:
    input: notebooks/{phase}.ipynb, stilts_utils/__init__.py
    output: runs/fake/{phase}/{run}/notebook.ipynb, runs/fake/{phase}/{run}/tables
    log: runs/fake/{phase}/{run}/log.ipynb
    jobid: {job}
    threads: 2
Select jobs to execute...
"""
DONE = "[Sun Nov 22 17:52:18 2026]\nFinished jobid: {job} (Rule: run)\n{done} of 12 steps (8%) done\n"
LISTED = (
    "job         count\n--------  -------\nall             1\nbook            1\nfindings        1\nrun             2\n"
)
FIRST, TIMED = "1_pretrained/baseline", "4_inference/ner_slots-s1"
ONE, OTHER = "3_target/none-0-s1", "3_target/none-0-s2"


@pytest.fixture
def clock(monkeypatch):
    """A clock that tests set."""
    now = [0.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


@pytest.fixture
def seen(clock):
    """A study of which phase 1, two targets and a timing are to come; findings and book, too, if they are listed."""
    waiting = {FIRST: 60.0, ONE: 120.0, OTHER: 120.0, TIMED: 180.0}
    return progress.Progress(waiting, {progress.FINDINGS: 60.0, progress.BOOK: 120.0}, slots=2)


def feed(seen, text, **values):
    for line in text.format(**values).splitlines(keepends=True):
        seen.read(line)


def begin(seen, key, job=4):
    phase, run = key.split("/")
    feed(seen, STEP, phase=phase, run=run, job=job)


def test_the_line_before_anything_has_run_says_what_is_planned(seen, clock):
    clock[0] = 6.0
    assert seen.line() == "runs done: 0 | starting | 0.1 min | about 6 min left"


def test_the_line_has_runs_done_the_run_at_work_and_the_time_left(seen, clock):
    begin(seen, FIRST)
    assert seen.line() == f"runs done: 0 | {FIRST} | 0.0 min | about 6 min left"
    clock[0] = 60.0
    feed(seen, DONE, job=4, done=1)
    begin(seen, ONE, job=5)
    begin(seen, OTHER, job=6)
    assert seen.line() == f"runs done: 1 of 12 | {ONE}, {OTHER} | 1.0 min | about 5 min left"
    clock[0] = 120.0
    assert seen.line().endswith("| 2.0 min | about 4 min left")


def test_findings_and_book_count_if_they_are_to_be_made(seen):
    feed(seen, LISTED)
    assert seen.left() == 60 + 240 / 2 + 180 + 60 + 120
    before = seen.left()
    feed(seen, "book:\nbook of things 1\nfindings   \n")
    assert seen.left() == before


def test_the_book_alone_still_takes_its_time(clock):
    seen = progress.Progress({}, {progress.FINDINGS: 60.0, progress.BOOK: 120.0})
    assert seen.line() == "runs done: 0 | starting | 0.0 min"
    feed(seen, "book            1\n    log: runs/fake/book.log\n    jobid: 1\n")
    assert seen.line() == "runs done: 0 | book | 0.0 min | about 2 min left"
    clock[0] = 90.0
    assert seen.line() == "runs done: 0 | book | 1.5 min | less than a minute left"
    feed(seen, "Finished jobid: 1 (Rule: book)\n")
    assert seen.line() == "runs done: 0 | book | 1.5 min"


def test_a_phase_goes_on_at_the_pace_of_its_runs_that_ended(seen, clock):
    begin(seen, ONE)
    clock[0] = 360.0  # three times as long as expected
    feed(seen, DONE, job=4, done=1)
    assert seen.left() == 60 + max(3 * 120 / 2, 3 * 120) + 180  # one run is not divided among two


def test_what_takes_longer_than_expected_is_never_said_to_end_at_once(seen, clock):
    feed(seen, LISTED)
    for key in (FIRST, ONE, OTHER, TIMED):
        begin(seen, key)
        feed(seen, DONE, job=4, done=1)
    feed(seen, "    log: runs/fake/5_findings/log.ipynb\n    jobid: 7\nFinished jobid: 7 (Rule: findings)\n")
    feed(seen, "    log: runs/fake/book.log\n    jobid: 8\n")
    clock[0] = 600.0  # five times as long as expected
    assert seen.line().endswith("about 2 min left")


def test_runs_side_by_side_are_named_and_end_in_any_order(seen):
    for job, run in enumerate(("temprel-s1", "temprel-s2", "other-s1", "other-s2"), start=1):
        feed(seen, f"    log: runs/fake/2_intermediate/{run}/log.ipynb\n    jobid: {job}\n")
    assert "| 2_intermediate/temprel-s1, 2_intermediate/temprel-s2 and 2 more |" in seen.line()
    feed(seen, "Finished jobid: 2 (Rule: run)\nFinished jobid: 3 (Rule: run)\nFinished jobid: 4 (Rule: run)\n")
    assert "| 2_intermediate/temprel-s1 |" in seen.line()


@pytest.mark.parametrize(
    ("path", "at"),
    [
        ("runs/fake/3_target/none-0-s1/log.ipynb", "3_target/none-0-s1"),
        ("runs/fake/5_findings/log.ipynb", "5_findings"),
        ("runs/fake/book.log", "book"),
    ],
)
def test_the_line_names_what_is_at_work(seen, path, at):
    feed(seen, f"    log: {path}\n    jobid: 1\n")
    assert f"| {at} |" in seen.line()


def test_other_lines_of_the_log_change_nothing(seen):
    before = seen.line()
    feed(seen, "Building DAG of jobs...\nProvided cores: 2\nrun             7\nlog: nothing\n5 of steps\n")
    assert seen.line() == before


LOST = """Error in rule run:
    message: SLURM-job '7' failed, SLURM status is: 'CANCELLED'.
    jobid: 4
    log: runs/fake/3_target/none-0-s1/log.ipynb, /cluster/.snakemake/slurm_logs/rule_run/7.log (check log file(s))
    external_jobid: 7
Trying to restart job 4.
"""


def test_a_lost_run_stays_at_work_under_its_own_name(seen):
    begin(seen, ONE)
    feed(seen, "    log: runs/fake/3_target/none-0-s2/log.ipynb\n    jobid: 5\n")
    before = seen.line()
    feed(seen, LOST)
    assert seen.line() == before


@pytest.fixture
def machine(monkeypatch):
    """A machine whose speed is known, and that needs not be measured."""
    monkeypatch.setattr(budget.plan.devices, "measure", lambda *_: Device("some", 1e10, 1e10))


def test_runs_that_are_up_to_date_are_not_waited_for(plan, machine, monkeypatch):
    first, second, *others = plan.runs()
    waiting = [status.State(run, ("not run yet",), None) for run in (first, second)]
    states = [*waiting, *(status.State(run, (), 1.0, measured=True) for run in others)]
    monkeypatch.setattr(status, "states", lambda _: states)
    assert progress.expected(plan).keys() == {first.key, second.key}
    assert progress.expected(plan, [second.key]).keys() == {second.key}


def test_the_machine_is_not_measured_if_nothing_is_to_run(plan, monkeypatch):
    monkeypatch.setattr(budget.plan, "here", lambda _: pytest.fail("the machine was measured"))
    monkeypatch.setattr(status, "states", lambda _: [status.State(run, (), None) for run in plan.runs()])
    assert progress.expected(plan) == {}


def test_an_outdated_run_is_expected_to_take_what_it_took(plan, machine, monkeypatch):
    states = [status.State(run, ("code",), 30.0, measured=True) for run in plan.runs()]
    monkeypatch.setattr(status, "states", lambda _: states)
    assert sum(progress.expected(plan).values()) == pytest.approx(30 * len(states))


def test_an_encoder_of_unknown_size_has_rough_costs(plan, monkeypatch):
    def unknown(study):
        raise ValueError("encoder is 'an/encoder', whose sizes are not known")

    monkeypatch.setattr(budget.plan, "here", unknown)
    assert progress.expected(plan) == {run.key: run.work for run in plan.runs()}


def test_findings_and_book_take_what_they_took_here(plan):
    assumed = progress.last(plan)
    assert assumed.keys() == {progress.FINDINGS, progress.BOOK} and min(assumed.values()) > 0
    plan.folder.mkdir(parents=True)
    (plan.folder / "book.tsv").write_text("s\th:m:s\n42.5\t0:00:42\n", encoding="utf8")
    assert progress.last(plan) == assumed | {progress.BOOK: 42.5}
