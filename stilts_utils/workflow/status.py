"""What of a study would run, why, and how long it takes: `python -m stilts_utils.workflow.status studies/mini.yaml`.

Nothing is run and nothing is changed, but with `--harmless WHY`: that declares that the code which changed since the runs
changes none of their results, and they count as done again.
"""

import argparse
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from tabulate import tabulate

from stilts_utils.study.study import Run, Study
from stilts_utils.study.validation import StudyError, require
from stilts_utils.tables import harmless, identity, manifest
from stilts_utils.tables.errors import RecordError
from stilts_utils.tables.provenance import RUN

SHOWN = 4  # reasons of a run that are printed


@dataclass(frozen=True)
class State:
    """A run, why it would run (nothing if it is up to date), and the seconds that it took or is likely to take."""

    run: Run
    reasons: tuple[str, ...]
    seconds: float | None

    @property
    def done(self) -> bool:
        return not self.reasons


def states(study: Study) -> list[State]:
    """Every run of a study, in its order. Seconds are those of its last time, else by the other runs' relative costs."""
    took = {run.key: _seconds(study.folder / run.key) for run in study.runs()}
    known = [(run.work, took[run.key]) for run in study.runs() if took[run.key] is not None]
    rate = sum(seconds for _, seconds in known) / sum(work for work, _ in known) if known else None
    return [
        State(run, _reasons(study, run), took[run.key] if took[run.key] is not None else rate and rate * run.work)
        for run in study.runs()
    ]


def recorded(study: Study, run: Run) -> dict:
    """What a finished run recorded of itself; nothing of one that has not ended."""
    folder = study.folder / run.key
    if not ended(study, run):
        return {}
    try:
        manifest.check_runs([folder], "")
        about = json.loads((folder / "tables" / RUN).read_text(encoding="utf8"))
    except (FileNotFoundError, json.JSONDecodeError, RecordError):
        return {}
    return about if {"digest", "identity", "code", "files"} <= set(about) else {}


def ended(study: Study, run: Run) -> bool:
    """Whether a run has ended, whatever is left of its tables."""
    return (study.folder / run.key / "notebook.ipynb").is_file()


def _reasons(study: Study, run: Run) -> tuple[str, ...]:
    stored = recorded(study, run)
    if not stored:
        return ("its tables are not whole" if ended(study, run) else "not run yet",)
    changes = identity.of_run(study, run.phase, run.given).changes(stored["identity"])
    if "code" not in changes:
        return tuple(changes)
    now, then = identity.files(study, f"notebooks/{run.phase}.ipynb"), stored["files"]
    files = [f"code of {name}" for name in {**then, **now} if now.get(name) != then.get(name)]
    return (*files, *(name for name in changes if name != "code"))


def _seconds(folder: Path) -> float | None:
    file = folder / "benchmark.tsv"
    return float(pd.read_csv(file, sep="\t").iloc[-1].s) if file.is_file() else None


def report(study: Study) -> str:
    """What `make status` prints."""
    every = states(study)
    rows = [(state.run.key, _why(state.reasons), _minutes([state])) for state in every if not state.done]
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


def _why(reasons: tuple[str, ...]) -> str:
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
