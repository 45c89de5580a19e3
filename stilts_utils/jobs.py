"""What every executed notebook cost as a whole, from the benchmark files that Snakemake writes beside it."""

from pathlib import Path

import pandas as pd

from stilts_utils import encoder, provenance, records

STORED = "stored"  # the phase of rows for what lies beside the notebooks


def read(folder: Path | str) -> pd.DataFrame:
    """Rows of the table `jobs` below a folder: of its benchmark files, else of a stored table.

    A notebook that was run by hand leaves no benchmark, and then the frame is empty.
    """
    folder = Path(folder)
    rows = []
    for path in sorted(path for run in provenance.run_folders(folder) for path in run.rglob("benchmark.tsv")):
        measured = pd.read_csv(path, sep="\t").iloc[-1]
        keys = {"phase": path.parts[-3], "run": path.parts[-2]}
        costs = {"seconds": float(measured.s), "peak_mb": float(measured.max_rss), "disk_mb": _megabytes(path.parent)}
        rows.append(keys | costs)
    if not rows and list(folder.rglob("jobs.parquet")):
        return records.read("jobs", folder)
    if rows:
        for name, place in (("checkpoints", folder / "checkpoints"), ("encoders", encoder.cache_folder())):
            rows.append({"phase": STORED, "run": name, "seconds": 0.0, "peak_mb": 0.0, "disk_mb": _megabytes(place)})
    return pd.DataFrame(rows, columns=list(records.TABLES["jobs"].columns))


def _megabytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
