"""Tables of a large study, generated, and the cost of reading, checking and summarising them.

`python -m benchmarks.tables <folder>` measures the tables below a folder in a process of its own, so that its
peak of memory is theirs.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from stilts_utils.analysis import bootstrap, quality
from stilts_utils.study.settings import CONTROL, PRETRAINED
from stilts_utils.tables import files
from stilts_utils.tasks import TASKS

DEPTH = 12


@dataclass(frozen=True)
class Size:
    """How large a generated study is: 10^6 scores as it stands, and as many items, of the first languages only."""

    languages: int = 50
    targets: int = 10
    durations: int = 10
    arms: int = 20  # the control is one of them
    seeds: int = 10
    item_languages: int = 5
    items: int = 10

    @property
    def runs(self) -> list[tuple[str, int, int]]:
        """(intermediate, duration, seed) of every run on targets."""
        names = [*(f"task{i:02}" for i in range(1, self.arms)), CONTROL]
        arms = [(PRETRAINED, 0), *product(names, range(1, self.durations + 1))]
        return [(*arm, seed) for arm, seed in product(arms, range(self.seeds))]

    @property
    def target_names(self) -> list[str]:
        able = [entry.name for entry in TASKS.values() if "target" in entry.roles and entry.trainable]
        return able[: self.targets]


def generate(size: Size, folder: Path) -> None:
    """Write the scores and items of every run below a folder, as runs lay them out: scores at random, items 0 or 1."""
    random = np.random.default_rng(0)
    targets = size.target_names
    metrics = [TASKS[name].metric for name in targets]
    for intermediate, duration, seed in size.runs:
        run = {"intermediate": intermediate, "duration": duration, "seed": seed, "layer": DEPTH}
        tables = folder / "3_target" / f"{intermediate}-{duration}-s{seed}" / "tables"
        scores = _rows(targets, metrics, size.languages, 1)
        scores = scores.assign(**run, score=random.uniform(0, 100, len(scores)), items=size.items)
        files.write("scores", scores.drop(columns="item"), tables)
        items = _rows(targets, metrics, size.item_languages, size.items)
        items = items.assign(**run, numerator=random.integers(0, 2, len(items)).astype(float), denominator=1.0)
        files.write("items", items, tables)


def _rows(targets: list[str], metrics: list[str], languages: int, items: int) -> pd.DataFrame:
    codes = [f"l{i:02}" for i in range(languages)]
    return pd.DataFrame(
        {
            "target": np.repeat(targets, languages * items),
            "metric": np.repeat(metrics, languages * items),
            "language": np.tile(np.repeat(codes, items), len(targets)),
            "item": np.tile([f"item{i}" for i in range(items)], len(targets) * languages),
        }
    )


def summarise(folder: Path) -> dict[str, pd.DataFrame]:
    """The part of `findings.analyse` on scores and items: read, checked, means of seeds, and every paired interval."""
    scores, items = (quality.primary_metric(files.read(name, folder)) for name in ("scores", "items"))
    return {
        "scores": scores,
        "items": items,
        "seeds": quality.seed_scores(scores),
        "quality": bootstrap.bootstrap_scores(items),
        **quality.changes(items, 0.95),
    }


def measure(folder: Path) -> dict:
    """Rows of both tables, seconds, and the peak resident size of this process in GB."""
    began = time.perf_counter()
    rows = {name: len(frame) for name, frame in summarise(folder).items()}
    seconds = time.perf_counter() - began
    return {"scores": rows["scores"], "items": rows["items"], "seconds": seconds, "gb": peak_gb()}


def peak_gb() -> float:
    """Peak resident size of this process.

    Linux counts the size of a parent into `ru_maxrss` of a process that it starts, but not into VmHWM.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024 / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e9


def line(size: Size | None = None) -> str:
    """One line: the cost of the tables of a large study, generated into a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        generate(size or Size(), Path(folder))
        command = [sys.executable, "-m", "benchmarks.tables", folder]
        cost = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return (
        f"{cost['scores']:,} score rows and {cost['items']:,} item rows read, checked and summarised: "
        f"{cost['seconds']:.1f} s, {cost['gb']:.1f} GB"
    )


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]))))
