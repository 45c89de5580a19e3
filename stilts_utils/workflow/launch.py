"""Run a study through Snakemake with one live line, so that it can be interrupted at any point and started again.

`python -m stilts_utils.workflow.launch studies/mini.yaml` runs what is missing, prints the answer and the path of the book.
"""

import argparse
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
from filelock import FileLock, Timeout

from stilts_utils import ROOT
from stilts_utils.models import hardware
from stilts_utils.study.place import MARK
from stilts_utils.study.study import Study
from stilts_utils.study.validation import StudyError
from stilts_utils.tables import digests
from stilts_utils.tables.errors import RecordError
from stilts_utils.workflow import budget, progress, status, stored, surroundings

ANSWER = ["says", "answer", "effect"]  # columns of the answer's data that are printed
PHASES = ("1_pretrained", "2_intermediate", "3_target", "4_inference")  # that may be the last to run
LOCAL = "profiles/default"
PATIENCE, CLUSTER_PATIENCE = 5, 60  # seconds that Snakemake has to end after an interruption; there it cancels jobs


def survivors(study: Study) -> list[psutil.Process]:
    """Processes that an interrupted run of the study left behind."""
    processes = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == str(study.folder):
                processes.append(process)
        except (psutil.Error, OSError):
            continue
    return processes


def stop(processes: list[psutil.Process]) -> None:
    """End processes, first politely."""
    for process in processes:
        try:
            process.terminate()
        except psutil.NoSuchProcess:
            continue
    _, alive = psutil.wait_procs(processes, timeout=3)
    for process in alive:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(alive, timeout=3)


def failures(log: str) -> list[str]:
    """Executed notebooks that failed, with their error, from Snakemake's log; without jobs whose second try succeeded."""
    messages, finished = [], set(re.findall(r"(?m)^Finished jobid: (\d+)", log))
    for block in re.split(r"(?m)^\s*Error in rule ", log)[1:]:
        path, job = re.search(r"(?m)^\s+log: ([^\s,]+)", block), re.search(r"(?m)^\s+jobid: (\d+)", block)
        if path is None or (job and job[1] in finished):
            continue
        message = re.search(r"(?m)^\s+message: (?!None$)(.+)", block)  # of the scheduler of a cluster
        messages.append(f"{path[1]}: {_reason(ROOT / path[1], message[1] if message else 'see the log')}")
    return list(dict.fromkeys(messages))


def _last_line(file: Path) -> str:
    """The last line with words of a log that Snakemake wrote."""
    lines = [line.strip() for line in file.read_text(encoding="utf8").splitlines() if line.strip()]
    return lines[-1] if lines else "it wrote nothing"


def _reason(file: Path, otherwise: str) -> str:
    """Why a notebook or a command failed, by its log; `otherwise` if there is none."""
    text = file.read_text(encoding="utf8").strip() if file.is_file() else ""
    if file.suffix != ".ipynb":
        return text.splitlines()[-1] if text else otherwise
    try:
        cells = json.loads(text)["cells"]
    except json.JSONDecodeError:  # it never began, or was killed while it was written
        return f"no notebook was written; {otherwise}"
    errors = [o for cell in cells for o in cell.get("outputs", []) if o["output_type"] == "error"]
    if errors:
        return f"{errors[0]['ename']}: {errors[0]['evalue']}"
    return f"it ended before a cell failed; {otherwise}"


def run(study_file: str, profile: str, show=print, minutes: float | None = None, last: str = "") -> int:
    """Run what is missing of a study, or what of it ends within some minutes, or up to the phase `last`.

    Returns the exit code of Snakemake, or 130 if it was interrupted.
    """
    until = None if minutes is None else time.monotonic() + 60 * minutes
    study = Study.load(study_file)
    study.folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as locks:
        for file, says in _locks(study, profile):
            try:
                locks.enter_context(FileLock(file, timeout=0))
            except Timeout:
                show(f"{says}, so wait for it to end")
                return 1
        for line in surroundings.prepare():
            show(line)
        if left := survivors(study):
            show(f"ending {len(left)} process(es) that an interrupted run left behind")
            stop(left)
        for line in stored.take(study):
            show(line)
        if until is not None:
            return _within(study, study_file, profile, show, until)
        keys = [run.key for run in study.runs() if run.phase <= last] if last else None
        return _supervise(study, study_file, profile, show, keys)


def _locks(study: Study, profile: str) -> list[tuple[Path, str]]:
    """(file, who holds it) of what a running study locks: itself and, where timings share this machine, all of a checkout."""
    own = (study.folder / ".lock", f"{study.name} is running already")
    shared = (ROOT / "runs" / ".lock", "another study is running in this checkout; timings need the machine alone")
    return [own, shared] if profile == LOCAL else [own]


def _within(study: Study, study_file: str, profile: str, show, until: float) -> int:
    """Run what ends before a time, part by part; findings and book only if no run is left."""
    tried: list[str] = []
    slots = _slots(study, profile)
    while True:
        digests.forget()  # code may have changed since the last part
        states, left = budget.estimated(study, status.states(study)), until - time.monotonic()
        if all(state.done for state in states):
            return _supervise(study, study_file, profile, show)
        if again := [state.run.key for state in states if state.run.key in tried and not state.done]:
            show(
                f"{again[0]} ended and is out of date again: its code or data change meanwhile; `make status` says which"
            )
            return 1
        chosen = budget.affordable(study, states, left, slots)
        if not chosen:
            waiting = [state for state in states if not state.done]
            show(
                f"{len(waiting)} runs are left, and none would end within the {max(0, left) / 60:.0f} minutes that are; "
                f"`make results STUDY={study.name}` stores the whole cells, `make study STUDY={study.name}` goes on"
            )
            return 0
        tried += chosen
        show(f"{len(chosen)} runs that end in time: {chosen[0]}" + (f" to {chosen[-1]}" if len(chosen) > 1 else ""))
        if code := _supervise(study, study_file, profile, show, chosen):
            return code


def _slots(study: Study, profile: str) -> int:
    """How many runs that time nothing go side by side."""
    return max(1, hardware.cores() // study.training.threads) if profile == LOCAL else len(study.runs())


def outdated(study: Study) -> list[str]:
    """Runs that have ended and are out of date by what they recorded: Snakemake's own records can be lost."""
    return [state.run.key for state in status.states(study) if not state.done and status.ended(study, state.run)]


def _supervise(study: Study, study_file: str, profile: str, show, keys: list[str] | None = None) -> int:
    """Run some runs, or all with findings and book, and report the answer then."""
    command = [sys.executable, "-m", "snakemake", *_notebooks(study, keys or [])]
    command += ["--workflow-profile", profile, "--config", f"study={study_file}", "--resources", "checking=100"]
    if profile == LOCAL:  # on a cluster the scheduler knows its machines
        memory = psutil.virtual_memory().total // 2**20
        command += ["timing=100", f"mem_mb={memory}"]
    if again := [key for key in outdated(study) if keys is None or key in keys]:
        command += ["--forcerun", *_notebooks(study, again)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    environment = os.environ | {MARK: str(study.folder), "PATH": path}
    seen = progress.Progress(progress.expected(study, keys), progress.last(study), _slots(study, profile))
    shown = ""
    log = study.folder / "snakemake.log"
    with log.open("w", encoding="utf8") as sink:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=sink, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            with log.open(encoding="utf8") as lines:
                while True:
                    ended = process.poll() is not None
                    for line in lines:
                        seen.read(line)
                    shown = _show_line(seen.line(), shown)
                    if ended:
                        break
                    time.sleep(0.5)
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE if profile == LOCAL else CLUSTER_PATIENCE)
            stop(survivors(study))
            show(f"\ninterrupted; `make study STUDY={study.name}` goes on from here")
            return 130
    if sys.stdout.isatty():
        print()
    if process.returncode:
        failed = failures(log.read_text(encoding="utf8"))
        for line in failed or [f"Snakemake failed: {_last_line(log)}; see {log.relative_to(ROOT)}"]:
            show(f"failed: {line}")
        show(f"mend it, then `make study STUDY={study.name}` goes on from here")
        return process.returncode
    if keys is None:
        report(study, show)
    return 0


def _notebooks(study: Study, keys: list[str]) -> list[str]:
    return [f"{study.folder.relative_to(ROOT)}/{key}/notebook.ipynb" for key in keys]


def _show_line(line: str, shown: str) -> str:
    """Rewrite the live line on a terminal; elsewhere print it when the run at work changes."""
    if sys.stdout.isatty():
        print(f"\r\033[K{line}", end="", flush=True)
    elif line.split(" | ")[:2] != shown.split(" | ")[:2]:
        print(line, flush=True)
    return line


def report(study: Study, show=print) -> None:
    """Print the answer and the path of the book."""
    made = study.folder / "5_findings" / "report"
    numbers = json.loads((made / "numbers.json").read_text(encoding="utf8"))
    rows = pd.read_csv(made / "generated" / "answer.csv")
    widths = [rows[name].str.len().max() for name in ANSWER]
    show("")
    show(f"{numbers['study_headline']} {numbers['rests_sentence']}\n")
    for row in rows[ANSWER].itertuples(index=False):
        show("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    show(f"\n{numbers['trained_sentence']}")
    if "answer_controls_sentence" in numbers:
        show(numbers["answer_controls_sentence"])
    book = study.folder / "book" / "_build" / "html" / "index.html"
    show(f"\nbook: {book.relative_to(ROOT)}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", help="a study file, such as studies/mini.yaml")
    parser.add_argument("--profile", default=LOCAL, help="where to run: a folder of profiles/")
    parser.add_argument("--minutes", type=float, help="start no run that would not end within so many minutes")
    parser.add_argument("--until", default="", choices=PHASES, help="the last phase to run, to time elsewhere")
    arguments = parser.parse_args()
    # A shell that starts this in the background has SIGINT ignored, and Snakemake would inherit that.
    for interruption in (signal.SIGTERM, signal.SIGINT):
        signal.signal(interruption, signal.default_int_handler)
    try:
        return run(arguments.study, arguments.profile, minutes=arguments.minutes, last=arguments.until)
    except StudyError as error:
        print(error)
        return 2
    except (RecordError, FileNotFoundError) as error:  # of stored results
        print(f"{error}; `git checkout -- results` restores what is committed")
        return 2


if __name__ == "__main__":
    sys.exit(main())
