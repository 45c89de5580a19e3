"""The cost of every executed notebook as a whole, from the benchmark files that Snakemake writes for it."""

from pathlib import Path

import pandas as pd

from stilts_utils.study.settings import cache_folder
from stilts_utils.tables import files, provenance, schema

TAKEN = "taken"  # column of the benchmark file of a run that was made on another day, maybe another machine
STORED = "stored"  # the phase of rows for files that belong to no notebook


def read(folder: Path | str) -> pd.DataFrame:
    """Rows of the table `jobs` below a folder: from its benchmark files, or from a stored table.

    A notebook that was run by hand leaves no benchmark, and then the frame is empty.
    """
    folder = Path(folder)
    rows, taken = [], []
    for path in sorted(path for run in provenance.run_folders(folder) for path in run.rglob("benchmark.tsv")):
        measured = pd.read_csv(path, sep="\t").iloc[-1]
        keys = {"phase": path.parts[-3], "run": path.parts[-2]}
        if TAKEN in measured.index:
            taken.append(keys | {"seconds": float(measured.s), "peak_mb": float(measured.max_rss), "disk_mb": 0.0})
            continue
        costs = {"seconds": float(measured.s), "peak_mb": float(measured.max_rss), "disk_mb": _megabytes(path.parent)}
        rows.append({**keys, "began": path.stat().st_mtime - costs["seconds"], **costs})
    if not rows and not taken and list(folder.rglob("jobs.parquet")):
        return files.read("jobs", folder)
    if rows or taken:
        first, until = min((row["began"] for row in rows), default=0.0), 0.0
        for row in taken:  # of other days or machines: they count one after another, before the others
            row["began"], until = until, until + row["seconds"]
        rows = taken + [{**row, "began": row["began"] - first + until} for row in rows]
        for name, place in (("checkpoints", folder / "checkpoints"), ("encoders", cache_folder())):
            nothing = {"began": 0.0, "seconds": 0.0, "peak_mb": 0.0}
            rows.append({"phase": STORED, "run": name, **nothing, "disk_mb": _megabytes(place)})
    return pd.DataFrame(rows, columns=list(schema.TABLES["jobs"].columns))


def write(job: pd.Series, folder: Path) -> None:
    """Write a row of the table as the benchmark file of a run's folder, from which `read` has it again."""
    rows = pd.DataFrame({"s": [job.seconds], "max_rss": [job.peak_mb], TAKEN: [1]})
    rows.to_csv(folder / "benchmark.tsv", sep="\t", index=False)


def elapsed(jobs: pd.DataFrame) -> float:
    """Seconds in which at least one notebook ran: runs side by side count once, breaks of a study do not count."""
    seconds, until = 0.0, float("-inf")
    for began, took in jobs.sort_values("began")[["began", "seconds"]].itertuples(index=False):
        seconds += max(0.0, began + took - max(began, until))
        until = max(until, began + took)
    return seconds


def peak_mb(jobs: pd.DataFrame) -> float:
    """Largest sum of the peaks of notebooks that ran at the same time: an upper bound on their memory at one time."""
    ends = jobs.began + jobs.seconds
    return max(jobs.peak_mb[(jobs.began <= began) & (began < ends)].sum() for began in jobs.began)


def _megabytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
