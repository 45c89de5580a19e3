"""The live line of a study that runs: runs done of all, what is at work, and the time left, findings and book included."""

import contextlib
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from stilts_utils.study.study import Study
from stilts_utils.workflow import budget, status

STEPS = re.compile(r"(\d+) of (\d+) steps")
LOG = re.compile(r"^\s+log: ([^\s,]+)")  # a second one is the scheduler's own
JOB = re.compile(r"^\s+jobid: (\d+)")
FINISHED = re.compile(r"^Finished jobid: (\d+)")
COUNTED = re.compile(r"^(findings|book)\s+\d+\s*$")  # in Snakemake's list of what it will run
FINDINGS, BOOK = "5_findings", "book"
# What comes after the runs: its benchmark file in the study's folder, and its seconds on two cores where there is none yet.
LAST = {FINDINGS: ("5_findings/benchmark.tsv", 90.0), BOOK: ("book.tsv", 150.0)}
ALONE = (budget.CHECKED, budget.TIMED, FINDINGS, BOOK)  # nothing else goes on meanwhile
OVERDUE = 0.25  # of the time that a run has taken is still to come, at least: nobody knows when it ends


def last(study: Study) -> dict[str, float]:
    """Seconds that findings and book are likely to take: those of the last time here, if there was one."""
    taken = {}
    for name, (file, seconds) in LAST.items():
        path = study.folder / file
        taken[name] = float(pd.read_csv(path, sep="\t").s.iloc[-1]) if path.is_file() else seconds
    return taken


def expected(study: Study, keys: list[str] | None = None) -> dict[str, float]:
    """Seconds of every run that is to run, among some or all; where no run has ended here, by the plan for this machine."""
    states = status.states(study)
    wanted = {state.run.key for state in states if not state.done and (keys is None or state.run.key in keys)}
    if wanted:
        with contextlib.suppress(ValueError, OSError):  # the sizes of an encoder that is not here yet are unknown
            states = budget.estimated(study, states)
    rough = {state.run.key: state.run.work if state.seconds is None else state.seconds for state in states}
    return {key: seconds for key, seconds in rough.items() if key in wanted}


@dataclass
class Progress:
    """What of a study is done, at work and to come, by Snakemake's log.

    `waiting`: seconds of what is to come, by key; `last`: of findings and book, which wait if Snakemake's list has them.
    `slots`: how many runs go side by side. A phase of which a run has ended goes on at the pace of that run.
    """

    waiting: dict[str, float]
    last: dict[str, float] = field(default_factory=dict)
    slots: int = 1

    def __post_init__(self):
        self.done, self.total, self.at, self.began = 0, 0, "", time.monotonic()
        self.running: dict[str, tuple[str, float]] = {}  # job -> key, and since when
        self.ended: dict[str, list[tuple[float, float]]] = {}  # phase -> (seconds expected, seconds taken)

    def read(self, line: str) -> None:
        """Take in one line of Snakemake's log."""
        now = time.monotonic()
        if match := LOG.match(line):
            self.at = "/".join(Path(match[1]).parent.parts[2:]) if match[1].endswith(".ipynb") else BOOK
        elif match := JOB.match(line):
            self.running.setdefault(match[1], (self.at, now))  # an error repeats the number, before its log
        elif match := FINISHED.match(line):
            key, since = self.running.pop(match[1], ("", now))
            if key in self.waiting:
                self.ended.setdefault(_phase(key), []).append((self.waiting.pop(key), now - since))
        elif match := STEPS.search(line):
            self.done, self.total = int(match[1]), int(match[2])
        elif match := COUNTED.match(line):
            name = BOOK if match[1] == BOOK else FINDINGS
            self.waiting |= {name: self.last[name]} if name in self.last else {}

    def left(self) -> float:
        """Seconds until all has ended."""
        now, at_work = time.monotonic(), dict(self.running.values())
        alone, together = 0.0, [0.0]
        for key, seconds in self.waiting.items():
            taken = now - at_work.get(key, now)
            rest = max(seconds * self._pace(_phase(key)) - taken, OVERDUE * taken)
            if _phase(key) in ALONE:
                alone += rest
            else:
                together.append(rest)
        return alone + max(sum(together) / self.slots, *together, 0.0)

    def _pace(self, phase: str) -> float:
        ended = self.ended.get(phase, [])
        planned = sum(seconds for seconds, _ in ended)
        return sum(taken for _, taken in ended) / planned if planned else 1.0

    def line(self) -> str:
        elapsed = time.monotonic() - self.began
        of = f"{self.done} of {self.total}" if self.total else f"{self.done}"
        at = [key for key, _ in self.running.values()]
        more = f" and {len(at) - 2} more" if len(at) > 2 else ""
        left = f" | {_in_words(self.left())} left" if self.waiting else ""
        return f"runs done: {of} | {', '.join(at[:2]) + more or self.at or 'starting'} | {elapsed / 60:.1f} min{left}"


def _phase(key: str) -> str:
    return key.split("/")[0]


def _in_words(seconds: float) -> str:
    return f"about {seconds / 60:.0f} min" if seconds >= 60 else "less than a minute"
