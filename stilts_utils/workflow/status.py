"""What of a study would run, why, and how long it takes: `python -m stilts_utils.workflow.status studies/mini.yaml`.

Nothing is run and nothing is changed, but with `--harmless WHY`: that declares that the code which changed since the runs
changes none of their results, and they count as done again.
"""

import argparse
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from tabulate import tabulate

from stilts_utils import ROOT
from stilts_utils.models import hardware
from stilts_utils.study.study import Run, Study
from stilts_utils.study.validation import StudyError, require
from stilts_utils.tables import finished, harmless, identity, jobs, provenance

STORED = "STILTS_STORED"  # environment variable
SHOWN = 4  # reasons of a run that are printed


@dataclass(frozen=True)
class State:
    """A run, why it would run (nothing if it is up to date), and the seconds that it took or is likely to take.

    `measured`: whether it took them on this machine.
    """

    run: Run
    reasons: tuple[str, ...]
    seconds: float | None
    measured: bool = False

    @property
    def done(self) -> bool:
        return not self.reasons


def states(study: Study) -> list[State]:
    """Every run of a study, in its order. Seconds are those of its last time, else by the other runs' relative costs."""
    took = {run.key: _seconds(study.folder / run.key) for run in study.runs()}
    known = [(run.work, took[run.key]) for run in study.runs() if took[run.key] is not None]
    rate = sum(seconds for _, seconds in known) / sum(work for work, _ in known) if known else None
    return [
        State(run, _reasons(study, run), seconds, measured=True)
        if (seconds := took[run.key]) is not None
        else State(run, _reasons(study, run), rate and rate * run.work)
        for run in study.runs()
    ]


def recorded(study: Study, run: Run) -> dict:
    """What a finished run recorded of itself, here or in the stored results; nothing of one that has not ended."""
    about = finished.record(study.folder / run.key) if ended(study, run) else stored(study).get(run.key, {})
    return about if {"digest", "identity", "code", "files"} <= set(about) else {}


def stored(study: Study) -> dict[str, dict]:
    """Run -> what it recorded of itself, of the stored runs that are taken as done if they are up to date.

    Phase 1 is run on every machine, since it checks the encoder and the engines there. None if the environment says
    STILTS_STORED=0: then everything is run here.
    """
    if os.environ.get(STORED) == "0":
        return {}
    runs = provenance.stored_runs(ROOT / "results" / study.name)
    return {key: record for key, record in runs.items() if not key.startswith("1_pretrained/")}


def ended(study: Study, run: Run) -> bool:
    """Whether a run has ended, whatever is left of its tables."""
    return (study.folder / run.key / "notebook.ipynb").is_file()


def _reasons(study: Study, run: Run) -> tuple[str, ...]:
    record = recorded(study, run)
    if not record:
        return ("its tables are not whole" if ended(study, run) else "not run yet",)
    changes = identity.of_run(study, run.phase, run.given).changes(record["identity"])
    if record.get("layers", here := study.encoder_at(hardware.training_precision()).layers) != here:
        changes.append(f"layers, {record['layers'] or 'all'} there and {here or 'all'} with this machine's precision")
    if "code" not in changes:
        return tuple(changes)
    now, then = identity.files(study, f"notebooks/{run.phase}.ipynb"), record["files"]
    files = [f"code of {name}" for name in {**then, **now} if now.get(name) != then.get(name)]
    return (*files, *(name for name in changes if name != "code"))


def _seconds(folder: Path) -> float | None:
    """Seconds that a run took on this machine."""
    file = folder / "benchmark.tsv"
    measured = pd.read_csv(file, sep="\t") if file.is_file() else ()
    return None if jobs.TAKEN in measured or not len(measured) else float(measured.iloc[-1].s)


def report(study: Study) -> str:
    """What `make status` prints."""
    every = states(study)
    rows = [(state.run.key, why(state.reasons), _minutes([state])) for state in every if not state.done]
    done = len(every) - len(rows)
    lines = [f"{study.name}: {done} of {len(every)} runs are up to date"]
    if rows:
        lines += ["", tabulate(rows, ["would run", "because", "minutes"], disable_numparse=True), ""]
        lines.append(
            f"in all about {_minutes([state for state in every if not state.done])} minutes, one after another"
        )
        if any("code of" in reason for state in every for reason in state.reasons):
            lines.append(
                f'if a change of code changes no result: `make harmless STUDY={study.name} WHY="..."`, which is recorded'
            )
    for one in harmless.declared(study.folder):
        lines.append(f"declared harmless on {one['date']}: {one['root']}, {one['why']}")
    return "\n".join(lines)


def why(reasons: tuple[str, ...]) -> str:
    more = f" and {len(reasons) - SHOWN} more" if len(reasons) > SHOWN else ""
    return ", ".join(reasons[:SHOWN]) + more


def _minutes(every: Iterable[State]) -> str:
    seconds = [state.seconds for state in every]
    return "unknown" if None in seconds else f"{sum(seconds) / 60:.1f}"


def declare_harmless(study: Study, why: str) -> list[str]:
    """Declare that the code which changed since the study's runs changes none of their results.

    Returns the roots of the code. Raises StudyError if nothing changed, or if runs were made by different code.
    """
    from stilts_utils.training import provenance  # with torch, which the graph of runs does without

    then: dict[str, set[str]] = {}
    for run in study.runs():
        for root, digest in recorded(study, run).get("code", {}).items():
            then.setdefault(root, set()).add(digest)
    several = sorted(root for root, digests in then.items() if len(digests) > 1)
    require(not several, "code", several, "one for all runs; run the study, or take the change back")
    present = provenance.present()
    changes = [
        {"root": root, "now": now, "then": digest, "why": why, "date": present["date"], "commit": present["commit"]}
        for root, (digest,) in sorted(then.items())
        if (now := identity.code(study, root)) != digest and harmless.as_declared(study.folder, root, now) != digest
    ]
    require(bool(changes), "code", "as it was", "a change since the study's runs; see `make status`")
    harmless.declare(study.folder, changes)
    return [change["root"] for change in changes]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", help="a study file, such as studies/mini.yaml")
    parser.add_argument("--harmless", metavar="WHY", help="declare that changes of code change no result, and why")
    arguments = parser.parse_args()
    try:
        study = Study.load(arguments.study)
        if arguments.harmless is not None:
            require(bool(arguments.harmless.strip()), "WHY", arguments.harmless, "a reason, which is recorded")
            print("declared harmless: " + ", ".join(declare_harmless(study, arguments.harmless.strip())))
        print(report(study))
    except (StudyError, ValueError) as error:
        print(error)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
